/**
 * Checks whether a station finishes more calls when it is given more. While its limit grows and its
 * answer time at leisure is unknown, this is the only sign of its capacity before callers hang up.
 * A full station finishes no more calls a second and only takes longer over each. BBR ends its
 * start-up by the same sign (Cardwell et al., 2016).
 */

/** Each measurement needs this many calls: with fewer, chance changes a rate by more than half. */
const LEAST_FINISHED = 8;
/**
 * The station does more if its rate is this many times the previous one. This is expected only if
 * its limit has also grown by this factor.
 */
const MORE = 1.25;
/** The station is full if it was given more this many times and did no more. */
const FLAT = 2;

export class Filling {
  #finished = 0;
  #fromMs: number;
  #bestPerMs = 0;
  #limitAtBest = 0;
  #flat = 0;

  /** The limit is set at `nowMs` and grows from then on. */
  constructor(nowMs: number) {
    this.#fromMs = nowMs;
  }

  /**
   * A round trip ended at `nowMs`, with `finished` calls; calls wait for the limit. Returns the
   * limit at which the station did most, once more has proved useless; undefined before that.
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
