/**
 * Two processes send heartbeats under one station's name, and a gateway cannot tell which of them
 * is the station.
 * - `twins-are-told`: a moment after both have begun to send, an event reports it.
 * - `twins-prove-nothing`: from then on no heartbeat of either counts, nor for a while after one of
 *   them has fallen silent: a twin must not hide that the true station has died.
 * Judged while only the twin touches the group, and then until a while after the station itself is
 * struck.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { Twin } from "../../fleet/plan.ts";
import { stationNode } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import type { Span } from "../fault-timeline.ts";
import { faultTimelineOf, nodesOf } from "../fault-timeline.ts";
import { judged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";

/**
 * Each of them is challenged and accepted twice; each time takes one heartbeat and two messages.
 */
const TURNS = 6;
const MARGIN_MS = 500;
/**
 * docs/guide/detection.md: one of them has to be alone for this long, or for this many intervals,
 * before heartbeats count again.
 */
const ALONE_MS = 10_000;
const ALONE_INTERVALS = 5;

interface Watched {
  readonly twin: Twin;
  readonly toldByMs: number;
  /** Until when no heartbeat may count. */
  readonly untilMs: number;
  told: boolean;
}

export function twins(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const watched = [...documentedGroups(fleet).values()].flatMap((group) =>
    fleet.plan.faults.flatMap((fault) =>
      fault.kind === "twin" && fault.group === group.name ? (watchedOf(fleet, group, fault) ?? []) : [],
    ),
  );
  for (const one of watched) world.at(one.toldByMs, () => refuseUntold(fleet, one));
  return watched.length === 0
    ? {}
    : {
        gatewayEvent(event) {
          if (event.type !== "name-conflict") return;
          for (const one of watched)
            if (isOf(one, event.group, event.station)) one.told ||= world.nowMs >= one.twin.atMs;
        },
        beatCounted(group, station) {
          const { nowMs } = world;
          const one = watched.find(
            (each) => isOf(each, group, station) && nowMs > each.toldByMs && nowMs < each.untilMs,
          );
          if (one === undefined) return;
          world.violate(
            "twins-prove-nothing",
            `${group}/${station}: a heartbeat counts at ${nowMs} ms; two processes send them since ${one.twin.atMs} ms, and none may count before ${one.untilMs} ms`,
          );
        },
      };
}

function isOf({ twin }: Watched, group: string, station: string): boolean {
  return twin.group === group && twin.station === station;
}

/** Undefined if another fault comes between, or too soon. */
function watchedOf(fleet: Fleet, group: DocumentedGroup, twin: Twin): Watched | undefined {
  const { mostMs, quiet } = planBoundsOf(fleet, group.name);
  const { intervalMs } = group.heartbeat;
  const toldByMs = twin.atMs + TURNS * (2 * intervalMs + 3 * mostMs) + MARGIN_MS;
  const others = faultTimelineOf(fleet)
    .of(group.name)
    .filter(({ fault, untilMs }) => fault !== twin && untilMs > twin.atMs);
  if (!quiet || group.heartbeat.kind !== "udp" || others.some(({ fromMs }) => fromMs <= toldByMs)) return undefined;
  const endMs = Math.min(twin.atMs + twin.forMs, ...others.map(({ fromMs }) => fromMs));
  // A fault that strikes the station alone ends the conflict a while later; the effect of any other
  // fault cannot be predicted.
  const node = stationNode(group.name, twin.station);
  const isAlone = ({ fault, fromMs }: Span): boolean => fromMs > endMs || nodesOf(fault).every((one) => one === node);
  const aloneMs = Math.max(ALONE_MS, ALONE_INTERVALS * intervalMs) - 2 * intervalMs;
  const nextMs = Math.min(...others.filter(({ fromMs }) => fromMs > endMs).map(({ fromMs }) => fromMs));
  const untilMs = others.every(isAlone) ? Math.min(endMs + aloneMs, nextMs) : endMs;
  return { twin, toldByMs, untilMs, told: false };
}

function refuseUntold({ world }: Fleet, { twin, told }: Watched): void {
  judged(world, "twins-are-told");
  if (told) return;
  world.violate(
    "twins-are-told",
    `${twin.group}/${twin.station}: two processes send heartbeats as it since ${twin.atMs} ms, and nothing tells so`,
  );
}
