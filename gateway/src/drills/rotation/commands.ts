/**
 * What `gsf drill next` and `gsf drill report` do: they read the store and the directory, and write
 * what is asked for. What is due and what the scorecard says is decided in pure functions
 * (`due.ts`, `score.ts`).
 */
import { existsSync } from "node:fs";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { allDays } from "../gameday/day.ts";
import { findingCounts } from "../gameday/findings.ts";
import { reportHtml, reportMarkdown } from "../pictures/document.ts";
import { DAY_MS } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { type Format, formatOf, writeReport } from "../report-output.ts";
import { storeDirectory } from "../store.ts";
import { type Catalogue, type CatalogueDrill, readCatalogue } from "./catalogue.ts";
import { dueDrills } from "./due.ts";
import { incidentReport, readIncidents } from "./incidents.ts";
import { type Runs, readRuns } from "./journals.ts";
import { scorecard } from "./score.ts";
import { scorecardJson } from "./scorecard-json.ts";
import { scorecardReport, shareText } from "./scorecard-report.ts";

/** Where the drills of a repository are, if no directory is given. */
const USUAL_DIRECTORY = "drills";
/** How far back points are listed: a quarter. */
const USUAL_SINCE_MS = 90 * DAY_MS;

interface RotationOptions {
  readonly store?: string;
  readonly environment?: string;
}

export interface NextOptions extends RotationOptions {
  readonly json: boolean;
  readonly count: number;
}

export interface ReportOptions extends RotationOptions {
  readonly json: boolean;
  readonly format?: Format;
  readonly out?: string;
  readonly since?: number;
  readonly incidents?: string;
}

interface Known {
  readonly store: string;
  readonly directory: string | undefined;
  readonly catalogue: Catalogue;
  readonly runs: Runs;
}

function known(asked: string | undefined, { store: written, environment }: RotationOptions): Known {
  const store = storeDirectory(written, process.env);
  const directory = asked ?? (existsSync(USUAL_DIRECTORY) ? USUAL_DIRECTORY : undefined);
  const all = readRuns(store);
  const runs =
    environment === undefined ? all : { ...all, runs: all.runs.filter((run) => run.environment === environment) };
  const catalogue = directory === undefined ? { drills: fromJournals(runs), problems: [] } : readCatalogue(directory);
  if (catalogue.drills.length === 0 && catalogue.problems.length === 0)
    throw new UserError(
      "usage",
      directory === undefined
        ? `there is no drill: ${store} has no journals; name the directory of the drills`
        : `${directory} holds no experiment with the extension "gsf"`,
    );
  return { store, directory, catalogue, runs };
}

/** Drills as their newest journals have them. */
function fromJournals({ runs }: Runs): CatalogueDrill[] {
  const newest = new Map(
    runs.map(({ id, title, category, weight }) => [id, { id, title, category, weight, file: undefined }] as const),
  );
  return [...newest.values()];
}

/** `gsf drill next`. */
export function next(asked: string | undefined, options: NextOptions): void {
  const { store, catalogue, runs } = known(asked, options);
  const due = dueDrills(catalogue.drills, runs.runs, Date.now());
  const shown = due.slice(0, options.count);
  if (options.json) {
    const drills = shown.map(({ drill, rank, last, reason }) => ({
      id: drill.id,
      title: drill.title,
      category: drill.category,
      weight: drill.weight,
      file: drill.file ?? null,
      rank,
      lastRun:
        last === undefined
          ? null
          : { runId: last.runId, at: new Date(last.startMs).toISOString(), outcome: last.outcome },
      reason,
    }));
    const { broken } = runs;
    const answer = { version: 1, store, total: due.length, drills, broken, problems: catalogue.problems };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  for (const { drill, reason } of shown)
    process.stdout.write(
      `${drill.category.padEnd(14)}  ${plainText(drill.file ?? drill.id, 200)}\n${" ".repeat(16)}${plainText(reason, 300)}\n`,
    );
  if (due.length > shown.length) process.stdout.write(`and ${due.length - shown.length} more\n`);
  tellProblems(runs, catalogue);
}

function tellProblems({ broken, leftOut }: Runs, { problems }: Catalogue): void {
  const lines = [
    ...broken.named.map(({ file, problem }) => `journal ${file} is skipped: ${problem}`),
    ...(broken.count > broken.named.length ? [`${broken.count} journals are skipped in all`] : []),
    ...(leftOut > 0 ? [`${leftOut} older journals were not read`] : []),
    ...problems.map(({ file, problem }) => `${file} is left out: ${problem}`),
  ];
  for (const line of lines) process.stderr.write(`gsf: ${plainText(line)}\n`);
}

/** `gsf drill report`. */
export function report(asked: string | undefined, options: ReportOptions): void {
  const nowMs = Date.now();
  const { store, directory, catalogue, runs } = known(asked, options);
  const sinceMs = options.since ?? nowMs - USUAL_SINCE_MS;
  const { days, unreadable } = allDays(store);
  for (const problem of unreadable) process.stderr.write(`gsf: ${plainText(problem)}\n`);
  const card = scorecard({ drills: catalogue.drills, runs: runs.runs, nowMs, sinceMs, findings: findingCounts(days) });
  const incidents =
    options.incidents === undefined
      ? undefined
      : incidentReport(readIncidents(options.incidents), runs.runs, sinceMs, nowMs);
  const input = { card, store, runs, catalogue, directory, incidents };
  const format = options.json ? "json" : formatOf(options.format, options.out);
  const text =
    format === "json"
      ? `${JSON.stringify(scorecardJson(input))}\n`
      : format === "html"
        ? reportHtml(scorecardReport(input))
        : reportMarkdown(scorecardReport(input));
  writeReport(text, options.out);
  if (options.out !== undefined) process.stderr.write(`score ${shareText(card.overall)}\n`);
  tellProblems(runs, catalogue);
}
