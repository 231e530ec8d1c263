/**
 * `patience-is-true`: what a gateway believes of how long callers wait is no less than what they
 * wait. It learns from those who hang up, and a caller who cuts off its own upload has not waited
 * yet; who takes that for impatience refuses, under load, callers who would have waited for their
 * answers. Judged where all callers of a group wait for equally long, and where the gateway has not
 * stood still as long as it remembers: a hang-up that it reads late looks early.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { isWide } from "../../fleet/plan.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged, notJudged } from "../not-judged.ts";

const INVARIANT = "patience-is-true";
/** A gateway keeps some of it back, and messages take their time. */
const LEAST_RATIO = 0.9;
const MARGIN_MS = 20;
/** For so long a hang-up is remembered, and a little longer. */
const REMEMBERED_MS = 65_000;

export function learnedPatience(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  return {
    gatewayEvent(event) {
      if (event.type !== "patience-learned" || event.patienceMs === undefined) return;
      const { plan } = fleet.group(event.group);
      const waitsMs = plan.callers?.patienceMs;
      if (!isWide(plan) || waitsMs === undefined) return;
      if (faultTimelineOf(fleet).disturbsGateway(world.nowMs - REMEMBERED_MS, world.nowMs))
        return notJudged(world, INVARIANT, "the gateway was struck");
      judged(world, INVARIANT);
      if (event.patienceMs >= LEAST_RATIO * waitsMs - MARGIN_MS) return;
      world.violate(
        INVARIANT,
        `${event.group}: its callers are believed to wait for ${Math.round(event.patienceMs)} ms, and wait for ${waitsMs}`,
      );
    },
  };
}
