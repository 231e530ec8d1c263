/**
 * `patience-is-true`: the patience that a gateway assumes is no less than the time that callers
 * really wait. The gateway learns it from callers that hang up. A caller that cuts off its own
 * upload has not waited yet. A gateway that counts it as impatient refuses, under load, callers
 * that would have waited for their answers. Judged if all callers of a group wait equally long, and
 * the gateway has not stood still within the time that it remembers: a hang-up that it reads late
 * looks early.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { isWide } from "../../fleet/plan.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged, notJudged } from "../not-judged.ts";

const INVARIANT = "patience-is-true";
/** A gateway keeps a part of it in reserve, and messages take their time. */
const LEAST_RATIO = 0.9;
const MARGIN_MS = 20;
/** The gateway remembers a hang-up for slightly less than this. */
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
