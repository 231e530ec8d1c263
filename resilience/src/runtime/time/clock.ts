/**
 * Time as an argument. Whatever in this library has to know the time or wait for it is given a
 * `Clock`; the system's (`system-clock.ts`) in production, a virtual one (`./sim`) in tests and
 * simulation. There is one monotonic axis, on which everything is decided: setting a wall clock
 * back changes nothing here. The calendar only reads dates that others wrote.
 */
import { CallAbortedError } from "../../core/errors.ts";
import { checkMethods } from "../../core/options.ts";

/** A monotonic clock that can also be waited for. */
export interface Clock {
  /**
   * Milliseconds on one monotonic axis with an origin of its own; fractions allowed; never goes
   * back.
   */
  nowMs(): number;
  /**
   * Milliseconds since 1970, as the machine's calendar has it; may jump. Only for a `Retry-After`
   * that is a date, in an answer without a `Date` of its own: such a hint is not followed where a
   * clock has no calendar.
   */
  wallMs?(): number;
  /**
   * Runs `run` once when the clock has reached `atMs`, never before; at once (in a later task)
   * where it has passed. Runs of the same instant go in the order in which they were asked for.
   * Disposing cancels it. `subject` is handed to `run`, which can then be one function for all
   * calls instead of a closure for each.
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

/** Throws `ConfigurationError` where `clock`, an option of `part`, is something, but no clock. */
export function checkClock(part: string, clock: unknown): void {
  const what = "a Clock, which has nowMs, at and sleepUntil: systemClock, or a VirtualClock in tests";
  checkMethods(part, "clock", clock, ["nowMs", "at", "sleepUntil"], what);
}

/**
 * `Clock.sleepUntil` in terms of `Clock.at`: shared by every clock, leaves no listener and no timer
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
