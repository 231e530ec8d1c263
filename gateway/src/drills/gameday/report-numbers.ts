/**
 * The fifth part of a game day's report: how long each step took against its target, how well the
 * teams predicted, how many findings, and the last runs of each experiment.
 */
import type { Block, Section } from "../pictures/document.ts";
import { shownDay, shownDuration } from "../pictures/durations.ts";
import { summaryOf } from "../pictures/summary.ts";
import { trendPlot } from "../pictures/trend-plot.ts";
import { isCounted } from "../rotation/due.ts";
import type { HeldDrill } from "../rotation/journals.ts";
import { TREND_RUNS } from "../rotation/score.ts";
import { pointShape } from "../rotation/scorecard-report.ts";
import type { DayRun } from "./fold.ts";
import { calibrations, findingNumbers, isJudged, predictionResults, STEPS, type Step, stepTimes } from "./numbers.ts";
import type { DayReportInput } from "./report-input.ts";

const STEP_WORDS: Readonly<Record<Step, string>> = {
  detected: "detect",
  paged: "page",
  acknowledged: "acknowledge",
  diagnosed: "diagnose",
  mitigated: "mitigate",
  recovered: "recover",
};

/** Numbers against targets. */
export function numbersSection(input: DayReportInput): Section {
  const { view, nowMs } = input;
  const judgedRuns = view.runs.filter(isJudged);
  const times = judgedRuns.map((run) => ({ run, times: stepTimes(run) }));
  const rows = STEPS.flatMap((step) =>
    (["systemMs", "humanMs"] as const).flatMap((who) => {
      const points = times.map(({ times: of }) => of[step][who]);
      const { n, medianMs, worstMs, absent } = summaryOf(points);
      if (n === 0 && who === "systemMs" && step !== "detected" && step !== "recovered") return [];
      if (n === 0 && who === "humanMs") return [];
      return [
        [
          `Time to ${STEP_WORDS[step]}, ${who === "systemMs" ? "system" : "people"}`,
          times
            .map(({ run, times: of }) => `run ${run.number}: ${pointText(of[step][who], targetOf(run, step, who))}`)
            .join("; "),
          String(n),
          medianMs === null ? "none" : shownDuration(medianMs),
          worstMs === null ? "none" : shownDuration(worstMs),
          absent === 0 ? "none" : `${absent} of ${points.length}`,
        ],
      ];
    }),
  );
  const teams = calibrations(predictionResults(view)).map(({ team, n, right, meanConfidence, brier, points }) => [
    team === "" ? "no team" : team,
    String(n),
    `${right} of ${n}`,
    `${Math.round(meanConfidence)} %`,
    brier.toFixed(2),
    points.map(({ who, confidence, isRight }) => `${who} ${confidence} % ${isRight ? "right" : "wrong"}`).join("; "),
  ]);
  const numbers = findingNumbers(view, nowMs);
  return {
    title: "5. Numbers against targets",
    blocks: [
      judgedRuns.length === 0
        ? { kind: "text", text: "No run says anything about the system." }
        : {
            kind: "table",
            caption:
              "From the fault; recovery as the experiment measures it (from the fault or from the lift). What did not happen has no number and is in no median",
            head: ["", "Each run", "n", "Median", "Worst", "Did not happen"],
            rows,
          },
      ...(teams.length === 0
        ? []
        : [
            {
              kind: "table",
              caption:
                "Calibration of sealed predictions: the score is the mean squared error (Brier), 0 is perfect, 0.25 is a coin's",
              head: ["Team", "n", "Right", "Mean confidence", "Brier score", "Each prediction"],
              rows: teams,
            } as const,
          ]),
      {
        kind: "list",
        items: [
          `Findings: ${numbers.total}, ${numbers.open} open${numbers.perHour === null ? "" : `, ${numbers.perHour.toFixed(1)} per hour over ${numbers.hours?.toFixed(1)} h`}`,
          `Verified by a later run: ${numbers.verified}${numbers.verifiedRatio === null ? "" : ` (${Math.round(100 * numbers.verifiedRatio)} % of those that are to be fixed)`}`,
          numbers.oldestOpenMs === null
            ? "No finding is open"
            : `Oldest open finding: ${shownDuration(Math.max(0, numbers.oldestOpenMs))}`,
          view.haltTest === undefined
            ? "The halt was not tested by this program"
            : `The halt was tested: the lever was engaged after ${shownDuration(view.haltTest.latencyMs)} (n = 1)`,
        ],
      },
      ...trendBlocks(input),
    ],
  };
}

function targetOf({ ended }: DayRun, step: Step, who: "systemMs" | "humanMs"): number | "never" | null {
  if (who === "humanMs") return null;
  return step === "detected"
    ? (ended?.detectWithinMs ?? null)
    : step === "recovered"
      ? (ended?.recoverWithinMs ?? null)
      : null;
}

function pointText(ms: number | null, target: number | "never" | null): string {
  if (target === "never") return ms === null ? "none, as it should be" : `${shownDuration(ms)}, and it should not be`;
  const shown = ms === null ? "did not happen" : shownDuration(ms);
  if (target === null) return shown;
  return `${shown} (target ${shownDuration(target)}, ${ms !== null && ms <= target ? "met" : "MISSED"})`;
}

/** The last runs of each experiment of the day, each one a point. */
function trendBlocks({ view, runs }: DayReportInput): Block[] {
  const rows = view.plan.experiments.map(({ id }) => ({
    label: id,
    runs: runs.filter((run) => run.id === id && isCounted(run)).slice(-TREND_RUNS),
  }));
  if (rows.every((row) => row.runs.length === 0)) return [];
  const svg = trendPlot(
    `Time to recover in the last ${TREND_RUNS} runs of each experiment of this day.`,
    rows.map((row) => ({
      label: row.label.slice(0, 18),
      points: row.runs.map((run) => ({
        ms: run.mttrMs,
        shape: pointShape(run),
        title: `${run.runId}: ${run.outcome}, ${run.mttrMs === null ? "not recovered" : shownDuration(run.mttrMs)}`,
      })),
    })),
    TREND_RUNS,
    "no time",
  );
  return [
    { kind: "figure", svg, caption: `Time to recover, the last ${TREND_RUNS} runs of each experiment.` },
    {
      kind: "table",
      caption: `The last ${TREND_RUNS} runs of each experiment, oldest first: outcome, time to detect, time to recover`,
      head: ["Experiment", "Runs"],
      rows: rows.map((row) => [row.label, row.runs.map(runText).join("; ")]),
    },
  ];
}

function runText(run: HeldDrill): string {
  const shown = (ms: number | null): string => (ms === null ? "none" : shownDuration(ms));
  return `${shownDay(run.startMs)} ${run.outcome}, ${shown(run.mttdMs)}, ${shown(run.mttrMs)}`;
}
