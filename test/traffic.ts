/**
 * Seeded heartbeat traffic for tests: gaps drawn from the regimes that the acceptance figures are
 * stated for.
 */
import type { Random } from "../resilience/src/core/random.ts";

/** One draw of a standard normal variable (Box and Muller). */
export function normalDraw(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** A gap of the intra-region path: N(50, 10) ms, never negative. */
export function intraRegionGapMs(random: Random): number {
  return Math.max(0, 50 + 10 * normalDraw(random));
}

/** A gap of the cross-region path: lognormal, mean 500 ms, sigma 0.6. */
export function crossRegionGapMs(random: Random): number {
  return 500 * Math.exp(0.6 * normalDraw(random) - 0.18);
}
