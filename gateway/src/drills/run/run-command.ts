/** `gsf drill run`: from its options to a suite, a summary and the status of the process. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { nearestName } from "ground-station-failover/core";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { visibleLines } from "../../adapters/telemetry/visible.ts";
import { CATEGORIES, type HypothesisStrategy, type RollbackStrategy } from "../experiment/experiment.ts";
import { type Overrides, overridesOf } from "../experiment/variables.ts";
import { storeDirectory } from "../store.ts";
import { summaryLines } from "./console-lines.ts";
import type { DrillParts } from "./drill-parts.ts";
import { exitStatusOf } from "./exit-status.ts";
import {
  experimentFilesIn,
  isMeantAsExperiment,
  problemLines,
  type ReadFile,
  readExperimentFile,
} from "./experiment-files.ts";
import { RunSignals } from "./run-signals.ts";
import { nameOf, playSuite, type SuiteResult } from "./suite.ts";

interface RunOptions {
  readonly all?: string | true;
  readonly only?: readonly string[];
  readonly category?: readonly string[];
  readonly json: boolean;
  readonly verbose: boolean;
  readonly seed?: number;
  readonly dryRun: boolean;
  readonly probeOnly?: number;
  readonly environment: string;
  readonly store?: string;
  readonly var: readonly string[];
  readonly varFile: readonly string[];
  readonly rollbackStrategy?: RollbackStrategy;
  readonly hypothesisStrategy?: HypothesisStrategy;
  readonly hypothesisFrequency: number;
  readonly failFast: boolean;
  readonly failFastRatio: number;
  readonly journal?: string;
}

/** Where `--all` looks unless it is told. */
export const DRILLS_DIRECTORY = "drills";
const JOURNAL_FILE = "journal.json";
const MAX_SEED = 2 ** 31;
/** A day, in seconds. */
const MAX_SECONDS = 86_400;

const HYPOTHESIS_STRATEGIES: readonly HypothesisStrategy[] = [
  "default",
  "before-method-only",
  "after-method-only",
  "during-method-only",
  "continuously",
  "skip",
];
const ROLLBACK_STRATEGIES: readonly RollbackStrategy[] = ["default", "always", "never", "deviated"];

/** Registers `gsf drill run`. */
export function registerRunCommand(drill: Command, parts: () => Promise<DrillParts>): void {
  const collected = (text: string, before: readonly string[]): string[] => [...before, text];
  drill
    .command("run")
    .description("play experiments, and lift whatever they put in force")
    .argument("[files...]", "experiments of Chaos Toolkit's format, JSON or YAML")
    .option("--all [directory]", `play all experiments of a directory (default: ${DRILLS_DIRECTORY})`)
    .option("--only <ids...>", "with --all: only these drills")
    .addOption(new Option("--category <categories...>", "with --all: only these categories").choices(CATEGORIES))
    .addOption(
      new Option(
        "--seed <number>",
        "what random magnitudes are drawn from (default: a new one, which is shown)",
      ).argParser(numberIn(0, MAX_SEED, true)),
    )
    .option("--dry-run", "show each command and its inverse, and put nothing in force", false)
    .addOption(
      new Option(
        "--probe-only <seconds>",
        "no fault: look at the hypothesis for so long; a miss is a false alarm; not kept in the store",
      ).argParser(numberIn(0.1, MAX_SECONDS, false)),
    )
    .option("--environment <name>", "where this runs, for guardrails and journals", "local")
    .option(
      "--store <directory>",
      "where journals and the undo journal are kept (default: GSF_STORE, or the user's state)",
    )
    .option("--journal <file>", `journal of a single run, besides the store's (default: ${JOURNAL_FILE})`)
    .option("--var <key[:type]=value>", "a value of the configuration; may be repeated", collected, [])
    .option("--var-file <file>", "values from a file: JSON, YAML or NAME=value lines; may be repeated", collected, [])
    .addOption(
      new Option(
        "--rollback-strategy <strategy>",
        "when rollbacks are played (default: as the experiment says)",
      ).choices(ROLLBACK_STRATEGIES),
    )
    .addOption(
      new Option(
        "--hypothesis-strategy <strategy>",
        "when the hypothesis is looked at (default: as the experiment says)",
      ).choices(HYPOTHESIS_STRATEGIES),
    )
    .addOption(
      new Option("--hypothesis-frequency <seconds>", "pause between two looks during a method")
        .argParser(numberIn(0.01, MAX_SECONDS, false))
        .default(1),
    )
    .option("--fail-fast", "end the method when the hypothesis is missed during it", false)
    .addOption(
      new Option("--fail-fast-ratio <percent>", "with --fail-fast: only when so many percent of the looks missed")
        .argParser(numberIn(0, 100, false))
        .default(0),
    )
    .option("--json", "results as JSON on standard output; events go to standard error", false)
    .option("--verbose", "with several experiments: tell each event", false)
    .addHelpText("after", HELP)
    .action(async (files: readonly string[], options: RunOptions) => run(files, options, await parts()));
}

const HELP = `
Examples:
  $ gsf drill run experiment.yaml
  $ gsf drill run --all --category network
  $ gsf drill run --dry-run drills/blackhole.yaml

SIGINT and SIGTERM interrupt a run; SIGUSR1 leaves it with its rollbacks, SIGUSR2 without. What our own injectors put in
force is always lifted.

Exit codes: 0 all held or were skipped, 1 one deviated or left something behind, 2 wrong usage or an invalid run,
3 stopped or refused by a guardrail, 4 interrupted.`;

function numberIn(min: number, max: number, isWhole: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`allowed is a ${isWhole ? "whole " : ""}number from ${min} to ${max}.`);
  };
}

async function run(files: readonly string[], options: RunOptions, parts: DrillParts): Promise<void> {
  // First of all: a signal that comes while files are read must not be lost.
  const signals = new RunSignals();
  const read = experimentsFor(files, options, parts);
  if (read === "invalid") return;
  const out = options.json ? process.stderr : process.stdout;
  const isSingle = read.length === 1 && options.all === undefined;
  if (options.journal !== undefined && !isSingle)
    throw new UserError("usage", "--journal is for a single experiment; the journals of several are in the store");
  const results = await playSuite(read, {
    ...{ parts, signals, out, overrides: overridesFor(options), processEnvironment: process.env },
    ...{ environment: options.environment, store: storeDirectory(options.store, process.env) },
    seed: options.seed ?? randomInt(MAX_SEED),
    watch: {
      pauseMs: options.hypothesisFrequency * 1_000,
      failFastPercent: options.failFast ? options.failFastRatio : undefined,
    },
    probeOnlyMs: options.probeOnly === undefined ? undefined : options.probeOnly * 1_000,
    ...{ hypothesisStrategy: options.hypothesisStrategy, rollbackStrategy: options.rollbackStrategy },
    isDryRun: options.dryRun,
    journalPath: isSingle ? (options.journal ?? JOURNAL_FILE) : undefined,
    isVerbose: options.verbose || isSingle || options.dryRun,
  });
  if (!isSingle) out.write(`\n${summaryLines(results, out).join("\n")}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify({ results: results.map(forJson) }, undefined, 2)}\n`);
  const outcomes = results.map(({ outcome }) => outcome);
  process.exitCode = exitStatusOf(signals.isStopped ? [...outcomes, "interrupted"] : outcomes);
}

function forJson({ name: _name, isDrill: _isDrill, word: _word, reason, ...result }: SuiteResult): object {
  return { ...result, reason: reason ?? null };
}

/**
 * The experiments that are asked for, read and checked. "invalid": one that was named is not valid,
 * and its problems are printed; then nothing is played.
 */
function experimentsFor(
  files: readonly string[],
  options: RunOptions,
  parts: DrillParts,
): readonly ReadFile[] | "invalid" {
  const { all, only, category } = options;
  if (all === undefined && files.length === 0) throw new UserError("usage", "name the files to play, or give --all");
  if (all !== undefined && files.length > 0) throw new UserError("usage", "give files or --all, not both");
  if (all === undefined && (only ?? category) !== undefined)
    throw new UserError("usage", "--only and --category choose from what --all finds");
  if (all === undefined) {
    const read = files.map((file) => readExperimentFile(file, parts));
    const lines = read.flatMap((one) => ("problems" in one ? problemLines(one.file, one.problems) : []));
    if (lines.length === 0) return read;
    process.stderr.write(`${visibleLines(lines)}\n`);
    process.exitCode = exitStatusOf(["invalid"]);
    return "invalid";
  }
  const found = experimentFilesIn(all === true ? DRILLS_DIRECTORY : all).map((file) => readExperimentFile(file, parts));
  return chosenFrom(found.filter(isMeantAsExperiment), only, category);
}

function chosenFrom(
  found: readonly ReadFile[],
  only: readonly string[] | undefined,
  category: readonly string[] | undefined,
): readonly ReadFile[] {
  const names = new Set(found.flatMap((read) => [nameOf(read), idOfFile(read.file)]));
  for (const id of only ?? []) {
    if (names.has(id)) continue;
    const meant = nearestName(id, names);
    throw new UserError("usage", `there is no drill ${id}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`);
  }
  const chosen = found.filter((read) => {
    const isAsked = only === undefined || only.includes(nameOf(read)) || only.includes(idOfFile(read.file));
    const own = "problems" in read ? undefined : read.experiment.drill?.category;
    return isAsked && (category === undefined || (own !== undefined && category.includes(own)));
  });
  if (chosen.length === 0) throw new UserError("usage", "no experiment of the directory is chosen");
  return chosen;
}

/** The name of a file without its ending: what a foreign experiment is chosen by. */
function idOfFile(file: string): string {
  return basename(file).replace(/\.[^.]+$/, "");
}

function overridesFor({ var: variables, varFile }: RunOptions): Overrides {
  const files = varFile.map((name) => {
    try {
      return { name, text: readFileSync(name, "utf8") };
    } catch (error) {
      throw new UserError("usage", `--var-file ${name} cannot be read: ${(error as Error).message}`);
    }
  });
  const { overrides, problems } = overridesOf(variables, files);
  if (problems.length > 0)
    throw new UserError("usage", problems.map(({ where, message }) => `${where}: ${message}`).join("; "));
  return overrides;
}
