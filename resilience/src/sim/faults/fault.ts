/**
 * Faults as data: the kind, the node, the time and the duration, as a plain list that is complete
 * before the run begins. A list can be written to a file, shrunk one entry at a time, and read by a
 * human at 3 AM. A fault that is decided at random during the run cannot. `inject.ts` carries out a
 * list.
 */
import { checked, checkNames, type Names, type Range, refusal } from "../../core/options.ts";
import type { CrashKind } from "../kernel/kernel.ts";
import type { World } from "../kernel/world.ts";
import { checkedConditions, type LinkConditions } from "../network/link.ts";
import { checkDiskFaults, type DiskFaults } from "../storage/disk-faults.ts";

interface Moment {
  /** When it begins, in milliseconds of true time from the beginning of the world. */
  readonly atMs: number;
}

interface Period extends Moment {
  /** How long it lasts, in milliseconds. Null or absent: for ever, or until `healAll`. */
  readonly forMs?: number | null;
}

/**
 * The process of a node ends, and starts again after `forMs`. `how`: only the process ends
 * (`kill`), or the machine loses power (`power`).
 */
export interface CrashFault extends Period {
  readonly kind: "crash";
  readonly node: string;
  readonly how: CrashKind;
}

/**
 * The process of a node stands still and keeps all its state: SIGSTOP, a snapshot of the machine, a
 * long garbage collection.
 */
export interface PauseFault extends Period {
  readonly kind: "pause";
  readonly node: string;
}

/** Each event costs the process of a node `costMs` of time: overload, a starved container. */
export interface SlowFault extends Period {
  readonly kind: "slow";
  readonly node: string;
  readonly costMs: number;
}

/** The clocks of a node run at `rate` times their own rate: 1.0002 gains 200 ppm. */
export interface DriftFault extends Period {
  readonly kind: "drift";
  readonly node: string;
  readonly rate: number;
}

/** The calendar of a node is set forward, or back if `byMs` is negative. */
export interface WallStepFault extends Moment {
  readonly kind: "wall-step";
  readonly node: string;
  readonly byMs: number;
}

/** One direction between two nodes is worse than usual; `"*"` means every node. */
export interface LinkFault extends Period {
  readonly kind: "link";
  readonly from: string;
  readonly to: string;
  readonly conditions: Partial<LinkConditions>;
}

/** A node refuses connections, or accepts them and stays silent, at one port or at all ports. */
export interface DoorFault extends Period {
  readonly kind: "door";
  readonly node: string;
  readonly mode: "refuses" | "silent";
  readonly port?: number;
}

/** The disk of a node is slow, full, failing or stalled. */
export interface DiskFault extends Period {
  readonly kind: "disk";
  readonly node: string;
  readonly conditions: Partial<DiskFaults>;
}

/** One fault of a plan. */
export type Fault =
  | CrashFault
  | PauseFault
  | SlowFault
  | DriftFault
  | WallStepFault
  | LinkFault
  | DoorFault
  | DiskFault;

/**
 * Throws if an entry of `faults` is not valid in `world`: an unknown kind, an unknown node, or a
 * number out of range.
 *
 * @example
 * ```ts
 * import { checkFaults, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * world.node("north", () => {});
 * checkFaults(world, [{ kind: "pause", node: "north", atMs: 100, forMs: 50 }]);
 * try {
 *   checkFaults(world, [{ kind: "pause", node: "nroth", atMs: 100 }]);
 * } catch (error) {
 *   console.log((error as Error).message.includes("nroth")); // true
 * }
 * ```
 */
export function checkFaults(world: World, faults: readonly Fault[]): void {
  if (!Array.isArray(faults)) throw refusal("inject", "faults", faults, "a list of faults");
  for (const [index, fault] of faults.entries()) assertSound(world, fault, `faults[${index}]`);
}

/** Whether `given`, an entry of a plan, looks like one of the engine's faults. */
export function isFault(given: unknown): given is Fault {
  if (typeof given !== "object" || given === null) return false;
  const { kind, atMs, node, from } = given as Readonly<Record<string, unknown>>;
  return KINDS.includes(kind as string) && typeof atMs === "number" && typeof (node ?? from) === "string";
}

const INSTANT: Range = { min: 0, max: Number.MAX_SAFE_INTEGER };
const RATE: Range = { min: 0, aboveMin: true, max: 1_000 };
const STEP: Range = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };
const PORT: Range = { min: 1, max: 65_535, integer: true };

/** Faults come from files too, so their types guarantee nothing. */
function assertSound(world: World, fault: Fault, where: string): void {
  if (typeof fault !== "object" || fault === null) throw refusal(where, "it", fault, "an object");
  oneOf(where, "kind", fault.kind, KINDS);
  checkNames(where, fault, FIELDS[fault.kind]);
  checked(where, "atMs", fault.atMs, INSTANT);
  if (fault.kind !== "wall-step") checked(where, "forMs", fault.forMs ?? 0, INSTANT);
  if (fault.kind === "link") {
    for (const end of [fault.from, fault.to]) if (end !== "*") world.nodeOf(end);
    if (fault.from === fault.to && fault.from !== "*")
      throw refusal(where, "to", fault.to, "another node than the one it is from");
    assertConditions(where, fault.conditions);
    checkedConditions(where, fault.conditions);
    return;
  }
  world.nodeOf(fault.node);
  switch (fault.kind) {
    case "crash":
      return oneOf(where, "how", fault.how, ["kill", "power"]);
    case "pause":
      return;
    case "slow":
      return void checked(where, "costMs", fault.costMs, INSTANT);
    case "drift":
      return void checked(where, "rate", fault.rate, RATE);
    case "wall-step":
      return void checked(where, "byMs", fault.byMs, STEP);
    case "door":
      if (fault.port !== undefined) checked(where, "port", fault.port, PORT);
      return oneOf(where, "mode", fault.mode, ["refuses", "silent"]);
    case "disk":
      assertConditions(where, fault.conditions);
      return checkDiskFaults(fault.conditions);
  }
}

const PERIOD = { kind: true, atMs: true, forMs: true } as const;
/**
 * The fields of each kind. A fault with a misspelt field would be a fault without it, which for
 * example lasts for ever.
 */
const FIELDS: { readonly [Kind in Fault["kind"]]: Names<Extract<Fault, { readonly kind: Kind }>> & { forMs: true } } = {
  crash: { ...PERIOD, node: true, how: true },
  pause: { ...PERIOD, node: true },
  slow: { ...PERIOD, node: true, costMs: true },
  drift: { ...PERIOD, node: true, rate: true },
  // A wall step has no end, and lists in which all faults have a duration are common.
  "wall-step": { ...PERIOD, node: true, byMs: true },
  link: { ...PERIOD, from: true, to: true, conditions: true },
  door: { ...PERIOD, node: true, mode: true, port: true },
  disk: { ...PERIOD, node: true, conditions: true },
};
const KINDS: readonly string[] = Object.keys(FIELDS);

function assertConditions(where: string, conditions: unknown): void {
  if (typeof conditions !== "object" || conditions === null)
    throw refusal(where, "conditions", conditions, "an object");
}

function oneOf(where: string, field: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) throw refusal(where, field, value, `one of ${allowed.join(", ")}`);
}
