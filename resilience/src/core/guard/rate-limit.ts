/**
 * A rate limit as a pure machine: the generic cell rate algorithm (GCRA, ITU-T I.371), which keeps
 * one number, the instant at which the limit would be unused again. It lets `burst` calls pass at
 * once and `perSecond` in the long run, without windows at whose borders twice as many pass.
 */
import { ConfigurationError } from "../errors.ts";
import { COUNT, checked, checkNames, type Names } from "../options.ts";

/** Options of a rate limit. */
export interface RateLimitOptions {
  /**
   * How many calls may pass a second in the long run; above 0, at most 10^9, fractions allowed (one
   * a minute is 1/60). No default: only you know what was agreed with the service.
   */
  readonly perSecond: number;
  /**
   * How many calls may pass at once after a pause; a whole number from 1, below 2^31. Default what
   * comes in a tenth of a second, at least 1: enough for callers that come in bunches, too little
   * to be noticed by a service.
   */
  readonly burst?: number | undefined;
}

const RATE_LIMIT_NAMES: Names<RateLimitOptions> = { perSecond: true, burst: true };

/** What a rate limit has left; a copy, for status pages. */
export interface RateLimitStatus {
  readonly perSecond: number;
  readonly burst: number;
  /** How many calls would pass now; fractions are on their way to one. */
  readonly available: number;
}

const MAX_PER_SECOND = 1e9;
/** Rounding of instants must not refuse a call that comes exactly at its time. */
const ROUNDING_MS = 1e-6;

/**
 * Lets `burst` calls pass at once and `perSecond` in the long run. The caller passes the time with
 * each question.
 *
 * @example
 * ```ts
 * import { RateLimitMachine } from "ground-station-failover/core";
 *
 * const limit = new RateLimitMachine({ perSecond: 10, burst: 2 });
 * console.log(limit.tryTake(0), limit.tryTake(0), limit.tryTake(0)); // true true false
 * console.log(limit.waitMs(0)); // 100
 * console.log(limit.tryTake(100)); // true
 * ```
 */
export class RateLimitMachine {
  readonly perSecond: number;
  readonly burst: number;
  readonly #intervalMs: number;
  /** When nothing of the limit is used any more (the theoretical arrival time of GCRA). */
  #unusedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RateLimitOptions) {
    checkNames("RateLimiter", options, RATE_LIMIT_NAMES);
    const range = { min: 0, aboveMin: true, max: MAX_PER_SECOND };
    this.perSecond = checked("RateLimiter", "perSecond", options.perSecond, range);
    const byDefault = Math.max(1, Math.floor(this.perSecond / 10));
    this.burst = checked("RateLimiter", "burst", options.burst ?? byDefault, COUNT);
    this.#intervalMs = 1_000 / this.perSecond;
  }

  /**
   * Takes `cost` calls' worth of the limit if there is so much now. `cost`: above 0, at most
   * `burst`; default 1. Throws `ConfigurationError` for another one, which could never pass.
   */
  tryTake(nowMs: number, cost = 1): boolean {
    this.checkCost(cost);
    if (this.waitMs(nowMs, cost) > 0) return false;
    this.#unusedAtMs = Math.max(this.#unusedAtMs, nowMs) + cost * this.#intervalMs;
    return true;
  }

  /** How long from `nowMs` until `cost` calls' worth could have passed, one after the other; in ms. */
  waitMs(nowMs: number, cost = 1): number {
    const usedMs = Math.max(0, this.#unusedAtMs - nowMs);
    const waitMs = usedMs + (cost - this.burst) * this.#intervalMs;
    return waitMs > ROUNDING_MS ? waitMs : 0;
  }

  /** Throws `ConfigurationError` for a cost that could never pass. */
  checkCost(cost: number): void {
    if (!(cost > 0 && cost <= this.burst)) throw costRefusal(cost, this.burst);
  }

  /** What is left of the limit at `nowMs`. */
  status(nowMs: number): RateLimitStatus {
    const { perSecond, burst } = this;
    const usedMs = Math.max(0, this.#unusedAtMs - nowMs);
    return { perSecond, burst, available: Math.max(0, burst - usedMs / this.#intervalMs) };
  }
}

function costRefusal(cost: number, burst: number): ConfigurationError {
  return new ConfigurationError(
    "cost-exceeds-burst",
    `RateLimiter: cost is ${cost}; it must be above 0 and at most burst, ${burst}: more could never pass at once.`,
  );
}
