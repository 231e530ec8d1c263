/**
 * Lists which fault of a plan strikes what, and from when until when. All of this is read from the
 * plan and not from the run. So a check can say whether an action of a gateway has a cause, and
 * whether the gateway had to keep a promise at that time. Replayed datagrams are not counted as
 * faults: the gateway promises that they change nothing.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetFault, Replayed } from "../fleet/plan.ts";
import { ADVERSARY, GATEWAY, healedAtMs, stationNode } from "../fleet/plan.ts";

/**
 * A fault in force from `fromMs` until `untilMs`; Infinity if it never ends. A fault of one instant
 * lasts 0 ms.
 */
export interface Span {
  readonly fault: FleetFault;
  readonly fromMs: number;
  readonly untilMs: number;
}

const EVERYBODY = "*";
/** A gateway that was stopped has caught up with its own work after this time. */
const RECOVERY_MS = 1_000;

const known: WeakMap<Fleet, FaultTimeline> = new WeakMap();

/** The faults of `fleet`'s plan. */
export function faultTimelineOf(fleet: Fleet): FaultTimeline {
  const read = known.get(fleet) ?? new FaultTimeline(fleet);
  known.set(fleet, read);
  return read;
}

export class FaultTimeline {
  /** All faults, in the plan's order. */
  readonly spans: readonly Span[];
  readonly #ofGroup: Map<string, Span[]> = new Map();
  readonly #ofGateway: Span[] = [];
  readonly #stopsOfGateway: Span[] = [];

  constructor(fleet: Fleet) {
    const { plan } = fleet;
    this.spans = plan.faults.map((fault) => spanOf(fleet, fault)).filter(({ fromMs, untilMs }) => fromMs <= untilMs);
    for (const { name } of plan.groups) this.#ofGroup.set(name, []);
    for (const span of this.spans) {
      if (isOfTheGateway(span.fault)) this.#ofGateway.push(span);
      if (isOfTheGateway(span.fault) && span.fault.kind !== "drift") this.#stopsOfGateway.push(span);
      for (const [group, spans] of this.#ofGroup) if (touches(span.fault, group)) spans.push(span);
    }
  }

  /**
   * The faults that touch `group`: its stations, links, load and operators, and the gateway itself.
   */
  of(group: string): readonly Span[] {
    return this.#ofGroup.get(group) ?? [];
  }

  /** Whether a fault touches `group` between two instants. */
  touches(group: string, fromMs: number, untilMs: number): boolean {
    return overlaps(this.of(group), fromMs, untilMs);
  }

  /** Whether the gateway's process is stopped, slowed or gone between two instants. */
  disturbsGateway(fromMs: number, untilMs: number): boolean {
    return overlaps(this.#stopsOfGateway, fromMs, untilMs);
  }

  /** Whether the gateway's machine lacks ports or descriptors between two instants. */
  isShort(fromMs: number, untilMs: number): boolean {
    return this.spans.some(
      (span) => span.fault.kind === "shortage" && span.fromMs <= untilMs && span.untilMs >= fromMs,
    );
  }

  /**
   * Whether the gateway is disturbed at `nowMs`, or was a moment before. A gateway that was stopped
   * first catches up with its own work.
   */
  disturbsGatewayLately(nowMs: number): boolean {
    return this.disturbsGateway(nowMs - RECOVERY_MS, nowMs);
  }

  /** Whether no fault touches the gateway's process or its clock during the whole run. */
  get leavesGatewayAlone(): boolean {
    return this.#ofGateway.length === 0;
  }

  /**
   * When the last of these faults is over, of those that begin before `beforeMs`; -Infinity if none
   * does.
   */
  lastEndMs(spans: readonly Span[], beforeMs: number): number {
    return spans.reduce(
      (lastMs, span) => (span.fromMs < beforeMs ? Math.max(lastMs, span.untilMs) : lastMs),
      Number.NEGATIVE_INFINITY,
    );
  }
}

/** Whether one of these faults is in force between two instants. */
export function overlaps(spans: readonly Span[], fromMs: number, untilMs: number): boolean {
  for (const span of spans) if (span.fromMs <= untilMs && span.untilMs >= fromMs) return true;
  return false;
}

/** The nodes that a fault names; `*` means all. */
export function nodesOf(fault: FleetFault): readonly string[] {
  if ("node" in fault) return [fault.node];
  if ("from" in fault) return [fault.from, fault.to];
  const isOfStation = fault.kind === "service" || fault.kind === "slowdown" || fault.kind === "twin";
  return isOfStation ? [stationNode(fault.group, fault.station)] : [];
}

/**
 * The span that the fleet gives the fault: a fault that gets healed ends with the chaos phase, and
 * a fault that would begin later never begins.
 */
function spanOf({ plan }: Fleet, fault: FleetFault): Span {
  const forMs = durationMs(fault);
  const forEver = nodesOf(fault).some((node) => plan.lostForEver.includes(node));
  const endMs = forEver ? Number.POSITIVE_INFINITY : healedAtMs(plan);
  const fromMs = fault.atMs < endMs ? fault.atMs : Number.POSITIVE_INFINITY;
  return { fault, fromMs, untilMs: fromMs === Number.POSITIVE_INFINITY ? 0 : Math.min(fromMs + forMs, endMs) };
}

function durationMs(fault: FleetFault): number {
  if (fault.kind === "wall-step" || isReplay(fault)) return 0;
  // Nothing heals it, and it is over at once: a station that is slower from now on counts as well.
  if (fault.kind === "slowdown") return 0;
  // What an operator asks for ends when it is done; the plan cannot say how long that takes.
  if (fault.kind === "operator") return fault.forMs ?? 0;
  return fault.forMs ?? Number.POSITIVE_INFINITY;
}

function isReplay(fault: FleetFault): fault is Replayed {
  return fault.kind === "replayed-beats" || fault.kind === "replayed-challenges";
}

const OF_THE_PROCESS: ReadonlySet<string> = new Set(["crash", "pause", "slow", "drift"]);

function isOfTheGateway(fault: FleetFault): boolean {
  return "node" in fault && fault.node === GATEWAY && OF_THE_PROCESS.has(fault.kind);
}

function touches(fault: FleetFault, group: string): boolean {
  if (fault.kind === "wall-step" || isReplay(fault)) return false;
  // A gateway that cannot open connections cannot open them to any station.
  if (fault.kind === "shortage") return true;
  if ("group" in fault) return fault.group === group;
  const nodes = nodesOf(fault);
  if (nodes.includes(ADVERSARY)) return false;
  const known = [GATEWAY, EVERYBODY];
  if (nodes.every((node) => known.includes(node))) return true;
  return nodes.some((node) => node.startsWith(`${group}/`));
}
