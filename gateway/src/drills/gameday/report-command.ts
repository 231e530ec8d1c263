/** `gsf gameday report` and `list`. */
import { type Report, reportHtml, reportMarkdown } from "../pictures/document.ts";
import { shownMinute } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { type Format, formatOf, writeReport } from "../report-output.ts";
import { readRuns } from "../rotation/journals.ts";
import { allDays, chosenDay, type DayOptions, print, storeOf } from "./day.ts";
import type { DayView } from "./fold.ts";
import { calibrations, findingNumbers, predictionResults, repeatFindings, stepTimes } from "./numbers.ts";
import { dayReport } from "./report.ts";
import type { DayReportInput } from "./report-input.ts";

/** `gsf gameday report`. What was tampered with is named on standard error too. */
export function report(
  options: DayOptions & { readonly format?: Format; readonly out?: string; readonly json?: boolean },
): void {
  const store = storeOf(options);
  const view = chosenDay(store, options);
  const { days, unreadable } = allDays(store);
  const { runs, broken } = readRuns(store);
  const input = { view, others: days, runs, nowMs: Date.now() };
  const format = options.json === true ? "json" : formatOf(options.format, options.out);
  const text = format === "json" ? `${JSON.stringify(dayJson(input))}\n` : written(dayReport(input), format);
  writeReport(text, options.out);
  const problems = [
    ...view.problems.map(({ line, text: what }) => `game day ${view.id}: line ${line} ${what}`),
    ...view.damage.map((what) => `game day ${view.id}: an earlier look found the record damaged: ${what}`),
    ...unreadable,
    ...broken.named.map(({ file, problem }) => `journal ${file} is skipped: ${problem}`),
    ...(broken.count > broken.named.length ? [`${broken.count} journals are skipped in all`] : []),
  ];
  for (const problem of problems) process.stderr.write(`gsf: ${plainText(problem)}\n`);
}

function written(day: Report, format: Exclude<Format, "json">): string {
  return format === "html" ? reportHtml(day) : reportMarkdown(day);
}

/** The day as JSON. Members are only ever added while `version` is 1. */
function dayJson({ view, others, nowMs }: DayReportInput): object {
  const results = predictionResults(view);
  return {
    version: 1,
    id: view.id,
    status: view.status,
    ...view.plan,
    roles: Object.fromEntries(view.roles),
    headHash: view.headHash,
    problems: view.problems,
    damage: view.damage,
    checks: view.checks,
    haltTest: view.haltTest ?? null,
    predictions: results.map(({ prediction, run, ...right }) => ({
      ...prediction,
      run: run?.number ?? null,
      ...right,
    })),
    runs: view.runs.map((run) => ({ ...run, ended: run.ended ?? null, times: stepTimes(run) })),
    marks: view.otherMarks,
    findings: view.findings,
    repeats: repeatFindings(view, others).map(({ finding, day, earlier }) => ({
      finding: finding.id,
      day,
      earlier: earlier.id,
    })),
    calibrations: calibrations(results),
    numbers: findingNumbers(view, nowMs),
  };
}

/** `gsf gameday list`. */
export function list(options: DayOptions & { readonly json: boolean }): void {
  const { days, unreadable } = allDays(storeOf(options));
  if (options.json) {
    const listed = days.map(({ id, status, plan, runs, findings, plannedMs }) => {
      return { id, status, title: plan.title, plannedUnixMs: plannedMs, runs: runs.length, findings: findings.length };
    });
    return print(JSON.stringify({ days: listed, unreadable }));
  }
  for (const day of days) print(line(day));
  if (days.length === 0) print("there is no game day");
  for (const problem of unreadable) process.stderr.write(`gsf: ${plainText(problem)}\n`);
}

function line({ id, status, plan, runs, findings, plannedMs }: DayView): string {
  return `${id}  ${status}, planned ${shownMinute(plannedMs)}, ${runs.length} runs, ${findings.length} findings: ${plainText(plan.title, 100)}`;
}
