/**
 * The system's monotonic clock: the only file of the library that uses timers, `performance` and
 * the calendar. All waits share a single `setTimeout`, set for the earliest instant. When the last
 * wait is cancelled, the timer is not cleared at once, because a busy client empties and refills
 * the queue at every call. Instead, one `setImmediate` per turn of the event loop checks whether
 * the queue is still empty and then clears the timer, so an idle process holds no timer and can
 * exit.
 *
 * The runs belong to no request. Otherwise the shared timer would give each of them the async
 * context (AsyncLocalStorage: deadline, trace, tenant) of the call that happened to set it.
 */
import { AsyncResource } from "node:async_hooks";
import type { Clock } from "./clock.ts";
import { sleepOn } from "./clock.ts";
import { TimerQueue } from "./timer-queue.ts";

/** Read once, because the global of this name is a getter. */
const { performance } = globalThis;

/** The maximum wait of `setTimeout`; longer waits take several steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Offset of the axis. `performance.now()` returns a whole number of nanoseconds. With an offset of
 * slightly less than a quarter of a microsecond, no instant is a whole number of milliseconds. So a
 * whole number that is passed as a deadline is recognised as a duration.
 */
const OFFSET_MS = 2 ** -12;

class SystemClock implements Clock {
  readonly #nobody: AsyncResource = new AsyncResource("SystemClock");
  readonly #queue: TimerQueue = new TimerQueue(() => this.#lookLater());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #lookPending = false;
  readonly #fire = (): void => this.#nobody.runInAsyncScope(this.#runDue, this);
  readonly #look = (): void => {
    this.#lookPending = false;
    if (this.#queue.size === 0) this.#disarm();
  };

  nowMs(): number {
    return performance.now() + OFFSET_MS;
  }

  wallMs(): number {
    return Date.now();
  }

  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    const entry = this.#queue.add(atMs, run, subject as Subject);
    if (atMs < this.#armedForMs) this.#arm(atMs);
    return entry;
  }

  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, atMs, signal);
  }

  #arm(atMs: number): void {
    this.#disarm();
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#armedForMs = atMs;
    // Rounded up, because Node cuts fractions off; so it is never early.
    this.#timer = setTimeout(this.#fire, Math.min(Math.max(1, Math.ceil(atMs - this.nowMs())), LONGEST_TIMER_MS));
  }

  #disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  #runDue(): void {
    this.#timer = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const nowMs = this.nowMs();
    try {
      // At most as many runs as were waiting when the timer fired: a run that schedules itself in
      // the past cannot block the event loop.
      for (let left = this.#queue.size; left > 0; left--) {
        const due = this.#queue.takeDue(nowMs);
        if (due === undefined) break;
        due.run();
      }
    } finally {
      if (this.#queue.nextAtMs < this.#armedForMs) this.#arm(this.#queue.nextAtMs);
    }
  }

  #lookLater(): void {
    if (this.#lookPending || this.#timer === undefined) return;
    this.#lookPending = true;
    setImmediate(this.#look);
  }
}

/**
 * The system's monotonic clock. Every part of this library uses it unless you pass another clock.
 *
 * @example
 * ```ts
 * import { systemClock } from "ground-station-failover";
 *
 * const startedMs = systemClock.nowMs();
 * await systemClock.sleepUntil(startedMs + 10);
 * console.log(systemClock.nowMs() >= startedMs + 10); // true
 * ```
 */
export const systemClock: Clock = new SystemClock();

/** May instants of `clock` be whole numbers? Those of the system's clock may not. */
export function hasWholeInstants(clock: Clock): boolean {
  return clock !== systemClock;
}
