/**
 * A failing run as a small file: what it takes to run it again, what it violated, and where it was
 * recorded. A colleague who gets the file sees the same failure, and once that is fixed the file
 * stays as a test that it does not return.
 *
 * A replay is exact if the code of the simulated system and the engine are both the same: how many
 * turns an `await` takes depends on V8, so the file names the versions. A file comes from outside:
 * every field is checked here, and the simulation that builds from the plan checks the plan itself.
 */
import type { FaultPlan, RunReport, Simulation, TieBreak } from "./simulation.ts";
import { runOnce } from "./simulation.ts";

/**
 * The version of the replay format that is written and read here. It is raised when an old file
 * could be misread.
 */
export const REPLAY_FORMAT = 1;

/** The content of a replay file. */
export interface ReplayFile {
  readonly format: typeof REPLAY_FORMAT;
  readonly simulation: string;
  readonly seed: number | string;
  readonly tieBreak: TieBreak;
  /** What was violated, how, and when. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
  readonly step: number;
  readonly hash: string;
  /** Version of the code under test, if it was known. */
  readonly commit?: string;
  readonly node: string;
  readonly v8: string;
  /** Last, because it is the longest. */
  readonly plan: FaultPlan;
}

/**
 * `exact`: the replay is bit for bit the same run. `same-violation`: the same invariant was
 * violated, but the run was different. `other-violation`: another invariant was violated. `fixed`:
 * nothing was violated.
 */
export type ReplayVerdict = "exact" | "same-violation" | "other-violation" | "fixed";

/** The result of a replay. */
export interface ReplayReport<Plan extends FaultPlan = FaultPlan> {
  readonly run: RunReport<Plan>;
  readonly verdict: ReplayVerdict;
  /** A possible cause of a difference: this is not the engine on which it was recorded. */
  readonly remark?: string;
}

/**
 * Returns the text of a replay file for a run that failed. `commit`: version of the code under
 * test. Throws if the run did not fail.
 *
 * @example
 * ```ts
 * import { parseReplay, runOnce, type Simulation, writeReplay } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "always-wrong",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: [] }),
 *   build(world) {
 *     world.node("north", () => world.violate("right", "it never is")).start();
 *   },
 * };
 * const text = writeReplay(await runOnce(simulation, { seed: 7 }));
 * console.log(parseReplay(text, "replay.json").invariant); // right
 * ```
 */
export function writeReplay(report: RunReport, commit?: string): string {
  const { simulation, seed, tieBreak, violation, hash, plan } = report;
  if (violation === undefined)
    throw new Error(`seed ${seed} of "${simulation}" did not fail; a replay is of a failure`);
  const { invariant, detail, atMs, step } = violation;
  const { node, v8 } = process.versions;
  const version = commit === undefined ? {} : { commit };
  const what = { format: REPLAY_FORMAT, simulation, seed, tieBreak, invariant, detail, atMs, step, hash } as const;
  const file: ReplayFile = { ...what, ...version, node, v8, plan };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/**
 * Reads the text of a replay file. `name`: where the text came from, for error messages. Throws if
 * the text is not a valid replay file.
 *
 * @example
 * ```ts
 * import { parseReplay } from "ground-station-failover/sim";
 *
 * try {
 *   parseReplay("[]", "replay.json");
 * } catch (error) {
 *   console.log((error as Error).message.startsWith("replay.json is not a replay file")); // true
 * }
 * ```
 */
export function parseReplay(text: string, name: string): ReplayFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${name} is not a replay file: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(value)) throw new Error(`${name} is not a replay file: it holds ${shown(value)}, not a JSON object`);
  const fields = new Fields(value, name);
  fields.take("format", `${REPLAY_FORMAT} (this version reads no other)`, (format) => format === REPLAY_FORMAT);
  const commit = value["commit"] === undefined ? {} : { commit: fields.text("commit") };
  return {
    format: REPLAY_FORMAT,
    simulation: fields.text("simulation"),
    seed: fields.take("seed", "a text or a finite number", isSeed),
    tieBreak: fields.take("tieBreak", '"asked" or "drawn"', isTieBreak),
    invariant: fields.text("invariant"),
    detail: fields.text("detail", true),
    atMs: fields.take("atMs", "a number of milliseconds from 0", isInstant),
    step: fields.take("step", "a whole number from 0", isCount),
    hash: fields.text("hash"),
    ...commit,
    node: fields.text("node"),
    v8: fields.text("v8"),
    plan: fields.take("plan", 'an object with a list "faults"', isPlan),
  };
}

/**
 * Runs the plan in `file` and keeps the whole trace. Rejects if the file belongs to another
 * simulation.
 *
 * @example
 * ```ts
 * import type { Simulation } from "ground-station-failover/sim";
 * import { parseReplay, replay, runOnce, writeReplay } from "ground-station-failover/sim";
 *
 * const simulation: Simulation = {
 *   name: "always-wrong",
 *   untilMs: 1_000,
 *   plan: () => ({ faults: [] }),
 *   build(world) {
 *     world.node("north", () => world.violate("right", "it never is")).start();
 *   },
 * };
 * const text = writeReplay(await runOnce(simulation, { seed: 7 }));
 * const { verdict } = await replay(simulation, parseReplay(text, "replay.json"));
 * console.log(verdict); // exact
 * ```
 */
export async function replay<Plan extends FaultPlan>(
  simulation: Simulation<Plan>,
  file: ReplayFile,
): Promise<ReplayReport<Plan>> {
  if (file.simulation !== simulation.name)
    throw new Error(`this replay is of the simulation "${file.simulation}", not of "${simulation.name}"`);
  const { seed, tieBreak } = file;
  // Only the simulation's `build` can tell whether the plan is one of its own.
  const plan = file.plan as Plan;
  const run = await runOnce(simulation, { seed, tieBreak, plan, traceRecords: Number.POSITIVE_INFINITY });
  const remark = remarkOn(file);
  return { run, verdict: verdictOn(file, run), ...(remark === undefined ? {} : { remark }) };
}

function verdictOn(file: ReplayFile, run: RunReport): ReplayVerdict {
  if (run.violation === undefined) return "fixed";
  if (run.violation.invariant !== file.invariant) return "other-violation";
  return run.hash === file.hash && run.violation.step === file.step ? "exact" : "same-violation";
}

function remarkOn(file: ReplayFile): string | undefined {
  const { node, v8 } = process.versions;
  if (file.node === node && file.v8 === v8) return undefined;
  return (
    `recorded on Node ${file.node} (V8 ${file.v8}), run on Node ${node} (V8 ${v8}): ` +
    "the order of promise reactions can differ between them"
  );
}

/** The fields of a record from outside; each is checked when it is read. */
class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #name: string;

  constructor(record: Readonly<Record<string, unknown>>, name: string) {
    this.#record = record;
    this.#name = name;
  }

  take<T>(field: string, allowed: string, fits: (value: unknown) => value is T): T;
  take(field: string, allowed: string, fits: (value: unknown) => boolean): unknown;
  take(field: string, allowed: string, fits: (value: unknown) => boolean): unknown {
    const value = Object.hasOwn(this.#record, field) ? this.#record[field] : undefined;
    if (fits(value)) return value;
    const found = value === undefined ? "is missing" : `is ${shown(value)}`;
    throw new Error(`${this.#name}: "${field}" ${found}; it must be ${allowed}`);
  }

  text(field: string, mayBeEmpty = false): string {
    const fits = (value: unknown): value is string => typeof value === "string" && (mayBeEmpty || value !== "");
    return this.take(field, mayBeEmpty ? "a text" : "a text that is not empty", fits);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSeed(value: unknown): value is number | string {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
}

function isTieBreak(value: unknown): value is TieBreak {
  return value === "asked" || value === "drawn";
}

function isInstant(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPlan(value: unknown): value is FaultPlan {
  return isRecord(value) && Array.isArray(value["faults"]);
}

const SHOWN_CHARACTERS = 60;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
