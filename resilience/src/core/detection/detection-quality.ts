/**
 * Measures how well one node's silence is judged, while it is judged: the spacing of its
 * heartbeats, how long the last loss took to declare, and how often a declaration was a mistake. A
 * mistake is a node that was declared down and is heard again soon after, from the same run of its
 * sender: the node had not died, and waiting would have been better. If a node comes back late or
 * after a restart, the declaration was right.
 *
 * Source for what is counted: W. Chen, S. Toueg, M. Aguilera, "On the quality of service of failure
 * detectors" (2002). Memory is fixed and a beat costs O(1): quantiles come from counts in buckets 5
 * % wide, which are halved now and then so that old values fade. It cannot distinguish a cut
 * network that heals soon from a false alarm, and counts both.
 */
import { checked, checkNames, DURATION_MS, type Names } from "../options.ts";

/** Options of a measurement of detection quality. */
export interface DetectionQualityOptions {
  /**
   * If a node is heard again within this time after a declaration, without a restart, the
   * declaration was a mistake. In ms, above 0 and below 2^31. Default 10,000: hardly any machine is
   * repaired sooner.
   */
  readonly mistakeWithinMs?: number | undefined;
}

/** The measured values; a copy, for status pages and metrics. */
export interface DetectionQualityStatus {
  /**
   * Mean of the gaps between beats, without outages; the newest few hundred have most weight.
   * Undefined before the first gap.
   */
  readonly meanMs: number | undefined;
  /** Standard deviation of these gaps. */
  readonly deviationMs: number | undefined;
  /** The gaps that half, 1 in 100 and 1 in 1,000 of all gaps exceed; at most 5 % too long. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly p999Ms: number | undefined;
  /** Mistakes in the last 24 hours, counted by hour; since the start if that is less. */
  readonly falsePositivesPerDay: number;
  /** Silence from its last beat until it was last declared down. */
  readonly lastDetectionMs: number | undefined;
}

const NAMES: Names<DetectionQualityOptions> = { mistakeWithinMs: true };
/** Weight of the newest gap in mean and deviation. */
const WEIGHT = 1 / 200;
const SHORTEST_MS = 0.1;
const GROWTH: number = Math.log(1.05);
/** The buckets reach up to an hour. */
const BUCKETS: number = Math.ceil(Math.log(3_600_000 / SHORTEST_MS) / GROWTH) + 1;
/** When this many gaps are counted, all counts are halved; this takes about an hour at 50 ms. */
const MOST_COUNTED = 65_536;
const HOUR_MS = 3_600_000;
const HOURS = 24;

/**
 * Measures the quality of detection for one node: the gaps between its heartbeats, how long the
 * detector took to declare a loss, and how many declarations were mistakes.
 *
 * @example
 * ```ts
 * import { DetectionQualityMachine } from "ground-station-failover/core";
 *
 * const quality = new DetectionQualityMachine();
 * for (let nowMs = 0; nowMs <= 1_000; nowMs += 50) quality.noteHeartbeat(1, nowMs);
 * quality.noteDown(200, 1_200);
 * quality.noteHeartbeat(1, 1_300); // the same run of the sender: it had not died
 * const { meanMs, lastDetectionMs, falsePositivesPerDay } = quality.status(1_300);
 * console.log(meanMs, lastDetectionMs, falsePositivesPerDay); // 50 200 1
 * ```
 */
export class DetectionQualityMachine {
  readonly #mistakeWithinMs: number;
  readonly #buckets: Float64Array = new Float64Array(BUCKETS);
  readonly #mistakes: Uint32Array = new Uint32Array(HOURS);
  #counted = 0;
  #gaps = 0;
  #mean = 0;
  #variance = 0;
  #lastMs: number | undefined;
  #incarnation: number | undefined;
  #downAtMs: number | undefined;
  #lastDetectionMs: number | undefined;
  /** The newest hour in `#mistakes`. */
  #hour = Number.NEGATIVE_INFINITY;

  constructor(options: DetectionQualityOptions = {}) {
    checkNames("DetectionQuality", options, NAMES);
    const withinMs = options.mistakeWithinMs ?? 10_000;
    this.#mistakeWithinMs = checked("DetectionQuality", "mistakeWithinMs", withinMs, DURATION_MS);
  }

  /** A heartbeat was counted. `incarnation` distinguishes runs of the sender, if known. */
  noteHeartbeat(incarnation: number | undefined, nowMs: number): void {
    const same = incarnation === this.#incarnation;
    const gapMs = nowMs - (this.#lastMs ?? Number.NaN);
    if (this.#downAtMs !== undefined) {
      if (same && nowMs - this.#downAtMs <= this.#mistakeWithinMs) this.#mistake(nowMs);
      this.#downAtMs = undefined;
    } else if (same && gapMs >= 0) this.#learn(gapMs);
    this.#lastMs = nowMs;
    this.#incarnation = incarnation;
  }

  /** The node was declared down after `silentForMs` of silence. */
  noteDown(silentForMs: number, nowMs: number): void {
    this.#downAtMs = nowMs;
    this.#lastDetectionMs = silentForMs;
  }

  /** What has been measured by `nowMs`. */
  status(nowMs: number): DetectionQualityStatus {
    this.#turnTo(nowMs);
    const known = this.#gaps > 0;
    return {
      meanMs: known ? this.#mean : undefined,
      deviationMs: known ? Math.sqrt(this.#variance) : undefined,
      p50Ms: this.#quantile(0.5),
      p99Ms: this.#quantile(0.99),
      p999Ms: this.#quantile(0.999),
      falsePositivesPerDay: this.#mistakes.reduce((sum, count) => sum + count, 0),
      lastDetectionMs: this.#lastDetectionMs,
    };
  }

  #learn(gapMs: number): void {
    this.#gaps++;
    const weight = Math.max(WEIGHT, 1 / this.#gaps);
    const difference = gapMs - this.#mean;
    this.#mean += weight * difference;
    this.#variance = (1 - weight) * (this.#variance + weight * difference * difference);
    const place = Math.floor(Math.log(Math.max(gapMs, SHORTEST_MS) / SHORTEST_MS) / GROWTH);
    const bucket = Math.min(place, BUCKETS - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#counted++;
    if (this.#counted >= MOST_COUNTED) this.#fade();
  }

  #fade(): void {
    this.#counted = 0;
    for (const [bucket, count] of this.#buckets.entries()) {
      const left = count / 2;
      this.#buckets[bucket] = left;
      this.#counted += left;
    }
  }

  #quantile(share: number): number | undefined {
    if (this.#counted === 0) return undefined;
    let left = share * this.#counted;
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return SHORTEST_MS * Math.exp((bucket + 1) * GROWTH);
    }
    return undefined;
  }

  #mistake(nowMs: number): void {
    this.#turnTo(nowMs);
    const place = this.#hour % HOURS;
    this.#mistakes[place] = (this.#mistakes[place] as number) + 1;
  }

  /** Clears the hours that have passed since the last count. */
  #turnTo(nowMs: number): void {
    const hour = Math.max(0, Math.floor(nowMs / HOUR_MS));
    if (hour <= this.#hour) return;
    for (let passed = Math.max(this.#hour + 1, hour - HOURS + 1); passed <= hour; passed++)
      this.#mistakes[passed % HOURS] = 0;
    this.#hour = hour;
  }
}
