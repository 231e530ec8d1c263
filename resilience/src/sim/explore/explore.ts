/**
 * One simulation under many seeds: how often it fails and how, and which of the rare situations
 * that it claims to test never occurred (the idea of "sometimes" is Antithesis'; FoundationDB calls
 * them code probes). A share of the seeds runs twice, and both runs must be the same to the bit,
 * because a failure that cannot be repeated cannot be fixed.
 *
 * Only failures of runs are kept, so that ten thousand runs need no more memory than ten. It uses
 * one core; several processes can each take a range of seeds.
 */
import { COUNT, checkBoolean, checked, checkFunction, checkNames, type Names } from "../../core/options.ts";
import { seededRandom } from "../../core/random.ts";
import { checkTieBreak } from "../kernel/given.ts";
import type { TraceRecord } from "../kernel/trace.ts";
import type { Violation } from "../kernel/world.ts";
import type { FaultPlan, RunOptions, RunReport, Simulation, TieBreak } from "./simulation.ts";
import { checkSimulation, runOnce } from "./simulation.ts";

/** Options of a batch of runs. */
export interface ExploreOptions {
  /**
   * How many seeds; a whole number from 1, below 2^31. No default: it sets how long the search
   * takes.
   */
  readonly seeds: number;
  /**
   * The first seed, a whole number; the others count up from it. Default 1, so that a batch is the
   * same each time.
   */
  readonly firstSeed?: number | undefined;
  /**
   * Whether to end at the first failure. Default false: a batch says how often each invariant
   * fails.
   */
  readonly stopAtFirst?: boolean | undefined;
  /** Called after each seed. Default: no call. */
  readonly onProgress?: ((progress: ExploreProgress) => void) | undefined;
  /**
   * Share of the seeds, chosen by the seed, that run twice; 0 … 1. Default 0.02: a leak of real
   * time shows in most runs.
   */
  readonly checkDeterminismRate?: number | undefined;
  /**
   * Which of several events of one instant comes first. Default: each seed decides, half and half
   * (see `RunOptions`).
   */
  readonly tieBreak?: TieBreak | undefined;
}

/** Progress of a batch of runs. */
export interface ExploreProgress {
  readonly seed: number;
  /** Seeds done so far. */
  readonly runs: number;
  readonly seeds: number;
  readonly failures: number;
  readonly simulatedMs: number;
  readonly cpuMs: number;
}

/**
 * A run that failed. `runOnce` with this seed (and with the tie-break, if `explore` got one)
 * repeats it.
 */
export interface Failure {
  readonly seed: number;
  readonly tieBreak: TieBreak;
  readonly violation: Violation;
}

/** The result of a batch of runs. */
export interface ExploreReport {
  readonly simulation: string;
  readonly firstSeed: number;
  /** Seeds that were run. */
  readonly runs: number;
  /** Seeds that failed. */
  readonly failed: number;
  /** The first 1,000 of them. */
  readonly failures: readonly Failure[];
  /** Seeds that ran twice to see whether they repeat. */
  readonly ranTwice: number;
  /** How often each situation of `world.sometimes` was met in all. */
  readonly met: ReadonlyMap<string, number>;
  /**
   * Situations that the simulation declares and that occurred in no run: they have not been tested.
   */
  readonly dark: readonly string[];
  readonly simulatedMs: number;
  readonly cpuMs: number;
  /** Second runs do not count as seeds, but their CPU time counts. */
  readonly seedsPerCpuMinute: number;
}

/** Name of the invariant that is violated if two runs of one seed differ. */
export const DETERMINISTIC = "deterministic";
/** Further failures are counted and not described. */
const MOST_FAILURES_KEPT = 1_000;
const RANGE_OF_RATE = { min: 0, max: 1 };
const RANGE_OF_SEEDS = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, integer: true };
/** Trace records kept of a run whose trace is not shown. */
const FEW_RECORDS = 16;

const OPTIONS: Names<ExploreOptions> = {
  seeds: true,
  firstSeed: true,
  stopAtFirst: true,
  onProgress: true,
  checkDeterminismRate: true,
  tieBreak: true,
};

/**
 * Runs `simulation` with `seeds` different seeds, one after another.
 *
 * @example
 * ```ts
 * import { explore, type Simulation } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "coin",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: [] }),
 *   build(world) {
 *     const isLucky = () => world.random.fork("coin").next() < 0.5;
 *     world.at(100, () => isLucky() || world.violate("lucky", "it was not"));
 *   },
 * };
 * const report = await explore(simulation, { seeds: 50 });
 * console.log(report.runs, report.failures[0]?.violation.invariant); // 50 lucky
 * ```
 */
export async function explore<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  options: ExploreOptions,
): Promise<ExploreReport> {
  checkSimulation("explore", simulation);
  checkNames("explore", options, OPTIONS);
  checkFunction("explore", "onProgress", options.onProgress);
  checkBoolean("explore", "stopAtFirst", options.stopAtFirst);
  checkTieBreak("explore", options.tieBreak);
  const seeds = checked("explore", "seeds", options.seeds, COUNT);
  const firstSeed = checked("explore", "firstSeed", options.firstSeed ?? 1, RANGE_OF_SEEDS);
  const rate = checked("explore", "checkDeterminismRate", options.checkDeterminismRate ?? 0.02, RANGE_OF_RATE);
  const totals = new Totals();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const report = await runOnce(simulation, runOptions(seed, FEW_RECORDS, options.tieBreak));
    totals.add(report);
    let violation = report.violation;
    if (violation === undefined && seededRandom(seed).fork("determinism-check").next() < rate)
      violation = await totals.addSecond(simulation, report);
    if (violation !== undefined) totals.fail({ seed, tieBreak: report.tieBreak, violation });
    options.onProgress?.({
      seed,
      runs: totals.runs,
      seeds,
      failures: totals.failed,
      simulatedMs: totals.simulatedMs,
      cpuMs: totals.cpuMs,
    });
    if (violation !== undefined && options.stopAtFirst === true) break;
  }
  const { runs, failed, failures, ranTwice, met, simulatedMs, cpuMs } = totals;
  const dark = (simulation.sometimes ?? []).filter((situation) => !met.has(situation));
  const seedsPerCpuMinute = cpuMs > 0 ? (runs * 60_000) / cpuMs : 0;
  const { name } = simulation;
  return {
    simulation: name,
    firstSeed,
    runs,
    failed,
    failures,
    ranTwice,
    met,
    dark,
    simulatedMs,
    cpuMs,
    seedsPerCpuMinute,
  };
}

class Totals {
  readonly failures: Failure[] = [];
  readonly met: Map<string, number> = new Map();
  runs = 0;
  failed = 0;
  ranTwice = 0;
  simulatedMs = 0;
  cpuMs = 0;

  add(report: RunReport): void {
    this.runs++;
    this.simulatedMs += report.simulatedMs;
    this.cpuMs += report.cpuMs;
    for (const [situation, times] of report.met) this.met.set(situation, (this.met.get(situation) ?? 0) + times);
  }

  fail(failure: Failure): void {
    this.failed++;
    if (this.failures.length < MOST_FAILURES_KEPT) this.failures.push(failure);
  }

  /** Runs the seed of `first` again; a violation if the second run differs. */
  async addSecond<Plan extends FaultPlan>(
    simulation: Simulation<Plan>,
    first: RunReport<Plan>,
  ): Promise<Violation | undefined> {
    const second = await runOnce(simulation, runOptions(first.seed, FEW_RECORDS, first.tieBreak));
    this.ranTwice++;
    this.cpuMs += second.cpuMs;
    if (JSON.stringify(first.plan) !== JSON.stringify(second.plan)) {
      const detail = "two runs of one seed drew different plans: `plan` uses something other than its stream";
      return { invariant: DETERMINISTIC, detail, atMs: 0, step: 0 };
    }
    if (first.hash === second.hash && first.steps === second.steps) return undefined;
    return firstDifference(simulation, first, second);
  }
}

/** Runs it twice more with the whole trace and says where the two runs differ first. */
async function firstDifference<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  first: RunReport<Plan>,
  second: RunReport<Plan>,
): Promise<Violation> {
  const whole = runOptions(first.seed, Number.POSITIVE_INFINITY, first.tieBreak);
  const one = (await runOnce(simulation, whole)).records;
  const other = (await runOnce(simulation, whole)).records;
  const facts = `two runs of one seed differ: ${first.hash} after ${first.steps} steps, ${second.hash} after ${second.steps}`;
  const differing = one.findIndex((record, index) => lineOf(record) !== lineOf(other[index]));
  const place = differing === -1 ? one.length : differing;
  const record = one[place] ?? other[place];
  if (record === undefined) {
    const detail = `${facts}; two further runs were the same, so it depends on what ran before them in this process`;
    return { invariant: DETERMINISTIC, detail, atMs: first.simulatedMs, step: first.steps };
  }
  const detail = `${facts}; they part at "${lineOf(one[place])}" against "${lineOf(other[place])}"`;
  return { invariant: DETERMINISTIC, detail, atMs: record.atMs, step: record.step };
}

function lineOf(record: TraceRecord | undefined): string {
  if (record === undefined) return "(the end)";
  const { atMs, kind, node, peer, detail } = record;
  return `${atMs} ms ${node}${peer === undefined ? "" : ` → ${peer}`} ${kind} ${detail}`;
}

function runOptions(seed: number | string, traceRecords: number, tieBreak?: TieBreak): Omit<RunOptions, "plan"> {
  return tieBreak === undefined ? { seed, traceRecords } : { seed, traceRecords, tieBreak };
}
