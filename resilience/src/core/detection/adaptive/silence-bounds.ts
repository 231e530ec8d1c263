/**
 * The maximum wait of the adaptive model, and the minimum wait for high levels, from silences in a
 * unit that never changes.
 *
 * Maximum: contexts know silences in deviations and follow the traffic with the deviation. If the
 * deviation jumps, as when a calm sender begins to stall, a rare silence of calm times (hundreds of
 * its small deviations) times the large deviation of rough times is minutes, and a crash would go
 * undetected for that long. So no deadline is longer than the silences alone require, plus a
 * quarter: the best fixed timeout is an upper bound.
 *
 * Minimum: a level counts hours (8 one mistake an hour, 12 one in ten thousand). A level that
 * promises less than one mistake in the hours watched is not reached before the longest silence of
 * those hours, which is lengthened by half for each missing order of magnitude. This alone would
 * make a young node wait for seconds, so it is limited while traffic is calm: by this rule no
 * deadline is more than 1.75 times that of the present traffic (less once hours were watched),
 * unless a silence as long was really seen.
 */
import { HOURLY_LEVEL, RATE_LEVEL } from "./level-scale.ts";
import { LONGEST_Z, type SilenceHistogram } from "./silence-histogram.ts";
import { KNEE, PRESUMED_INDEX } from "./tail-curve.ts";

/**
 * The maximum is this many times its own deadline: at a lower value, its mistakes would add to
 * those of the contexts.
 */
const ALLOWANCE = 1.25;
/** Bins are fine up to sixteen gaps, and distinguish silences up to a thousand. */
const UNITS_PER_GAP = 8;
/** The maximum applies from this many silences on. */
const FEWEST_SILENCES = 100;
/** The silence for one level more is this many times as long, at least and at most. */
const LEAST_RATIO = 1.05;
const MOST_RATIO = 3;
/**
 * A short watch time lengthens the deadline of present traffic by at most this factor: a death in
 * the first seconds is declared within twice the steady time.
 */
const MOST_ALLOWANCE = 1.75;
/**
 * No more than this many hours are ever remembered: they lengthen nothing, and nothing is
 * remembered about levels above this one.
 */
const MEMORY_HOURS = 16;
const REMEMBERED_LEVEL: number = HOURLY_LEVEL + Math.log10(MEMORY_HOURS);
/**
 * Above that level, the wait may be this many times the longest silence watched, in the first hour
 * as in the hundredth, if that is at most `SEEN_DEADLINES` deadlines of the present traffic. A
 * longer silence is an outage.
 */
const SEEN_ALLOWANCE = 1.5;
const SEEN_DEADLINES = 4;

export class SilenceBounds {
  /** The silence that reaches level 8 in any case; Infinity while little is known. */
  hourlyMs: number = Number.POSITIVE_INFINITY;
  /** The longest silence watched; 0 while there is none. */
  #longestMs = 0;
  /** The level of one mistake in all the hours watched. */
  #watchedLevel: number = Number.NEGATIVE_INFINITY;
  /** Factor for deadlines of the present traffic because few hours were watched. */
  #allowance = MOST_ALLOWANCE;
  /** The silence for one level more is this many times as long. */
  ratio = 1;
  readonly #histogram: SilenceHistogram;
  #unitMs = 0;

  constructor(histogram: SilenceHistogram) {
    this.#histogram = histogram;
  }

  /**
   * Takes a silence that ended. The typical gap at the first one sets the unit, which is at least
   * `leastMs`.
   */
  remember(silenceMs: number, gapMs: number, leastMs: number): void {
    if (this.#unitMs === 0) this.#unitMs = Math.max(gapMs / UNITS_PER_GAP, leastMs);
    this.#histogram.add(0, silenceMs / this.#unitMs, this.#unitMs, silenceMs);
  }

  fade(share: number): void {
    this.#histogram.fade(share);
  }

  /**
   * Evaluates the silences again. One an hour means as many as there are hours; before the first
   * hour is over, the longest is extrapolated.
   */
  fit(): void {
    const histogram = this.#histogram;
    if (histogram.count < 1) return;
    const hours = histogram.hours(0);
    const longestZ = histogram.longest(0, 1);
    this.#longestMs = longestZ * this.#unitMs;
    this.#watchedLevel = HOURLY_LEVEL + Math.log10(hours);
    this.#allowance = Math.min(Math.max(1, (MEMORY_HOURS / hours) ** PRESUMED_INDEX), MOST_ALLOWANCE);
    if (histogram.count < FEWEST_SILENCES) return;
    const rank = Math.max(1, hours);
    const seenZ = rank === 1 ? longestZ : histogram.longest(0, rank);
    const z = (seenZ + KNEE) * (rank / hours) ** PRESUMED_INDEX - KNEE;
    this.hourlyMs = z < LONGEST_Z ? ALLOWANCE * z * this.#unitMs : Number.POSITIVE_INFINITY;
    const ratio = seenZ / histogram.longest(0, 10 * rank);
    this.ratio = Math.min(Math.max(ratio, LEAST_RATIO), MOST_RATIO);
  }

  /**
   * The shortest silence that reaches `level` after the hours watched, if present traffic requires
   * `presentMs`; 0 if they allow it.
   */
  leastMs(level: number, presentMs: number): number {
    if (level <= RATE_LEVEL || level <= this.#watchedLevel || this.#longestMs === 0) return 0;
    const missingMs = this.#longestMs * 10 ** ((level - this.#watchedLevel) * PRESUMED_INDEX);
    const mostMs = this.#allowance * presentMs;
    if (level <= REMEMBERED_LEVEL) return Math.min(missingMs, mostMs);
    const seenMs = Math.min(SEEN_DEADLINES * presentMs, SEEN_ALLOWANCE * this.#longestMs);
    return Math.min(missingMs, Math.max(mostMs, seenMs));
  }

  /**
   * The inverse: the maximum level of `silenceMs`. `presentLevel` gives the level of a silence in
   * present traffic.
   */
  mostLevel(silenceMs: number, presentLevel: (silenceMs: number) => number): number {
    if (this.#longestMs === 0) return Number.MAX_VALUE;
    const beyond = Math.log10(silenceMs / this.#longestMs) / PRESUMED_INDEX;
    const watched = Math.max(RATE_LEVEL, this.#watchedLevel, this.#watchedLevel + beyond);
    const isBeyondSeen = silenceMs >= SEEN_ALLOWANCE * this.#longestMs;
    const seen = isBeyondSeen ? Number.MAX_VALUE : presentLevel(silenceMs / SEEN_DEADLINES);
    return Math.max(watched, Math.min(Math.max(REMEMBERED_LEVEL, seen), presentLevel(silenceMs / this.#allowance)));
  }

  /**
   * The silence that reaches a level from {@link RATE_LEVEL} on, if `fromMs` reach that level and
   * `hourlyMs` level 8.
   */
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
