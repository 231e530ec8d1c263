/**
 * When a second attempt is worth its work: once the first one takes longer than nearly all answers
 * did (Dean and Barroso, "The Tail at Scale", 2013: after the 95th percentile it costs about 5 %
 * more load). Learned from the latest answers; a pure machine that is told how long each one took.
 */
import { COUNT, checked, checkNames, type Names } from "../options.ts";

/** Options of a learned delay. */
export interface HedgeDelayOptions {
  /**
   * The share of answers that come before a hedge is sent; above 0, below 1. Default 0.95: about
   * one call in twenty is hedged.
   */
  readonly quantile?: number | undefined;
  /**
   * Shortest delay. In ms, from 0. Default 1: below it the clock's resolution decides and not the
   * service.
   */
  readonly minDelayMs?: number | undefined;
  /** Answers without which nothing is hedged; a whole number from 1. Default 20. */
  readonly minSamples?: number | undefined;
}

const HEDGE_DELAY_NAMES: Names<HedgeDelayOptions> = { quantile: true, minDelayMs: true, minSamples: true };

/** The latest answers that count. */
const WINDOW = 256;
/** The delay is computed anew after so many answers. */
const REFRESH_AFTER = 16;

/**
 * Learns after what time a call is later than nearly all others.
 *
 * @example
 * ```ts
 * import { HedgeDelay } from "ground-station-failover/core";
 *
 * const delay = new HedgeDelay({ quantile: 0.9, minSamples: 10 });
 * console.log(delay.delayMs); // Infinity
 * for (let answer = 1; answer <= 100; answer++) delay.add(answer);
 * console.log(delay.delayMs >= 75 && delay.delayMs <= 91); // true
 * ```
 */
export class HedgeDelay {
  readonly #quantile: number;
  readonly #minDelayMs: number;
  readonly #minSamples: number;
  readonly #latest: Float64Array = new Float64Array(WINDOW);
  #count = 0;
  #sinceRefreshed = 0;
  #delayMs: number = Number.POSITIVE_INFINITY;

  constructor(options: HedgeDelayOptions = {}) {
    checkNames("HedgeDelay", options, HEDGE_DELAY_NAMES);
    const { quantile = 0.95, minDelayMs = 1, minSamples = 20 } = options;
    const share = { min: 0, aboveMin: true, max: 0.9999 };
    this.#quantile = checked("HedgeDelay", "quantile", quantile, share);
    this.#minDelayMs = checked("HedgeDelay", "minDelayMs", minDelayMs, { min: 0, max: 2 ** 31 - 1 });
    this.#minSamples = checked("HedgeDelay", "minSamples", minSamples, { ...COUNT, max: WINDOW });
  }

  /** An answer took `tookMs`; one that was not waited for has taken at least so long. */
  add(tookMs: number): void {
    this.#latest[this.#count++ % WINDOW] = tookMs;
    if (this.#count < this.#minSamples) return;
    if (this.#delayMs < Number.POSITIVE_INFINITY && ++this.#sinceRefreshed < REFRESH_AFTER) return;
    this.#sinceRefreshed = 0;
    const known = this.#latest.slice(0, Math.min(this.#count, WINDOW)).sort();
    const place = Math.min(known.length - 1, Math.floor(this.#quantile * known.length));
    this.#delayMs = Math.max(this.#minDelayMs, known[place] as number);
  }

  /** In ms; `Infinity` as long as too few answers are known. */
  get delayMs(): number {
    return this.#delayMs;
  }
}
