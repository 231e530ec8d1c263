/**
 * Does a station do more when it is given more? While its limit grows and nobody knows how long it
 * takes at leisure, that is the one sign of how much it can take that comes before its callers
 * leave: once it is full, it finishes no more calls a second, and only takes longer over each. BBR
 * ends its start-up by the same sign (Cardwell et al., 2016).
 */

/** It is measured by so many calls each time: with fewer, chance moves a rate by more than half. */
const LEAST_FINISHED = 8;
/**
 * It does more if it finishes so many times as many a second as before. Given less than so many
 * times as much, it need not.
 */
const MORE = 1.25;
/** It is full if it was given more so many times and did no more. */
const FLAT = 2;

export class Filling {
  #finished = 0;
  #fromMs: number;
  #bestPerMs = 0;
  #limitAtBest = 0;
  #flat = 0;

  /** A limit is set at `nowMs`, and grows from here on. */
  constructor(nowMs: number) {
    this.#fromMs = nowMs;
  }

  /**
   * A round trip is over at `nowMs`, in which `finished` calls were; calls wait for its limit.
   * Returns the limit with which it did the most, once it has turned out that more is of no use;
   * undefined before that.
   */
  fullAt(finished: number, limit: number, nowMs: number): number | undefined {
    this.#finished += finished;
    if (this.#finished < LEAST_FINISHED) return undefined;
    const perMs = this.#finished / (nowMs - this.#fromMs);
    this.#finished = 0;
    this.#fromMs = nowMs;
    if (perMs > MORE * this.#bestPerMs) {
      this.#bestPerMs = perMs;
      this.#limitAtBest = limit;
      this.#flat = 0;
    } else if (limit >= MORE * this.#limitAtBest) this.#flat++;
    return this.#flat >= FLAT ? this.#limitAtBest : undefined;
  }
}
