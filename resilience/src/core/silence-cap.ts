/**
 * The longest that the adaptive model waits, in a unit that never changes. Contexts know silences in deviations and follow the
 * traffic with the deviation; where that jumps, as when a calm sender begins to stall, a rare silence of calm
 * times (hundreds of its small deviations) times the large deviation of rough times is minutes, and a crash then goes
 * unseen. So all silences are counted once more, in a unit fixed for good and since the last arrival, and no deadline is
 * longer than a quarter more than what these alone ask for: the best fixed timeout is a bound, not a rival.
 */
import { HOURLY_LEVEL, RATE_LEVEL } from "./level-scale.ts";
import { LONGEST_Z, type SilenceHistogram } from "./silence-histogram.ts";
import { KNEE, PRESUMED_INDEX } from "./tail-curve.ts";

/** So many times its own deadline is what it allows: below that its mistakes would add to those of the contexts. */
const ALLOWANCE = 1.25;
/** Bins are fine up to sixteen gaps, and tell silences apart up to a thousand. */
const UNITS_PER_GAP = 8;
/** Silences from which on it caps anything. */
const FEWEST_SILENCES = 100;
/** The silence for a level more is so many times as long, at least and at most. */
const LEAST_RATIO = 1.05;
const MOST_RATIO = 3;

export class SilenceCap {
  /** The silence that reaches level 8 whatever else is known; Infinity as long as little is. */
  hourlyMs: number = Number.POSITIVE_INFINITY;
  /** The silence for a level more is so many times as long. */
  ratio = 1;
  readonly #histogram: SilenceHistogram;
  #unitMs = 0;

  constructor(histogram: SilenceHistogram) {
    this.#histogram = histogram;
  }

  /** Takes in a silence that ended; the first one's typical gap settles the unit, which is `leastMs` at least. */
  remember(silenceMs: number, gapMs: number, leastMs: number): void {
    if (this.#unitMs === 0) this.#unitMs = Math.max(gapMs / UNITS_PER_GAP, leastMs);
    this.#histogram.add(0, silenceMs / this.#unitMs, this.#unitMs, silenceMs);
  }

  fade(share: number): void {
    this.#histogram.fade(share);
  }

  /** Looks at the silences anew: one an hour is as many as there are hours; before the first is over, the longest is carried on. */
  fit(): void {
    if (this.#histogram.count < FEWEST_SILENCES) return;
    const hours = this.#histogram.hours(0);
    const rank = Math.max(1, hours);
    const seenZ = this.#histogram.longest(0, rank);
    const z = (seenZ + KNEE) * (rank / hours) ** PRESUMED_INDEX - KNEE;
    this.hourlyMs = z < LONGEST_Z ? ALLOWANCE * z * this.#unitMs : Number.POSITIVE_INFINITY;
    const ratio = seenZ / this.#histogram.longest(0, 10 * rank);
    this.ratio = Math.min(Math.max(ratio, LEAST_RATIO), MOST_RATIO);
  }

  /** The silence that reaches a level from {@link RATE_LEVEL} on, where `fromMs` reach that one and `hourlyMs` level 8. */
  static silenceMs(level: number, fromMs: number, hourlyMs: number): number {
    if (level === HOURLY_LEVEL || hourlyMs === Number.POSITIVE_INFINITY) return hourlyMs;
    if (level <= RATE_LEVEL) return fromMs;
    return hourlyMs * (hourlyMs / fromMs) ** ((level - HOURLY_LEVEL) / (HOURLY_LEVEL - RATE_LEVEL));
  }

  /** The inverse, for silences from `fromMs` on. */
  static level(silenceMs: number, fromMs: number, hourlyMs: number): number {
    const levels = (HOURLY_LEVEL - RATE_LEVEL) / Math.log10(hourlyMs / fromMs);
    return HOURLY_LEVEL + Math.log10(silenceMs / hourlyMs) * levels;
  }
}
