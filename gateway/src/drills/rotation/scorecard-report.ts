/**
 * The scorecard for people: as a report (HTML with pictures, Markdown), and as JSON whose members
 * do not change. Each duration is shown as a point of its own, with n, median and worst beside;
 * each score stands beside its coverage.
 */

import { coverageBars } from "../pictures/coverage-bars.ts";
import type { Block, Report, Section } from "../pictures/document.ts";
import { shownDay, shownDuration, shownMinute } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { MAX_POINTS, type StripRow, stripPlot } from "../pictures/strip-plot.ts";
import type { Shape } from "../pictures/svg.ts";
import { trendPlot } from "../pictures/trend-plot.ts";
import type { Catalogue } from "./catalogue.ts";
import type { IncidentReport } from "./incidents.ts";
import type { HeldDrill, Runs } from "./journals.ts";
import {
  type CategoryScore,
  type DrillScore,
  type MeasuredPoint,
  type Measurements,
  resultOf,
  type Scorecard,
  type Share,
  TREND_RUNS,
} from "./score.ts";

export interface ScorecardReportInput {
  readonly card: Scorecard;
  readonly store: string;
  readonly runs: Runs;
  readonly catalogue: Catalogue;
  /**
   * The directory of the drills; undefined: none was given, so only drills with a journal are
   * known.
   */
  readonly directory: string | undefined;
  readonly incidents: IncidentReport | undefined;
}

/** Points of a category that Markdown lists; all are in the JSON. */
const MAX_LISTED = 200;

export function scorecardReport(input: ScorecardReportInput): Report {
  const { card } = input;
  return {
    title: "Drills: scorecard",
    opening: opening(input),
    sections: [
      scoreSection(card),
      durationSection("Time to detect", card, "detection"),
      durationSection("Time to recover", card, "recovery"),
      trendSection(card),
      drillSection(card),
      ...(input.incidents === undefined ? [] : [incidentSection(input.incidents)]),
    ],
  };
}

/** `83, 5 of 6 drills run in 30 days`: never the number alone. */
export function shareText({ score, covered, total }: Share): string {
  const coverage = `${covered} of ${total} drill${total === 1 ? "" : "s"} run in 30 days`;
  return score === null ? `no score, ${coverage}` : `${Math.round(score)}, ${coverage}`;
}

function opening({ card, runs, catalogue, directory }: ScorecardReportInput): Block[] {
  const { overall, outcomes, unknown } = card;
  const { broken, foreign, leftOut } = runs;
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  const warnings = [
    ...(directory === undefined
      ? [
          "No directory of drills was given: drills that were never run are not known, so the coverage is of those with a journal only.",
        ]
      : []),
    ...(broken.count > 0
      ? [
          `${broken.count} journal${broken.count === 1 ? " is" : "s are"} broken and skipped: ${broken.named.map(({ file, problem }) => `${plainText(file, 100)} (${problem})`).join("; ")}${broken.count > broken.named.length ? "; …" : ""}`,
        ]
      : []),
    ...catalogue.problems.map(
      ({ file, problem }) => `${plainText(file, 100)} is left out of the catalogue: ${problem}`,
    ),
    ...(leftOut > 0 ? [`${leftOut} older journals were not read.`] : []),
  ];
  return [
    { kind: "text", text: `${overall.score === null ? "There is" : "Score"} ${shareText(overall)}.` },
    {
      kind: "list",
      items: [
        `${shownMinute(card.nowMs)} UTC; durations since ${shownDay(card.sinceMs)}`,
        `Runs: ${counts.length === 0 ? "none" : counts.join(", ")}${foreign > 0 ? `; ${foreign} journals of other experiments` : ""}`,
        ...(unknown.length === 0
          ? []
          : [
              `Not in the catalogue, and in no score: ${[...new Set(unknown.map(({ id }) => id))].slice(0, 20).join(", ")}`,
            ]),
      ],
    },
    ...warnings.map((text): Block => ({ kind: "warning", text })),
  ];
}

function scoreSection({ categories }: Scorecard): Section {
  const weight = (drills: readonly DrillScore[], result: number | null): number =>
    drills.filter((one) => one.result === result).reduce((sum, { drill }) => sum + drill.weight, 0);
  const svg = coverageBars(
    "Coverage and score of each category. The table below has the same numbers.",
    categories.map((one) => ({
      label: one.category,
      held: weight(one.drills, 1),
      slow: weight(one.drills, 0.5),
      deviated: weight(one.drills, 0),
      absent: weight(one.drills, null),
      text:
        one.total === 0
          ? "no drill in the catalogue"
          : `${one.score === null ? "no score" : `score ${Math.round(one.score)}`}, ${one.covered} of ${one.total} run`,
    })),
  );
  const count = (drills: readonly DrillScore[], result: number | null): string =>
    String(drills.filter((one) => one.result === result).length);
  return {
    title: "Score and coverage",
    blocks: [
      {
        kind: "figure",
        svg,
        caption: "Length and number are the weight in the catalogue. Hatched: not run in 30 days, in no score.",
      },
      {
        kind: "table",
        caption:
          "Score = 100 × Σ(weight × result) / Σ(weight) over the drills that were run in 30 days; result 1 held, 0.5 held above a target, 0 deviated or stopped",
        head: [
          "Category",
          "Score, with its coverage",
          "Sum",
          "Held",
          "Above a target",
          "Deviated or stopped",
          "Not run in 30 days",
        ],
        rows: categories.map((one) => [
          one.category,
          one.total === 0 ? "no drill in the catalogue" : shareText(one),
          one.score === null ? "none" : `100 × ${shownNumber(one.weightedSum)} / ${shownNumber(one.weightSum)}`,
          count(one.drills, 1),
          count(one.drills, 0.5),
          count(one.drills, 0),
          count(one.drills, null),
        ]),
      },
    ],
  };
}

function shownNumber(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function durationSection(title: string, { categories }: Scorecard, what: "detection" | "recovery"): Section {
  const absent = what === "detection" ? "not detected" : "not recovered";
  const rows = categories.flatMap((one) => stripRows(one, what));
  const isCut = rows.some(({ points }) => points.length > MAX_POINTS);
  const svg = stripPlot({
    title: `${title} in each run, by drill, with its target. The table below has the same numbers.`,
    absent,
    rows,
  });
  const measured = categories.filter((one) => one[what].points.length > 0);
  const falseAlarms = what === "recovery" ? [] : categories.flatMap((one) => one.falseAlarms);
  return {
    title,
    blocks: [
      ...(rows.length === 0
        ? [{ kind: "text", text: "Nothing was measured." } as const]
        : [
            {
              kind: "figure",
              svg,
              caption: `Each mark is one run${isCut ? `; the newest ${MAX_POINTS} of each drill are drawn` : ""}. A line is the drill's target.`,
            } as const,
            {
              kind: "table",
              caption: `${title}, every point, oldest first; ! is above the target. What was ${absent} is in no median`,
              head: ["Category", "n", "Median", "Worst", absent[0]?.toUpperCase() + absent.slice(1), "Every point"],
              rows: measured.map((one) => [one.category, ...summaryCells(one[what]), pointsText(one[what], absent)]),
            } as const,
          ]),
      ...(falseAlarms.length === 0
        ? []
        : [
            {
              kind: "list",
              items: falseAlarms.map(
                (run) =>
                  `${run.id}, ${run.runId}: detected after ${shownDuration(run.mttdMs ?? 0)} although nothing should be`,
              ),
            } as const,
          ]),
    ],
  };
}

function stripRows(
  { category, drills, detection, recovery }: CategoryScore,
  what: "detection" | "recovery",
): StripRow[] {
  const points = Map.groupBy((what === "detection" ? detection : recovery).points, ({ run }) => run.id);
  return drills.flatMap(({ drill }) => {
    const own = points.get(drill.id) ?? [];
    if (own.length === 0) return [];
    return [
      {
        group: category,
        label: drill.id,
        targetMs: own.findLast(({ targetMs }) => targetMs !== undefined)?.targetMs,
        points: own.map(({ run, ms, targetMs }) => ({
          ms,
          shape: stripShape(run, ms, targetMs),
          title: `${run.runId}: ${run.outcome}, ${ms === null ? "none" : shownDuration(ms)}`,
        })),
      },
    ];
  });
}

/** A drill that held is judged by this plot's own target. */
function stripShape(run: HeldDrill, ms: number | null, targetMs: number | undefined): Shape {
  if (run.outcome !== "held") return pointShape(run);
  return ms !== null && targetMs !== undefined && ms > targetMs ? "slow" : "good";
}

/** How a run looks in a picture. */
export function pointShape(run: HeldDrill): Shape {
  if (run.outcome === "aborted" || run.outcome === "dirty") return "stopped";
  const { result } = resultOf(run);
  return result === 1 ? "good" : result === 0.5 ? "slow" : "bad";
}

function summaryCells({ n, medianMs, worstMs, absent }: Measurements): string[] {
  const shown = (ms: number | null): string => (ms === null ? "none" : shownDuration(ms));
  return [String(n), shown(medianMs), shown(worstMs), String(absent)];
}

function pointsText({ points }: Measurements, absent: string): string {
  const shown = points.slice(-MAX_LISTED).map((point) => pointText(point, absent));
  const before = points.length - shown.length;
  return `${before > 0 ? `(${before} older ones are in the JSON) ` : ""}${shown.join(", ")}`;
}

function pointText({ ms, targetMs }: MeasuredPoint, absent: string): string {
  if (ms === null) return absent;
  return `${shownDuration(ms)}${targetMs !== undefined && ms > targetMs ? "!" : ""}`;
}

function trendSection({ categories }: Scorecard): Section {
  const shown = categories.filter(({ trend }) => trend.length > 0);
  if (shown.length === 0)
    return { title: `The last ${TREND_RUNS} runs`, blocks: [{ kind: "text", text: "There is no run." }] };
  const svg = trendPlot(
    `Time to recover in the last ${TREND_RUNS} runs of each category. The table below has the same.`,
    shown.map(({ category, trend }) => ({
      label: category,
      points: trend.map((run) => ({
        ms: run.mttrMs,
        shape: pointShape(run),
        title: `${run.id} ${run.runId}: ${run.outcome}, ${run.mttrMs === null ? "no time" : shownDuration(run.mttrMs)}`,
      })),
    })),
    TREND_RUNS,
    "no time",
  );
  return {
    title: `The last ${TREND_RUNS} runs`,
    blocks: [
      {
        kind: "figure",
        svg,
        caption: "Time to recover, each run a mark; a triangle has no time (not recovered, or not measured).",
      },
      {
        kind: "table",
        caption: "Oldest first: outcome, time to recover",
        head: ["Category", "Runs"],
        rows: shown.map(({ category, trend }) => [
          category,
          trend
            .map((run) => `${run.id} ${run.outcome}${run.mttrMs === null ? "" : ` ${shownDuration(run.mttrMs)}`}`)
            .join(", "),
        ]),
      },
    ],
  };
}

function drillSection({ categories }: Scorecard): Section {
  const rows = categories.flatMap(({ drills }) =>
    drills.map(({ drill, result, why, last, runs, findings }) => [
      drill.id,
      drill.title,
      drill.category,
      String(drill.weight),
      result === null ? "not run" : String(result),
      why,
      last === undefined ? "none" : `${shownDay(last.startMs)} (${last.environment})`,
      String(runs.length),
      findings.total === 0 ? "0" : `${findings.total}, ${findings.open} open`,
    ]),
  );
  return {
    title: "Each drill",
    blocks: [
      rows.length === 0
        ? { kind: "text", text: "The catalogue is empty." }
        : {
            kind: "table",
            caption: "Each drill: what its last run in 30 days is worth, and what game days found with it",
            head: ["Drill", "Title", "Category", "Weight", "Result", "Why", "Last run", "Runs", "Findings"],
            rows,
          },
    ],
  };
}

function incidentSection({ categories, periods, fromMs, toMs }: IncidentReport): Section {
  const cells = (one: IncidentReport["periods"][number] | IncidentReport["categories"][number]): string[] => [
    String(one.incidents),
    one.incidentRate.toFixed(1),
    String(Math.round(one.minutes)),
    String(one.drills),
    one.drillRate.toFixed(1),
  ];
  const head = ["Incidents", "Incidents per 30 days", "Minutes", "Drills", "Drills per 30 days"];
  return {
    title: "Incidents in production",
    blocks: [
      {
        kind: "warning",
        text: "these are two counts side by side. That they move together, or not, is a correlation: it does not show that drills prevent incidents, and a quiet month has other reasons as well.",
      },
      {
        kind: "table",
        caption: `By category, ${shownDay(fromMs)} to ${shownDay(toMs)}`,
        head: ["Category", ...head],
        rows: categories.map((one) => [one.category, ...cells(one)]),
      },
      {
        kind: "table",
        caption: "By periods of 30 days, oldest first",
        head: ["From", ...head],
        rows: periods.map((one) => [shownDay(one.fromMs), ...cells(one)]),
      },
    ],
  };
}
