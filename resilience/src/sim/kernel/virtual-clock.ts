/**
 * A clock that moves only on command. Tests and simulations of time-dependent code run in
 * microseconds instead of minutes and always the same way: take the earliest wait, move time there,
 * run it, let every promise that this settled finish, then take the next. Time never moves while a
 * microtask is pending.
 */
import type { Clock } from "../../runtime/time/clock.ts";
import { sleepOn } from "../../runtime/time/clock.ts";
import { TimerQueue } from "../../runtime/time/timer-queue.ts";

/**
 * A clock for tests. Its time moves only when the test advances it.
 *
 * @example
 * ```ts
 * import { ResilientClient } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const client = new ResilientClient({ name: "north", timeoutMs: 60_000, clock });
 * const call = client.call(({ signal }) => clock.sleepUntil(Number.POSITIVE_INFINITY, signal));
 * const error = await clock.runUntilSettled(call).catch((reason: Error) => reason.name);
 * console.log(error, clock.nowMs(), clock.pending); // AttemptTimeoutError 60000 0
 * ```
 */
export class VirtualClock implements Clock {
  readonly #queue = new TimerQueue();
  #nowMs: number;

  /** `startMs`: where the axis begins; default 0. */
  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    return this.#queue.add(Math.max(atMs, this.#nowMs), run, subject as Subject);
  }

  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, atMs, signal);
  }

  /** How many waits are pending: zero means that nothing under test holds a timer. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Instant of the earliest pending wait; `Infinity` if there is none. */
  get nextAtMs(): number {
    return this.#queue.nextAtMs;
  }

  /**
   * Moves time forward by `ms`, running everything that falls due on the way, each at its own
   * instant.
   */
  advanceBy(ms: number): Promise<void> {
    return this.advanceTo(this.#nowMs + ms);
  }

  /**
   * Moves time forward to `atMs`, running everything that falls due on the way, each at its own
   * instant.
   */
  async advanceTo(atMs: number): Promise<void> {
    await settled();
    while (this.#queue.nextAtMs <= atMs && this.#queue.nextAtMs < Number.POSITIVE_INFINITY) {
      this.#step();
      await settled();
    }
    if (atMs > this.#nowMs && Number.isFinite(atMs)) this.#nowMs = atMs;
  }

  /**
   * Moves time until `promise` settles and returns its outcome; at most to `limitMs` (default: one
   * hour from now). At that limit, or when no wait is pending, it throws: a test that would hang
   * fails with a message instead.
   */
  async runUntilSettled<T>(promise: Promise<T>, limitMs: number = this.#nowMs + 3_600_000): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    await settled();
    while (!done) {
      if (this.#queue.nextAtMs > limitMs || this.#queue.nextAtMs === Number.POSITIVE_INFINITY) {
        throw new Error(`nothing settled by ${limitMs} ms (now ${this.#nowMs} ms, ${this.#queue.size} waits pending)`);
      }
      this.#step();
      await settled();
    }
    return promise;
  }

  #step(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#queue.nextAtMs);
    this.#queue.takeDue(this.#nowMs)?.run();
  }
}

/** Lets every pending microtask finish: a macrotask runs only after the last of them. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
