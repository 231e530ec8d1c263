/**
 * Lateness against the sender's schedule, for senders that keep to a grid and number their beats.
 * The schedule is a straight line through arrivals over sequence numbers, followed by a fading
 * least-squares filter (alpha-beta gains of a growing memory that stops growing). If a sender
 * pauses or changes its interval, the line is moved or laid again.
 */
import { ADOPTED_SAMPLES, AdaptiveContext, CLIP, clipped, LONGEST_MS, PRESUMED_SAMPLES } from "./adaptive-context.ts";
import type { SilenceHistogram } from "./silence-histogram.ts";

/**
 * The schedule is laid again after this many residuals beyond the clip in a row, or if the last few
 * are biased to one side.
 */
const RELAY_AFTER = 3;
const BIAS_BEATS = 8;
const BIAS_SCALES = 1.2;
const RELAY_AGAIN = 16;
/** The maximum weight that a line keeps when it is moved, in points. */
const RESUMED_POINTS = 16;

export class ScheduleContext extends AdaptiveContext {
  readonly #longest: number;
  /** The line's value at the last beat, and its slope per number. */
  #placeMs = 0;
  #periodMs = 0;
  #points = 0;
  #variance = 0;
  #offRow = 0;
  /** Mean of the last residuals in deviations; it is 0 for a correct line. */
  #bias = 0;
  #lastMs = 0;
  #relaidAt: number = Number.NEGATIVE_INFINITY;

  /** `memory`: beats for the deviation. `longest`: beats that the line is fitted to. */
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

  /**
   * Steps aside if `quick` has seen the traffic change, and takes over its values when it comes
   * back.
   */
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
    this.heed(quick, quick.baseMs - this.baseMs);
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

  /**
   * First the line is only moved, as after a pause of the sender. If that does not help, it is laid
   * again from nothing.
   */
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
