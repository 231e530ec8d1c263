/**
 * Is a limit that was set because answers take long worth what it costs? A station that has more to
 * do than it can finishes as many calls a second when it is given fewer at once, and each of them
 * sooner. One that is slow for another reason, such as the database behind it, finishes fewer in
 * proportion: there the limit only refuses what would have been served.
 *
 * It is told by what the station finishes below the limit, beside what it finished before: a
 * sequential test of "as many" against "half as many" (Wald, 1945), which needs about sixteen
 * calls, whatever their rate. What it was given before comes first: most stations work on it
 * although its callers have left.
 */

/**
 * Below a limit in vain it finishes this share of what it did before, or less; below one that is
 * worth it, as much.
 */
const IN_VAIN_SHARE = 0.5;
/**
 * Chances of a wrong verdict: a limit given up that was needed is one in fifty, the other way one
 * in twenty.
 */
const IN_VAIN_FROM = Math.log(50);
const WORTH_FROM = -Math.log(20);
/**
 * It has worked off what it was given in so many times the time that it takes at the rate of
 * before.
 */
const CLEARED = 1.2;
const LOG_SHARE = Math.log(IN_VAIN_SHARE);

export class LimitWorth {
  readonly #beforePerMs: number;
  readonly #setMs: number;
  readonly #given: number;
  #fromMs: number = Number.POSITIVE_INFINITY;
  #finished = 0;

  /**
   * So many calls a ms were finished before the limit was set at `nowMs`, and so many were out
   * then, also such whose callers had left.
   */
  constructor(beforePerMs: number, given: number, nowMs: number) {
    this.#beforePerMs = beforePerMs;
    this.#given = given;
    this.#setMs = nowMs;
  }

  noteFinished(): void {
    this.#finished++;
  }

  /**
   * `isFilled`: the limit alone holds calls back, and what was out before it has ended; `left`:
   * callers who left since. Undefined while it is open.
   */
  verdict(isFilled: boolean, left: number, nowMs: number): "worth it" | "in vain" | undefined {
    if (nowMs < this.#setMs + (CLEARED * (this.#given + left)) / this.#beforePerMs) return undefined;
    if (!isFilled || this.#fromMs === Number.POSITIVE_INFINITY) {
      this.#fromMs = isFilled ? nowMs : Number.POSITIVE_INFINITY;
      this.#finished = 0;
      return undefined;
    }
    const expected = this.#beforePerMs * (nowMs - this.#fromMs);
    const likelihood = this.#finished * LOG_SHARE + (1 - IN_VAIN_SHARE) * expected;
    if (likelihood >= IN_VAIN_FROM) return "in vain";
    return likelihood <= WORTH_FROM ? "worth it" : undefined;
  }
}
