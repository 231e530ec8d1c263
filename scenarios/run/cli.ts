/**
 * `npm run sim`: runs scenarios from many seeds, prints which failed and the command that repeats
 * each failure, shrinks the failure and writes it to a file. `--replay` runs such a file again and
 * shows what happened. Exit code 0: all is well; 1: an invariant was violated, or a batch large
 * enough to meet every rare situation did not; 2: this command line is wrong.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Failure, ReplayFile } from "ground-station-failover/sim";
import { parseReplay, replay, runOnce, shrink, writeReplay } from "ground-station-failover/sim";
import type { FleetPlan } from "../fleet/plan.ts";
import { scenarioOf, scenarios } from "../index.ts";
import type { Scenario } from "../scenario.ts";
import type { BatchProgress } from "./batch.ts";
import { runBatch } from "./batch.ts";
import { onlyOf } from "./hear-only.ts";
import { batchText, failureText, furtherText, progressText, replayText, traceOf } from "./report-text.ts";

interface Flags {
  readonly scenario: string;
  readonly seeds: number;
  readonly firstSeed: number;
  readonly jobs: number;
  readonly until: string[];
  readonly only: string[];
  readonly stopAtFirst: boolean;
  readonly determinism: number;
  readonly shrink: boolean;
  readonly shrinkRuns: number;
  readonly keep: boolean;
  readonly mayBeDark: boolean;
  readonly failures: string;
  readonly replay?: string;
  readonly trace: "summary" | "text" | "jsonl" | "diagram";
  readonly last: number;
  readonly list: boolean;
  readonly json: boolean;
}

/** Fewer seeds than this need not meet every rare situation. */
const SEEDS_TO_MEET_ALL = 2_000;
/** More failures than this are only counted; these are shrunk and kept. */
const MOST_SHRUNK = 5;

/**
 * Options of a batch of seeds do not apply to one replay, and the other way round: such an option
 * is refused, not ignored.
 */
const OF_A_BATCH = [
  ...["scenario", "seeds", "firstSeed", "jobs", "until", "stopAtFirst", "determinism"],
  ...["shrink", "shrinkRuns", "keep", "mayBeDark", "failures", "json"],
];
const OF_A_REPLAY = ["replay", "trace", "last"];

const program = new Command("npm run sim --")
  .description("The gateway in a world made from one seed. See docs/guide/simulation.md.")
  .addOption(new Option("--scenario <name>", "which one").choices(scenarios.map(({ name }) => name)).default("swarm"))
  .option("--seeds <n>", "how many seeds", wholeNumber(1), 200)
  .option("--first-seed <n>", "where they start", wholeNumber(0), 1)
  .option("--jobs <n>", "worker threads; 0 for one on each core", wholeNumber(0), 1)
  .option("--until <invariants...>", "go on until one of these is violated", [])
  .option("--only <invariants...>", "violations of all others do not count", [])
  .option("--stop-at-first", "end at the first failure", false)
  .option("--determinism <rate>", "share of the seeds that run twice and must be the same", share, 0.02)
  .option("--no-shrink", "do not look for a smaller case")
  .option("--shrink-runs <n>", "how many runs looking for one may take", wholeNumber(1), 500)
  .option("--no-keep", "only say what failed: nothing is run again, shrunk or kept")
  .option("--may-be-dark", "do not ask that every rare situation is met", false)
  .option("--failures <folder>", "where failing runs are kept", "sim-failures")
  .addOption(new Option("--replay <file>", "run a kept failure again and show what happened").conflicts(OF_A_BATCH))
  .addOption(
    new Option("--trace <form>", "what --replay shows")
      .choices(["summary", "text", "jsonl", "diagram"])
      .default("summary"),
  )
  .option("--last <seconds>", "how much of the end --replay shows", seconds, 2)
  .addOption(
    new Option("--list", "say which scenarios there are").default(false).conflicts([...OF_A_BATCH, ...OF_A_REPLAY]),
  )
  .option("--json", "one JSON object instead of text", false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

async function main(): Promise<number> {
  const flags = program.parse().opts<Flags>();
  const lonely = OF_A_REPLAY.find((name) => flags.replay === undefined && program.getOptionValueSource(name) === "cli");
  if (lonely !== undefined) program.error(`error: option '--${lonely}' goes with --replay FILE only`);
  if (flags.list) return list();
  if (flags.replay !== undefined) return await replayed(flags, flags.replay);
  const scenario = onlyOf<FleetPlan, Scenario>(scenarioOf(flags.scenario), flags.only);
  if (scenario.present !== undefined && !flags.json) console.log(await scenario.present(flags.firstSeed));
  const report = await runBatch({
    ...flags,
    jobs: flags.jobs === 0 ? availableParallelism() : flags.jobs,
    until: flags.stopAtFirst ? "any" : flags.until,
    checkDeterminismRate: flags.determinism,
    onProgress: (progress) => flags.json || showProgress(flags.scenario, progress),
  });
  const dark = report.runs >= SEEDS_TO_MEET_ALL && !flags.mayBeDark ? report.dark : [];
  const meant = report.failures.filter(({ violation }) => flags.until.includes(violation.invariant));
  const shown = flags.until.length > 0 ? meant.slice(0, 1) : report.failures.slice(0, MOST_SHRUNK);
  const kept = [];
  for (const failure of flags.keep ? shown : []) {
    const found = await runOnce(scenario, { seed: failure.seed, tieBreak: failure.tieBreak });
    const repeats = found.violation?.invariant === failure.violation.invariant;
    const smaller = flags.shrink && repeats ? await shrink(scenario, found, { maxRuns: flags.shrinkRuns }) : undefined;
    const file = repeats ? keep(flags.failures, writeReplay(smaller?.report ?? found)) : undefined;
    kept.push({
      failure,
      file,
      smallest: smaller?.report.violation,
      summary: smaller?.summary,
      faults: smaller?.faultsAfter,
      steps: smaller?.report.steps,
    });
  }
  if (flags.json) {
    const { met, failures, ...rest } = report;
    const seen = Object.fromEntries([...Map.groupBy(failures, invariantOf)].map(([name, all]) => [name, all.length]));
    console.log(
      JSON.stringify({
        scenario: flags.scenario,
        firstSeed: flags.firstSeed,
        ...rest,
        seen,
        failures: flags.keep ? kept : shown.map((failure) => ({ failure })),
        met: Object.fromEntries(met),
      }),
    );
  } else {
    clearProgress();
    console.log(batchText(flags.scenario, flags.firstSeed, { ...report, dark }));
    for (const one of kept) console.log(failureText(flags.scenario, one));
    if (report.failed > kept.length) console.log(furtherText(report.failures.slice(kept.length)));
  }
  return report.failed > 0 || dark.length > 0 ? 1 : 0;
}

function list(): number {
  for (const { name, story } of scenarios) console.log(`${name.padEnd(24)} ${story.split("\n")[0]}`);
  return 0;
}

async function replayed(flags: Flags, path: string): Promise<number> {
  let file: ReplayFile;
  let scenario: Scenario;
  try {
    file = parseReplay(readFileSync(path, "utf8"), path);
    scenario = onlyOf<FleetPlan, Scenario>(scenarioOf(file.simulation), flags.only);
  } catch (error) {
    console.error(`cannot replay ${path}: ${(error as Error).message}`);
    return 2;
  }
  const result = await replay(scenario, file);
  const { trace, last } = flags;
  console.log(
    trace === "summary" ? replayText(file, result, last * 1_000) : traceOf(result.run.records, trace, last * 1_000),
  );
  return result.verdict === "fixed" ? 0 : 1;
}

function keep(folder: string, text: string): string {
  const { simulation, seed, invariant } = JSON.parse(text) as ReplayFile;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${simulation}-${seed}-${invariant}.json`);
  writeFileSync(path, text);
  return path;
}

function invariantOf({ violation }: Failure): string {
  return violation.invariant;
}

/**
 * A line that replaces itself on a terminal, and one line for each tenth of a long batch if the
 * output goes into a file.
 */
function showProgress(scenario: string, progress: BatchProgress): void {
  const text = progressText(scenario, progress);
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (progress.seeds >= LONG_BATCH && isNewTenth(progress)) process.stderr.write(`${text}\n`);
}

const LONG_BATCH = 500;
let tenthsTold = 0;

function isNewTenth({ runs, seeds }: BatchProgress): boolean {
  const tenths = Math.floor((10 * runs) / seeds);
  if (tenths <= tenthsTold) return false;
  tenthsTold = tenths;
  return true;
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least && text.trim() !== "") return value;
    throw new InvalidArgumentError(`"${text}" is not allowed; allowed is a whole number from ${least}.`);
  };
}

function share(text: string): number {
  const value = Number(text);
  if (value >= 0 && value <= 1 && text.trim() !== "") return value;
  throw new InvalidArgumentError(`"${text}" is not allowed; allowed is a number from 0 to 1.`);
}

function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && text.trim() !== "") return value;
  throw new InvalidArgumentError(`"${text}" is not allowed; allowed is a number of seconds above 0.`);
}

process.exitCode = await main();
