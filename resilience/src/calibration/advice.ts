/**
 * What would make an impossible goal possible: more time to detect, more false alarms, a longer
 * trace, or heartbeats that come more often. The first three are read off the trace. What shorter
 * intervals would bring is an estimate, and made on the cautious side: a silence shrinks by no more
 * than the two intervals differ, since what made a beat late or cut a run of them short is taken to
 * last as long as before. Only losses that come singly, as independent ones do, are taken to hit as
 * few beats of a faster sender.
 */

import { FIXED_DOWN_LEVEL } from "./candidates.ts";
import type { CalibrationGoal } from "./goal.ts";
import type { HeartbeatTrace } from "./heartbeat-trace.ts";
import { poissonUpperBound } from "./poisson-bounds.ts";
import { type SelectionTerms, selectThreshold } from "./selection.ts";
import type { TrafficSummary } from "./traffic-summary.ts";
import { type CalibrationTrial, HIGHEST_LEVEL } from "./trial.ts";

/** Each on its own would do; undefined where it would not, or that cannot be told. */
export interface CalibrationNeeds {
  /** Heartbeats this often or more often (an estimate). */
  readonly intervalMs: number | undefined;
  /** This long to detect. */
  readonly detectWithinMs: number | undefined;
  /** So many false alarms per ms, at the time for detection that was asked for. */
  readonly alarmsPerMs: number | undefined;
  /** A trace this long without a false alarm, all nodes added up. */
  readonly watchedMs: number;
  /** A trace this long, all nodes added up, could at least be continued from. */
  readonly leastWatchedMs: number;
  /** Silences in the trace that reach the time for detection, outages apart. */
  readonly silences: number;
}

/** A tail is continued over at most three decades. */
export const LONGEST_CONTINUATION = 1_000;

/** Intervals that people write down. */
const USUAL_INTERVALS_MS: readonly number[] = [
  30_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 250, 200, 100, 50, 25, 20, 10, 5,
];
/** Runs of losses this much longer than independent ones count as bursts. */
const BURSTY = 1.2;

/** What a trial of the fixed timeout at the time for detection came to. */
interface FixedTrial {
  readonly trial: CalibrationTrial;
  readonly terms: SelectionTerms;
}

/** `fixed`: undefined where none was tried. */
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

/** Where there are more, no estimate is needed to see that the goal is far away. */
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
 * The shortest timeout that would do, by the same rules; levels of the fixed detector go on past
 * its timeout.
 */
function longerTime({ trial, terms }: FixedTrial, { detectWithinMs, outageMs }: CalibrationGoal): number | undefined {
  // Silences from outageMs on were not counted.
  const longest = Math.min(HIGHEST_LEVEL - LONGER_STEP, (FIXED_DOWN_LEVEL * outageMs) / detectWithinMs);
  const steps = Math.floor((longest - FIXED_DOWN_LEVEL) / LONGER_STEP);
  const range = { lowest: FIXED_DOWN_LEVEL, highest: FIXED_DOWN_LEVEL + steps * LONGER_STEP, step: LONGER_STEP };
  const level = selectThreshold(trial, range, terms)?.level;
  return level === undefined ? undefined : (level / FIXED_DOWN_LEVEL) * detectWithinMs;
}

/** The rate of the whole time for detection, by the same rules, in steps of a fifth. */
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

/** Six times the bound, if alarms come in clusters; what clusters more than that is no rate. */
const MOST_STEPS = 10;

/** A fiftieth of the time for detection. */
const LONGER_STEP = 0.16;
