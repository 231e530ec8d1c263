/**
 * Faults as data: what goes wrong, with whom, when and for how long, as a plain list that is complete before the run
 * begins. A list can be written to a file, shrunk one entry at a time, and read by a human at 3 AM; a fault decided on
 * the way by a coin cannot. `inject` makes a world suffer a list, `healAll` ends what is left of it (the two phases of
 * TigerBeetle's VOPR: anything may break, then a core heals for good and must recover).
 *
 * Faults that overlap add up: a node is up again when the last of its crashes is over, costs add up, clock rates
 * multiply, and what is imposed on links and disks combines as those say. Taking one away leaves exactly the others.
 */
import { checked, checkNames, type Names, type Range, refusal } from "../../core/options.ts";
import type { CrashKind } from "../kernel/node.ts";
import type { World } from "../kernel/world.ts";
import { checkedConditions, type LinkConditions } from "../network/link.ts";
import { checkDiskFaults, type DiskFaults } from "../storage/disk-faults.ts";
import { type InForce, NodeFaults } from "./fault-effects.ts";

interface Moment {
  /** When it begins, in milliseconds of true time from the beginning of the world. */
  readonly atMs: number;
}

interface Period extends Moment {
  /** How long it lasts, in milliseconds. Null or absent: for ever, or until `healAll`. */
  readonly forMs?: number | null;
}

/** Its process ends, and starts again after `forMs`. `how`: only the process (`kill`), or the machine loses power. */
export interface CrashFault extends Period {
  readonly kind: "crash";
  readonly node: string;
  readonly how: CrashKind;
}

/** Its process stands still and keeps everything: SIGSTOP, a snapshot of the machine, a long collection of garbage. */
export interface PauseFault extends Period {
  readonly kind: "pause";
  readonly node: string;
}

/** Each event costs its process `costMs` of time: overload, a starved container. */
export interface SlowFault extends Period {
  readonly kind: "slow";
  readonly node: string;
  readonly costMs: number;
}

/** Its clocks run at `rate` times their own rate: 1.0002 gains 200 ppm. */
export interface DriftFault extends Period {
  readonly kind: "drift";
  readonly node: string;
  readonly rate: number;
}

/** Its calendar is set forward, or back where `byMs` is negative. */
export interface WallStepFault extends Moment {
  readonly kind: "wall-step";
  readonly node: string;
  readonly byMs: number;
}

/** One direction between two nodes is worse than usual; `"*"` stands for every node. */
export interface LinkFault extends Period {
  readonly kind: "link";
  readonly from: string;
  readonly to: string;
  readonly conditions: Partial<LinkConditions>;
}

/** It refuses connections, or accepts them and is silent, at one port or at all. */
export interface DoorFault extends Period {
  readonly kind: "door";
  readonly node: string;
  readonly mode: "refuses" | "silent";
  readonly port?: number;
}

/** Its disk is slow, full, failing or stalled. */
export interface DiskFault extends Period {
  readonly kind: "disk";
  readonly node: string;
  readonly conditions: Partial<DiskFaults>;
}

export type Fault =
  | CrashFault
  | PauseFault
  | SlowFault
  | DriftFault
  | WallStepFault
  | LinkFault
  | DoorFault
  | DiskFault;

/** Throws where `faults` has something in it that makes no sense in `world`: an unknown kind, node or number. */
export function checkFaults(world: World, faults: readonly Fault[]): void {
  if (!Array.isArray(faults)) throw refusal("inject", "faults", faults, "a list of faults");
  for (const [index, fault] of faults.entries()) assertSound(world, fault, `faults[${index}]`);
}

/**
 * Schedules each of `faults` in `world`: its begin and its end. Refuses a list with something in it that makes no
 * sense, so call it when all nodes have been made. May be called again: all faults of a world know of each other.
 */
export function inject(world: World, faults: readonly Fault[]): void {
  checkFaults(world, faults);
  const ledger = ledgerOf(world);
  for (const fault of faults) ledger.schedule(fault);
}

/**
 * Heals `core` (default: all nodes) for good: whatever was injected and touches it ends now, or never begins; those of
 * its nodes that are down start again, and those that are stopped go on. A link belongs to the core where both of its
 * ends do, so that a broken link to a node outside stays broken. The event that a slow node is at still takes what it
 * cost when it began, and what is injected afterwards begins as it says.
 */
export function healAll(world: World, core: Iterable<string> = world.nodes.keys()): void {
  const healed = new Set(core);
  for (const name of healed) world.nodeOf(name);
  world.trace.note(world.nowMs, "world", "heal", [...healed].join(", "));
  ledgerOf(world).heal(healed);
  for (const name of healed) {
    const node = world.nodeOf(name);
    if (node.paused) node.resume();
    if (node.incarnation > 0) node.start();
  }
}

/** A fault that is to begin, or has begun and is not over. */
interface Entry {
  readonly fault: Fault;
  /** Its begin or its end, whichever is next; absent where it never ends. */
  next?: Disposable;
  inForce?: InForce;
}

/** The faults of one world that have not ended. */
class Ledger {
  readonly #world: World;
  readonly #effects: NodeFaults;
  readonly #entries: Set<Entry> = new Set();

  constructor(world: World) {
    this.#world = world;
    this.#effects = new NodeFaults(world);
  }

  schedule(fault: Fault): void {
    const entry: Entry = { fault };
    this.#entries.add(entry);
    entry.next = this.#world.at(fault.atMs, (begun: Entry) => this.#begin(begun), entry);
  }

  /** Those that have not begun. */
  waiting(): readonly Fault[] {
    return [...this.#entries].filter(({ inForce }) => inForce === undefined).map(({ fault }) => fault);
  }

  /** Links first and crashes last: a program that starts finds its surroundings healed. */
  heal(core: ReadonlySet<string>): void {
    const touching = [...this.#entries].filter(({ fault }) => touches(fault, core));
    for (const entry of touching) entry.next?.[Symbol.dispose]();
    for (const entry of touching) if (entry.fault.kind !== "crash") this.#end(entry);
    for (const entry of touching) if (entry.fault.kind === "crash") this.#end(entry);
  }

  #begin(entry: Entry): void {
    const { fault } = entry;
    this.#world.aside();
    this.#note(fault, "fault");
    entry.inForce = this.#effects.begin(fault);
    const forMs = fault.kind === "wall-step" ? 0 : (fault.forMs ?? Number.POSITIVE_INFINITY);
    if (forMs === Number.POSITIVE_INFINITY) delete entry.next;
    else entry.next = this.#world.at(this.#world.nowMs + forMs, (over: Entry) => this.#over(over), entry);
  }

  #over(entry: Entry): void {
    this.#world.aside();
    this.#end(entry);
  }

  #end(entry: Entry): void {
    this.#entries.delete(entry);
    if (entry.inForce === undefined) return;
    if (entry.fault.kind !== "wall-step") this.#note(entry.fault, "fault-over");
    entry.inForce.end();
  }

  #note(fault: Fault, kind: string): void {
    const { kind: what, atMs: _at, ...rest } = fault;
    const { node = "world", ...details }: { node?: string; readonly [detail: string]: unknown } = rest;
    const words = Object.entries(details).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    this.#world.trace.note(this.#world.nowMs, node, kind, [what, ...words].join(" "));
  }
}

/** Worlds do not know of faults; this does, for as long as the world lives. */
const ledgers: WeakMap<World, Ledger> = new WeakMap();

function ledgerOf(world: World): Ledger {
  const known = ledgers.get(world);
  if (known !== undefined) return known;
  const ledger = new Ledger(world);
  ledgers.set(world, ledger);
  return ledger;
}

/** Were faults injected into `world`, or ended by `healAll`? */
export function isInjected(world: World): boolean {
  return ledgers.has(world);
}

/** What was injected into `world` and has not begun. */
export function waitingFaults(world: World): readonly Fault[] {
  return ledgers.get(world)?.waiting() ?? [];
}

/** Does `given`, of a plan, look like one of the engine's faults? */
export function isFault(given: unknown): given is Fault {
  if (typeof given !== "object" || given === null) return false;
  const { kind, atMs, node, from } = given as Readonly<Record<string, unknown>>;
  return KINDS.includes(kind as string) && typeof atMs === "number" && typeof (node ?? from) === "string";
}

function touches(fault: Fault, core: ReadonlySet<string>): boolean {
  if (fault.kind !== "link") return core.has(fault.node);
  return [fault.from, fault.to].every((end) => end === "*" || core.has(end));
}

const INSTANT: Range = { min: 0, max: Number.MAX_SAFE_INTEGER };
const RATE: Range = { min: 0, aboveMin: true, max: 1_000 };
const STEP: Range = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };
const PORT: Range = { min: 1, max: 65_535, integer: true };

/** Faults come from files too, so that their types promise nothing. */
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
/** What each kind has: a field that is misspelt would be a fault without it, which lasts for ever for example. */
const FIELDS: { readonly [Kind in Fault["kind"]]: Names<Extract<Fault, { readonly kind: Kind }>> & { forMs: true } } = {
  crash: { ...PERIOD, node: true, how: true },
  pause: { ...PERIOD, node: true },
  slow: { ...PERIOD, node: true, costMs: true },
  drift: { ...PERIOD, node: true, rate: true },
  // It has no end, and lists whose faults all have a duration are common.
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
