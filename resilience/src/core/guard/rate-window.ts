/**
 * Counts over a sliding time window, as a ring of buckets. Time is cut into buckets of equal width,
 * and a count goes into the bucket of its instant. Reading first empties all buckets that have left
 * the window, even after an hour without a call. (A ring that moves only when it is written to
 * still shows the failures of an hour ago.) So the window covers between `windowMs` minus one
 * bucket and `windowMs`. The totals of all buckets but the newest are kept separately, so that
 * reading is O(1) and counting writes to one place. An instant before the newest bucket counts in
 * the newest: the axis is monotonic, and a clock that went back can neither restore old counts nor
 * lose new ones.
 */
import { COUNT, checked, DURATION_MS } from "../options.ts";

/**
 * Counts events of several kinds over a sliding window of time.
 *
 * @example
 * ```ts
 * import { RateWindow } from "ground-station-failover/core";
 *
 * const [CALLS, FAILURES] = [0, 1];
 * const window = new RateWindow(10_000, 10, 2);
 * for (let nowMs = 0; nowMs < 1_000; nowMs += 10) window.add(CALLS, nowMs);
 * window.add(FAILURES, 500, 5);
 * console.log(window.total(FAILURES, 1_000) / window.total(CALLS, 1_000)); // 0.05
 * console.log(window.total(CALLS, 3_600_000)); // 0
 * ```
 */
export class RateWindow {
  readonly #bucketMs: number;
  readonly #buckets: number;
  readonly #series: number;
  readonly #counts: Float64Array;
  /** Totals of all buckets but the newest. */
  readonly #older: Float64Array;
  /**
   * The first series is what every call counts. Its newest bucket and the sum of its older ones are
   * kept in fields, so that counting it touches no array.
   */
  #firstNewest = 0;
  #firstOlder = 0;
  /**
   * Number of the newest bucket on the axis (floor of instant / width), and its place in the ring.
   */
  #newest = Number.NEGATIVE_INFINITY;
  #offset = 0;
  /** Instant at which the newest bucket ends; until then the ring does not move. */
  #newestEndsMs = Number.NEGATIVE_INFINITY;

  /** `series`: the number of things that are counted, numbered 0 … series − 1. */
  constructor(windowMs: number, buckets: number, series: number) {
    this.#buckets = checked("RateWindow", "buckets", buckets, { ...COUNT, max: 10_000 });
    this.#series = checked("RateWindow", "series", series, { ...COUNT, max: 100 });
    this.#bucketMs = checked("RateWindow", "windowMs", windowMs, DURATION_MS) / buckets;
    this.#counts = new Float64Array(buckets * series);
    this.#older = new Float64Array(series);
  }

  /** Counts `amount` more of `series` at `nowMs`. */
  add(series: number, nowMs: number, amount = 1): void {
    if (nowMs >= this.#newestEndsMs) this.#moveTo(nowMs);
    if (series === 0) this.#firstNewest += amount;
    else this.#counts[this.#offset + series] = (this.#counts[this.#offset + series] as number) + amount;
  }

  /** Counts one more of the first series at `nowMs`; returns its total in the window. */
  count(nowMs: number): number {
    if (nowMs >= this.#newestEndsMs) this.#moveTo(nowMs);
    return this.#firstOlder + ++this.#firstNewest;
  }

  /** The total of `series` in the window at `nowMs`. */
  total(series: number, nowMs: number): number {
    if (nowMs >= this.#newestEndsMs) this.#moveTo(nowMs);
    if (series === 0) return this.#firstOlder + this.#firstNewest;
    return (this.#older[series] as number) + (this.#counts[this.#offset + series] as number);
  }

  /**
   * Counts in `other`, which is empty and has the same series, what this window holds at `nowMs`.
   * The calls of a bucket are counted at its beginning, or at its `end` (at most `nowMs`): so they
   * leave the other window too early, or too late, by at most a bucket of this one.
   */
  copyTo(other: RateWindow, at: "beginning" | "end", nowMs: number): void {
    if (nowMs >= this.#newestEndsMs) this.#moveTo(nowMs);
    this.#counts[this.#offset] = this.#firstNewest;
    for (let bucket = this.#newest - this.#buckets + 1; bucket <= this.#newest; bucket++) {
      const place = ringPlace(bucket, this.#buckets) * this.#series;
      const fromMs = bucket * this.#bucketMs;
      const atMs = at === "beginning" ? fromMs : Math.min(fromMs + this.#bucketMs, nowMs);
      for (let series = 0; series < this.#series; series++) {
        const amount = this.#counts[place + series] as number;
        if (amount !== 0) other.add(series, atMs, amount);
      }
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#counts.fill(0);
    this.#older.fill(0);
    this.#firstNewest = 0;
    this.#firstOlder = 0;
  }

  #moveTo(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs);
    const elapsed = bucket - this.#newest;
    this.#counts[this.#offset] = this.#firstNewest;
    if (elapsed >= this.#buckets) this.clear();
    else if (elapsed > 0) {
      for (let series = 0; series < this.#series; series++) this.#addOlder(series, this.#offset + series, 1);
      for (let step = 1; step <= elapsed; step++) this.#empty(ringPlace(this.#newest + step, this.#buckets));
    }
    this.#newest = bucket;
    this.#offset = ringPlace(bucket, this.#buckets) * this.#series;
    this.#firstNewest = this.#counts[this.#offset] as number;
    this.#firstOlder = this.#older[0] as number;
    this.#newestEndsMs = (bucket + 1) * this.#bucketMs;
  }

  #empty(ring: number): void {
    for (let series = 0; series < this.#series; series++) {
      const place = ring * this.#series + series;
      this.#addOlder(series, place, -1);
      this.#counts[place] = 0;
    }
  }

  #addOlder(series: number, place: number, times: 1 | -1): void {
    this.#older[series] = (this.#older[series] as number) + times * (this.#counts[place] as number);
  }
}

function ringPlace(bucket: number, buckets: number): number {
  const rest = bucket % buckets;
  return rest < 0 ? rest + buckets : rest;
}
