/**
 * Room: how many attempts are out at a station, how many commands wait at a group, and that every place comes back. What
 * is out and what waits is counted here at the doors, where commands come in and attempts go out; what the gateway says of
 * itself must agree with that, and at the end, when nobody waits for anything, nothing may be left over.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../fleet/observer.ts";
import { documentedGroups } from "./documented.ts";
import type { FailoverContract } from "./failover-contract.ts";
import { FAILOVER_CONTRACT } from "./failover-contract.ts";
import type { StatusLook } from "./status-round.ts";
import { livingGateway, lookAround } from "./status-round.ts";

type Station = FailoverStatus["stations"][number];

/** A command at the gateway. */
interface AtTheDoor {
  visits: number;
  attempted: boolean;
}

/** A group at the gateway of now. */
class Door {
  readonly commands: Map<Command, AtTheDoor> = new Map();
  readonly out: Map<string, Set<Attempt>> = new Map();
  /** Sendings that have come in and are not answered. */
  visits = 0;
  /** Commands of which no attempt has been made. */
  untried = 0;

  arrived(command: Command): void {
    this.visits++;
    const known = this.commands.get(command);
    if (known !== undefined) known.visits++;
    else {
      this.commands.set(command, { visits: 1, attempted: false });
      this.untried++;
    }
  }

  answered(command: Command): void {
    const known = this.commands.get(command);
    if (known === undefined) return;
    this.visits--;
    if (--known.visits > 0) return;
    this.commands.delete(command);
    if (!known.attempted) this.untried--;
  }

  /** How many are out at its station from now on. */
  began(attempt: Attempt): number {
    const known = this.commands.get(attempt.command);
    if (known?.attempted === false) {
      known.attempted = true;
      this.untried--;
    }
    const there = this.out.get(attempt.station) ?? new Set();
    this.out.set(attempt.station, there.add(attempt));
    return there.size;
  }

  /** Attempts of commands of which another attempt is out as well. */
  get outTwice(): number {
    const all = [...this.out.values()].flatMap((out) => [...out]);
    return all.length - new Set(all.map(({ command }) => command)).size;
  }

  /** Attempts at `station` that somebody waits for. */
  wantedAt(station: string): number {
    let wanted = 0;
    for (const { signal } of this.out.get(station) ?? []) if (!signal.aborted) wanted++;
    return wanted;
  }
}

export function slots(fleet: Fleet, contract: FailoverContract = FAILOVER_CONTRACT): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const doors: Map<string, Door> = new Map();
  const doorOf = (group: string): Door => {
    const door = doors.get(group) ?? new Door();
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
    attemptEnded: (attempt) => doorOf(attempt.group).out.get(attempt.station)?.delete(attempt),
    tick() {
      for (const [group, door] of doors) waitsWithinLimit(fleet, group, door);
      const look = lookAround(fleet);
      if (look !== undefined) agrees(fleet, look, doorOf(look.group), contract);
    },
    ended() {
      for (const { name } of fleet.plan.groups) returned(fleet, name, doorOf(name));
    },
  };
}

/**
 * So many may wait for their turn, and as many again for a slot of the station whose turn it was. One more, because who
 * comes while others are being let through is looked at right after.
 */
function waitsWithinLimit(fleet: Fleet, group: string, { untried }: Door): void {
  const most = documentedGroups(fleet).get(group)?.commands.maxWaiting ?? Number.POSITIVE_INFINITY;
  if (untried > 2 * most + 1)
    fleet.world.violate(
      "waiting-within-limit",
      `${group}: ${untried} commands wait to be sent; allowed are 2 x ${most} + 1`,
    );
}

function agrees(
  { world }: Fleet,
  { group, status }: StatusLook,
  door: Door,
  { goesElsewhere }: FailoverContract,
): void {
  const { waiting, held, stations } = status;
  let [inFlight, wanted, pending] = [0, 0, 0];
  for (const station of stations) {
    const wantedThere = door.wantedAt(station.name);
    inFlight += station.inFlight;
    wanted += wantedThere;
    pending += station.budget?.pending ?? 0;
    const wrong =
      misfit(station, wantedThere) ?? misplaced(station, wantedThere, door.out.get(station.name)?.size ?? 0);
    if (wrong !== undefined) world.violate("counts-agree", `${group}/${station.name}: ${wrong}`);
  }
  if (pending > door.visits - wanted)
    world.violate(
      "counts-agree",
      `${group}: ${pending} extra attempts are to come, of ${door.visits} commands of which ${wanted} are out`,
    );
  // One that is out twice may be counted twice.
  const most = door.visits + (goesElsewhere ? door.outTwice : 0);
  const known = inFlight + waiting + held;
  if (known < door.visits || known > most)
    world.violate(
      "counts-agree",
      `${group}: ${inFlight} in flight, ${waiting} waiting and ${held} held of ${door.visits} commands that are there`,
    );
}

function misfit({ inFlight, ramp }: Station, wanted: number): string | undefined {
  if (inFlight < wanted) return `${inFlight} in flight, and ${wanted} attempts are out`;
  return ramp.inFlight === inFlight ? undefined : `${inFlight} in flight, and ${ramp.inFlight} at the ramp`;
}

/** What is wrong with the slots of a station at which so many attempts are out. */
function misplaced({ inFlight, bulkhead }: Station, wanted: number, out: number): string | undefined {
  if (bulkhead === undefined) return undefined;
  const { running, waiting, maxConcurrent, maxQueue } = bulkhead;
  if (running !== out) return `${running} slots are taken, and ${out} attempts are out`;
  if (waiting > inFlight - wanted) return `${waiting} wait for a slot, of ${inFlight - wanted} that are not out`;
  if (waiting > maxQueue) return `${waiting} wait for a slot; allowed are ${maxQueue}`;
  return waiting > 0 && running < maxConcurrent ? `${waiting} wait for a slot, and ${running} are taken` : undefined;
}

/** Where commands are still under way at the end, others ask why; where none are, nothing is left of them. */
function returned(fleet: Fleet, group: string, door: Door): void {
  const status = livingGateway(fleet)?.gateway.groups.get(group)?.status;
  if (status === undefined || door.visits > 0) return;
  const left: string[] = [];
  for (const [station, out] of door.out) if (out.size > 0) left.push(`${out.size} attempts out at ${station}`);
  for (const { name, inFlight, ramp, budget, bulkhead } of status.stations) {
    if ((budget?.pending ?? 0) !== 0) left.push(`${budget?.pending} extra attempts to come at ${name}`);
    if (bulkhead !== undefined && bulkhead.waiting > 0) left.push(`${bulkhead.waiting} waiting for a slot of ${name}`);
    if (inFlight !== 0 || ramp.inFlight !== 0)
      left.push(`${inFlight} in flight and ${ramp.inFlight} at the ramp of ${name}`);
  }
  if (status.waiting !== 0 || status.held !== 0) left.push(`${status.waiting} waiting and ${status.held} held`);
  if (left.length > 0)
    fleet.world.violate("everything-returns", `${group}: nobody waits for anything, and ${left.join(", ")}`);
}
