/**
 * One way to look at a silence: what it is measured from (the last arrival, or the instant at which the sender's
 * schedule says the next beat is due) and by which deviation, slowly or quickly learned. Each context remembers its
 * silences in units of that deviation, so the shape is known from hours while the unit follows the last seconds.
 *
 * A context whose promise is broken several times in a row, because the traffic has changed faster than it
 * learns, steps aside until its own memory has turned over; what it sees meanwhile is not typical and not remembered.
 * The schedule is a straight line through arrivals over sequence numbers, followed by a fading least-squares filter
 * (alpha-beta gains of a growing memory that stops growing).
 */
import { SilenceHistogram, type TailCurve } from "./silence-histogram.ts";

/** Samples are not believed to be further than this many deviations away when mean and deviation are learned. */
const CLIP = 4;
/** How many samples the presumption of a deviation of half the mean is worth. */
const PRESUMED_SAMPLES = 3;
/** Promises broken within one memory that make a context step aside, and what must be left of them when it returns. */
const BROKEN_OUT = 2.5;
const BROKEN_IN = 1;
/** Residuals beyond the clip in a row after which the schedule is laid anew through the latest arrival. */
const RELAY_AFTER = 3;
const HOUR_MS = 3_600_000;

export abstract class AdaptiveContext {
  /** The instant of z = 0 for the present silence. */
  baseMs = 0;
  /** Milliseconds a unit of z. */
  scaleMs = 1;
  /** z at which one silence an hour is longer. */
  hourlyZ: number = Number.POSITIVE_INFINITY;
  /** Typical time from an arrival to the deadline of one mistake an hour. */
  typicalMs: number = Number.NaN;
  /** Hours of traffic that the histogram has seen, the faded ones in part. */
  hours = 0;
  readonly histogram: SilenceHistogram = new SilenceHistogram();
  /** Samples after which mean and deviation have turned over. */
  readonly memory: number;
  samples = 0;
  #broken = 0;
  #aside = false;

  constructor(memory: number) {
    this.memory = memory;
  }

  /** Whether its promises are not to be relied on at present. */
  get aside(): boolean {
    return this.#aside;
  }

  /** Takes in a silence that ended at `nowMs`, before anything is learned from it. Says whether its promise was broken. */
  judge(nowMs: number, silenceMs: number): boolean {
    const z = (nowMs - this.baseMs) / this.scaleMs;
    const broken = z > this.hourlyZ;
    this.#broken = this.#broken * (1 - 1 / this.memory) + (broken ? 1 : 0);
    if (this.#broken > BROKEN_OUT) this.#aside = true;
    else if (this.#broken < BROKEN_IN) this.#aside = false;
    if (!this.#aside) this.remember(z, silenceMs);
    return broken;
  }

  remember(z: number, silenceMs: number): void {
    this.histogram.add(z, 1);
    this.hours += silenceMs / HOUR_MS;
  }

  fade(share: number): void {
    this.histogram.fade(share);
    this.hours *= share;
  }

  /** Orders of improbability, a silence, at which one an hour is longer; from 1, for the slowest of senders. */
  get hourlyOrders(): number {
    return Math.max(1, Math.log10(Math.max(this.histogram.count, 1e-9) / Math.max(this.hours, 1e-15)));
  }

  fit(curve: TailCurve): void {
    this.histogram.fit(curve);
    this.hourlyZ = curve.zAtOrders(this.hourlyOrders);
  }

  /** Average of where the deadline lies after an arrival at `nowMs`. */
  average(aheadMs: number): void {
    const deadlineMs = aheadMs + this.hourlyZ * this.scaleMs;
    if (Number.isNaN(this.typicalMs)) this.typicalMs = deadlineMs;
    else this.typicalMs += (deadlineMs - this.typicalMs) / Math.min(64, this.samples + 1);
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

  /** `memory`: for the deviation; `longest`: beats that the line is laid through. */
  constructor(memory: number, longest: number) {
    super(memory);
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
    this.scaleMs = Math.max(Math.sqrt(this.#variance), leastScaleMs);
    this.baseMs = this.#placeMs + this.#periodMs;
    this.average(this.#periodMs);
  }

  #follow(nowMs: number, steps: number): void {
    const predictedMs = this.#placeMs + steps * this.#periodMs;
    const residual = nowMs - predictedMs;
    const reach = this.#points < 8 ? Number.POSITIVE_INFINITY : CLIP * this.scaleMs;
    this.#offRow = Math.abs(residual) > reach ? this.#offRow + 1 : 0;
    if (this.#offRow >= RELAY_AFTER) {
      this.#offRow = 0;
      this.#placeMs = nowMs;
      this.#points = Math.min(this.#points, 16);
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

  override reset(): void {
    this.samples = 0;
    this.#points = 0;
    this.#periodMs = 0;
    this.#offRow = 0;
  }
}

function clipped(distance: number, reach: number): number {
  return Math.min(Math.max(distance, -reach), reach);
}
