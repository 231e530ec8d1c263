/**
 * Reduces a failing run with many faults to the few that it needs. The fault list is halved,
 * quartered and so on down to single faults, and each time a run tells whether the rest still fails
 * (delta debugging: Zeller and Hildebrandt, 2002, in its greedy form). Then the remaining faults
 * are moved earlier and made shorter and rounder, the simulation's own simplifications are tried,
 * and the run is cut short. "Still fails" means the same invariant, not the same sentence.
 *
 * Every candidate is a whole run of its own from the same seed, so this works only if a run
 * repeats. The result is a minimal plan (without any one of its faults the run passes), not the
 * smallest that exists.
 */
import { COUNT, checked, checkFunction, checkNames, checkObject, type Names, WAIT_MS } from "../../core/options.ts";
import { earlierEnds, earlierFaults, easierFaults, type Proposals } from "./easing.ts";
import type { FaultPlan, RunReport, Simulation } from "./simulation.ts";
import { checkSimulation, runOnce } from "./simulation.ts";

/** Options of a search for a smaller plan. */
export interface ShrinkOptions {
  /**
   * The most runs; a whole number from 1, below 2^31. Default 500: enough for forty faults of ten
   * numbers each.
   */
  readonly maxRuns?: number | undefined;
  /**
   * No further run begins after this much CPU time in runs. In ms, from 0; `Infinity` for no limit.
   * Default 60,000: about as long as a person waits for it.
   */
  readonly maxCpuMs?: number | undefined;
  /** Called after each run. Default: no call. */
  readonly onProgress?: ((progress: ShrinkProgress) => void) | undefined;
}

/** Progress of a search for a smaller plan. */
export interface ShrinkProgress {
  readonly runs: number;
  readonly cpuMs: number;
  /** Faults in the smallest plan so far. */
  readonly faults: number;
}

/** The smallest plan that the search found. */
export interface ShrinkReport<Plan extends FaultPlan = FaultPlan> {
  /** The smallest plan that was found. */
  readonly plan: Plan;
  /** Its run, with its violation. */
  readonly report: RunReport<Plan>;
  readonly runs: number;
  readonly cpuMs: number;
  readonly faultsBefore: number;
  readonly faultsAfter: number;
  /** False if `maxRuns` or `maxCpuMs` ended it: a smaller plan may exist. */
  readonly finished: boolean;
  /** For people: "21 → 3 faults in 15 runs". */
  readonly summary: string;
}

const OPTIONS: Names<ShrinkOptions> = { maxRuns: true, maxCpuMs: true, onProgress: true };

/**
 * Finds a smaller plan that violates the same invariant as `failed`. Rejects if `failed` has no
 * violation. Also rejects if the run does not fail again in the same way, because a run that does
 * not repeat proves nothing.
 *
 * @example
 * ```ts
 * import { runOnce, type Simulation, shrink } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "third-fault",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: ["harmless", "bad", "harmless"] }),
 *   build(world, { faults }) {
 *     const check = () => faults.includes("bad") && world.violate("no-bad-fault", "met one");
 *     world.node("north", ({ clock }) => void clock.at(clock.nowMs() + 10, check)).start();
 *   },
 * };
 * const { plan } = await shrink(simulation, await runOnce(simulation, { seed: 7 }));
 * console.log(plan.faults.join()); // bad
 * ```
 */
export async function shrink<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  failed: RunReport<Plan>,
  options: ShrinkOptions = {},
): Promise<ShrinkReport<Plan>> {
  checkSimulation("shrink", simulation);
  checkObject("shrink", failed, "failed");
  checkNames("shrink", options, OPTIONS);
  checkFunction("shrink", "onProgress", options.onProgress);
  const search = new Search(simulation, failed, options);
  await search.begin();
  let before: Plan;
  do {
    before = search.plan;
    await search.leaveOutFaults();
    await search.follow(earlierFaults(search.plan, search.faultsFromMs));
    await search.follow(easierFaults(search.plan, search.faultsFromMs));
    await search.simplify();
    await search.follow(earlierEnds(search.plan, search.best.violation?.atMs ?? 0));
  } while (search.plan !== before && !search.spent);
  return search.report();
}

class Search<Plan extends FaultPlan> {
  /** The smallest failing run so far. */
  best: RunReport<Plan>;
  readonly #simulation: Simulation<Plan>;
  readonly #failed: RunReport<Plan>;
  readonly #invariant: string;
  readonly #options: ShrinkOptions;
  readonly #maxRuns: number;
  readonly #maxCpuMs: number;
  /** Texts of the plans that have been run: none is run twice, so that every loop here ends. */
  readonly #tried: Set<string> = new Set();
  #runs = 0;
  #cpuMs = 0;

  constructor(simulation: Simulation<Plan>, failed: RunReport<Plan>, options: ShrinkOptions) {
    if (failed.violation === undefined)
      throw new Error(`there is nothing to shrink: seed ${failed.seed} of "${simulation.name}" did not fail`);
    this.#simulation = simulation;
    this.#failed = failed;
    this.#invariant = failed.violation.invariant;
    this.#options = options;
    this.#maxRuns = checked("shrink", "maxRuns", options.maxRuns ?? 500, COUNT);
    this.#maxCpuMs = checked("shrink", "maxCpuMs", options.maxCpuMs ?? 60_000, WAIT_MS);
    this.best = failed;
  }

  get plan(): Plan {
    return this.best.plan;
  }

  /** No fault is moved to before this instant. */
  get faultsFromMs(): number {
    const { faultsFromMs = 0 } = this.#simulation;
    return typeof faultsFromMs === "number" ? faultsFromMs : faultsFromMs(this.plan);
  }

  /** Whether the allowed runs are used up. */
  get spent(): boolean {
    return this.#runs >= this.#maxRuns || this.#cpuMs >= this.#maxCpuMs;
  }

  async begin(): Promise<void> {
    if (await this.#fails(this.#failed.plan)) return;
    throw new Error(
      `seed ${this.#failed.seed} of "${this.#simulation.name}" did not violate "${this.#invariant}" when it was run ` +
        "again: it is not deterministic, and that has to be found first (explore with checkDeterminismRate: 1)",
    );
  }

  /**
   * Leaves out ever smaller stretches of the fault list, down to single faults, until none can be
   * left out.
   */
  async leaveOutFaults(): Promise<void> {
    let stretch = this.plan.faults.length;
    while (stretch >= 1 && !this.spent) {
      let removed = false;
      for (let from = 0; from < this.plan.faults.length && !this.spent; ) {
        const faults = this.plan.faults.filter((_, index) => index < from || index >= from + stretch);
        if (await this.#fails({ ...this.plan, faults })) removed = true;
        else from += stretch;
      }
      if (stretch > 1) stretch = Math.ceil(stretch / 2);
      else if (!removed) stretch = 0;
    }
  }

  /** Runs each proposal and answers whether it still fails. */
  async follow(proposals: Proposals<Plan>): Promise<void> {
    for (let next = proposals.next(); next.done !== true && !this.spent; ) {
      next = proposals.next(await this.#fails(next.value));
    }
  }

  /**
   * Takes the first of the simulation's own simplifications that still fails, and asks for more,
   * until none does.
   */
  async simplify(): Promise<void> {
    for (let simpler = true; simpler && !this.spent; ) {
      simpler = false;
      for (const candidate of this.#simulation.simplify?.(this.plan) ?? []) {
        simpler = await this.#fails(candidate);
        if (simpler || this.spent) break;
      }
    }
  }

  report(): ShrinkReport<Plan> {
    const faultsBefore = this.#failed.plan.faults.length;
    const faultsAfter = this.plan.faults.length;
    const finished = !this.spent;
    const summary = `${faultsBefore} → ${faultsAfter} ${faultsAfter === 1 ? "fault" : "faults"} in ${this.#runs} runs${finished ? "" : ", stopped early"}`;
    const { best: report, plan } = this;
    return { plan, report, runs: this.#runs, cpuMs: this.#cpuMs, faultsBefore, faultsAfter, finished, summary };
  }

  /**
   * Whether `plan` violates the same invariant. If so, it becomes the smallest so far. False for a
   * plan that has been run before.
   */
  async #fails(plan: Plan): Promise<boolean> {
    const text = JSON.stringify(plan);
    if (this.#tried.has(text)) return false;
    this.#tried.add(text);
    const { seed, tieBreak } = this.#failed;
    const report = await runOnce(this.#simulation, { seed, tieBreak, plan });
    this.#runs++;
    this.#cpuMs += report.cpuMs;
    const fails = report.violation?.invariant === this.#invariant;
    if (fails) this.best = report;
    this.#options.onProgress?.({ runs: this.#runs, cpuMs: this.#cpuMs, faults: this.plan.faults.length });
    return fails;
  }
}
