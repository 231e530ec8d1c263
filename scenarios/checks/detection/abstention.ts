/**
 * A gateway that stood still distrusts itself first [D7]: the heartbeats that arrived meanwhile are
 * unread, and the apparent silence is its own. So after a stall that covers one of its wakes, the
 * gateway abstains before it declares any station down, and for as long as it announced. The stall
 * is seen here from outside. The gateway must not abstain for longer than a sign of life of its
 * stations takes, by the written settings (`abstention-is-short`), nor unless it was stopped,
 * slowed or given another clock (`abstains-with-reason`). `hearing.ts` checks a gateway that hears
 * no station.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { LOOK_EVERY_MS } from "../../fleet/observer.ts";
import { GATEWAY } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { PerStation } from "../per-station.ts";
import { looksWithinMs } from "./model-bounds.ts";

/**
 * A wake may be late by this before the gateway reports it (LivenessSupervisorOptions), and a stall
 * ends up to one round later than it is seen to.
 */
const TOLERANCE_MS = 300;
/** A clock may run at most by this factor faster or slower than true time. */
const DRIFT = 1.2;
/**
 * This many abstentions in a row are allowed; after them a gateway that is always late judges
 * anyway.
 */
const IN_A_ROW = 3;
const ROW_MS = 10_000;
/** It abstains for at least one of its own check intervals (`SupervisorOptions.recheckMs`). */
const LEAST_MS = 50;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

interface Doubt {
  /** True instants of the newest abstentions, newest last. */
  readonly atMs: number[];
  /** On the gateway's clock. */
  untilMs: number;
}

export function abstention(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const doubts: Map<string, Doubt> = new Map();
  /** The newest stall, as far as it was seen: true instants of its first and last round. */
  let stall = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
  const longest: Map<string, number> = new Map();
  /** Stations with at least one heartbeat that counted. */
  const heard = new PerStation(() => ({ ever: false }));
  const groups = documentedGroups(fleet);
  const timeline = faultTimelineOf(fleet);
  for (const [name, group] of groups) longest.set(name, looksWithinMs(group.detector) * DRIFT + TOLERANCE_MS);
  const doubtOf = (group: string): Doubt => {
    const doubt = doubts.get(group) ?? { atMs: [], untilMs: Number.NEGATIVE_INFINITY };
    doubts.set(group, doubt);
    return doubt;
  };
  const accused = (event: GatewayEvent & { type: "declaration" }): void => {
    const { group, node, to, atMs } = event;
    const doubt = doubtOf(group);
    const { sustainMs } = (groups.get(group) as DocumentedGroup).detector;
    if (to === "down" && heard.of(group, node).ever && atMs < doubt.untilMs + sustainMs - ROUNDING_MS)
      world.violate(
        "abstention-is-kept",
        `${group}/${node}: down at ${atMs}; it abstained until ${doubt.untilMs}, and suspicion has to last ${sustainMs} ms after that`,
      );
    if (atMs < doubt.untilMs)
      world.violate("abstention-is-kept", `${group}/${node}: ${to} at ${atMs}; it abstains until ${doubt.untilMs}`);
    const stoodMs = stall.toMs - stall.fromMs;
    if (!(stoodMs > (longest.get(group) ?? Number.POSITIVE_INFINITY))) return;
    const newestMs = doubt.atMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (newestMs >= stall.fromMs || isSlow(fleet, stall.fromMs) || inARow(doubt, world.nowMs)) return;
    world.violate(
      "abstains-after-a-stall",
      `${group}/${node}: ${to}, and it has not abstained since it stood still for ${stoodMs} ms`,
    );
  };
  return {
    beatCounted(group, station) {
      heard.of(group, station).ever = true;
    },
    gatewayStarted() {
      doubts.clear();
      heard.clear();
      stall = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
    },
    gatewayEvent(event) {
      if (event.type === "abstention" && event.reason === "observer-stall") {
        const doubt = doubtOf(event.group);
        doubt.untilMs = event.untilMs;
        const { heartbeat } = groups.get(event.group) as DocumentedGroup;
        const mostMs = Math.max(LEAST_MS, signOfLifeMs(heartbeat));
        if (event.untilMs - event.atMs > mostMs + ROUNDING_MS)
          world.violate(
            "abstention-is-short",
            `${event.group}: it abstains for ${event.untilMs - event.atMs} ms; a sign of life takes ${mostMs} at most`,
          );
        if (!timeline.disturbsGatewayLately(world.nowMs))
          world.violate(
            "abstains-with-reason",
            `${event.group}: it says that it was ${event.lateByMs} ms late, and nothing stopped or slowed it`,
          );
        if (event.untilMs < event.atMs + LEAST_MS)
          world.violate(
            "abstention-is-kept",
            `${event.group}: it abstains from ${event.atMs} until ${event.untilMs} only`,
          );
        doubt.atMs.push(world.nowMs);
        if (doubt.atMs.length > IN_A_ROW) doubt.atMs.shift();
      } else if (event.type === "declaration" && (event.to === "suspected" || event.to === "down")) accused(event);
    },
    tick() {
      const { nowMs } = world;
      if (!world.nodeOf(GATEWAY).paused) return;
      // A stall that was seen in the last round goes on; any other one begins now.
      stall = { fromMs: nowMs - stall.toMs <= LOOK_MS ? stall.fromMs : nowMs, toMs: nowMs };
    },
  };
}

/**
 * How long it may take until a living station is heard: one interval, or one answer if heartbeats
 * are pulled.
 */
function signOfLifeMs({ kind, intervalMs, timeoutMs }: DocumentedGroup["heartbeat"]): number {
  return kind === "http" ? Math.max(intervalMs, timeoutMs) : intervalMs;
}

/** From one round to the next, and a little rounding. */
const LOOK_MS = LOOK_EVERY_MS + 1;

function inARow({ atMs }: Doubt, nowMs: number): boolean {
  return atMs.length === IN_A_ROW && (atMs[0] as number) > nowMs - ROW_MS;
}

/** A gateway that is also slow may run its timers late. */
function isSlow(fleet: Fleet, fromMs: number): boolean {
  return faultTimelineOf(fleet).spans.some(
    ({ fault, untilMs }) => fault.kind === "slow" && fault.node === GATEWAY && untilMs > fromMs - ROW_MS,
  );
}
