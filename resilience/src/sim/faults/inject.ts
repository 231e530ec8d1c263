/**
 * Carries faults out. `inject` applies a list of faults to a world, and `healAll` ends the
 * remaining ones (the two phases of TigerBeetle's VOPR: anything may break, then a core heals for
 * good and must recover).
 *
 * Faults that overlap combine: a node is up again when the last of its crashes is over, costs add
 * up, clock rates multiply, and faults of links and disks combine by the rules of those. Removing
 * one leaves exactly the others.
 */
import type { World } from "../kernel/world.ts";
import { checkFaults, type Fault } from "./fault.ts";
import { type InForce, NodeFaults } from "./fault-effects.ts";

/**
 * Schedules the begin and the end of each fault of `faults` in `world`. Throws if an entry is not
 * valid, so call it after all nodes have been made. It may be called again: the faults of all calls
 * are tracked together.
 *
 * @example
 * ```ts
 * import { inject, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * const north = world.node("north", () => {});
 * north.start();
 * inject(world, [{ kind: "crash", node: "north", how: "kill", atMs: 100, forMs: 200 }]);
 * await world.run(200);
 * console.log(north.up); // false
 * await world.run(400);
 * console.log(north.up); // true
 * ```
 */
export function inject(world: World, faults: readonly Fault[]): void {
  checkFaults(world, faults);
  const ledger = ledgerOf(world);
  for (const fault of faults) ledger.schedule(fault);
}

/**
 * Heals `core` (default: all nodes) for good. Every injected fault that touches a node of `core`
 * ends now, or never begins. Nodes of `core` that are down start again, and paused ones continue. A
 * link belongs to the core if both of its ends do, so a broken link to a node outside stays broken.
 * If a slow node is handling an event, that event still takes the time that it cost when it began.
 * Faults that are injected after this call begin as usual.
 *
 * @example
 * ```ts
 * import { healAll, inject, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * const north = world.node("north", () => {});
 * north.start();
 * inject(world, [{ kind: "crash", node: "north", how: "kill", atMs: 100 }]); // for ever
 * world.at(500, () => healAll(world));
 * await world.run(400);
 * console.log(north.up); // false
 * await world.run(1_000);
 * console.log(north.up); // true
 * ```
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

/** A fault that has not begun, or has begun and is not over. */
interface Entry {
  readonly fault: Fault;
  /** Its begin or its end, whichever is next; absent if it never ends. */
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

  /** Faults that have not begun. */
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

/** Worlds do not know about faults; this map does, for as long as the world lives. */
const ledgers: WeakMap<World, Ledger> = new WeakMap();

function ledgerOf(world: World): Ledger {
  const known = ledgers.get(world);
  if (known !== undefined) return known;
  const ledger = new Ledger(world);
  ledgers.set(world, ledger);
  return ledger;
}

/** Whether faults were injected into `world`, or ended by `healAll`. */
export function isInjected(world: World): boolean {
  return ledgers.has(world);
}

/** Faults that were injected into `world` and have not begun. */
export function waitingFaults(world: World): readonly Fault[] {
  return ledgers.get(world)?.waiting() ?? [];
}

function touches(fault: Fault, core: ReadonlySet<string>): boolean {
  if (fault.kind !== "link") return core.has(fault.node);
  return [fault.from, fault.to].every((end) => end === "*" || core.has(end));
}
