/**
 * `fit-again`: what calls have shown about a station does not count against it for ever. An idle
 * station gets no calls, so no success can outweigh its old failures. At the end of a run, if a
 * living and healed station was not called since it was healed, only a doubt with an end may make
 * it ineligible.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { endsAtMs, healedAtMs, stationNode } from "../../fleet/plan.ts";
import { livingGateway } from "../status-round.ts";

/** Long enough for every attempt to end that was out when everything was healed. */
const SETTLED_MS = 20_000;

export function fitAgain(fleet: Fleet): FleetObserver {
  const { plan, world } = fleet;
  const called: Map<string, number> = new Map();
  return {
    attemptEnded({ group, station }) {
      called.set(stationNode(group, station), world.nowMs);
    },
    ended() {
      const groups = livingGateway(fleet)?.gateway.groups ?? new Map();
      for (const [name, group] of groups) {
        for (const { name: station, active, assessment } of group.status.stations) {
          const node = stationNode(name, station);
          if (active || plan.lostForEver.includes(node)) continue;
          if (endsAtMs(plan) - Math.max(healedAtMs(plan), called.get(node) ?? 0) < SETTLED_MS) continue;
          for (const { kind, verdict, detail } of assessment.evidence) {
            if (kind !== "calls" || verdict !== "ineligible" || detail.includes("not promoted again for")) continue;
            world.violate("fit-again", `${node} is idle and well, and cannot be promoted: ${detail}`);
          }
        }
      }
    },
  };
}
