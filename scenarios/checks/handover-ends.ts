/**
 * L5 for planned changes: a handover that has begun is done, or given up, when the calls in flight have had their time to
 * finish (docs/guide/failover.md, `drainMs`; a gateway cannot set it). Until then new calls wait, so one that never ends
 * stops a group that nothing is wrong with. `drained-is-done`: it is done as soon as nothing is in flight any more.
 * `handover-is-told`: where a failure overtakes it, whoever asked for it is told so in that instant.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import type { StatusLook } from "./status-round.ts";
import { livingGateway, lookAround } from "./status-round.ts";
import { troubleOf } from "./trouble.ts";

const DRAIN_MS = 2_000;
const SLACK_MS = 5;
/** What is due at once happens within this. */
const LATE_MS = 50;

export function handoverEnds(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  /** When the handover began that is under way in a group, on the gateway's clock. */
  const begunAtMs: Map<string, number> = new Map();
  return {
    gatewayStarted: () => begunAtMs.clear(),
    gatewayEvent(event) {
      if (event.type === "handover-begun") begunAtMs.set(event.group, event.atMs);
      else if (event.type === "handover-ended") begunAtMs.delete(event.group);
      else if (event.type === "promoted") {
        const { cause, group, from } = event;
        if (cause !== "failure" || !begunAtMs.has(group)) return void begunAtMs.delete(group);
        world.at(world.nowMs, () => {
          if (!begunAtMs.delete(group)) return;
          world.violate("handover-is-told", `${group}: ${from} failed while it was drained, and nobody was told`);
        });
      }
    },
    tick() {
      const look = lookAround(fleet);
      if (look !== undefined && isDrained(look.status))
        world.at(world.nowMs + LATE_MS, () => refuseDrained(fleet, look, begunAtMs.get(look.group)));
      if (begunAtMs.size === 0) return;
      const gateway = livingGateway(fleet);
      if (gateway === undefined || troubleOf(fleet).disturbsGatewayLately(world.nowMs)) return;
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

function isDrained({ handover, stations }: FailoverStatus): boolean {
  return handover !== undefined && stations.every(({ active, inFlight }) => !active || inFlight === 0);
}

/** The handover that began at `begunAtMs` is still under way, although nothing has been in flight. */
function refuseDrained(fleet: Fleet, { group, process }: StatusLook, begunAtMs: number | undefined): void {
  const { world } = fleet;
  const now = livingGateway(fleet)?.gateway.groups.get(group)?.status;
  const disturbed = troubleOf(fleet).disturbsGatewayLately(world.nowMs);
  if (now === undefined || !isDrained(now) || livingGateway(fleet) !== process || disturbed) return;
  // Another one may have begun meanwhile.
  if (begunAtMs === undefined || process.nowMs() - begunAtMs < LATE_MS) return;
  world.violate("drained-is-done", `${group}: nothing is in flight at ${now.active}, and it is still being drained`);
}
