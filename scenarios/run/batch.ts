/**
 * A batch of seeds, on one core or several. The seeds are handed out in small portions to a pool of
 * worker threads, so that a slow seed delays no other thread. The thread that runs a seed does not
 * affect the run.
 */
import type { ExploreProgress, ExploreReport, Failure } from "ground-station-failover/sim";
import { explore } from "ground-station-failover/sim";
import Tinypool from "tinypool";
import type { FleetPlan } from "../fleet/plan.ts";
import { scenarioOf } from "../index.ts";
import type { Scenario } from "../scenario.ts";
import { onlyOf } from "./hear-only.ts";

export interface BatchOptions {
  readonly scenario: string;
  readonly seeds: number;
  readonly firstSeed: number;
  /** Worker threads; with 1 the batch runs in this thread. */
  readonly jobs: number;
  /** Only these invariants count; empty, the default: all. */
  readonly only?: readonly string[];
  /**
   * Ends at the first failure of one of these invariants; empty: never. `any`: at the first failure
   * of any invariant.
   */
  readonly until: readonly string[] | "any";
  /** Share of the seeds that run twice. */
  readonly checkDeterminismRate: number;
  readonly onProgress: (progress: BatchProgress) => void;
}

export type BatchProgress = Pick<ExploreProgress, "runs" | "seeds" | "failures" | "simulatedMs">;

/** All seeds of a batch together. `cpuMs` is the CPU time of this process, all threads. */
export type BatchReport = Pick<
  ExploreReport,
  "runs" | "failed" | "failures" | "ranTwice" | "met" | "dark" | "simulatedMs" | "cpuMs"
>;

/** The task of one worker. */
export interface Portion {
  readonly scenario: string;
  readonly seeds: number;
  readonly firstSeed: number;
  readonly only: readonly string[];
  readonly checkDeterminismRate: number;
}

/** Seeds in a portion: a second or two of work. */
const PORTION = 10;

export async function runBatch(options: BatchOptions): Promise<BatchReport> {
  const totals = new Totals(options);
  const run = options.jobs === 1 ? runPortion : undefined;
  const pool = run === undefined ? workers(options.jobs) : undefined;
  try {
    const portions = portionsOf(options)[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (let next = portions.next(); next.done !== true && !totals.over; next = portions.next()) {
        totals.add(run === undefined ? await pool?.run(next.value) : await run(next.value));
      }
    };
    await Promise.all(Array.from({ length: options.jobs }, work));
  } finally {
    await pool?.destroy();
  }
  return totals.report();
}

/** Runs one portion in this thread. */
export async function runPortion({ scenario, only, ...options }: Portion): Promise<ExploreReport> {
  return await explore(onlyOf<FleetPlan, Scenario>(scenarioOf(scenario), only), options);
}

function workers(jobs: number): Tinypool {
  const filename = new URL("./batch-worker.ts", import.meta.url).href;
  return new Tinypool({ filename, minThreads: jobs, maxThreads: jobs });
}

function* portionsOf(options: BatchOptions): Iterable<Portion> {
  const { scenario, seeds, firstSeed, only = [], checkDeterminismRate } = options;
  for (let done = 0; done < seeds; done += PORTION) {
    const portion = { firstSeed: firstSeed + done, seeds: Math.min(PORTION, seeds - done) };
    yield { scenario, ...portion, only, checkDeterminismRate };
  }
}

class Totals {
  readonly #options: BatchOptions;
  readonly #cpuBegan: NodeJS.CpuUsage = process.cpuUsage();
  readonly #failures: Failure[] = [];
  readonly #met: Map<string, number> = new Map();
  #runs = 0;
  #failed = 0;
  #ranTwice = 0;
  #simulatedMs = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Whether there is nothing more to find. */
  get over(): boolean {
    const { until } = this.#options;
    if (until === "any") return this.#failed > 0;
    return this.#failures.some(({ violation }) => until.includes(violation.invariant));
  }

  add(report: ExploreReport): void {
    this.#runs += report.runs;
    this.#failed += report.failed;
    this.#ranTwice += report.ranTwice;
    this.#simulatedMs += report.simulatedMs;
    this.#failures.push(...report.failures);
    for (const [situation, times] of report.met) this.#met.set(situation, (this.#met.get(situation) ?? 0) + times);
    const { onProgress, seeds } = this.#options;
    onProgress({ runs: this.#runs, seeds, failures: this.#failed, simulatedMs: this.#simulatedMs });
  }

  report(): BatchReport {
    const { user, system } = process.cpuUsage(this.#cpuBegan);
    const declared = scenarioOf(this.#options.scenario).sometimes ?? [];
    return {
      runs: this.#runs,
      failed: this.#failed,
      failures: this.#failures.toSorted((left, right) => left.seed - right.seed),
      ranTwice: this.#ranTwice,
      met: this.#met,
      dark: declared.filter((situation) => !this.#met.has(situation)),
      simulatedMs: this.#simulatedMs,
      cpuMs: (user + system) / 1_000,
    };
  }
}
