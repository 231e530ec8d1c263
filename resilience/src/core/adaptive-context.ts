/**
 * One way to look at a silence: what it is measured from (the last arrival, or the instant at which the sender's
 * schedule says the next beat is due) and by which deviation, slowly or quickly learned. Each context remembers its
 * silences in units of that deviation, so the shape is known from hours while the unit follows the last seconds.
 *
 * A context whose promise is broken several times in a row, because the traffic has changed faster than it learns, steps
 * aside for some beats and then takes over what the quick one knows; what it sees meanwhile is not remembered.
 * The schedule is a straight line through arrivals over sequence numbers, followed by a fading least-squares filter
 * (alpha-beta gains of a growing memory that stops growing).
 */
import type { SilenceHistogram, TailCurve } from "./silence-histogram.ts";

/** Beats over which a typical deadline is taken. */
const TYPICAL_BEATS = 24;
/** Samples are not believed to be further than this many deviations away when mean and deviation are learned. */
const CLIP = 4;
/** How many samples the presumption of a deviation of half the mean is worth. */
const PRESUMED_SAMPLES = 3;
/** So many promises broken within about 32 beats, or a mean or deviation so far off, make a context step aside. */
const BROKEN_OUT = 2.5;
const BROKEN_FADE = 31 / 32;
const MEAN_OFF_SCALES = 1.5;
const SCALE_OFF_RATIO = 2.5;
/** Beats for which it stays aside, and how many samples what it then takes over from the quick one is worth. */
const ASIDE_BEATS = 96;
const ADOPTED_SAMPLES = 32;
/** The schedule is laid anew after so many residuals beyond the clip in a row, or where the last few lean to one side. */
const RELAY_AFTER = 3;
const BIAS_BEATS = 8;
const BIAS_SCALES = 1.2;
const RELAY_AGAIN = 16;
/** What is left of a line's firmness when it is moved. */
const RESUMED_POINTS = 16;
const HOUR_MS = 3_600_000;
/**
 * Mistakes an hour that level 8 aims at: less than the one it promises, because a quantile of a few dozen silences is too
 * short as often as too long, and too short costs more mistakes than too long saves.
 */
const AIM = 0.85;
const SHORTEST_GAP_MS = 1e-3;
/** No typical deadline counts as longer, and a schedule that is off by more is none. */
const LONGEST_MS = 1e6;

export abstract class AdaptiveContext {
  /** The instant of z = 0 for the present silence. */
  baseMs = 0;
  /** Milliseconds a unit of z. */
  scaleMs = 1;
  /** Orders of improbability, a silence, at which one an hour is longer; from 1, for the slowest of senders. */
  hourlyOrders = 1;
  /** The z at that place. */
  hourlyZ: number = Number.POSITIVE_INFINITY;
  /** Typical time from an arrival to the deadline of one mistake an hour. */
  typicalMs: number = Number.NaN;
  /** Hours of traffic that the histogram has seen, the faded ones in part. */
  hours = 0;
  readonly histogram: SilenceHistogram;
  /** Samples after which mean and deviation have turned over. */
  readonly memory: number;
  /** How many samples mean and deviation rest on. */
  samples = 0;
  readonly #steadfast: boolean;
  #broken = 0;
  #asideBeats = 0;
  #returning = false;

  /** `memory` as above; `steadfast`: remembers what it sees while it stands aside, because its unit does not change. */
  constructor(histogram: SilenceHistogram, memory: number, steadfast: boolean = false) {
    this.histogram = histogram;
    this.memory = memory;
    this.#steadfast = steadfast;
  }

  /** Whether its promises are not to be relied on at present. */
  get aside(): boolean {
    return this.#asideBeats > 0;
  }

  /**
   * Takes in a silence that ended at `nowMs`, before anything is learned from it. `excused`: deadlines were stretched, and
   * what is too late for this context was no mistake.
   */
  judge(nowMs: number, silenceMs: number, excused: boolean): void {
    const z = (nowMs - this.baseMs) / this.scaleMs;
    const broken = z > this.hourlyZ;
    this.#broken = this.#broken * BROKEN_FADE + (broken ? 1 : 0);
    if (this.#broken > BROKEN_OUT) this.stepAside();
    else if (this.#asideBeats > 0 && --this.#asideBeats === 0) this.#returning = true;
    if (this.#steadfast || !(this.aside || (broken && excused))) this.remember(z, silenceMs);
  }

  stepAside(): void {
    this.#asideBeats = Math.min(this.memory, ASIDE_BEATS);
  }

  /** True once, when it has just come back. */
  get returning(): boolean {
    const returning = this.#returning;
    this.#returning = false;
    return returning;
  }

  remember(z: number, silenceMs: number): void {
    this.histogram.add(z, 1);
    this.hours += silenceMs / HOUR_MS;
  }

  fade(share: number): void {
    this.histogram.fade(share);
    this.hours *= share;
  }

  /** Describes the curve into `curve`; `gapMs` is a typical gap, for as long as hardly any have been remembered. */
  fit(curve: TailCurve, gapMs: number): void {
    this.histogram.fit(curve);
    const perHour = (this.histogram.count + 1) / (this.hours + Math.max(gapMs, SHORTEST_GAP_MS) / HOUR_MS);
    this.hourlyOrders = Math.max(1, Math.log10(perHour / AIM));
    this.hourlyZ = curve.zAtOrders(this.hourlyOrders);
  }

  /** A silence begins whose z = 0 usually lies `aheadMs` after an arrival: takes the deadline into the typical one. */
  average(aheadMs: number): void {
    const deadlineMs = Math.min(aheadMs + this.hourlyZ * this.scaleMs, LONGEST_MS);
    if (Number.isNaN(this.typicalMs)) this.typicalMs = deadlineMs;
    else this.typicalMs += (deadlineMs - this.typicalMs) / Math.min(TYPICAL_BEATS, this.samples + 1);
  }

  /** Forgets unit and place, not the shape. */
  abstract reset(): void;
}

/** Silence since the last arrival: right for senders that wait a gap after each beat, sound for all. */
export class ArrivalContext extends AdaptiveContext {
  meanMs = 0;
  #variance = 0;

  /** Learns the gap between two successive beats that has just ended. */
  learn(gapMs: number, leastScaleMs: number): void {
    this.samples++;
    if (this.samples === 1) {
      this.meanMs = gapMs;
      this.#variance = (gapMs / 2) ** 2;
    } else {
      const reach = CLIP * this.scaleMs;
      const distance = clipped(gapMs - this.meanMs, reach);
      const gain = Math.max(1 / this.samples, 1 / this.memory);
      this.meanMs += gain * distance;
      const wide = Math.max(1 / (this.samples + PRESUMED_SAMPLES), 1 / this.memory);
      this.#variance += wide * (distance * distance - this.#variance);
    }
    this.scaleMs = Math.max(Math.sqrt(Math.max(this.#variance, 0)), leastScaleMs);
  }

  /** Presumes a mean and half of it as deviation. */
  presume(meanMs: number, leastScaleMs: number): void {
    this.meanMs = meanMs;
    this.#variance = (meanMs / 2) ** 2;
    this.scaleMs = Math.max(meanMs / 2, leastScaleMs);
  }

  /** Steps aside where `quick` has seen the traffic change, and takes over what it knows when it comes back. */
  compare(quick: ArrivalContext): void {
    if (this.returning) {
      this.meanMs = quick.meanMs;
      this.#variance = quick.#variance;
      this.scaleMs = quick.scaleMs;
      this.samples = Math.min(this.samples, ADOPTED_SAMPLES);
    }
    const ratio = quick.scaleMs / this.scaleMs;
    const off = Math.abs(quick.meanMs - this.meanMs) > MEAN_OFF_SCALES * this.scaleMs;
    if (!this.aside && (off || ratio > SCALE_OFF_RATIO || ratio * SCALE_OFF_RATIO < 1)) this.stepAside();
  }

  /** A silence begins. */
  begin(nowMs: number): void {
    this.baseMs = nowMs + this.meanMs;
    this.average(this.meanMs);
  }

  override reset(): void {
    this.samples = 0;
  }
}

/** Lateness against the sender's schedule: right for senders that keep to a grid and number their beats. */
export class ScheduleContext extends AdaptiveContext {
  readonly #longest: number;
  /** Where the line passes at the last beat, and its slope a number. */
  #placeMs = 0;
  #periodMs = 0;
  #points = 0;
  #variance = 0;
  #offRow = 0;
  /** Mean of the last residuals in deviations: a line that is right has none. */
  #bias = 0;
  #lastMs = 0;
  #relaidAt: number = Number.NEGATIVE_INFINITY;

  /** `memory`: for the deviation; `longest`: beats that the line is laid through. */
  constructor(histogram: SilenceHistogram, memory: number, longest: number) {
    super(histogram, memory);
    this.#longest = longest;
  }

  /** Learns that the beat `steps` numbers after the last one arrived at `nowMs`. */
  learn(nowMs: number, steps: number, leastScaleMs: number): void {
    this.samples++;
    if (this.#points === 0) {
      this.#placeMs = nowMs;
      this.#points = 1;
    } else {
      this.#follow(nowMs, steps);
    }
    this.#lastMs = nowMs;
    this.scaleMs = Math.max(Math.sqrt(this.#variance), leastScaleMs);
    this.baseMs = this.#placeMs + this.#periodMs;
    this.average(this.#periodMs);
  }

  /** Moves the line through an arrival after a silence that is not learned from. */
  resume(nowMs: number): void {
    this.#points = Math.min(this.#points, RESUMED_POINTS);
    this.#placeMs = nowMs;
    this.#lastMs = nowMs;
    this.baseMs = nowMs + this.#periodMs;
  }

  /** As {@link ArrivalContext.compare}. */
  compare(quick: ScheduleContext): void {
    if (this.returning) {
      this.#placeMs = quick.#placeMs;
      this.#periodMs = quick.#periodMs;
      this.#points = quick.#points;
      this.#variance = quick.#variance;
      this.scaleMs = quick.scaleMs;
      this.baseMs = quick.baseMs;
      this.samples = Math.min(this.samples, ADOPTED_SAMPLES);
    }
    const ratio = quick.scaleMs / this.scaleMs;
    const off = Math.abs(quick.baseMs - this.baseMs) > MEAN_OFF_SCALES * this.scaleMs;
    if (!this.aside && (off || ratio > SCALE_OFF_RATIO || ratio * SCALE_OFF_RATIO < 1)) this.stepAside();
  }

  #follow(nowMs: number, steps: number): void {
    const predictedMs = this.#placeMs + steps * this.#periodMs;
    const residual = nowMs - predictedMs;
    if (!(Math.abs(residual) < LONGEST_MS)) return this.resume(nowMs);
    const reach = this.#points < 8 ? Number.POSITIVE_INFINITY : CLIP * this.scaleMs;
    this.#offRow = Math.abs(residual) > reach ? this.#offRow + 1 : 0;
    this.#bias += (clipped(residual / this.scaleMs, CLIP) - this.#bias) / BIAS_BEATS;
    if (this.#offRow >= RELAY_AFTER || Math.abs(this.#bias) > BIAS_SCALES) {
      this.#relay(nowMs, steps);
      return;
    }
    const points = Math.min(this.#points + 1, this.#longest);
    this.#points = points;
    const distance = clipped(residual, reach);
    this.#placeMs = predictedMs + ((2 * (2 * points - 1)) / (points * (points + 1))) * distance;
    this.#periodMs = Math.max(0, this.#periodMs + ((6 / (points * (points + 1))) * distance) / steps);
    if (points === 2) this.#variance = (this.#periodMs / 2) ** 2;
    else {
      const gain = Math.max(1 / (this.samples + PRESUMED_SAMPLES), 1 / this.memory);
      this.#variance += gain * (distance * distance - this.#variance);
    }
  }

  /** First the line is only moved, as after a pause of the sender; where that does not help it is laid from nothing. */
  #relay(nowMs: number, steps: number): void {
    const again = this.samples - this.#relaidAt < RELAY_AGAIN;
    if (again) {
      this.#periodMs = Math.max(0, (nowMs - this.#lastMs) / steps);
      this.#variance = (this.#periodMs / 2) ** 2;
      this.samples = 2;
    }
    this.#points = again ? 2 : Math.min(this.#points, RESUMED_POINTS);
    this.#relaidAt = this.samples;
    this.#offRow = 0;
    this.#bias = 0;
    this.#placeMs = nowMs;
  }

  override reset(): void {
    this.samples = 0;
    this.#relaidAt = Number.NEGATIVE_INFINITY;
    this.#points = 0;
    this.#periodMs = 0;
    this.#offRow = 0;
    this.#bias = 0;
  }
}

function clipped(distance: number, reach: number): number {
  return Math.min(Math.max(distance, -reach), reach);
}
