/**
 * What would make an impossible goal possible: more time to detect, more false alarms, a longer
 * trace, or more frequent heartbeats. The first three are computed from the trace. The effect of
 * shorter intervals is a cautious estimate: a silence shrinks by at most the difference between the
 * two intervals, because the cause of a late beat or of a short run of losses is assumed to last as
 * long as before. Only single losses, which are independent, are assumed to hit as few beats of a
 * faster sender.
 */

import { FIXED_DOWN_LEVEL } from "./candidates.ts";
import type { CalibrationGoal } from "./goal.ts";
import type { HeartbeatTrace } from "./heartbeat-trace.ts";
import { poissonUpperBound } from "./poisson-bounds.ts";
import { type SelectionTerms, selectThreshold } from "./selection.ts";
import type { TrafficSummary } from "./traffic-summary.ts";
import { type CalibrationTrial, HIGHEST_LEVEL } from "./trial.ts";

/**
 * What would make the goal reachable. Each field alone would be enough; undefined if it would not
 * be, or if that is unknown.
 */
export interface CalibrationNeeds {
  /** Heartbeats at this interval or a shorter one (an estimate). */
  readonly intervalMs: number | undefined;
  /** This much time to detect. */
  readonly detectWithinMs: number | undefined;
  /** This many false alarms per ms, at the required time for detection. */
  readonly alarmsPerMs: number | undefined;
  /** The length of a trace without a false alarm, all nodes added up. */
  readonly watchedMs: number;
  /** The minimum length of a trace, all nodes added up, whose tail could be continued. */
  readonly leastWatchedMs: number;
  /** Silences in the trace that reach the time for detection, without outages. */
  readonly silences: number;
}

/** A tail is continued over at most three decades. */
export const LONGEST_CONTINUATION = 1_000;

/** Intervals that people usually configure. */
const USUAL_INTERVALS_MS: readonly number[] = [
  30_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 250, 200, 100, 50, 25, 20, 10, 5,
];
/** Losses count as bursts if their runs are this much longer than independent ones. */
const BURSTY = 1.2;

/** The result of a trial of the fixed timeout at the time for detection. */
interface FixedTrial {
  readonly trial: CalibrationTrial;
  readonly terms: SelectionTerms;
}

/** `fixed`: undefined if none was tried. */
export function calibrationNeeds(
  trace: HeartbeatTrace,
  traffic: TrafficSummary,
  goal: CalibrationGoal,
  fixed: FixedTrial | undefined,
): CalibrationNeeds {
  const { detectWithinMs, alarmsPerMs, confidence } = goal;
  const silences = silencesFrom(trace, detectWithinMs, goal.outageMs);
  return {
    intervalMs: shorterInterval(silences, traffic, goal),
    detectWithinMs: fixed === undefined ? undefined : longerTime(fixed, goal),
    alarmsPerMs: fixed === undefined ? undefined : moreAlarms(fixed, silences.length, traffic, goal),
    watchedMs: poissonUpperBound(0, confidence) / alarmsPerMs,
    leastWatchedMs: 1 / (alarmsPerMs * LONGEST_CONTINUATION),
    silences: silences.length,
  };
}

interface LongSilence {
  readonly gapMs: number;
  readonly missing: number;
}

function silencesFrom(trace: HeartbeatTrace, fromMs: number, outageMs: number): LongSilence[] {
  const found: LongSilence[] = [];
  for (const node of trace.nodes.values()) {
    node.forEach(({ gapMs, missing }) => {
      if (gapMs >= fromMs && gapMs < outageMs && found.length < MOST_SILENCES) found.push({ gapMs, missing });
    });
  }
  return found;
}

/** With more silences than this the goal is clearly far away, and no estimate is needed. */
const MOST_SILENCES = 1_000_000;

function shorterInterval(
  silences: readonly LongSilence[],
  { intervalMs, watchedMs, loss }: TrafficSummary,
  { detectWithinMs, alarmsPerMs }: CalibrationGoal,
): number | undefined {
  if (silences.length === 0 && detectWithinMs >= 2 * intervalMs) return undefined;
  const independent = loss !== undefined && loss.meanRun <= BURSTY / (1 - loss.lossRate);
  return USUAL_INTERVALS_MS.find((shorterMs) => {
    if (shorterMs >= intervalMs || detectWithinMs < 2 * shorterMs) return false;
    const left = silences.filter(({ gapMs, missing }) => {
      const beats = independent ? missing + 1 : 1;
      return gapMs - beats * (intervalMs - shorterMs) >= detectWithinMs;
    });
    return (left.length * intervalMs) / shorterMs <= alarmsPerMs * watchedMs;
  });
}

/**
 * The shortest timeout that would be enough, by the same rules. Levels of the fixed detector
 * continue past its timeout.
 */
function longerTime({ trial, terms }: FixedTrial, { detectWithinMs, outageMs }: CalibrationGoal): number | undefined {
  // Silences from outageMs on were not counted.
  const longest = Math.min(HIGHEST_LEVEL - LONGER_STEP, (FIXED_DOWN_LEVEL * outageMs) / detectWithinMs);
  const steps = Math.floor((longest - FIXED_DOWN_LEVEL) / LONGER_STEP);
  const range = { lowest: FIXED_DOWN_LEVEL, highest: FIXED_DOWN_LEVEL + steps * LONGER_STEP, step: LONGER_STEP };
  const level = selectThreshold(trial, range, terms)?.level;
  return level === undefined ? undefined : (level / FIXED_DOWN_LEVEL) * detectWithinMs;
}

/**
 * The false alarms that the whole time for detection needs, by the same rules, in steps of a fifth.
 */
function moreAlarms(
  { trial, terms }: FixedTrial,
  silences: number,
  { watchedMs }: TrafficSummary,
  { alarmsPerMs, confidence }: CalibrationGoal,
): number | undefined {
  const range = { lowest: FIXED_DOWN_LEVEL, highest: FIXED_DOWN_LEVEL, step: LONGER_STEP };
  let rate = Math.max(alarmsPerMs, poissonUpperBound(silences, confidence) / watchedMs);
  for (let step = 0; step < MOST_STEPS; step++, rate *= 1.2) {
    if (selectThreshold(trial, range, { ...terms, alarmsPerMs: rate }) !== undefined) return rate;
  }
  return undefined;
}

/**
 * Up to six times the bound, if alarms come in clusters; with stronger clustering there is no
 * meaningful rate.
 */
const MOST_STEPS = 10;

/** A fiftieth of the time for detection. */
const LONGER_STEP = 0.16;
