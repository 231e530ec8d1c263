/**
 * L5 for planned changes: a handover that has begun is done, or given up, when the calls in flight have had their time to
 * finish (docs/guide/failover.md, `drainMs`; a gateway cannot set it). Until then new calls wait, so one that never ends
 * stops a group that nothing is wrong with.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { livingGateway } from "./status-round.ts";
import { troubleOf } from "./trouble.ts";

const DRAIN_MS = 2_000;
const SLACK_MS = 5;
const RECOVERY_MS = 1_000;

export function handoverEnds(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  /** When the handover began that is under way in a group, on the gateway's clock. */
  const begunAtMs: Map<string, number> = new Map();
  return {
    gatewayStarted: () => begunAtMs.clear(),
    gatewayEvent(event) {
      if (event.type === "handover-begun") begunAtMs.set(event.group, event.atMs);
      else if (event.type === "handover-ended" || event.type === "promoted") begunAtMs.delete(event.group);
    },
    tick() {
      if (begunAtMs.size === 0) return;
      const gateway = livingGateway(fleet);
      if (gateway === undefined || troubleOf(fleet).disturbsGateway(world.nowMs - RECOVERY_MS, world.nowMs)) return;
      for (const [group, atMs] of begunAtMs) {
        const tookMs = gateway.nowMs() - atMs;
        if (tookMs <= DRAIN_MS + SLACK_MS) continue;
        world.violate(
          "handover-ends",
          `${group}: a handover began ${tookMs} ms ago and is not over; calls have ${DRAIN_MS} ms to finish`,
        );
      }
    },
  };
}
