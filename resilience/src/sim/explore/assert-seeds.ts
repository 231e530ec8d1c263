/**
 * A simulation as a test: runs it under many seeds and throws if one of them fails. The error
 * contains everything that the reader of a failing test needs: what did not hold, the smallest
 * case, its picture, and one line that repeats it. So a file of `node --test` needs no more than
 * `test("payments", () => assertSeeds(simulation, { seeds: 200 }))`.
 *
 * It uses one core, as `explore` does; the test runner runs files in parallel, each of which can
 * take a range of seeds.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { checked, checkFunction, checkNames, type Names, type Range, refusal } from "../../core/options.ts";
import { type ExploreOptions, type ExploreReport, explore } from "./explore.ts";
import { writeReplay } from "./replay.ts";
import { sequenceDiagram } from "./sequence-diagram.ts";
import { shrink } from "./shrink.ts";
import { checkSimulation, type FaultPlan, type RunReport, runOnce, type Simulation } from "./simulation.ts";

/** Options of a simulation that runs as a test. */
export interface AssertSeedsOptions extends Omit<ExploreOptions, "stopAtFirst" | "onProgress"> {
  /**
   * The most runs that look for a smaller case; a whole number from 0 (none), below 2^31. Default
   * 200: a test should not take much longer because it fails.
   */
  readonly shrinkRuns?: number | undefined;
  /**
   * Gets the text of a failure's replay file (`writeReplay`), to keep it. Default: it is not
   * written, because the message names the seed.
   */
  readonly onFailure?: ((replayFile: string, seed: number) => void) | undefined;
  /**
   * Runs only this seed, any whole number. Default: the environment variable `SEED`, if it is set,
   * as the message of a failure says. (It is read when the run begins, outside the world.)
   */
  readonly only?: number | undefined;
}

const RUNS: Range = { min: 0, max: 2 ** 31 - 1, integer: true };
const OPTIONS: Names<AssertSeedsOptions> = {
  seeds: true,
  firstSeed: true,
  checkDeterminismRate: true,
  tieBreak: true,
  shrinkRuns: true,
  onFailure: true,
  only: true,
};

/**
 * Runs a simulation as a test. Resolves with a report if no seed failed and every situation of
 * `simulation.sometimes` occurred; otherwise it rejects with an `Error` whose message says what
 * failed. If only one seed runs (`SEED=7`), no situation is required.
 *
 * @example
 * ```ts
 * import { assertSeeds, type Simulation } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "one-beat",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: [] }),
 *   build(world) {
 *     let beats = 0;
 *     world.at(100, () => beats++);
 *     world.atEnd("one-beat", () => (beats === 1 ? undefined : `${beats} beats`));
 *   },
 * };
 * console.log((await assertSeeds(simulation, { seeds: 5 })).runs); // 5
 * ```
 */
export async function assertSeeds<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  options: AssertSeedsOptions,
): Promise<ExploreReport> {
  checkSimulation("assertSeeds", simulation);
  checkNames("assertSeeds", options, OPTIONS);
  checked("assertSeeds", "shrinkRuns", options.shrinkRuns ?? 0, RUNS);
  checkFunction("assertSeeds", "onFailure", options.onFailure);
  if (options.only !== undefined && !Number.isSafeInteger(options.only))
    throw refusal("assertSeeds", "only", options.only, "a whole number");
  const { shrinkRuns = 200, onFailure, only = seedOf(process.env["SEED"]), ...given } = options;
  const chosen = only === undefined ? {} : { seeds: 1, firstSeed: only };
  const report = await explore(simulation, { ...given, ...chosen, stopAtFirst: true });
  const [failure] = report.failures;
  if (failure !== undefined) {
    const tieBreak = given.tieBreak === undefined ? {} : { tieBreak: given.tieBreak };
    const failed = await runOnce(simulation, { seed: failure.seed, ...tieBreak });
    throw new Error(await textOf(simulation, failed, failure.violation, shrinkRuns, onFailure));
  }
  if (only === undefined && report.dark.length > 0) {
    const others = [...report.met.keys()].filter((situation) => !simulation.sometimes?.includes(situation));
    const met = others.length > 0 ? ` (what was met is not in simulation.sometimes: ${others.join(", ")})` : "";
    throw new Error(
      `${simulation.name}: ${report.runs} seeds, none failed, and none met: ${report.dark.join(", ")}. More seeds, or other faults, have to, or that is not tested${met}`,
    );
  }
  return report;
}

async function textOf<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  failed: RunReport<Plan>,
  { invariant, detail }: { readonly invariant: string; readonly detail: string },
  shrinkRuns: number,
  onFailure: AssertSeedsOptions["onFailure"],
): Promise<string> {
  const seed = Number(failed.seed);
  const lines = [`${simulation.name}, seed ${seed}: ${invariant}: ${detail}`];
  let report = failed;
  // A run that does not repeat (`deterministic`) has no violation of its own, and nothing can be
  // left out of it.
  if (failed.violation !== undefined && shrinkRuns > 0) {
    try {
      const smaller = await shrink(simulation, failed, { maxRuns: shrinkRuns });
      report = smaller.report;
      lines.push(smaller.summary);
    } catch (error) {
      lines.push(`no smaller case: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (report.violation !== undefined) {
    onFailure?.(writeReplay(report), seed);
    lines.push("", await pictureOf(simulation, report));
  }
  lines.push(`again: SEED=${seed} node ${[...flagsOf(process.execArgv), "--test", testFile()].join(" ")}`);
  return lines.join("\n");
}

/**
 * A violation that was seen only at the end began with the first fault: the picture begins there,
 * however long ago that is.
 */
async function pictureOf<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  report: RunReport<Plan>,
): Promise<string> {
  const { seed, tieBreak, plan, seenAtEnd, records } = report;
  const firstMs = Math.min(...plan.faults.map((fault) => Number((fault as { readonly atMs?: unknown } | null)?.atMs)));
  if (!seenAtEnd || !Number.isFinite(firstMs)) return sequenceDiagram(records);
  const whole = await runOnce(simulation, { seed, tieBreak, plan, traceRecords: Number.POSITIVE_INFINITY });
  return sequenceDiagram(whole.records, { fromMs: firstMs });
}

/**
 * Flags without which the file may not load, or may load differently. Other flags belong to the
 * test runner.
 */
const WITH_A_VALUE = /^(--conditions|-C|--import|--loader|--experimental-loader|--require|-r)(=.*)?$/s;
const WITHOUT =
  /^--(no-)?experimental-(strip-types|transform-types|vm-modules|wasm-modules|detect-module|require-module)$/;

/** The flags of `given` that belong into the line that repeats a file, each once, as one word. */
export function flagsOf(given: readonly string[]): string[] {
  const kept = new Set<string>();
  for (const [place, flag] of given.entries()) {
    const [, name, value] = WITH_A_VALUE.exec(flag) ?? [];
    if (name !== undefined) kept.add(`${LONG[name] ?? name}${value ?? `=${given[place + 1]}`}`);
    else if (WITHOUT.test(flag)) kept.add(flag);
  }
  return [...kept];
}

const LONG: Readonly<Record<string, string>> = {
  "-C": "--conditions",
  "-r": "--require",
  "--loader": "--experimental-loader",
};

function testFile(): string {
  const [, file = "FILE"] = process.argv;
  const here = `${process.cwd()}/`;
  return file.startsWith(here) ? file.slice(here.length) : file;
}

function seedOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const seed = Number(text);
  if (Number.isSafeInteger(seed)) return seed;
  throw new ConfigurationError("out-of-range", `SEED is "${text.slice(0, 40)}"; it must be a whole number.`);
}
