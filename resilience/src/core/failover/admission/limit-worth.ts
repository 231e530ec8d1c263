/**
 * Decides whether a limit that was set because answers take long is worth its cost. An overloaded
 * station finishes as many calls a second when it is given fewer at once, and each of them sooner.
 * A station that is slow for another reason, such as its database, finishes fewer in proportion:
 * the limit then only refuses calls that would have been served.
 *
 * The decision compares what the station finishes below the limit with what it finished before. It
 * is a sequential test of "as many" against "half as many" (Wald, 1945), which needs about sixteen
 * calls at any rate. The test starts after the earlier calls are done: most stations work on them
 * although their callers have hung up.
 */

/**
 * Below a limit in vain, the station finishes this share of what it did before, or less. Below a
 * useful limit, it finishes as much.
 */
const IN_VAIN_SHARE = 0.5;
/**
 * Chances of a wrong verdict: giving up a limit that was needed, one in fifty; keeping one in vain,
 * one in twenty.
 */
const IN_VAIN_FROM = Math.log(50);
const WORTH_FROM = -Math.log(20);
/** The earlier calls are done after this many times the time that they take at the earlier rate. */
const CLEARED = 1.2;
const LOG_SHARE = Math.log(IN_VAIN_SHARE);

export class LimitWorth {
  readonly #beforePerMs: number;
  readonly #setMs: number;
  readonly #given: number;
  #fromMs: number = Number.POSITIVE_INFINITY;
  #finished = 0;

  /**
   * `beforePerMs`: calls a ms that were finished before the limit was set at `nowMs`. `given`:
   * calls that were out then, including those whose callers had hung up.
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
   * `isFilled`: the limit alone holds calls back, and the calls that were out before it have ended.
   * `left`: callers who hung up since. Undefined while there is no verdict.
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
