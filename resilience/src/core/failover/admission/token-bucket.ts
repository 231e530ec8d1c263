/**
 * A pace in calls per second, as a token bucket that allows no more than that in any second. The
 * bucket is kept as one instant (the generic cell rate algorithm, ITU-T I.371): the time at which
 * it would be full again. A call moves that instant on by one interval. It may go while the instant
 * is no further ahead than the bucket is deep.
 *
 * The bucket holds a twentieth of a second's calls, at least four. So a service of five calls a
 * second need not wait 0.2 s between two of them, and one of a thousand is not sent a thousand at
 * once. The bound for any second is kept separately, as the instants of the last second's calls.
 * There are no time slices, so a declared 240 a second gives 240 in any second.
 */
import { checked } from "../../options.ts";

/** The bucket holds this share of a second's calls … */
const DEPTH_SHARE = 0.05;
/** … but at least this many. */
const MIN_DEPTH = 4;
/** A timer may fire this late without making the pace slower. */
const LATENESS_MS = 10;
/**
 * Up to this many calls a second, their instants are kept; above it, an even pace is a sufficient
 * bound.
 */
const MAX_KEPT = 2_048;

/**
 * Limits events to a pace, in events a second.
 *
 * @example
 * ```ts
 * import { TokenBucket } from "ground-station-failover/core";
 *
 * const pace = new TokenBucket(100, true, 2); // 100 a second, two at once after a rest
 * pace.take(0);
 * pace.take(0);
 * console.log(pace.allows(0), pace.nextMs); // false 10
 * console.log(pace.allows(10)); // true
 * ```
 */
export class TokenBucket {
  #ratePerSecond = 0;
  #fullAtMs: number = Number.NEGATIVE_INFINITY;
  /**
   * Instants of the last calls, as a ring; undefined if the rate is too high for that, or may
   * change.
   */
  readonly #sentAtMs: Float64Array | undefined;
  #place = 0;
  readonly #burst: number | undefined;

  /**
   * `ratePerSecond`: above 0; `Infinity` for no limit. `strict`: a bucket as above, and no second
   * holds more than the rate; the rate cannot be changed then. Without it, calls are spread evenly.
   * `burst`: calls that may go at once after a rest; no second holds more than these plus the rate.
   */
  constructor(ratePerSecond: number, strict = false, burst?: number) {
    this.#ratePerSecond = checked("TokenBucket", "ratePerSecond", ratePerSecond, RATE_PER_SECOND);
    this.#burst = burst;
    if (!strict || ratePerSecond > MAX_KEPT || burst !== undefined) return;
    this.#sentAtMs = new Float64Array(Math.max(1, Math.floor(ratePerSecond))).fill(Number.NEGATIVE_INFINITY);
  }

  get ratePerSecond(): number {
    return this.#ratePerSecond;
  }

  /** Changes the pace from now on. */
  set ratePerSecond(ratePerSecond: number) {
    this.#ratePerSecond = checked("TokenBucket", "ratePerSecond", ratePerSecond, RATE_PER_SECOND);
    // Without a pace, earlier calls no longer delay the next one.
    if (ratePerSecond === Number.POSITIVE_INFINITY) this.#fullAtMs = Number.NEGATIVE_INFINITY;
  }

  /** When the next call may go; now or in the past if it may go now. */
  get nextMs(): number {
    const rate = this.#ratePerSecond;
    if (rate === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
    const isEven = this.#sentAtMs === undefined && this.#burst === undefined;
    const toleranceMs = isEven ? LATENESS_MS : this.#toleranceMs(rate);
    const evenlyMs = this.#fullAtMs - toleranceMs;
    if (this.#sentAtMs === undefined) return evenlyMs;
    // The calls in the full ring must take at least the time that the rate gives them.
    const oldestMs = this.#sentAtMs[this.#place] as number;
    return Math.max(evenlyMs, oldestMs + (this.#sentAtMs.length * 1_000) / rate);
  }

  /** How far calls may be ahead of an even pace: the content of a full bucket. */
  #toleranceMs(rate: number): number {
    const depth = this.#burst ?? Math.min(rate, Math.max(MIN_DEPTH, rate * DEPTH_SHARE));
    return Math.max(LATENESS_MS, ((depth - 1) * 1_000) / rate);
  }

  /**
   * Takes over what `old`, the bucket before a change of the declared pace, has given lately, so
   * that no second holds more than the new pace from `nowMs` on. Without an old one nothing is
   * known of the last second: this bucket then begins empty, at an even pace.
   */
  carryOn(old: TokenBucket | undefined, nowMs: number): void {
    const rate = this.#ratePerSecond;
    // As many calls ahead of the even pace as before, and never more than this bucket holds.
    const calls = old === undefined ? Number.POSITIVE_INFINITY : old.#callsAhead(nowMs);
    this.#fullAtMs = nowMs + Math.min((calls * 1_000) / rate, this.#toleranceMs(rate));
    if (this.#sentAtMs === undefined) return;
    const kept = this.#sentAtMs.length;
    const evenly = (_: unknown, at: number): number => nowMs - 1_000 + (at * 1_000) / kept;
    const given = old === undefined ? undefined : old.#lately(kept);
    this.#sentAtMs.set(given ?? Array.from({ length: kept }, evenly), kept - (given?.length ?? kept));
    this.#place = 0;
  }

  #callsAhead(nowMs: number): number {
    return (Math.max(0, this.#fullAtMs - nowMs) * this.#ratePerSecond) / 1_000;
  }

  /**
   * The instants of the last calls, at most `most`, oldest first; undefined if they are not kept.
   */
  #lately(most: number): number[] | undefined {
    const ring = this.#sentAtMs;
    if (ring === undefined) return undefined;
    const inOrder = [...ring.subarray(this.#place), ...ring.subarray(0, this.#place)];
    return inOrder.slice(-most);
  }

  /** May a call go now? */
  allows(nowMs: number): boolean {
    return this.#ratePerSecond === Number.POSITIVE_INFINITY || nowMs >= this.nextMs;
  }

  /** A call goes now. */
  take(nowMs: number): void {
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + 1_000 / this.#ratePerSecond;
    if (this.#sentAtMs === undefined) return;
    this.#sentAtMs[this.#place] = nowMs;
    this.#place = (this.#place + 1) % this.#sentAtMs.length;
  }

  /**
   * This share of a call's interval was not needed. Only for an even pace: a strict bucket counts
   * calls.
   */
  giveBack(share: number): void {
    if (this.#ratePerSecond < Number.POSITIVE_INFINITY) this.#fullAtMs -= (share * 1_000) / this.#ratePerSecond;
  }
}

const RATE_PER_SECOND = { min: 0, aboveMin: true, max: Number.POSITIVE_INFINITY };
