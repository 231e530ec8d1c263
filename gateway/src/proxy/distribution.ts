/**
 * How late a chunk or a datagram is: one delay drawn from a latency, a jitter and the shape of the
 * distribution. For `uniform`, Toxiproxy's own, the jitter is half the width of the interval; for
 * the others the latency is the mean and the jitter the standard deviation, as in netem, so that
 * one pair of numbers means about the same whatever the shape. The tails are longer from normal to
 * lognormal to Pareto. Sampling is by inversion, the normal by Box and Muller (1958).
 */
import type { Random } from "ground-station-failover";

/** The shape of a random delay. */
export type DelayDistribution = "uniform" | "normal" | "pareto" | "lognormal";

/** The shapes, as the attribute `distribution` of a latency toxic names them. */
export const DELAY_DISTRIBUTIONS: readonly DelayDistribution[] = ["uniform", "normal", "pareto", "lognormal"];

/**
 * No delay is longer: the longest that a timer of Node can wait, 24.8 days. A long tail has no
 * bound of its own.
 */
export const MAX_DELAY_MS = 2_147_483_647;

export interface DelayShape {
  /** Mean delay in ms, from 0. */
  readonly latencyMs: number;
  /**
   * In ms, from 0. Uniform: half the width of the interval around the latency. Others: the standard
   * deviation.
   */
  readonly jitterMs: number;
  /** Default "uniform", as in Toxiproxy. */
  readonly distribution?: DelayDistribution;
}

/** Draws one delay in ms, from 0 to `MAX_DELAY_MS`. Without jitter nothing is drawn. */
export function sampleDelayMs(random: Random, { latencyMs, jitterMs, distribution = "uniform" }: DelayShape): number {
  if (jitterMs === 0) return bounded(latencyMs);
  switch (distribution) {
    case "uniform":
      return bounded(latencyMs - jitterMs + 2 * jitterMs * random.next());
    case "normal":
      return bounded(latencyMs + jitterMs * standardNormal(random));
    case "pareto":
      return bounded(paretoOf(random, latencyMs, jitterMs));
    case "lognormal":
      return bounded(lognormalOf(random, latencyMs, jitterMs));
  }
}

function bounded(delayMs: number): number {
  return Math.min(MAX_DELAY_MS, Math.max(0, delayMs));
}

function standardNormal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

/**
 * Pareto's distribution with this mean and standard deviation: both are finite, so its index is
 * above 2.
 */
function paretoOf(random: Random, mean: number, deviation: number): number {
  const index = 1 + Math.sqrt(1 + (mean / deviation) ** 2);
  const least = (mean * (index - 1)) / index;
  return least / (1 - random.next()) ** (1 / index);
}

/** A delay whose logarithm is normal, with this mean and standard deviation. */
function lognormalOf(random: Random, mean: number, deviation: number): number {
  // A mean of 0 leaves nothing to spread.
  if (mean === 0) return 0;
  const variance = Math.log(1 + (deviation / mean) ** 2);
  return Math.exp(Math.log(mean) - variance / 2 + Math.sqrt(variance) * standardNormal(random));
}
