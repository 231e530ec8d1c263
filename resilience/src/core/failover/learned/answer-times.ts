/**
 * How long a station takes to answer, learned from its answers: a histogram with buckets of 3 %
 * each, halved every 1,000 answers, so that the newest few thousand count most. It gives two
 * bounds:
 * - *Overdue*: an attempt that is out for longer than 99 of 100 answers took. One such attempt says
 *   nothing. Several, with none answered, show within a tenth of a second that the station is
 *   silent; a timeout that fits every endpoint needs a minute for that.
 * - *Hedge*: an attempt that is out for longer than 999 of 1,000 answers took is worth a second
 *   attempt at another station (Dean and Barroso, The Tail at Scale, 2013).
 *
 * When a station becomes permanently slower, the bounds follow with its first slow answers. They do
 * not distinguish endpoints; the time that one endpoint needs is kept with the source of calls
 * (`call-sources.ts`).
 */

/** Each bucket's upper edge is this many times its lower edge. */
const GROWTH = 1.03;
const LOG_GROWTH = Math.log(GROWTH);
/**
 * Upper edge of the lowest bucket in ms, and the number of buckets; they reach up to four hours.
 */
const LOWEST_MS = 0.1;
const BUCKETS = 640;
/** After this many answers all counts are halved. */
const HALVE_AFTER = 1_000;
/** There is no bound before this many answers. */
const MIN_ANSWERS = 20;
/** The bound is recomputed after this many answers. */
const REFRESH_AFTER = 32;
/** The mean covers about this many answers. */
const MEAN_OF = 64;
/**
 * A bound is `ratio` times its quantile, or `marginMs` more, whichever is later. The overdue bound
 * is tight, because being overdue has no cost by itself.
 */
const OVERDUE = { quantile: 0.99, ratio: 1.05, marginMs: 5 };
/** The hedge bound is wider, because a second attempt is work for a station. */
const HEDGE = { quantile: 0.999, ratio: 1.2, marginMs: 20 };

/**
 * Learns how long one station usually takes to answer, and when an attempt counts as overdue.
 *
 * @example
 * ```ts
 * import { AnswerTimes } from "ground-station-failover/core";
 *
 * const times = new AnswerTimes();
 * console.log(times.overdueAfterMs()); // Infinity
 * for (let answer = 0; answer < 100; answer++) times.add(20);
 * console.log(times.usualMs, times.overdueAfterMs() < 1_000); // 20 true
 * ```
 */
export class AnswerTimes {
  readonly #counts = new Uint16Array(BUCKETS);
  #total = 0;
  #sinceHalved = 0;
  #sinceRefreshed = REFRESH_AFTER;
  /** The highest bucket that may be non-empty. */
  #top = 0;
  #usualMs = 0;
  #meanMs = 0;
  #answers = 0;
  /** Answers in a row that took less than half of the usual time. */
  #quickInRow = 0;
  #overdueAfterMs: number = Number.POSITIVE_INFINITY;
  #hedgeAfterMs: number = Number.POSITIVE_INFINITY;

  /** An answer came after `tookMs`. */
  add(tookMs: number): void {
    const place = bucketOf(tookMs);
    (this.#counts[place] as number)++;
    if (place > this.#top) this.#top = place;
    this.#total++;
    this.#average(tookMs);
    this.#sinceRefreshed = tookMs > this.#overdueAfterMs ? REFRESH_AFTER : this.#sinceRefreshed + 1;
    if (++this.#sinceHalved >= HALVE_AFTER) this.#halve();
  }

  /**
   * The usual answer time in ms, smoothed by an eighth of each answer (as RFC 6298 smooths round
   * trips); 0 before the first answer.
   */
  get usualMs(): number {
    return this.#usualMs;
  }

  /** The mean of about the last 64 answer times in ms; 0 before the first answer. */
  get meanMs(): number {
    return this.#meanMs;
  }

  /** An attempt that is out for longer is overdue; `Infinity` until enough answers are known. */
  overdueAfterMs(): number {
    if (this.#sinceRefreshed >= REFRESH_AFTER) this.#refresh();
    return this.#overdueAfterMs;
  }

  /** As {@link overdueAfterMs}, but from any number of answers; 0 before the first. */
  get overdueAfterSoFarMs(): number {
    return this.#total === 0 ? 0 : this.#bound(OVERDUE);
  }

  /**
   * An attempt that is out for longer is worth a second one at another station; `Infinity` until
   * enough answers are known.
   */
  hedgeAfterMs(): number {
    if (this.#sinceRefreshed >= REFRESH_AFTER) this.#refresh();
    return this.#hedgeAfterMs;
  }

  /** Upper edge of the bucket that holds the quantile `q` (0 … 1); 0 before the first answer. */
  quantileMs(q: number): number {
    let left = this.#total * (1 - q);
    for (let at = this.#top; at >= 0; at--) {
      left -= this.#counts[at] as number;
      if (left < 0) return LOWEST_MS * GROWTH ** at;
    }
    return 0;
  }

  /** Forgets everything, because the station was restarted or replaced. */
  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#sinceHalved = 0;
    this.#sinceRefreshed = REFRESH_AFTER;
    this.#top = 0;
    this.#usualMs = 0;
    this.#meanMs = 0;
    this.#answers = 0;
  }

  #halve(): void {
    this.#sinceHalved = 0;
    this.#total = 0;
    const top = this.#top;
    this.#top = 0;
    for (let at = 0; at <= top; at++) {
      const half = (this.#counts[at] as number) >> 1;
      this.#counts[at] = half;
      this.#total += half;
      if (half > 0) this.#top = at;
    }
  }

  #average(tookMs: number): void {
    if (this.#answers < MEAN_OF) this.#answers++;
    this.#meanMs += (tookMs - this.#meanMs) / this.#answers;
    this.#quickInRow = tookMs < this.#usualMs / 2 ? this.#quickInRow + 1 : 0;
    // The usual time must fall quickly when a station is quick again, because calls are refused by
    // it.
    const share = this.#quickInRow > 1 ? 2 : 8;
    this.#usualMs = this.#usualMs === 0 ? tookMs : this.#usualMs + (tookMs - this.#usualMs) / share;
  }

  #refresh(): void {
    this.#sinceRefreshed = 0;
    const known = this.#total >= MIN_ANSWERS;
    this.#overdueAfterMs = known ? this.#bound(OVERDUE) : Number.POSITIVE_INFINITY;
    this.#hedgeAfterMs = known ? this.#bound(HEDGE) : Number.POSITIVE_INFINITY;
  }

  #bound({ quantile, ratio, marginMs }: typeof OVERDUE): number {
    const ms = this.quantileMs(quantile);
    return Math.max(ms * ratio, ms + marginMs);
  }
}

function bucketOf(ms: number): number {
  if (!(ms > LOWEST_MS)) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / LOWEST_MS) / LOG_GROWTH));
}
