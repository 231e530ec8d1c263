/**
 * The bulkhead: a bounded number of calls at once, and a bounded queue of callers who wait for a
 * bounded time. A saturated downstream then delays only its own callers. A slot is held until the
 * work has really settled, even if its caller has stopped waiting: a limit of two that runs ten
 * after timeouts limits nothing. It does not protect from work that never settles, which keeps its
 * slot for ever (make such work observe its signal).
 *
 * Name and idea: Nygard, Release It!, ch. 5 ("Bulkheads").
 */

import { brand } from "../../core/brand.ts";
import type { Deadline } from "../../core/deadline.ts";
import { checkedDeadline, NO_DEADLINE, tooLate } from "../../core/deadline.ts";
import { BulkheadFullError, BulkheadTimeoutError, CallAbortedError } from "../../core/errors.ts";
import { Slots, type SlotsStatus, Waiter } from "../../core/guard/slots.ts";
import {
  COUNT,
  checked,
  checkName,
  checkNames,
  checkSignal,
  type Names,
  noOperation,
  PRIORITY,
  WAIT_MS,
} from "../../core/options.ts";
import { guarded } from "../listeners.ts";
import { ambientDeadline, runUnder } from "../time/ambient-deadline.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import { hasWholeInstants, systemClock } from "../time/system-clock.ts";
import type { AttemptEnd } from "./attempt.ts";

/** Options of a bulkhead. */
export interface BulkheadOptions {
  /**
   * How many operations may run at once; a whole number from 1, below 2^31. No default: only you
   * know the right size.
   */
  readonly maxConcurrent: number;
  /**
   * How long a caller may wait for a slot. In ms, from 0 (not at all); `Infinity` for no limit.
   * Default 0: an immediate refusal lets the caller react at once.
   */
  readonly acquireTimeoutMs?: number | undefined;
  /**
   * How many callers may wait; a whole number from 0, below 2^31. Default as many as may run, or 0
   * if callers may not wait: with one full round in front of it, the last caller waits about as
   * long as a call takes.
   */
  readonly maxQueue?: number | undefined;
  /** Its name in errors; a text that is not empty. Default "bulkhead". */
  readonly name?: string | undefined;
  /**
   * The clock that it reads. Default: the system's monotonic clock, which changes of the calendar
   * do not affect.
   */
  readonly clock?: Clock | undefined;
}

/**
 * Three classes of calls, for `priority`: under load, telemetry is shed first and emergencies last.
 * A call without a priority is a command.
 */
export const PRIORITIES: { readonly emergency: 10; readonly command: 0; readonly telemetry: -10 } = {
  emergency: 10,
  command: 0,
  telemetry: -10,
};

/** Options of one call through a bulkhead. */
export interface BulkheadCallOptions {
  /**
   * An abort takes effect at once: a waiting caller leaves the queue; later, `operation` can
   * observe this signal. Default: none, and the call cannot be aborted.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Higher goes first, and takes the place of a lower one in a full queue; any number but NaN.
   * Default 0: all callers are equal. {@link PRIORITIES} has three classes.
   */
  readonly priority?: number | undefined;
  /**
   * The call is neither started nor waited for after this instant. Default: the ambient deadline,
   * if any. A given deadline replaces it.
   */
  readonly deadline?: Deadline | undefined;
}

const NAMES: Names<BulkheadOptions> = {
  maxConcurrent: true,
  acquireTimeoutMs: true,
  maxQueue: true,
  name: true,
  clock: true,
};
const CALL_NAMES: Names<BulkheadCallOptions> = { signal: true, priority: true, deadline: true };

/**
 * Limits how many calls run at once, how many wait, and how long they wait.
 *
 * @example
 * ```ts
 * import { Bulkhead } from "ground-station-failover";
 *
 * const bulkhead = new Bulkhead({ maxConcurrent: 2, acquireTimeoutMs: 1_000 });
 * const work = async (name: string) => `${name} done, ${bulkhead.running} running`;
 * const calls = ["one", "two", "three"].map((name) => bulkhead.execute(() => work(name)));
 * console.log(bulkhead.running, bulkhead.waiting); // 2 1
 * console.log((await Promise.all(calls)).length); // 3
 * ```
 */
export class Bulkhead {
  static {
    brand(Bulkhead, "Bulkhead");
  }

  readonly name: string;
  acquireTimeoutMs: number;
  readonly clock: Clock;
  /** @internal The admission machine, for clients and failovers. */
  readonly slots: Slots;
  /** @internal When a caller last left the queue because no slot came free in time. */
  queueTimedOutAtMs: number = Number.NEGATIVE_INFINITY;
  /** Slots given back and not yet passed on. */
  #returning = 0;

  constructor(options: BulkheadOptions) {
    checkNames("Bulkhead", options, NAMES);
    this.name = options.name ?? "bulkhead";
    checkName("Bulkhead", "name", this.name);
    checkClock("Bulkhead", options.clock);
    this.clock = options.clock ?? systemClock;
    const maxConcurrent = checked("Bulkhead", "maxConcurrent", options.maxConcurrent, COUNT);
    this.acquireTimeoutMs = checked("Bulkhead", "acquireTimeoutMs", options.acquireTimeoutMs ?? 0, WAIT_MS);
    const mayWait = this.acquireTimeoutMs > 0 ? maxConcurrent : 0;
    const maxQueue = checked("Bulkhead", "maxQueue", options.maxQueue ?? mayWait, { ...COUNT, min: 0 });
    this.slots = new Slots(maxConcurrent, this.acquireTimeoutMs > 0 ? maxQueue : 0);
  }

  /** @internal Follows the limits of `other` from now on; calls that hold a slot keep it. */
  useSettingsOf(other: Bulkhead): void {
    this.slots.useSettingsOf(other.slots);
    this.acquireTimeoutMs = other.acquireTimeoutMs;
  }

  /** Calls that hold a slot. */
  get running(): number {
    return this.slots.running;
  }

  /** Calls that wait for a slot. */
  get waiting(): number {
    return this.slots.waiting;
  }

  /** Slots taken and available, and the number of waiting calls: for status pages. */
  get status(): SlotsStatus {
    return this.slots.status;
  }

  /**
   * @internal Gives a slot back. If a call waits, it owns the slot before this returns. Such a
   * waiter may give the slot back at once (if its circuit is open) while this still runs. So slots
   * are passed on in a loop and not recursively: a hundred thousand nested calls would overflow the
   * stack.
   */
  leave(): void {
    if (this.#returning++ > 0) return;
    do {
      const next = this.slots.giveBack();
      if (next !== undefined) handOver(next);
    } while (--this.#returning > 0);
  }

  /** @internal From now on so many may run; those that wait get the slots that are new. */
  resize(maxConcurrent: number): void {
    this.slots.maxConcurrent = maxConcurrent;
    for (let next = this.slots.takeForWaiter(); next !== undefined; next = this.slots.takeForWaiter()) handOver(next);
  }

  /** @internal Does it want to be told how attempts end? */
  get learns(): boolean {
    return false;
  }

  /** @internal An attempt in one of its slots, which had `timeoutMs`, has ended. */
  noteAttempt(_end: AttemptEnd, _timeoutMs: number): void {}

  /**
   * Runs `operation` in a slot. Rejects with {@link BulkheadFullError} if the queue is full,
   * {@link BulkheadTimeoutError} if no slot became free in time, {@link CallAbortedError} on an
   * abort, and {@link DeadlineExceededError} if the deadline passed before it could start.
   */
  async execute<T>(operation: (signal?: AbortSignal) => PromiseLike<T> | T, options?: BulkheadCallOptions): Promise<T> {
    if (typeof operation !== "function") throw noOperation(this.name, operation);
    if (options !== undefined) checkNames(this.name, options, CALL_NAMES);
    const signal = options?.signal;
    if (signal !== undefined) checkSignal(this.name, signal);
    const priority = checked("Bulkhead", "priority", options?.priority ?? 0, PRIORITY);
    const nowMs = this.clock.nowMs();
    const deadline =
      options?.deadline === undefined
        ? ambientDeadline()
        : checkedDeadline(options.deadline, nowMs, hasWholeInstants(this.clock));
    if (signal?.aborted === true) throw new CallAbortedError(signal.reason);
    const late = tooLate(this.name, deadline, 0, nowMs);
    if (late !== undefined) throw late;
    if (!this.slots.tryTake()) {
      await new Promise<void>((resolve, reject) => {
        new QueuedCaller(this, priority, signal, deadline, resolve, reject).join();
      });
      // The slot was granted, but an abort or the deadline may have come before this microtask: the
      // slot is passed on unused.
      const refusal = this.#refusalNow(signal, deadline);
      if (refusal !== undefined) {
        this.leave();
        throw refusal;
      }
    }
    // The deadline is later than the ambient one only if it was given; the operation's calls are
    // then under it, too.
    const outlivesAmbient = ambientDeadline() < deadline;
    return this.#run(outlivesAmbient ? (heeded) => runUnder(deadline, () => operation(heeded)) : operation, signal);
  }

  #refusalNow(signal: AbortSignal | undefined, deadline: Deadline): Error | undefined {
    if (signal?.aborted === true) return new CallAbortedError(signal.reason);
    return tooLate(this.name, deadline, 0, this.clock.nowMs());
  }

  /** The slot comes back when the work settles; a caller that aborts does not wait for that. */
  #run<T>(operation: (signal?: AbortSignal) => PromiseLike<T> | T, signal: AbortSignal | undefined): Promise<T> {
    const work = this.#settle(operation, signal);
    if (signal === undefined) return work;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new CallAbortedError(signal.reason));
      const done = (): void => signal.removeEventListener("abort", abort);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      work.then(resolve, reject).then(done);
    });
  }

  async #settle<T>(
    operation: (signal?: AbortSignal) => PromiseLike<T> | T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      return await operation(signal);
    } finally {
      this.leave();
    }
  }

  /**
   * @internal A place in the queue for `owner`; undefined if the queue is full.
   */
  enqueue(owner: SlotOwner, priority: number): Waiter | undefined {
    const waiter = new WaiterFor(owner, priority);
    return this.slots.enqueue(waiter) ? waiter : undefined;
  }

  /** @internal The refusal for a full queue, with its numbers. */
  fullError(): BulkheadFullError {
    const { maxConcurrent, maxQueue } = this.slots;
    return new BulkheadFullError(
      `${this.name} is full: ${maxConcurrent} running, ${this.slots.waiting} of at most ${maxQueue} waiting`,
    );
  }

  /** @internal The refusal of a waiter that something more important has displaced. */
  displacedError(): BulkheadFullError {
    return new BulkheadFullError(`${this.name} is full, and a call with a higher priority took this one's place`);
  }

  /**
   * @internal The refusal of a wait that took too long, with its numbers. Records that a caller
   * timed out, unless this process was paused meanwhile (not `isFair`): slots may have been free
   * without being noticed.
   */
  timeoutError(nowMs: number, isFair: boolean): BulkheadTimeoutError {
    if (isFair) this.queueTimedOutAtMs = nowMs;
    return new BulkheadTimeoutError(
      `${this.name}: no slot came free within ${this.acquireTimeoutMs} ms (${this.slots.maxConcurrent} running)`,
    );
  }
}

/** What waits for a slot: it gets one, or its place is taken by something more important. */
interface SlotOwner {
  granted(): void;
  displaced(): void;
}

class WaiterFor extends Waiter {
  readonly #owner: SlotOwner;

  constructor(owner: SlotOwner, priority: number) {
    super(priority);
    this.#owner = owner;
  }

  override granted(): void {
    this.#owner.granted();
  }

  override displaced(): void {
    this.#owner.displaced();
  }
}

function handOver(next: Waiter): void {
  guarded(() => next.granted());
}

/** A caller of {@link Bulkhead.execute} that has to wait. */
class QueuedCaller extends Waiter {
  readonly #bulkhead: Bulkhead;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: Deadline;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #timer: Disposable | undefined;
  readonly #abort = (): void => this.#leaveWith(new CallAbortedError(this.#signal?.reason));

  constructor(
    bulkhead: Bulkhead,
    priority: number,
    signal: AbortSignal | undefined,
    deadline: Deadline,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    super(priority);
    this.#bulkhead = bulkhead;
    this.#signal = signal;
    this.#deadline = deadline;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  join(): void {
    const { clock, slots, acquireTimeoutMs } = this.#bulkhead;
    if (!slots.enqueue(this)) return this.#reject(this.#bulkhead.fullError());
    if (Math.min(acquireTimeoutMs, this.#deadline) < NO_DEADLINE) {
      this.#timer = afterWait(clock, acquireTimeoutMs, (isFair) => this.#giveUp(isFair), this.#deadline);
    }
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
  }

  override granted(): void {
    this.#stopWaiting();
    this.#resolve();
  }

  override displaced(): void {
    this.#stopWaiting();
    this.#reject(this.#bulkhead.displacedError());
  }

  #giveUp(isFair: boolean): void {
    const { clock, name } = this.#bulkhead;
    const nowMs = clock.nowMs();
    this.#leaveWith(tooLate(name, this.#deadline, 0, nowMs) ?? this.#bulkhead.timeoutError(nowMs, isFair));
  }

  #leaveWith(error: Error): void {
    if (!this.#bulkhead.slots.remove(this)) return;
    this.#stopWaiting();
    this.#reject(error);
  }

  #stopWaiting(): void {
    this.#timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}
