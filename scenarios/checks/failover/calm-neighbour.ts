/**
 * B5: a group that no fault touches is not affected by what happens to other groups behind the same
 * gateway. Every command of its sources is acknowledged within the time that its plan promises:
 * messages, connections, a wait for a lane, the service itself. Watched if the plan leaves the
 * group and the gateway's process alone, and would serve every command in time on any day
 * (`plan-bounds.ts`).
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { isWide } from "../../fleet/plan.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { planBoundsOf } from "../plan-bounds.ts";

/**
 * The groups of `fleet` that no fault touches, and in which no healthy station is ever declared
 * down.
 */
export function calmGroups(fleet: Fleet): Set<string> {
  const timeline = faultTimelineOf(fleet);
  if (!timeline.leavesGatewayAlone) return new Set();
  const calm = fleet.plan.groups.filter(
    (group) => !isWide(group) && timeline.of(group.name).length === 0 && planBoundsOf(fleet, group.name).quiet,
  );
  return new Set(calm.map(({ name }) => name));
}

export function calmNeighbour(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const calm = calmGroups(fleet);
  const latencyMs = new Map<string, number>();
  for (const { name } of fleet.plan.groups) {
    const bounds = planBoundsOf(fleet, name);
    if (calm.has(name) && bounds.serves) latencyMs.set(name, bounds.latencyMs);
  }
  if (latencyMs.size === 0) return {};
  if (calm.size < fleet.plan.groups.length) world.sometimes("calm group beside a troubled one");
  return {
    commandTold(command) {
      const { group, id, kind, told, sentAtMs, toldAtMs = sentAtMs, answer } = command;
      const mostMs = latencyMs.get(group);
      if (mostMs === undefined) return;
      const tookMs = toldAtMs - sentAtMs;
      if (told !== "acknowledged")
        world.violate("calm-neighbour", `${id} (${kind}) was told ${told} (${answer}), and nothing touches ${group}`);
      else if (tookMs > mostMs)
        world.violate(
          "calm-neighbour",
          `${id} (${kind}) took ${tookMs} ms, at most ${mostMs} ms in ${group}, which nothing touches`,
        );
    },
  };
}
