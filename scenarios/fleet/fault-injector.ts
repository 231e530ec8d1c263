/**
 * The faults of a plan that the engine does not implement: services that fail, operator actions,
 * recordings that are replayed, sources that send more. This file also makes sure that everything
 * gets healed that should be healed: no fault of a core node outlives the chaos phase, whatever the
 * plan says.
 */
import type { Fault, NodeEnv, World } from "ground-station-failover/sim";
import { checkFaults } from "ground-station-failover/sim";
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";
import type { HeartbeatMessage } from "./heartbeat-messages.ts";
import { HEARTBEAT_PORT } from "./heartbeat-messages.ts";
import type { GatewayProcess, Observers } from "./observer.ts";
import type {
  FleetFault,
  FleetPlan,
  OperatorAction,
  Replayed,
  ServiceFault,
  Shortage,
  Slowdown,
  Surge,
  Twin,
} from "./plan.ts";
import { ADVERSARY, GATEWAY, healedAtMs, stationNode, twinNode } from "./plan.ts";
import { WireError } from "./wire.ts";

const OURS: ReadonlySet<string> = new Set([
  ...["service", "operator", "replayed-beats", "replayed-challenges"],
  ...["surge", "slowdown", "shortage", "twin"],
]);

/** Whether the engine implements this fault. */
function isOfTheEngine(fault: FleetFault): fault is Fault {
  return !OURS.has(fault.kind);
}

/**
 * How many of a station's newest heartbeats, and of the challenges to it, an adversary has
 * recorded.
 */
const RECORDED = 64;
/** What the adversary can replay. */
const RECORDINGS = { "replayed-beats": "beat", "replayed-challenges": "challenge" } as const;

/** The fleet that the faults strike. */
interface StruckFleet {
  readonly world: World;
  readonly plan: FleetPlan;
  readonly observers: Observers;
  readonly gateway: GatewayProcess | undefined;
  readonly adversary: NodeEnv | undefined;
  group(name: string): { readonly settings: GroupSettings };
}

export class FaultInjector {
  readonly #fleet: StruckFleet;
  readonly #services: Map<string, Set<ServiceFault>> = new Map();
  readonly #surges: Map<string, Set<Surge>> = new Map();
  readonly #slowdowns: Map<string, number> = new Map();
  readonly #shortages: Set<Shortage> = new Set();
  /** Whether the plan ever replays a recording. */
  readonly #recording: boolean;
  /** By kind of message and station. */
  readonly #recorded: Map<string, HeartbeatMessage[]> = new Map();

  constructor(fleet: StruckFleet) {
    this.#fleet = fleet;
    this.#recording = fleet.plan.faults.some(({ kind }) => kind in RECORDINGS);
  }

  /**
   * The faults of the plan that the engine injects. Throws if any fault of the plan makes no sense,
   * also one that never begins.
   */
  ofTheEngine(): Fault[] {
    const { plan, world } = this.#fleet;
    checkFaults(world, plan.faults.filter(isOfTheEngine));
    for (const fault of plan.faults) {
      if (isOfTheEngine(fault) || fault.kind === "shortage") continue;
      const { settings } = this.#fleet.group(fault.group);
      if (!(fault.atMs >= 0)) throw new Error(`a fault begins at ${fault.atMs} ms: ${JSON.stringify(fault)}`);
      if (fault.kind !== "surge" && !settings.stations.some(({ name }) => name === fault.station))
        throw new Error(`the group "${fault.group}" has no station "${fault.station}"`);
    }
    return this.#inTime().filter(isOfTheEngine);
  }

  /**
   * The same fault, ended when the chaos ends, unless it belongs to a node that is lost for ever.
   */
  #clipped<F extends FleetFault>(fault: F): F {
    const { plan } = this.#fleet;
    if (this.#isForEver(fault)) return fault;
    const leftMs = healedAtMs(plan) - fault.atMs;
    const forMs = "forMs" in fault && typeof fault.forMs === "number" ? fault.forMs : Number.POSITIVE_INFINITY;
    return { ...fault, forMs: Math.min(forMs, leftMs) };
  }

  /** Schedules each fault of this file at its instant. */
  schedule(): void {
    for (const fault of this.#inTime()) {
      if (!isOfTheEngine(fault)) this.#fleet.world.at(fault.atMs, () => this.#begin(fault));
    }
  }

  #inTime(): FleetFault[] {
    const { plan } = this.#fleet;
    return plan.faults
      .filter((fault) => fault.atMs < healedAtMs(plan) || this.#isForEver(fault))
      .map((fault) => this.#clipped(fault));
  }

  #isForEver(fault: FleetFault): boolean {
    return nodesIn(fault).some((node) => this.#fleet.plan.lostForEver.includes(node));
  }

  /**
   * The fault that strikes a command at `station` now, given its draw in [0, 1); undefined if none
   * does.
   */
  serviceFault(station: string, draw: number): ServiceFault | undefined {
    for (const fault of this.#services.get(station) ?? []) if (draw < fault.rate) return fault;
    return undefined;
  }

  /** How long `fault`, which {@link serviceFault} has named, still lasts. */
  leftMs({ atMs, forMs = Number.POSITIVE_INFINITY }: ServiceFault): number {
    return Math.max(0, atMs + forMs - this.#fleet.world.nowMs);
  }

  /** The factor by which a group's sources exceed their usual load now. */
  surge(group: string): number {
    let factor = 1;
    for (const surge of this.#surges.get(group) ?? []) factor *= surge.factor;
    return factor;
  }

  /** The factor by which `station` exceeds its usual time now. */
  slowness(station: string): number {
    return this.#slowdowns.get(station) ?? 1;
  }

  /**
   * Why the gateway's machine cannot open a connection now; undefined if it can. Draws from `luck`
   * only if a shortage is in force. `isAddressKnown`: no name has to be looked up.
   */
  shortage(luck: { next(): number }, isAddressKnown: boolean): WireError | undefined {
    for (const { resource, rate } of this.#shortages) {
      if (luck.next() >= rate || (resource === "names" && isAddressKnown)) continue;
      this.#fleet.world.sometimes("own shortage");
      if (resource === "descriptors") return new WireError("EMFILE", "connect", "connect EMFILE");
      if (resource === "ports") return new WireError("EADDRNOTAVAIL", "connect", "connect EADDRNOTAVAIL");
      const code = luck.next() < 0.5 ? "EAI_AGAIN" : "ENOTFOUND";
      return new WireError(code, "getaddrinfo", `getaddrinfo ${code}`);
    }
    return undefined;
  }

  /** An adversary on the path of a station's heartbeats records `message`. */
  record(node: string, message: HeartbeatMessage): void {
    if (!this.#recording) return;
    const name = `${message.type} ${node}`;
    const messages = this.#recorded.get(name) ?? [];
    messages.push(message);
    if (messages.length > RECORDED) messages.shift();
    this.#recorded.set(name, messages);
  }

  #begin(fault: Exclude<FleetFault, Fault>): void {
    const { world } = this.#fleet;
    world.trace.note(world.nowMs, "world", fault.kind, JSON.stringify(fault));
    if (fault.kind === "service") this.#impose(this.#services, stationNode(fault.group, fault.station), fault);
    else if (fault.kind === "surge") this.#impose(this.#surges, fault.group, fault);
    else if (fault.kind === "slowdown") this.#slowDown(fault);
    else if (fault.kind === "operator") this.#operate(fault);
    else if (fault.kind === "shortage") this.#runShort(fault);
    else if (fault.kind === "twin") this.#doubled(fault);
    else this.#replay(fault);
  }

  #impose<F extends { readonly forMs?: number }>(all: Map<string, Set<F>>, name: string, fault: F): void {
    const active = all.get(name) ?? new Set();
    all.set(name, active.add(fault));
    const { world } = this.#fleet;
    world.at(world.nowMs + (fault.forMs ?? Number.POSITIVE_INFINITY), () => active.delete(fault));
  }

  /** For good: the station is never healed of it. */
  #slowDown({ group, station, factor }: Slowdown): void {
    const node = stationNode(group, station);
    this.#slowdowns.set(node, this.slowness(node) * factor);
  }

  #runShort(fault: Shortage): void {
    const { world } = this.#fleet;
    this.#shortages.add(fault);
    world.at(world.nowMs + fault.forMs, () => this.#shortages.delete(fault));
  }

  #doubled({ group, station, forMs }: Twin): void {
    const { world } = this.#fleet;
    const node = world.nodeOf(twinNode(group, station));
    node.start();
    world.at(world.nowMs + forMs, () => node.crash());
  }

  #operate(asked: OperatorAction): void {
    const { world, observers } = this.#fleet;
    const { group: name, station, action, forMs = 0 } = asked;
    world.nodeOf(GATEWAY).run(() => {
      const group = this.#fleet.gateway?.gateway.groups.get(name);
      // An operator who is told "not eligible" does nothing else here.
      const refused = (): void => world.sometimes("operator switchover refused");
      if (action === "switchover") group?.switchover(station, "an operator asked for it").catch(refused);
      else group?.setMaintenance(station, "an operator asked for it", forMs);
      if (group !== undefined) observers.tell("operated", asked);
    });
  }

  #replay({ kind, group, station, count }: Replayed): void {
    const node = stationNode(group, station);
    const to = { node: kind === "replayed-beats" ? GATEWAY : node, port: HEARTBEAT_PORT };
    const adversary = this.#fleet.world.nodeOf(ADVERSARY);
    for (const message of (this.#recorded.get(`${RECORDINGS[kind]} ${node}`) ?? []).slice(-count))
      adversary.run(() => this.#fleet.adversary?.network.send(to, message, HEARTBEAT_PORT));
  }
}

function nodesIn(fault: FleetFault): string[] {
  if ("node" in fault) return [fault.node];
  if ("from" in fault) return [fault.from, fault.to];
  return fault.kind === "service" ? [stationNode(fault.group, fault.station)] : [];
}
