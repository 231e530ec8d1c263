/**
 * Plays several experiments, one after the other, tells how they go, and keeps their journals. A
 * file that is no valid experiment, and one that cannot be played here, are results too: the others
 * are played all the same. A signal ends the suite after the run that it stopped.
 */
import { join } from "node:path";
import { systemClock } from "ground-station-failover";
import { visible } from "../../adapters/telemetry/visible.ts";
import { loadConfiguration } from "../experiment/configuration.ts";
import type { Category, Experiment } from "../experiment/experiment.ts";
import type { Overrides } from "../experiment/variables.ts";
import type { Journal } from "../injection.ts";
import { STORE } from "../store.ts";
import { eventLine, resultLine, type ShownResult } from "./console-lines.ts";
import type { DrillParts } from "./drill-parts.ts";
import { type DrillResult, type DrillRunOptions, runDrill } from "./drill-run.ts";
import { dryRun } from "./dry-run.ts";
import { problemLines, type ReadFile } from "./experiment-files.ts";
import { writeJournal } from "./journal.ts";
import type { RunSignals } from "./run-signals.ts";
import { RunStop } from "./run-stop.ts";

/** What is asked of every run of a suite. */
export interface SuiteOptions
  extends Pick<DrillRunOptions, "environment" | "store" | "seed" | "watch" | "probeOnlyMs"> {
  readonly parts: DrillParts;
  readonly overrides: Overrides;
  readonly processEnvironment: NodeJS.ProcessEnv;
  /** Undefined: what each experiment says. */
  readonly hypothesisStrategy: DrillRunOptions["hypothesisStrategy"] | undefined;
  readonly rollbackStrategy: DrillRunOptions["rollbackStrategy"] | undefined;
  readonly isDryRun: boolean;
  /** The journal of a single run besides the one in the store; undefined: none. */
  readonly journalPath: string | undefined;
  readonly signals: RunSignals;
  readonly out: NodeJS.WritableStream;
  /** Tells each event, and not only the result of each run. */
  readonly isVerbose: boolean;
}

/** The result of one file. */
export interface SuiteResult extends ShownResult {
  readonly file: string;
  readonly id: string | null;
  readonly title: string | null;
  readonly category: Category | null;
  readonly runId: string | null;
  /** Where the journal is; null: there is none. */
  readonly journal: string | null;
}

/** Plays the files in their order. */
export async function playSuite(files: readonly ReadFile[], options: SuiteOptions): Promise<readonly SuiteResult[]> {
  const results: SuiteResult[] = [];
  for (const [index, file] of files.entries()) {
    if (options.signals.isStopped) break;
    const place =
      files.length === 1 ? "" : `[${String(index + 1).padStart(String(files.length).length)}/${files.length}] `;
    results.push(await playFile(file, place, options));
  }
  return results;
}

async function playFile(read: ReadFile, place: string, options: SuiteOptions): Promise<SuiteResult> {
  const { out } = options;
  const name = nameOf(read);
  const say = (line: string): void => void out.write(`${line}\n`);
  const end = (result: SuiteResult): SuiteResult => {
    say(`${place}${visible(name)}: ${resultLine(result, out)}`);
    return result;
  };
  if ("problems" in read) {
    for (const line of problemLines(read.file, read.problems)) say(`  ${visible(line)}`);
    return end(withoutRun(read.file, name, `${read.problems.length} problems in the file`));
  }
  const { experiment } = read;
  const loaded = loadConfiguration(experiment, options.processEnvironment, options.overrides);
  if (loaded.problems.length > 0) {
    for (const line of problemLines(read.file, loaded.problems)) say(`  ${visible(line)}`);
    return end(withoutRun(read.file, name, `${loaded.problems.length} values are missing or wrong`));
  }
  say(
    `${place}${visible(name)}${name === experiment.title ? "" : ` · ${visible(experiment.title)}`} · seed ${options.seed}`,
  );
  const startMs = systemClock.nowMs();
  const tell = (line: string): void => {
    if (options.isVerbose) say(eventLine(systemClock.nowMs() - startMs, line));
  };
  const stop = new RunStop();
  options.signals.stops(stop);
  const run: DrillRunOptions = {
    ...{ experiment, loaded, stop, tell, clock: systemClock, wallMs: () => Date.now() },
    ...{ parts: options.parts, environment: options.environment, store: options.store, seed: options.seed },
    ...{ watch: options.watch, probeOnlyMs: options.probeOnlyMs },
    hypothesisStrategy: options.hypothesisStrategy ?? experiment.hypothesisStrategy,
    rollbackStrategy: options.rollbackStrategy ?? experiment.rollbackStrategy,
  };
  if (options.isDryRun) return end(await resultOfDryRun(read.file, name, experiment, run));
  let played: DrillResult;
  try {
    played = await runDrill(run);
  } catch (error) {
    // Whatever was in force has been lifted; the other experiments are played all the same.
    say(`this is a fault of ours, please report it: ${visible((error as Error).stack ?? String(error))}`);
    return end(withoutRun(read.file, name, `a fault of this program: ${(error as Error).message}`));
  }
  const journal = keep(played.journal, played.runId, options, say);
  return end(resultOf(read.file, name, experiment, played, journal, options.probeOnlyMs !== undefined));
}

/** What the file is called in lines and tables. */
export function nameOf(read: ReadFile): string {
  return "problems" in read ? read.file : (read.experiment.drill?.id ?? read.experiment.title);
}

/** Keeps the journal in the store and where it was asked for. The result: where it is. */
function keep(journal: Journal, runId: string, options: SuiteOptions, say: (line: string) => void): string | null {
  const paths = options.journalPath === undefined ? [] : [options.journalPath];
  // A run without a fault must not count as one that held.
  if (options.probeOnlyMs === undefined) paths.unshift(join(options.store, STORE.journals, `${runId}.json`));
  let kept: string | null = null;
  for (const path of paths) {
    try {
      writeJournal(path, journal);
      kept ??= path;
    } catch (error) {
      say(`the journal cannot be written: ${(error as Error).message}`);
    }
  }
  return kept;
}

const NOT_MEASURED = { mttdMs: null, mttrMs: null } as const;

function withoutRun(file: string, name: string, reason: string): SuiteResult {
  return {
    ...{ file, name, reason, outcome: "invalid", isDrill: false, ...NOT_MEASURED },
    ...{ id: null, title: null, category: null, runId: null, journal: null },
  };
}

function resultOf(
  file: string,
  name: string,
  experiment: Experiment,
  run: DrillResult,
  journal: string | null,
  isProbeOnly: boolean,
): SuiteResult {
  const { drill } = experiment;
  const { detectWithinMs, recoverWithinMs } = (isProbeOnly ? undefined : drill?.expect) ?? {};
  return {
    ...{ file, name, outcome: run.outcome, reason: run.reason, isDrill: drill !== undefined },
    ...{ id: drill?.id ?? null, title: experiment.title, category: drill?.category ?? null },
    ...{ runId: run.runId, journal },
    ...{ mttdMs: run.journal.gsf?.mttdMs ?? null, mttrMs: run.journal.gsf?.mttrMs ?? null },
    ...(detectWithinMs === undefined ? {} : { detectWithinMs }),
    ...(recoverWithinMs === undefined ? {} : { recoverWithinMs }),
  };
}

const OUTCOMES = {
  possible: "held",
  skipped: "skipped",
  refused: "aborted",
  invalid: "invalid",
  interrupted: "interrupted",
} as const;

async function resultOfDryRun(
  file: string,
  name: string,
  experiment: Experiment,
  run: DrillRunOptions,
): Promise<SuiteResult> {
  const dry = await dryRun(run);
  const reason = dry.kind === "possible" ? undefined : dry.reasons.join("; ");
  return {
    ...(dry.kind === "possible" ? { word: "possible" } : {}),
    ...{ file, name, reason, outcome: OUTCOMES[dry.kind], isDrill: false, ...NOT_MEASURED },
    ...{ id: experiment.drill?.id ?? null, title: experiment.title, category: experiment.drill?.category ?? null },
    ...{ runId: null, journal: null },
  };
}
