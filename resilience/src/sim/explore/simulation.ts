/**
 * The form of a user's simulation, so that it can be run thousands of times, shrunk and replayed: a
 * plan (everything random about the shape of a run, as plain data) and a function that builds the
 * world from it. The plan is drawn first and is complete before anything runs, so that leaving out
 * one fault of it leaves the rest as it was. That makes it possible to reduce a failure of twenty
 * faults to one of three.
 *
 * A run has one result: nothing was violated, or the first violation. An error of the simulation's
 * own `build`, `untilMs` or checks is the violation `simulation-broken`, because it has a plan and
 * can be shrunk and replayed like any other. An error of `plan` rejects, because then there is
 * nothing to replay. A world that tests nothing is broken, too (`idle-world.ts`). A simulation, or
 * options, with an unknown name or a wrong type is refused before anything runs.
 */
import { checkFunction, checkName, checkObject, type Names, refusal } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { seededRandom } from "../../core/random.ts";
import { checkSeed, checkTieBreak } from "../kernel/given.ts";
import { refuseMisspelt } from "../kernel/misspelt.ts";
import type { TraceRecord } from "../kernel/trace.ts";
import type { Violation } from "../kernel/world.ts";
import { World } from "../kernel/world.ts";
import { whyIdle } from "./idle-world.ts";

/**
 * The part of a plan that the tools need: a list of faults. Any fault may be removed from it. The
 * other fields of a plan belong to the simulation.
 */
export interface FaultPlan {
  readonly faults: readonly unknown[];
}

/** A simulation: the system under test, its load, its faults, and the invariants that must hold. */
export interface Simulation<Plan extends FaultPlan = FaultPlan> {
  /** Identifies the simulation of a replay file. Do not reuse it for another. */
  readonly name: string;
  /**
   * Draws everything that differs from run to run: faults, rates, sizes, settings. Plain JSON data:
   * no Infinity (null can stand for "for ever"), no classes, no functions. Frozen before it is
   * used.
   */
  plan(random: Random): Plan;
  /**
   * Makes the nodes, the load, the checks and the faults, and starts the nodes. Called as the first
   * event, and not awaited: work that takes time belongs into a node's program, or into `world.at`.
   * A promise is refused.
   */
  build(world: World, plan: Plan): void;
  /** How long a run lasts, in simulated milliseconds. */
  readonly untilMs: number | LengthOf<Plan>;
  /**
   * Shrinking moves no fault to before this instant, in simulated milliseconds: for example a
   * warm-up during which the checks assume that nothing goes wrong. Default 0.
   */
  readonly faultsFromMs?: number | LengthOf<Plan>;
  /**
   * Situations of `world.sometimes` that a batch of runs must meet at least once each. Otherwise it
   * has not tested them.
   */
  readonly sometimes?: readonly string[];
  /**
   * Smaller plans than this one, the largest step first. Shrinking tries them; each must be a plan
   * that `build` accepts.
   */
  simplify?(plan: Plan): Iterable<Plan>;
}

/**
 * A time that follows from the plan. Taken from a method, so that simulations of different plans
 * fit into one list.
 */
type LengthOf<Plan> = { of(plan: Plan): number }["of"];

/**
 * Which of several events at one instant comes first. `asked`: the event that was requested first.
 * `drawn`: a randomly drawn one.
 */
export type TieBreak = "asked" | "drawn";

/** Options of one run. */
export interface RunOptions<Plan extends FaultPlan = FaultPlan> {
  /** Everything random follows from it; a number or a text. No default. */
  readonly seed: number | string;
  /**
   * Replaces the plan that the seed would give; the other streams of the world still come from the
   * seed. Default: the plan of the seed.
   */
  readonly plan?: Plan | undefined;
  /** Default: the seed decides, half and half, so that the seed alone says how a run goes. */
  readonly tieBreak?: TieBreak | undefined;
  /**
   * How many of the newest trace records are kept; a whole number from 0, or `Infinity` for all.
   * Default as the world's, 2,000.
   */
  readonly traceRecords?: number | undefined;
}

/** The result of one run. */
export interface RunReport<Plan extends FaultPlan = FaultPlan> {
  readonly simulation: string;
  readonly seed: number | string;
  readonly plan: Plan;
  readonly tieBreak: TieBreak;
  /** The first violation; absent if there was none. */
  readonly violation?: Violation;
  /** Whether only a check of the end (`atEnd`) found it. Its cause may be long past then. */
  readonly seenAtEnd: boolean;
  /** Hash of everything that happened: two runs with one hash are the same run. */
  readonly hash: string;
  /** Events. */
  readonly steps: number;
  readonly simulatedMs: number;
  /** CPU time of the process while it ran. The one number here that differs from run to run. */
  readonly cpuMs: number;
  /** How often each situation of `world.sometimes` was met. */
  readonly met: ReadonlyMap<string, number>;
  /** The newest records of the trace, oldest first. */
  readonly records: readonly TraceRecord[];
}

/** Name of the invariant that is violated if the simulation itself throws. */
export const SIMULATION_BROKEN = "simulation-broken";

/**
 * Runs `simulation` once. It never rejects because of events in the world; see the header of this
 * file.
 *
 * @example
 * ```ts
 * import { runOnce, type Simulation } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "always-wrong",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: [] }),
 *   build(world) {
 *     world.node("north", () => world.violate("right", "it never is")).start();
 *   },
 * };
 * const { violation } = await runOnce(simulation, { seed: 7 });
 * console.log(violation?.invariant, violation?.detail); // right it never is
 * ```
 */
export async function runOnce<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  options: RunOptions<Plan>,
): Promise<RunReport<Plan>> {
  const cpuBeganMs = cpuNowMs();
  checkSimulation("runOnce", simulation);
  checkRunOptions(options);
  const { seed, traceRecords } = options;
  const plan = options.plan === undefined ? drawnPlan(simulation, seed) : planOf(options.plan);
  const tieBreak = options.tieBreak ?? tieBreakOf(seed);
  const world = new World(traceRecords === undefined ? { seed, tieBreak } : { seed, tieBreak, traceRecords });
  const broken = (error: unknown): void => world.violate(SIMULATION_BROKEN, textOf(error));
  world.at(0, () => {
    try {
      refusePromise(simulation.build(world, plan));
    } catch (error) {
      broken(error);
    }
  });
  let seenAtEnd = false;
  try {
    const untilMs = untilMsOf(simulation, plan);
    await world.run(untilMs);
    seenAtEnd = world.violations.length === 0;
    world.verify();
    const idle = whyIdle(world, plan.faults, untilMs);
    if (idle !== undefined) broken(idle);
  } catch (error) {
    broken(error);
  }
  const violation = world.violations[0];
  return {
    simulation: simulation.name,
    seed,
    plan,
    tieBreak,
    ...(violation === undefined ? {} : { violation }),
    seenAtEnd: seenAtEnd && violation !== undefined,
    hash: world.trace.hash,
    steps: world.steps,
    simulatedMs: world.nowMs,
    cpuMs: cpuNowMs() - cpuBeganMs,
    met: world.met,
    records: world.trace.records,
  };
}

/**
 * An async `build` would go on after the run has begun, outside every event, and its error would be
 * lost.
 */
function refusePromise(made: unknown): void {
  if (typeof (made as PromiseLike<unknown> | undefined)?.then !== "function") return;
  // Its result is not used.
  (made as PromiseLike<unknown>).then(undefined, () => undefined);
  throw new TypeError(
    "build returned a promise, and is not awaited: make it a plain function; what takes time belongs into a node's program, or into world.at",
  );
}

const cpuUsage: typeof process.cpuUsage = process.cpuUsage.bind(process);

/**
 * CPU time of this process so far: the cost of a run, however busy the machine is with other work.
 */
function cpuNowMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

function drawnPlan<Plan extends FaultPlan>(simulation: Simulation<Plan>, seed: number | string): Plan {
  try {
    return planOf(simulation.plan(seededRandom(seed).fork("plan")));
  } catch (cause) {
    throw new Error(`simulation "${simulation.name}" has no plan for seed ${seed}: ${String(cause)}`, { cause });
  }
}

/** A frozen copy of `given`, which is a plan. */
function planOf<Plan extends FaultPlan>(given: Plan): Plan {
  const plan: Partial<FaultPlan> | null = plainData("plan", given);
  if (Array.isArray(plan?.faults)) return plan as Plan;
  throw refusal("plan", "faults", plan?.faults, "a list, which may be empty");
}

function tieBreakOf(seed: number | string): TieBreak {
  return seededRandom(seed).fork("tie-break").next() < 0.5 ? "asked" : "drawn";
}

function untilMsOf<Plan extends FaultPlan>(simulation: Simulation<Plan>, plan: Plan): number {
  const untilMs = typeof simulation.untilMs === "number" ? simulation.untilMs : simulation.untilMs(plan);
  if (untilMs >= 0 && untilMs < Number.POSITIVE_INFINITY) return untilMs;
  throw new RangeError(`untilMs is ${untilMs}; a run lasts from 0 up to a finite number of milliseconds`);
}

const NAMES: Names<Simulation> = {
  name: true,
  plan: true,
  build: true,
  untilMs: true,
  faultsFromMs: true,
  sometimes: true,
  simplify: true,
};

/**
 * Throws unless `given` has the form of a simulation. It may have fields of its own, but none whose
 * name is nearly one of these.
 */
export function checkSimulation<Plan extends FaultPlan>(part: string, given: Simulation<Plan>): void {
  checkObject(part, given, "simulation");
  refuseMisspelt(`${part}: simulation`, given, NAMES);
  const { name, plan, build, untilMs, faultsFromMs, sometimes, simplify } = given;
  checkName(part, "simulation.name", name);
  for (const [option, run] of Object.entries({ plan, build }))
    if (typeof run !== "function") throw refusal(part, `simulation.${option}`, run, "a function");
  checkFunction(part, "simulation.simplify", simplify);
  for (const [option, time] of Object.entries({ untilMs, faultsFromMs: faultsFromMs ?? 0 }))
    if (typeof time !== "number" && typeof time !== "function")
      throw refusal(part, `simulation.${option}`, time, "a number, or a function of the plan");
  if (sometimes !== undefined && !(Array.isArray(sometimes) && sometimes.every((one) => typeof one === "string")))
    throw refusal(part, "simulation.sometimes", sometimes, "a list of texts");
}

const RUN_OPTIONS: Names<RunOptions> = { seed: true, plan: true, tieBreak: true, traceRecords: true };

/** The options may carry more fields, because a failure or a report can be run again. */
function checkRunOptions<Plan extends FaultPlan>(given: RunOptions<Plan>): void {
  checkObject("runOnce", given, "its options object");
  refuseMisspelt("runOnce", given, RUN_OPTIONS);
  checkSeed("runOnce", given.seed);
  checkTieBreak("runOnce", given.tieBreak);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * A frozen copy of `value`, identical to what comes back from a replay file; refuses everything
 * that JSON would lose silently.
 */
function plainData<T>(where: string, value: T): T {
  return copyOf(where, value) as T;
}

function copyOf(where: string, value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value === 0 ? 0 : value;
  if (Array.isArray(value)) return Object.freeze(value.map((item, index) => copyOf(`${where}[${index}]`, item)));
  if (typeof value === "object") {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return copyOfRecord(where, value);
  }
  const shown = typeof value === "object" ? `a ${value.constructor.name}` : String(value);
  throw new TypeError(`${where} is ${shown}; a plan is plain JSON data (null can stand for "for ever")`);
}

function copyOfRecord(where: string, value: object): object {
  const copy: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) copy.push([key, copyOf(`${where}.${key}`, item)]);
  }
  return Object.freeze(Object.fromEntries(copy));
}
