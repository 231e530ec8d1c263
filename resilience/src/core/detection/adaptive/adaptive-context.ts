/**
 * One way to measure a silence: from where (the last arrival here; in schedule-context.ts the
 * instant at which the sender's schedule expects the next beat) and by which deviation, slowly or
 * quickly learned. Each context remembers its silences in units of that deviation, so the shape is
 * known from hours, while the unit follows the last seconds. Shapes differ between calm and rough
 * traffic, so a slow context remembers them by the size of its unit (kinds of traffic).
 *
 * If the promise of a context is broken several times in a row, the traffic has changed faster than
 * it learns. It then steps aside for some beats and takes over the values of the quick one. What it
 * sees meanwhile is not remembered.
 */
import { allot, undivided } from "./mistake-budget.ts";
import type { SilenceHistogram } from "./silence-histogram.ts";
import type { TailCurve } from "./tail-curve.ts";

/** Beats over which a typical deadline is averaged. */
const TYPICAL_BEATS = 24;
/** When mean and deviation are learned, samples count as at most this many deviations away. */
export const CLIP = 4;
/** Weight, in samples, of the assumed deviation of half the mean. */
export const PRESUMED_SAMPLES = 3;
/**
 * A context steps aside after this many broken promises within about 32 beats, or if its mean or
 * deviation is off by this much.
 */
const BROKEN_OUT = 2.5;
const BROKEN_FADE = 31 / 32;
const MEAN_OFF_SCALES = 1.5;
const SCALE_OFF_RATIO = 2.5;
/** Beats for which the quick deviation has to be this much smaller. */
const CALM_BEATS = 100;
/**
 * Beats for which it stays aside, and the weight, in samples, of the values that it then takes over
 * from the quick one.
 */
const ASIDE_BEATS = 96;
export const ADOPTED_SAMPLES = 32;
/**
 * Kinds of traffic are bands of the unit, this many octaves wide. The unit changes bands when it is
 * past its band by `BAND_SLACK` of a band.
 */
const BAND_OCTAVES = 2 / 3;
const BAND_SLACK = 0.2;
/**
 * Number of silences from which on kinds are distinguished, and between two distributions of
 * mistakes to them.
 */
const KIND_SAMPLES = 1024;
/** Maximum typical deadline; a schedule that is off by more is invalid. */
export const LONGEST_MS = 1e6;

export abstract class AdaptiveContext {
  /** The instant of z = 0 for the present silence. */
  baseMs = 0;
  /** Milliseconds per unit of z. */
  scaleMs = 1;
  /**
   * Orders of improbability of the silence that one silence an hour exceeds; at least 1, for the
   * slowest senders.
   */
  hourlyOrders = 1;
  /** The z at these orders. */
  hourlyZ: number = Number.POSITIVE_INFINITY;
  /** Typical time from an arrival to the deadline of one mistake an hour. */
  typicalMs: number = Number.NaN;
  /**
   * The same if no kind of traffic were given more mistakes than another; contexts are compared by
   * this.
   */
  evenZ: number = Number.POSITIVE_INFINITY;
  readonly histogram: SilenceHistogram;
  /** Samples after which mean and deviation are renewed. */
  readonly memory: number;
  /** Number of samples behind mean and deviation. */
  samples = 0;
  /** The band of the unit; it determines the kind of traffic. */
  #band = 0;
  #nextAllotment: number;
  #broken = 0;
  #calmBeats = 0;
  #asideBeats = 0;
  #returning = false;

  constructor(histogram: SilenceHistogram, memory: number) {
    this.histogram = histogram;
    this.memory = memory;
    this.#nextAllotment = histogram.kinds === 1 ? Number.POSITIVE_INFINITY : KIND_SAMPLES;
  }

  /** True while its promises cannot be relied on. */
  get aside(): boolean {
    return this.#asideBeats > 0;
  }

  /**
   * Takes a silence that ended at `nowMs`, before anything is learned from it. `excused`: deadlines
   * were stretched, so a silence that is too late for this context was no mistake.
   */
  judge(nowMs: number, silenceMs: number, excused: boolean): void {
    const z = (nowMs - this.baseMs) / this.scaleMs;
    const broken = z > this.hourlyZ;
    this.#broken = this.#broken * BROKEN_FADE + (broken ? 1 : 0);
    if (this.#broken > BROKEN_OUT) this.stepAside();
    else if (this.#asideBeats > 0 && --this.#asideBeats === 0) this.#returning = true;
    if (!(this.aside || (broken && excused))) this.remember(z, silenceMs);
  }

  /**
   * Steps aside if the quick context has seen traffic change. It does so at once if the location
   * has moved by too much (`offMs`) or the traffic has become rougher. If the traffic is calmer,
   * this must last, because traffic with two kinds of gaps looks calm whenever one kind pauses.
   */
  protected heed(quick: AdaptiveContext, offMs: number): void {
    const ratio = quick.scaleMs / this.scaleMs;
    this.#calmBeats = ratio * SCALE_OFF_RATIO < 1 ? this.#calmBeats + 1 : 0;
    const off = Math.abs(offMs) > MEAN_OFF_SCALES * this.scaleMs;
    if (!this.aside && (off || ratio > SCALE_OFF_RATIO || this.#calmBeats >= CALM_BEATS)) this.stepAside();
  }

  stepAside(): void {
    this.#asideBeats = Math.min(this.memory, ASIDE_BEATS);
  }

  /** True once after the context has come back. */
  get returning(): boolean {
    const returning = this.#returning;
    this.#returning = false;
    return returning;
  }

  remember(z: number, silenceMs: number): void {
    this.histogram.add(this.#kind, z, this.scaleMs, silenceMs);
  }

  fade(share: number): void {
    this.histogram.fade(share);
  }

  /**
   * Bands take the kinds in turn: units of one network are seldom so far apart that two bands share
   * a kind.
   */
  get #kind(): number {
    const { kinds } = this.histogram;
    return ((this.#band % kinds) + kinds) % kinds;
  }

  /** Has traffic become another kind, so that its curve must be computed again? */
  settle(): boolean {
    if (this.histogram.kinds === 1 || this.histogram.count < KIND_SAMPLES) return false;
    const bands = Math.log2(this.scaleMs) / BAND_OCTAVES;
    if (bands > this.#band - BAND_SLACK && bands < this.#band + 1 + BAND_SLACK) return false;
    this.#band = Math.floor(bands);
    return true;
  }

  /**
   * Computes the curve into `curve`. `gapMs`: a typical gap, used while hardly any have been
   * remembered.
   */
  fit(curve: TailCurve, gapMs: number): void {
    const perHour = this.histogram.fit(curve, this.#kind, gapMs);
    const aim = this.histogram.aim(this.#kind);
    this.hourlyOrders = Math.max(1, Math.log10(perHour / (aim > 0 ? aim : undivided(curve, perHour))));
    this.hourlyZ = curve.zAtOrders(this.hourlyOrders);
    if (aim === 0) this.evenZ = this.hourlyZ;
  }

  /**
   * Redistributes the mistakes over the kinds of traffic from time to time, then calls {@link fit}.
   */
  refit(curve: TailCurve, gapMs: number): void {
    if (this.histogram.count > this.#nextAllotment) {
      this.#nextAllotment = this.histogram.count + KIND_SAMPLES;
      this.evenZ = allot(this.histogram, curve, gapMs);
    }
    this.fit(curve, gapMs);
  }

  /**
   * A silence begins whose z = 0 is usually `aheadMs` after an arrival: includes its deadline in
   * the typical one.
   */
  average(aheadMs: number): void {
    const deadlineMs = Math.min(aheadMs + this.evenZ * this.scaleMs, LONGEST_MS);
    if (Number.isNaN(this.typicalMs)) this.typicalMs = deadlineMs;
    else this.typicalMs += (deadlineMs - this.typicalMs) / Math.min(TYPICAL_BEATS, this.samples + 1);
  }

  /** Forgets unit and location, but keeps the shape. */
  abstract reset(): void;
}

/**
 * Silence since the last arrival: exact for senders that wait a gap after each beat, valid for all.
 */
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

  /** Assumes this mean, and half of it as the deviation. */
  presume(meanMs: number, leastScaleMs: number): void {
    this.meanMs = meanMs;
    this.#variance = (meanMs / 2) ** 2;
    this.scaleMs = Math.max(meanMs / 2, leastScaleMs);
  }

  /**
   * Steps aside if `quick` has seen the traffic change, and takes over its values when it comes
   * back.
   */
  compare(quick: ArrivalContext): void {
    if (this.returning) {
      this.meanMs = quick.meanMs;
      this.#variance = quick.#variance;
      this.scaleMs = quick.scaleMs;
      this.samples = Math.min(this.samples, ADOPTED_SAMPLES);
    }
    this.heed(quick, quick.meanMs - this.meanMs);
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

export function clipped(distance: number, reach: number): number {
  return Math.min(Math.max(distance, -reach), reach);
}
