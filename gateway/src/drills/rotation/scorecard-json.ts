/**
 * The scorecard for programs: JSON with every point and every sum. Members are only ever added
 * while its version is 1.
 */
import type { Measurements, Share } from "./score.ts";
import type { ScorecardReportInput } from "./scorecard-report.ts";

/** The scorecard as JSON. Members are only ever added while `version` is 1. */
export function scorecardJson({ card, store, runs, catalogue, directory, incidents }: ScorecardReportInput): object {
  return {
    version: 1,
    at: new Date(card.nowMs).toISOString(),
    since: new Date(card.sinceMs).toISOString(),
    store,
    directory: directory ?? null,
    overall: shareJson(card.overall),
    categories: card.categories.map((one) => ({
      category: one.category,
      ...shareJson(one),
      detection: measurementsJson(one.detection),
      recovery: measurementsJson(one.recovery),
      falseAlarms: one.falseAlarms.map(({ runId }) => runId),
      trend: one.trend.map((run) => ({
        runId: run.runId,
        id: run.id,
        outcome: run.outcome,
        mttdMs: run.mttdMs,
        mttrMs: run.mttrMs,
      })),
      drills: one.drills.map(({ drill, result, why, last, runs: own, findings }) => ({
        id: drill.id,
        title: drill.title,
        file: drill.file ?? null,
        weight: drill.weight,
        result,
        why,
        lastRun:
          last === undefined
            ? null
            : {
                runId: last.runId,
                at: new Date(last.startMs).toISOString(),
                outcome: last.outcome,
                environment: last.environment,
                seed: last.seed,
              },
        runs: own.length,
        findings,
      })),
    })),
    runs: {
      outcomes: card.outcomes,
      broken: runs.broken,
      foreign: runs.foreign,
      leftOut: runs.leftOut,
      notInCatalogue: [...new Set(card.unknown.map(({ id }) => id))],
    },
    problems: catalogue.problems,
    incidents: incidents === undefined ? null : { note: "a correlation, no cause", ...incidents },
  };
}

function shareJson({ score, covered, total, weightedSum, weightSum, totalWeight }: Share): object {
  return {
    score,
    coverage: { covered, total, ratio: total === 0 ? null : covered / total },
    weightedSum,
    weightSum,
    totalWeight,
  };
}

function measurementsJson({ points, n, medianMs, worstMs, absent }: Measurements): object {
  return {
    n,
    medianMs,
    worstMs,
    absent,
    points: points.map(({ run, ms, targetMs }) => ({
      runId: run.runId,
      id: run.id,
      at: new Date(run.startMs).toISOString(),
      ms,
      targetMs: targetMs ?? null,
      outcome: run.outcome,
    })),
  };
}
