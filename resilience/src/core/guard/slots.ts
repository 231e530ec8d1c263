/**
 * Admission to a bounded number of slots, as a pure machine: which calls run, which wait, and which
 * is next. A slot that is given back goes to the first waiter in the same step. So a new call can
 * never take the slot of a call that was accepted before, and the number of running calls never
 * exceeds the limit. Waiters leave in FIFO order within a priority, higher priorities first. The
 * queue is bounded: if it is full, a waiter takes the place of the last one with the lowest
 * priority below its own, so that the least important is shed first. Any waiter can leave early in
 * O(1).
 */

import { invariant } from "../invariant.ts";
import { COUNT, checked, PRIORITY } from "../options.ts";

/**
 * An entry of the queue. Extend this class to wait for a slot; its links belong to {@link Slots}.
 *
 * @example
 * ```ts
 * import { Slots, Waiter } from "ground-station-failover/core";
 *
 * class Caller extends Waiter {
 *   override granted(): void {}
 * }
 * const slots = new Slots(1, 10);
 * slots.tryTake();
 * const [telemetry, command] = [new Caller(0), new Caller(5)];
 * console.log(slots.enqueue(telemetry), slots.enqueue(command)); // true true
 * console.log(slots.giveBack() === command); // true
 * ```
 */
export abstract class Waiter {
  /** Higher goes first. */
  readonly priority: number;
  /** @internal */
  level: Level | undefined = undefined;
  /** @internal */
  previous: Waiter | undefined = undefined;
  /** @internal */
  next: Waiter | undefined = undefined;

  constructor(priority: number) {
    this.priority = checked("Waiter", "priority", priority, PRIORITY);
  }

  /**
   * This waiter owns the slot from now on. The runtime calls this in the step in which the slot was
   * given back.
   */
  abstract granted(): void;

  /**
   * A waiter with a higher priority has taken this one's place in a full queue. Does nothing by
   * default.
   */
  displaced(): void {}
}

/** Slots taken and slots available; a copy, for status pages. */
export interface SlotsStatus {
  readonly running: number;
  readonly maxConcurrent: number;
  readonly waiting: number;
  readonly maxQueue: number;
}

interface Level {
  readonly priority: number;
  first: Waiter | undefined;
  last: Waiter | undefined;
}

/**
 * Maximum number of empty levels kept for the next waiter; others are removed, so that any number
 * of priorities costs no memory.
 */
const MOST_EMPTY_LEVELS = 8;

/**
 * A limited number of slots and a queue of limited length. A slot that is returned goes to the
 * first waiter.
 *
 * @example
 * ```ts
 * import { Slots, Waiter } from "ground-station-failover/core";
 *
 * class Caller extends Waiter {
 *   override granted(): void {}
 * }
 * const slots = new Slots(1, 10);
 * console.log(slots.tryTake(), slots.tryTake()); // true false
 * const waiter = new Caller(0);
 * slots.enqueue(waiter);
 * console.log(slots.giveBack() === waiter, slots.running); // true 1
 * ```
 */
export class Slots {
  maxConcurrent: number;
  maxQueue: number;
  #running = 0;
  #waiting = 0;
  /** Highest priority first. */
  readonly #levels: Level[] = [];

  constructor(maxConcurrent: number, maxQueue: number) {
    this.maxConcurrent = checked("Slots", "maxConcurrent", maxConcurrent, COUNT);
    this.maxQueue = checked("Slots", "maxQueue", maxQueue, { ...COUNT, min: 0 });
  }

  /**
   * Follows the limits of `other`. If more slots are taken than there are now, none is given until
   * enough have come back.
   */
  useSettingsOf({ maxConcurrent, maxQueue }: Slots): void {
    this.maxConcurrent = maxConcurrent;
    this.maxQueue = maxQueue;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get status(): SlotsStatus {
    return {
      running: this.#running,
      maxConcurrent: this.maxConcurrent,
      waiting: this.#waiting,
      maxQueue: this.maxQueue,
    };
  }

  /** Takes a slot if one is free. While calls wait, none is free. */
  tryTake(): boolean {
    if (this.#running >= this.maxConcurrent) return false;
    this.#running++;
    return true;
  }

  /**
   * Queues `waiter`; false if the queue is full and no waiter has a lower priority. One that has is
   * told that it is {@link Waiter.displaced}.
   */
  enqueue(waiter: Waiter): boolean {
    invariant(waiter.level === undefined, "a waiter stands in one queue, once");
    const isFull = this.#waiting >= this.maxQueue;
    const displaced = isFull ? this.#lastBelow(waiter.priority) : undefined;
    if (isFull && displaced === undefined) return false;
    if (displaced !== undefined) this.remove(displaced);
    this.#append(waiter);
    displaced?.displaced();
    return true;
  }

  /** The newest waiter of the lowest priority, if that is below `priority`. */
  #lastBelow(priority: number): Waiter | undefined {
    for (let place = this.#levels.length - 1; place >= 0; place--) {
      const level = this.#levels[place] as Level;
      if (level.priority >= priority) return undefined;
      if (level.last !== undefined) return level.last;
    }
    return undefined;
  }

  #append(waiter: Waiter): void {
    const level = this.#levelOf(waiter.priority);
    waiter.level = level;
    waiter.previous = level.last;
    if (level.last === undefined) level.first = waiter;
    else level.last.next = waiter;
    level.last = waiter;
    this.#waiting++;
  }

  /** Removes `waiter` from the queue; false if it is not in the queue. */
  remove(waiter: Waiter): boolean {
    const level = waiter.level;
    if (level === undefined) return false;
    if (waiter.previous === undefined) level.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) level.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.level = undefined;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.#waiting--;
    if (level.first === undefined && this.#levels.length > MOST_EMPTY_LEVELS) {
      this.#levels.splice(this.#levels.indexOf(level), 1);
    }
    return true;
  }

  /**
   * The first waiter, if there is a slot for it, which it owns from now on: after the limit was
   * raised. Undefined if nobody waits, or no slot is free.
   */
  takeForWaiter(): Waiter | undefined {
    if (this.#waiting === 0 || this.#running >= this.maxConcurrent) return undefined;
    this.#running++;
    return this.#takeFirst();
  }

  /** Gives a slot back if no call waits for it. Returns false, and does nothing, if one waits. */
  release(): boolean {
    invariant(this.#running > 0, "a slot that is given back was taken");
    if (this.#waiting > 0 && this.#running <= this.maxConcurrent) return false;
    this.#running--;
    return true;
  }

  /**
   * Gives a slot back. Returns the waiter that owns it from now on; undefined if the slot is free.
   */
  giveBack(): Waiter | undefined {
    return this.release() ? undefined : this.#takeFirst();
  }

  #takeFirst(): Waiter | undefined {
    const waiter = this.#levels.find((level) => level.first !== undefined)?.first;
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }

  #levelOf(priority: number): Level {
    let place = 0;
    for (; place < this.#levels.length; place++) {
      const level = this.#levels[place] as Level;
      if (level.priority === priority) return level;
      if (level.priority < priority) break;
    }
    const made: Level = { priority, first: undefined, last: undefined };
    this.#levels.splice(place, 0, made);
    return made;
  }
}
