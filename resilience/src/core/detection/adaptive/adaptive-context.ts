/**
 * One way to look at a silence: what it is measured from (the last arrival here, the instant at
 * which the sender's schedule says the next beat is due in schedule-context.ts) and by which
 * deviation, slowly or quickly learned. Each context remembers its silences in units of that
 * deviation, so the shape is known from hours while the unit follows the last seconds. Shapes
 * differ between calm and rough traffic: a slow context remembers them by the size of its unit
 * (kinds of traffic).
 *
 * A context whose promise is broken several times in a row, because the traffic has changed faster
 * than it learns, steps aside for some beats and then takes over what the quick one knows; what it
 * sees meanwhile is not remembered.
 */
import { allot, undivided } from "./mistake-budget.ts";
import type { SilenceHistogram } from "./silence-histogram.ts";
import type { TailCurve } from "./tail-curve.ts";

/** Beats over which a typical deadline is taken. */
const TYPICAL_BEATS = 24;
/**
 * Samples are not believed to be further than this many deviations away when mean and deviation are
 * learned.
 */
export const CLIP = 4;
/** How many samples the presumption of a deviation of half the mean is worth. */
export const PRESUMED_SAMPLES = 3;
/**
 * So many promises broken within about 32 beats, or a mean or deviation so far off, make a context
 * step aside.
 */
const BROKEN_OUT = 2.5;
const BROKEN_FADE = 31 / 32;
const MEAN_OFF_SCALES = 1.5;
const SCALE_OFF_RATIO = 2.5;
/** Beats for which the quick deviation has to be so much smaller. */
const CALM_BEATS = 100;
/**
 * Beats for which it stays aside, and how many samples what it then takes over from the quick one
 * is worth.
 */
const ASIDE_BEATS = 96;
export const ADOPTED_SAMPLES = 32;
/**
 * Kinds of traffic are bands of the unit so many octaves wide; past its band by this share the unit
 * is in another.
 */
const BAND_OCTAVES = 2 / 3;
const BAND_SLACK = 0.2;
/** Silences from which on kinds are told apart, and between two allotments of mistakes to them. */
const KIND_SAMPLES = 1024;
/** No typical deadline counts as longer, and a schedule that is off by more is none. */
export const LONGEST_MS = 1e6;

export abstract class AdaptiveContext {
  /** The instant of z = 0 for the present silence. */
  baseMs = 0;
  /** Milliseconds a unit of z. */
  scaleMs = 1;
  /**
   * Orders of improbability, a silence, at which one an hour is longer; from 1, for the slowest of
   * senders.
   */
  hourlyOrders = 1;
  /** The z at that place. */
  hourlyZ: number = Number.POSITIVE_INFINITY;
  /** Typical time from an arrival to the deadline of one mistake an hour. */
  typicalMs: number = Number.NaN;
  /**
   * The same if no kind of traffic were given more mistakes than another: what contexts are
   * compared by.
   */
  evenZ: number = Number.POSITIVE_INFINITY;
  readonly histogram: SilenceHistogram;
  /** Samples after which mean and deviation have turned over. */
  readonly memory: number;
  /** How many samples mean and deviation rest on. */
  samples = 0;
  /** The band that the unit lies in; it makes the kind of traffic. */
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

  /** Whether its promises are not to be relied on at present. */
  get aside(): boolean {
    return this.#asideBeats > 0;
  }

  /**
   * Takes in a silence that ended at `nowMs`, before anything is learned from it. `excused`:
   * deadlines were stretched, and what is too late for this context was no mistake.
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
   * Steps aside where the quick context has seen traffic change: at once if it has moved by `offMs`
   * or become rougher; if calmer, only when that has lasted, because traffic of two kinds of gaps
   * looks calm whenever one of them pauses.
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

  /** True once, when it has just come back. */
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
   * Bands take the kinds by turns: units of one network are seldom so far apart that they share
   * one.
   */
  get #kind(): number {
    const { kinds } = this.histogram;
    return ((this.#band % kinds) + kinds) % kinds;
  }

  /** Whether traffic has become another kind: then its curve has to be looked at anew. */
  settle(): boolean {
    if (this.histogram.kinds === 1 || this.histogram.count < KIND_SAMPLES) return false;
    const bands = Math.log2(this.scaleMs) / BAND_OCTAVES;
    if (bands > this.#band - BAND_SLACK && bands < this.#band + 1 + BAND_SLACK) return false;
    this.#band = Math.floor(bands);
    return true;
  }

  /**
   * Describes the curve into `curve`; `gapMs` is a typical gap, for as long as hardly any have been
   * remembered.
   */
  fit(curve: TailCurve, gapMs: number): void {
    const perHour = this.histogram.fit(curve, this.#kind, gapMs);
    const aim = this.histogram.aim(this.#kind);
    this.hourlyOrders = Math.max(1, Math.log10(perHour / (aim > 0 ? aim : undivided(curve, perHour))));
    this.hourlyZ = curve.zAtOrders(this.hourlyOrders);
    if (aim === 0) this.evenZ = this.hourlyZ;
  }

  /** Shares out the mistakes among the kinds of traffic from time to time, then {@link fit}. */
  refit(curve: TailCurve, gapMs: number): void {
    if (this.histogram.count > this.#nextAllotment) {
      this.#nextAllotment = this.histogram.count + KIND_SAMPLES;
      this.evenZ = allot(this.histogram, curve, gapMs);
    }
    this.fit(curve, gapMs);
  }

  /**
   * A silence begins whose z = 0 usually lies `aheadMs` after an arrival: takes the deadline into
   * the typical one.
   */
  average(aheadMs: number): void {
    const deadlineMs = Math.min(aheadMs + this.evenZ * this.scaleMs, LONGEST_MS);
    if (Number.isNaN(this.typicalMs)) this.typicalMs = deadlineMs;
    else this.typicalMs += (deadlineMs - this.typicalMs) / Math.min(TYPICAL_BEATS, this.samples + 1);
  }

  /** Forgets unit and place, not the shape. */
  abstract reset(): void;
}

/**
 * Silence since the last arrival: right for senders that wait a gap after each beat, sound for all.
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

  /** Presumes a mean and half of it as deviation. */
  presume(meanMs: number, leastScaleMs: number): void {
    this.meanMs = meanMs;
    this.#variance = (meanMs / 2) ** 2;
    this.scaleMs = Math.max(meanMs / 2, leastScaleMs);
  }

  /**
   * Steps aside where `quick` has seen the traffic change, and takes over what it knows when it
   * comes back.
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
