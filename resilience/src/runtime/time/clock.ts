/**
 * Time as an argument. Every part of this library that needs the time, or waits, gets a `Clock`:
 * the system's (`system-clock.ts`) in production, a virtual one (`./sim`) in tests and simulation.
 * All decisions use one monotonic axis, so setting a wall clock back changes nothing. The calendar
 * is used only to read dates that others wrote.
 */
import { CallAbortedError } from "../../core/errors.ts";
import { checkMethods } from "../../core/options.ts";

/** A monotonic clock with timers. */
export interface Clock {
  /** Milliseconds on one monotonic axis with its own origin; fractions allowed; never goes back. */
  nowMs(): number;
  /**
   * Milliseconds since 1970 by the machine's calendar; may jump. Only for a `Retry-After` that is a
   * date, in an answer without a `Date` of its own. Without a calendar, such a hint is ignored.
   */
  wallMs?(): number;
  /**
   * Runs `run` once when the clock has reached `atMs`, never before; if that has passed, at once,
   * in a later task. Runs of the same instant go in the order of the requests. Disposing cancels
   * it. `subject` is passed to `run`, so that one function can serve all calls instead of a closure
   * for each.
   */
  at(atMs: number, run: () => void): Disposable;
  /** The same, with a `subject` for `run`. */
  at<Subject>(atMs: number, run: (subject: Subject) => void, subject: Subject): Disposable;
  /**
   * Resolves when the clock has reached `atMs`; rejects with {@link CallAbortedError} within a tick
   * of an abort.
   */
  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void>;
}

/** Throws `ConfigurationError` if `clock`, an option of `part`, is defined and no clock. */
export function checkClock(part: string, clock: unknown): void {
  const what = "a Clock, which has nowMs, at and sleepUntil: systemClock, or a VirtualClock in tests";
  checkMethods(part, "clock", clock, ["nowMs", "at", "sleepUntil"], what);
}

/**
 * `Clock.sleepUntil` by means of `Clock.at`: shared by all clocks; leaves no listener and no timer
 * behind.
 */
export function sleepOn(clock: Pick<Clock, "at">, atMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new CallAbortedError(signal.reason));
      return;
    }
    const abort = (): void => {
      timer[Symbol.dispose]();
      reject(new CallAbortedError(signal?.reason));
    };
    const timer = clock.at(atMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
