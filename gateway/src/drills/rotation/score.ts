/**
 * The scorecard, as a pure function of the catalogue and the runs. A category's score is
 * 100 × Σ(w × r) / Σ(w) over its drills that were run in the last 30 days: r is 1 for a drill that
 * held within its targets, 0.5 for one that held but was detected or repaired too late, 0 for one
 * that deviated, was stopped or left something behind. What was not run is not in the sum; it is in
 * the coverage, which stands beside each score. Durations keep every point: what was not detected
 * is counted and never averaged.
 */
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import { DAY_MS, shownDuration } from "../pictures/durations.ts";
import { type Summary, summaryOf } from "../pictures/summary.ts";
import type { CatalogueDrill } from "./catalogue.ts";
import { isCounted } from "./due.ts";
import type { HeldDrill } from "./journals.ts";

/** A drill that was not run for longer is not covered. */
const COVERED_FOR_MS = 30 * DAY_MS;
/** Runs of a trend. */
export const TREND_RUNS = 10;

/** 1 held within its targets, 0.5 held and above one, 0 not held. */
export type Result = 1 | 0.5 | 0;

/** One measured duration. */
export interface MeasuredPoint {
  readonly run: HeldDrill;
  /** null: not detected, or not recovered. */
  readonly ms: number | null;
  readonly targetMs: number | undefined;
}

export interface Measurements extends Summary {
  /** Oldest first. */
  readonly points: readonly MeasuredPoint[];
}

export interface DrillScore {
  readonly drill: CatalogueDrill;
  /** null: not run in 30 days. */
  readonly result: Result | null;
  readonly why: string;
  /** The run that decides. */
  readonly last: HeldDrill | undefined;
  /** Runs of the report's time that say something about the system, oldest first. */
  readonly runs: readonly HeldDrill[];
  readonly findings: FindingCount;
}

export interface FindingCount {
  readonly total: number;
  readonly open: number;
}

export interface Share {
  /** Σ(w × r) and Σ(w), over the drills that were run. */
  readonly weightedSum: number;
  readonly weightSum: number;
  /** 100 × weightedSum / weightSum; null: nothing was run. */
  readonly score: number | null;
  /** Drills that were run, of how many. */
  readonly covered: number;
  readonly total: number;
  /** Σ(w) of all drills. */
  readonly totalWeight: number;
}

export interface CategoryScore extends Share {
  readonly category: Category;
  readonly drills: readonly DrillScore[];
  readonly detection: Measurements;
  readonly recovery: Measurements;
  /** Runs in which something was detected although nothing should be. */
  readonly falseAlarms: readonly HeldDrill[];
  /** The last runs, oldest first. */
  readonly trend: readonly HeldDrill[];
}

export interface Scorecard {
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly overall: Share;
  readonly categories: readonly CategoryScore[];
  /** Runs of drills that the catalogue does not have; they are in no score. */
  readonly unknown: readonly HeldDrill[];
  /** Runs by outcome, in the report's time. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface ScorecardInput {
  readonly drills: readonly CatalogueDrill[];
  /** Oldest first. */
  readonly runs: readonly HeldDrill[];
  readonly nowMs: number;
  /** Runs before are in no list of points; the score looks back 30 days in any case. */
  readonly sinceMs: number;
  readonly findings: ReadonlyMap<string, FindingCount>;
}

export function scorecard({ drills, runs, nowMs, sinceMs, findings }: ScorecardInput): Scorecard {
  const known = new Map(drills.map((drill) => [drill.id, drill]));
  const recent = runs.filter(({ startMs }) => startMs >= sinceMs);
  const counted = Map.groupBy(runs.filter(isCounted), ({ id }) => id);
  const scores = drills.map((drill) => {
    const all = counted.get(drill.id) ?? [];
    const last = all.findLast(({ startMs }) => nowMs - startMs <= COVERED_FOR_MS);
    return {
      drill,
      last,
      ...(last === undefined ? notRun(all, nowMs) : resultOf(last)),
      runs: all.filter(({ startMs }) => startMs >= sinceMs),
      findings: findings.get(drill.id) ?? { total: 0, open: 0 },
    };
  });
  const outcomes: Record<string, number> = {};
  for (const { outcome } of recent) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    nowMs,
    sinceMs,
    overall: shareOf(scores),
    categories: CATEGORIES.map((category) => categoryScore(category, scores, counted)),
    unknown: recent.filter(({ id }) => !known.has(id)),
    outcomes,
  };
}

function categoryScore(
  category: Category,
  scores: readonly DrillScore[],
  counted: ReadonlyMap<string, readonly HeldDrill[]>,
): CategoryScore {
  // The catalogue says which category a drill is in; an old journal may say another one.
  const drills = scores.filter(({ drill }) => drill.category === category);
  const runs = drills.flatMap((one) => one.runs).toSorted(olderFirst);
  const all = drills.flatMap(({ drill }) => counted.get(drill.id) ?? []).toSorted(olderFirst);
  return {
    category,
    ...shareOf(drills),
    drills,
    detection: measurements(runs.flatMap(detectionPoint)),
    recovery: measurements(runs.flatMap(recoveryPoint)),
    falseAlarms: runs.filter(({ detectWithinMs, mttdMs }) => detectWithinMs === "never" && mttdMs !== null),
    trend: all.slice(-TREND_RUNS),
  };
}

function olderFirst(a: HeldDrill, b: HeldDrill): number {
  return a.startMs - b.startMs || (a.runId < b.runId ? -1 : 1);
}

function shareOf(scores: readonly DrillScore[]): Share {
  let weightedSum = 0;
  let weightSum = 0;
  let totalWeight = 0;
  let covered = 0;
  for (const { drill, result } of scores) {
    totalWeight += drill.weight;
    if (result === null) continue;
    covered++;
    weightedSum += drill.weight * result;
    weightSum += drill.weight;
  }
  const score = weightSum === 0 ? null : (100 * weightedSum) / weightSum;
  return { weightedSum, weightSum, score, covered, total: scores.length, totalWeight };
}

function notRun(runs: readonly HeldDrill[], nowMs: number): { result: null; why: string } {
  const last = runs.at(-1);
  return {
    result: null,
    why: last === undefined ? "never run" : `last run ${shownDuration(Math.max(0, nowMs - last.startMs))} ago`,
  };
}

/** What a run is worth, and why. */
export function resultOf(run: HeldDrill): { readonly result: Result; readonly why: string } {
  const { outcome, detectWithinMs, recoverWithinMs, mttdMs, mttrMs, reason } = run;
  if (outcome !== "held") {
    const what =
      outcome === "aborted" ? "stopped by a guardrail" : outcome === "dirty" ? "left something behind" : outcome;
    return { result: 0, why: reason === undefined ? what : `${what}: ${reason}` };
  }
  const late = [
    detectWithinMs === "never"
      ? mttdMs !== null && `detected after ${shownDuration(mttdMs)} although nothing should be`
      : aboveTarget("detected", mttdMs, detectWithinMs),
    aboveTarget("recovered", mttrMs, recoverWithinMs),
  ].filter((one) => typeof one === "string");
  return late.length === 0 ? { result: 1, why: "held" } : { result: 0.5, why: `held, but ${late.join("; ")}` };
}

function aboveTarget(what: string, ms: number | null, targetMs: number | undefined): string | undefined {
  if (targetMs === undefined) return undefined;
  if (ms === null) return `not ${what}; the target is ${shownDuration(targetMs)}`;
  return ms > targetMs ? `${what} after ${shownDuration(ms)}; the target is ${shownDuration(targetMs)}` : undefined;
}

function detectionPoint(run: HeldDrill): MeasuredPoint[] {
  const { detectWithinMs, mttdMs } = run;
  // Where nothing should be detected, there is nothing to wait for; a false alarm is listed apart.
  return detectWithinMs === "never" ? [] : measured(run, mttdMs, detectWithinMs);
}

function recoveryPoint(run: HeldDrill): MeasuredPoint[] {
  return measured(run, run.mttrMs, run.recoverWithinMs);
}

function measured(run: HeldDrill, ms: number | null, targetMs: number | undefined): MeasuredPoint[] {
  // Without a target nothing was promised; and what a guardrail stopped had no time left.
  if (ms === null && (targetMs === undefined || run.outcome === "aborted")) return [];
  return [{ run, ms, targetMs }];
}

function measurements(points: readonly MeasuredPoint[]): Measurements {
  return { points, ...summaryOf(points.map(({ ms }) => ms)) };
}
