/**
 * Checks room: how many attempts are out at a station, how many commands wait at a group, and that
 * every slot comes back. Both numbers are counted here from outside, where commands arrive and
 * attempts are sent. The gateway's own status must agree with them (`at-the-door.ts` says when one
 * number is two bounds). At the end, when no command waits, nothing may be left over.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import type { StatusLook } from "../status-round.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { Door } from "./at-the-door.ts";

type Station = FailoverStatus["stations"][number];

export function slots(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const doors: Map<string, Door> = new Map();
  const doorOf = (group: string): Door => {
    const door = doors.get(group) ?? new Door(fleet.plan.keepsAnswers);
    doors.set(group, door);
    return door;
  };
  return {
    gatewayStarted: () => doors.clear(),
    commandArrived: ({ command }) => doorOf(command.group).arrived(command),
    commandAnswered: ({ command }) => doorOf(command.group).answered(command),
    attemptBegan(attempt) {
      const { group, station, command } = attempt;
      const outThere = doorOf(group).began(attempt);
      const most = groups.get(group)?.commands.maxConcurrent ?? Number.POSITIVE_INFINITY;
      if (outThere > most)
        world.violate(
          "in-flight-within-limit",
          `${command.id} is number ${outThere} out at ${group}/${station}; allowed are ${most}`,
        );
    },
    attemptEnded: (attempt) => doorOf(attempt.group).ended(attempt),
    gatewayEvent: (event) => doorOf(event.group).heard(event),
    tick() {
      for (const [group, door] of doors) waitsWithinLimit(fleet, group, door);
      const look = lookAround(fleet);
      if (look !== undefined) agrees(fleet, look, doorOf(look.group));
    },
    ended() {
      for (const { name } of fleet.plan.groups) returned(fleet, name, doorOf(name));
    },
  };
}

/**
 * This many may wait for their turn, and as many again for a slot of the station whose turn it was.
 * One more is allowed, because a command that arrives while others are let through is handled right
 * after.
 */
function waitsWithinLimit(fleet: Fleet, group: string, { untried }: Door): void {
  const most = documentedGroups(fleet).get(group)?.commands.maxWaiting ?? Number.POSITIVE_INFINITY;
  if (untried > 2 * most + 1)
    fleet.world.violate(
      "waiting-within-limit",
      `${group}: ${untried} commands wait to be sent; allowed are 2 x ${most} + 1`,
    );
}

function agrees({ world }: Fleet, { group, status }: StatusLook, door: Door): void {
  const { waiting, parked, stations } = status;
  let pending = 0;
  for (const station of stations) {
    pending += station.budget?.pending ?? 0;
    const wrong = misfit(station, door.outAt(station.name));
    if (wrong !== undefined) world.violate("counts-agree", `${group}/${station.name}: ${wrong}`);
  }
  // An extra attempt is charged while its command waits for it.
  if (pending > waiting + parked)
    world.violate(
      "counts-agree",
      `${group}: ${pending} extra attempts are to come, and ${waiting} commands wait and ${parked} are parked`,
    );
  const { least, most } = door.waiting();
  if (waiting + parked < least || waiting + parked > most)
    world.violate(
      "counts-agree",
      `${group}: ${waiting} wait and ${parked} are parked; of ${door.visits} commands that are there ${least} to ${most} are not out`,
    );
}

/** What is wrong with the status of a station at which this many attempts are out. */
function misfit({ inFlight, ramp, bulkhead }: Station, out: number): string | undefined {
  if (inFlight !== out) return `${inFlight} in flight, and ${out} attempts are out`;
  if (ramp.inFlight !== inFlight) return `${inFlight} in flight, and ${ramp.inFlight} at the ramp`;
  if (bulkhead === undefined) return undefined;
  const { running, waiting } = bulkhead;
  if (running !== out) return `${running} slots are taken, and ${out} attempts are out`;
  return waiting > 0 ? `${waiting} wait for a slot: they should wait in the group's one queue` : undefined;
}

/**
 * If commands are still under way at the end, other checks report that; if none are, nothing may be
 * left of them.
 */
function returned(fleet: Fleet, group: string, door: Door): void {
  const status = livingGateway(fleet)?.gateway.groups.get(group)?.status;
  if (status === undefined || door.visits > 0) return;
  const left: string[] = [];
  for (const [station, out] of door.out) if (out > 0) left.push(`${out} attempts out at ${station}`);
  for (const { name, inFlight, ramp, budget, bulkhead } of status.stations) {
    if ((budget?.pending ?? 0) !== 0) left.push(`${budget?.pending} extra attempts to come at ${name}`);
    if (bulkhead !== undefined && bulkhead.waiting > 0) left.push(`${bulkhead.waiting} waiting for a slot of ${name}`);
    if (inFlight !== 0 || ramp.inFlight !== 0)
      left.push(`${inFlight} in flight and ${ramp.inFlight} at the ramp of ${name}`);
  }
  if (status.waiting !== 0 || status.parked !== 0) left.push(`${status.waiting} waiting and ${status.parked} held`);
  if (left.length > 0)
    fleet.world.violate("everything-returns", `${group}: nobody waits for anything, and ${left.join(", ")}`);
}
