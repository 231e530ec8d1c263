/**
 * How often a run of lost beats may come, also one that is longer than any seen. The gaps of lost beats stand in heaps, one for
 * each number of beats, and a smooth tail continued beyond the last heap does not see the next. What it is continued by
 * instead is the chance that a run goes on by one beat more, at its upper confidence bound. Without sequence
 * numbers nothing is known of losses, and nothing is added.
 */
import { poissonUpperBound } from "./poisson-bounds.ts";
import { LONGEST_COUNTED_RUN, type TrafficSummary } from "./traffic-summary.ts";

/** Upper bound on runs of at least `length` lost beats, per ms of one node. */
export function lostRunsPerMs({ loss, watchedMs }: TrafficSummary, length: number, confidence: number): number {
  if (loss === undefined || loss.lost === 0 || watchedMs <= 0) return 0;
  // Each lost beat but a run's last was followed by another lost one.
  const goesOn = Math.min(1, poissonUpperBound(loss.lost - loss.runs, confidence) / loss.lost);
  let fewest = Number.POSITIVE_INFINITY;
  for (let from = 1; from <= Math.min(length, LONGEST_COUNTED_RUN); from++) {
    const runs = poissonUpperBound(loss.runsOfAtLeast[from] as number, confidence);
    fewest = Math.min(fewest, runs * goesOn ** (length - from));
  }
  return length < 1 ? Number.POSITIVE_INFINITY : fewest / watchedMs;
}

/** The fewest lost beats whose gap may last `silenceMs`: half an interval is allowed for jitter. */
export function lostBeatsIn(silenceMs: number, intervalMs: number): number {
  return Math.max(1, Math.ceil(silenceMs / intervalMs - 1.5));
}
