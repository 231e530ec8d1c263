/**
 * Epochs of a gateway that keeps them [F3] [G1]:
 * - `epoch-never-reissued`: no epoch under which one process of a gateway sent anything is used by
 *   a later one, except one of which the gateway has said that it could not be stored.
 * - `epochs-do-not-jump`: a process begins at most three above what the one before it has issued: a
 *   person reads them.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";

/** The next one, and two that may have been in reserve: stored, or on the way to the disk. */
const MOST_AHEAD = 3;

interface OfGroup {
  /** By epoch: the process that used it. */
  readonly usedBy: Map<number, number>;
  /** Epochs that could not be stored. */
  readonly unstored: Set<number>;
  /** The newest epoch that any process had, or that a station told of. */
  newest: number;
}

export function keptEpochs(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  if (fleet.plan.keepsState !== true) return {};
  const groups = new Map<string, OfGroup>();
  const of = (name: string): OfGroup => {
    const known = groups.get(name) ?? { usedBy: new Map(), unstored: new Set(), newest: 0 };
    groups.set(name, known);
    return known;
  };
  return {
    gatewayStarted({ gateway }) {
      for (const [name, { epoch }] of gateway.groups) {
        const group = of(name);
        if (group.newest > 0) world.sometimes("epoch kept over a restart");
        if (epoch > group.newest + MOST_AHEAD)
          world.violate("epochs-do-not-jump", `${name}: begins with epoch ${epoch} after ${group.newest}`);
        group.newest = Math.max(group.newest, epoch);
      }
    },
    gatewayEvent(event) {
      const group = of(event.group);
      if (event.type === "promoted" || event.type === "epoch-adopted")
        group.newest = Math.max(group.newest, event.epoch);
      if (event.type !== "epoch-unstored") return;
      world.sometimes("epoch could not be stored");
      group.unstored.add(event.epoch);
    },
    attemptBegan({ group: name, epoch, incarnation, command }) {
      const group = of(name);
      const user = group.usedBy.get(epoch);
      group.usedBy.set(epoch, incarnation);
      if (user === undefined || user === incarnation || group.unstored.has(epoch)) return;
      world.violate(
        "epoch-never-reissued",
        `${name}: ${command.id} goes out under epoch ${epoch}, which process ${user} has used`,
      );
    },
  };
}
