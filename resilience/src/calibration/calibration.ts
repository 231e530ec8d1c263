/**
 * Computes a detector from a recorded trace and a goal, or the reason why there is none. The time
 * within which silence must be declared becomes the *ceiling*: whatever a detector has learned, it
 * never waits longer. Under that ceiling each candidate gets the lowest threshold that keeps false
 * alarms as rare as required (`selection.ts`). The candidate with the shortest mean wait is
 * recommended.
 *
 * Among detectors that never wait longer than the ceiling, none makes fewer false alarms than the
 * fixed timeout that always waits that long. So if that one makes too many, the goal is impossible,
 * and the changes that would help are computed instead. A fixed timeout is recommended only if no
 * detector that learns is good enough: a timeout that was right for another network is how the
 * incident began. Calibration assumes that the future resembles the trace, and that the nodes of a
 * trace resemble each other.
 */

import { ConfigurationError } from "../core/errors.ts";
import { type CalibrationNeeds, calibrationNeeds, LONGEST_CONTINUATION } from "./advice.ts";
import { DEFAULT_WINDOW, type DetectorCandidate, detectorCandidates, FIXED_DOWN_LEVEL } from "./candidates.ts";
import { type CalibrationGoal, type CalibrationOptions, calibrationGoal } from "./goal.ts";
import type { HeartbeatTrace } from "./heartbeat-trace.ts";
import { LostRuns, lostBeatsIn } from "./lost-runs.ts";
import { poissonUpperBound } from "./poisson-bounds.ts";
import { alarmRates, type Selection, type SelectionTerms, selectThreshold } from "./selection.ts";
import { summarizeTraffic, type TrafficSummary } from "./traffic-summary.ts";
import { CalibrationTrial, type SilenceFigures } from "./trial.ts";

/** The recommended configuration. */
export interface DetectorRecommendation {
  readonly model: DetectorCandidate["model"];
  readonly windowSize: number;
  readonly minDeviationMs: number;
  readonly threshold: number;
  readonly intervalMs: number;
  readonly ceilingMs: number;
}

/** How well the recommendation performs. */
export interface CalibrationEvidence extends Omit<Selection, "level"> {
  /** How long a silence lasts until it is declared. */
  readonly silence: SilenceFigures;
  /**
   * The length of a trace without a false alarm (all nodes added up) that would prove the required
   * rate.
   */
  readonly provenAfterMs: number;
}

/** One detector's trade-off: a point for each threshold, in rising order. */
export interface TradeOffCurve {
  readonly model: DetectorCandidate["model"];
  readonly windowSize: number;
  readonly minDeviationMs: number;
  readonly points: readonly TradeOffPoint[];
}

/** One threshold of a detector: how soon it declares, and how often it is wrong. */
export interface TradeOffPoint {
  readonly level: number;
  /** Mean silence until the declaration. */
  readonly silenceMs: number;
  readonly alarmsPerMs: number;
  /** False alarms in the trace; if 0, the rate is an upper bound from continuing the tail. */
  readonly counted: number;
}

/**
 * The reason why no detector can reach the goal on this trace, and what would make the goal
 * reachable.
 */
export type CalibrationRefusal = {
  readonly why:
    | "interval-too-long" /** Two beats do not fit into the time for detection. */
    | "silences-too-long" /** The trace has too many silences that are longer than the time for detection. */
    | "tail-too-heavy" /** It has not, but its tail says that there will be, as far as so short a trace can tell. */
    | "trace-too-short" /** The trace covers less than a thousandth of the time in which one false alarm is bearable. */;
  readonly needs: CalibrationNeeds;
};

/** The detector to configure, with its evidence, or the reason why there is none. */
export type CalibrationResult = {
  readonly goal: CalibrationGoal;
  readonly traffic: TrafficSummary;
  readonly curves: readonly TradeOffCurve[];
} & (
  | {
      readonly type: "recommended";
      readonly recommendation: DetectorRecommendation;
      readonly evidence: CalibrationEvidence;
    }
  | ({ readonly type: "impossible" } & CalibrationRefusal)
);

/** The progress of a calibration: candidates replayed, and their total. */
export interface CalibrationProgress {
  readonly done: number;
  readonly total: number;
}

/** Minimum number of gaps in a trace. A trace with fewer has no usable tail and is refused. */
export const MIN_GAPS = 200;

interface Tried {
  readonly candidate: DetectorCandidate;
  readonly trial: CalibrationTrial;
  readonly terms: SelectionTerms;
  readonly selection: Selection | undefined;
}

/**
 * The alarms that continuing a trial's own tail leaves out. The ceiling declares every silence that
 * the threshold does not, so its alarms are added, by the tail of the silences themselves. Runs of
 * lost beats that have not occurred yet are added too.
 */
function addedTo(
  trial: CalibrationTrial,
  fixed: CalibrationTrial,
  lostRuns: LostRuns,
  { intervalMs }: TrafficSummary,
  goal: CalibrationGoal,
): (level: number) => number {
  const { confidence, detectWithinMs } = goal;
  const ceiling = trial === fixed ? 0 : (alarmRates(fixed, [FIXED_DOWN_LEVEL], { confidence })[0]?.continuedPerMs ?? 0);
  return (level) => {
    const silenceMs =
      trial === fixed
        ? (detectWithinMs * level) / FIXED_DOWN_LEVEL
        : Math.min(trial.silence(level).p50Ms, detectWithinMs);
    return ceiling + lostRuns.perMs(lostBeatsIn(silenceMs, intervalMs));
  };
}

/**
 * Calibrates in one call. Throws {@link ConfigurationError} if an option is out of range or the
 * trace has too few gaps.
 *
 * @example
 * ```ts
 * import { calibrate, HeartbeatTrace } from "ground-station-failover/calibration";
 *
 * const trace = new HeartbeatTrace();
 * for (let sequence = 0; sequence < 2_000; sequence++) {
 *   const lateMs = (sequence * 7) % 11; // 0 … 10 ms
 *   trace.add("north", { sequence }, sequence * 50 + lateMs);
 * }
 * const result = calibrate(trace, { detectWithinMs: 500, falseAlarms: 1, perMs: 3_600_000 });
 * console.log(result.type, Math.round(result.traffic.intervalMs)); // recommended 50
 * ```
 */
export function calibrate(trace: HeartbeatTrace, options: CalibrationOptions): CalibrationResult {
  const steps = calibrationSteps(trace, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Calibrates like {@link calibrate}, but pauses after each candidate, because a candidate takes
 * some seconds for a long trace.
 *
 * @example
 * ```ts
 * import { calibrationSteps, HeartbeatTrace } from "ground-station-failover/calibration";
 *
 * const trace = new HeartbeatTrace();
 * for (let sequence = 0; sequence < 2_000; sequence++) {
 *   trace.add("north", { sequence }, sequence * 50 + ((sequence * 7) % 11));
 * }
 * const goal = { detectWithinMs: 500, falseAlarms: 1, perMs: 3_600_000 };
 * const steps = calibrationSteps(trace, goal);
 * let step = steps.next();
 * while (!step.done) step = steps.next(); // step.value: how many of the candidates are done
 * console.log(step.value.type); // recommended
 * ```
 */
export function* calibrationSteps(
  trace: HeartbeatTrace,
  options: CalibrationOptions,
): Generator<CalibrationProgress, CalibrationResult> {
  const goal = calibrationGoal(options);
  const traffic = summarizeTraffic(trace, goal);
  const gaps = traffic.beats - traffic.nodes - traffic.restarts - traffic.outages.count;
  if (gaps < MIN_GAPS) {
    throw new ConfigurationError(
      "trace-too-small",
      `Calibration: the trace has ${Math.max(0, gaps)} gaps between heartbeats; it must have at least ${MIN_GAPS}.`,
    );
  }
  if (!(traffic.intervalMs > 0)) {
    throw new ConfigurationError(
      "trace-too-small",
      `Calibration: all ${gaps} gaps between heartbeats are 0 ms long; the times of arrival must rise, with a resolution finer than the gaps.`,
    );
  }
  const refuse = (why: CalibrationRefusal["why"], tried: readonly Tried[]): CalibrationResult => {
    const curves = tried.map(curveOf);
    return { type: "impossible", goal, traffic, curves, why, needs: calibrationNeeds(trace, traffic, goal, tried[0]) };
  };
  if (goal.detectWithinMs < 2 * traffic.intervalMs) return refuse("interval-too-long", []);
  const tried = yield* tryOut(trace, traffic, goal);
  const bearable = goal.alarmsPerMs * traffic.watchedMs;
  if (alarmsOf((tried[0] as Tried).trial, FIXED_DOWN_LEVEL) > bearable) return refuse("silences-too-long", tried);
  if (bearable * LONGEST_CONTINUATION < 1) return refuse("trace-too-short", tried);
  const best = bestOf(tried);
  if (best === undefined) return refuse("tail-too-heavy", tried);
  return {
    type: "recommended",
    goal,
    traffic,
    curves: tried.map(curveOf),
    recommendation: recommendationOf(best, traffic.intervalMs, goal),
    evidence: evidenceOf(best, goal),
  };
}

/** A trace with more beats is first sampled, and only the best detectors are tried on all of it. */
const BEATS_FOR_ALL = 1_000_000;
const FINALISTS = 3;

/**
 * Tries the candidates, the fixed timeout first. On a long trace, the others are ranked on a
 * sample, and only the best are tried on the whole trace. If none of these is good enough, the next
 * ones are tried.
 */
function* tryOut(
  trace: HeartbeatTrace,
  traffic: TrafficSummary,
  goal: CalibrationGoal,
): Generator<CalibrationProgress, Tried[]> {
  const [fixed, ...learning] = detectorCandidates(traffic.intervalMs, goal) as [
    DetectorCandidate,
    ...DetectorCandidate[],
  ];
  const oneStretchIn = Math.ceil(trace.beats / BEATS_FOR_ALL);
  const total = 1 + learning.length + (oneStretchIn > 1 ? FINALISTS : 0);
  let done = 0;
  const lostRuns = new LostRuns(traffic, goal.confidence);
  let ceiling: CalibrationTrial | undefined;
  const attempt = (candidate: DetectorCandidate, sampled: number): Tried => {
    const trial = new CalibrationTrial(candidate.machine(), trace, goal, sampled);
    for (const [name, node] of trace.nodes) trial.replay(name, node);
    ceiling ??= trial;
    const terms = { ...goal, addedPerMs: addedTo(trial, ceiling, lostRuns, traffic, goal) };
    done = Math.min(done + 1, total);
    return { candidate, trial, terms, selection: selectThreshold(trial, candidate.levels, terms) };
  };
  const atCeiling = attempt(fixed, 1);
  const tried: Tried[] = [];
  for (const candidate of learning) {
    yield { done, total };
    tried.push(attempt(candidate, oneStretchIn));
  }
  if (oneStretchIn === 1) return [atCeiling, ...tried];
  const onlySampled = (one: Tried): Tried => (one.trial.sampled ? { ...one, selection: undefined } : one);
  // No detector is better than the fixed timeout at the ceiling.
  if (atCeiling.selection === undefined) return [atCeiling, ...tried.map(onlySampled)];
  const ranked = tried.map((one, place) => ({ place, waitMs: waitOf(one) })).sort((a, b) => a.waitMs - b.waitMs);
  let fit = 0;
  for (const { place } of ranked) {
    yield { done, total };
    const inFull = attempt((tried[place] as Tried).candidate, 1);
    // A candidate that was only sampled may not be recommended.
    tried[place] = inFull;
    if (inFull.selection !== undefined) fit++;
    if (fit >= FINALISTS) break;
  }
  return [atCeiling, ...tried.map(onlySampled)];
}

function waitOf({ trial, selection }: Tried): number {
  return selection === undefined ? Number.POSITIVE_INFINITY : trial.silence(selection.level).meanMs;
}

type Chosen = Tried & { readonly selection: Selection };

/**
 * Waits that differ by less than this share are equal; then the window nearest to the default wins.
 */
const ALIKE = 0.02;

/** The candidate with the shortest wait; a fixed timeout only if nothing else is left. */
function bestOf(tried: readonly Tried[]): Chosen | undefined {
  const chosen = tried.filter((one): one is Chosen => one.selection !== undefined);
  const learning = chosen.filter(({ candidate }) => candidate.model !== "fixed");
  const eligible = learning.length > 0 ? learning : chosen;
  const leastMs = Math.min(...eligible.map(waitOf));
  const oddity = ({ candidate }: Chosen): number => Math.abs(Math.log(candidate.windowSize / DEFAULT_WINDOW));
  return eligible
    .filter((one) => waitOf(one) <= leastMs * (1 + ALIKE))
    .reduce<Chosen | undefined>(
      (best, one) => (best === undefined || oddity(one) < oddity(best) ? one : best),
      undefined,
    );
}

function recommendationOf(
  { candidate, selection }: Chosen,
  intervalMs: number,
  goal: CalibrationGoal,
): DetectorRecommendation {
  const { model, windowSize, minDeviationMs, levels } = candidate;
  const fixed = model === "fixed";
  return {
    model,
    windowSize,
    minDeviationMs,
    // A fixed timeout is configured as a ceiling with a threshold that is never reached.
    threshold: fixed ? 100 : selection.level,
    intervalMs,
    ceilingMs: fixed ? (goal.detectWithinMs * selection.level) / levels.highest : goal.detectWithinMs,
  };
}

function evidenceOf({ trial, selection }: Chosen, goal: CalibrationGoal): CalibrationEvidence {
  const { level, ...counted } = selection;
  return {
    ...counted,
    silence: trial.silence(level),
    provenAfterMs: poissonUpperBound(0, goal.confidence) / goal.alarmsPerMs,
  };
}

function alarmsOf(trial: CalibrationTrial, level: number): number {
  return trial.watchedMs.reduce((sum, _, block) => sum + trial.alarms(block, level), 0);
}

const CURVE_POINTS = 60;

function curveOf({ candidate, trial, terms }: Tried): TradeOffCurve {
  const { model, windowSize, minDeviationMs, levels } = candidate;
  const ratio = (levels.highest / levels.lowest) ** (1 / (CURVE_POINTS - 1));
  const asked = Array.from({ length: CURVE_POINTS }, (_, place) => levels.lowest * ratio ** place);
  const points = alarmRates(trial, asked, terms).map(({ level, counted, perMs }) => ({
    level,
    silenceMs: trial.silence(level).meanMs,
    alarmsPerMs: perMs,
    counted,
  }));
  return { model, windowSize, minDeviationMs, points };
}
