/**
 * `suspicion-fits-the-beats`: the suspicion level of a station that a gateway reports, in its
 * status and in its declarations, is what a fit to the same heartbeats gives (`shadow-fit.ts`). So
 * the gateway learns nothing that it must not learn (the gap of an outage, of a lost heartbeat, of
 * a restart), and forgets nothing that it should know.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import { lookAround } from "../status-round.ts";
import { knowsBeats } from "./detector.ts";
import { shadowOf } from "./shadow-fit.ts";

/** Relative: plain sums over a window of gaps. */
const ROUNDING = 1e-5;

export function suspicionFits(fleet: Fleet): FleetObserver {
  const groups = documentedGroups(fleet);
  const known = new Set([...groups.values()].filter((group) => knowsBeats(fleet, group)).map(({ name }) => name));
  const fits = new PerStation((group) => shadowOf(groups.get(group) as DocumentedGroup));
  const look = (group: string, station: string, level: number, nowMs: number): void => {
    const expected = known.has(group) ? fits.of(group, station).levelAt(nowMs) : undefined;
    if (expected === undefined || Math.abs(level - expected) <= ROUNDING * (expected + ROUNDING)) return;
    fleet.world.violate(
      "suspicion-fits-the-beats",
      `${group}/${station}: its level is ${level}; a fit to its beats gives ${expected}`,
    );
  };
  return {
    gatewayStarted: () => fits.clear(),
    beatCounted(group, station, beat) {
      fits.of(group, station).note(beat, fleet.gateway?.nowMs() ?? 0);
    },
    gatewayEvent(event) {
      if (event.type === "declaration") look(event.group, event.node, event.level, event.atMs);
    },
    tick() {
      const { group, process, status } = lookAround(fleet) ?? {};
      for (const { name, level } of status?.stations ?? []) look(group as string, name, level, process?.nowMs() ?? 0);
    },
  };
}
