/**
 * What a detector hands over about a node when another detector takes its place, because its
 * settings were changed while it works: when the node was last heard, which heartbeats were seen,
 * and the gaps between the last ones. Every model can learn from gaps, so that a change of the
 * model does not begin with an empty memory. What is not handed over is the shape of a distribution
 * that the adaptive model has seen over hours: it gives its present mean and deviation, as gaps.
 */
import type { BeatOrder } from "./beat-order.ts";

export interface CarriedNode {
  readonly name: string;
  readonly lastMs: number;
  readonly order: BeatOrder;
  /** Oldest first; empty if nothing is known. */
  readonly gapsMs: readonly number[];
}

/**
 * This many gaps have the mean and the deviation of a fit, and are enough to leave no doubt of it.
 */
const GAPS_OF_A_FIT = 64;

/** Gaps with this mean and this deviation; at most as many as were seen. */
export function gapsOfFit(meanMs: number, deviationMs: number, samples: number): number[] {
  const pairs = Math.floor(Math.min(samples, GAPS_OF_A_FIT) / 2);
  const spreadMs = Math.min(deviationMs, meanMs);
  return Array.from({ length: 2 * pairs }, (_, at) => meanMs + (at % 2 === 0 ? spreadMs : -spreadMs));
}
