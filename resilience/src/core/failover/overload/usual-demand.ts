/**
 * Tells whether more calls come than usual. A station whose answers take ever longer has too many
 * calls, or has become slower; from its answers alone, the two look the same. The demand tells them
 * apart: if no more calls come than while the station was quick, it has become slower, and another
 * station may take what it cannot. The usual demand is the greatest one that it was quick at, and
 * halves in ten minutes.
 */

/**
 * Calls are counted over this window. The demand of a window counts as usual if the station was
 * still quick a window later: a queue takes time to build up.
 */
const WINDOW_MS = 1_000;
/** More is this many times the usual demand, … */
const MORE = 1.2;
/** … and this many times the root of the expected calls beyond that: calls come by chance. */
const CHANCE = 2;
const HALVED_MS = 600_000;

export class UsualDemand {
  #fromMs: number = Number.NEGATIVE_INFINITY;
  #count = 0;
  /** Calls in the window before, and how long that was. */
  #before = { count: 0, overMs: WINDOW_MS };
  #usualPerMs = 0;

  /** A call came. True if a window is over: call {@link endWindow} then. */
  noteOffered(nowMs: number): boolean {
    this.#count++;
    return nowMs >= this.#fromMs + WINDOW_MS;
  }

  /** `isQuick`: the active station answers about as quickly as at leisure, and has no limit. */
  endWindow(isQuick: boolean, nowMs: number): void {
    const overMs = nowMs - this.#fromMs;
    const { count, overMs: beforeMs } = this.#before;
    this.#usualPerMs *= 0.5 ** (overMs / HALVED_MS);
    if (isQuick) this.#usualPerMs = Math.max(this.#usualPerMs, count / beforeMs);
    this.#before = { count: this.#count, overMs };
    this.#count = 0;
    this.#fromMs = nowMs;
  }

  /** Do clearly more calls come than usual? True if the usual demand is unknown. */
  get isMore(): boolean {
    if (this.#usualPerMs === 0) return true;
    const { count, overMs } = this.#before;
    return this.#isAbove(count, overMs) || this.#isAbove(this.#count, WINDOW_MS);
  }

  #isAbove(count: number, overMs: number): boolean {
    const usual = this.#usualPerMs * overMs;
    return count > MORE * usual + CHANCE * Math.sqrt(usual);
  }
}
