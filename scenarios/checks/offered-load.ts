/**
 * B2: what a station is offered, counted at its door. `offered-within-capacity`: no second holds more attempts than it
 * declares it can take (docs/guide/failover.md: "in any second, retries included"; the product's slices err on the safe side,
 * so no tolerance). `ramp-after-promotion`: a station that has just become active begins with ten attempts out and gets
 * one more for each that succeeded; while it declares a capacity, a second's worth does not come in one burst either.
 * That the ramp also shrinks after failures is not recounted: a call's failure is not an attempt's. Where commands may go
 * elsewhere, what a station is sent after a promotion follows from what was in flight before, and `goodput-comes-back`
 * judges what comes of it; a declared capacity is then a rate, kept within 1 % and one command.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import type { FailoverContract } from "./failover-contract.ts";
import { FAILOVER_CONTRACT } from "./failover-contract.ts";
import { PerStation } from "./per-station.ts";
import { SlidingCount } from "./sliding-count.ts";

/** docs/guide/failover.md, "The ramp". */
const INITIAL_CONCURRENT = 10;
const FULL_CONCURRENT = 1_000;
/** A second's worth is offered in so many parts while the ramp is on; part of two may fall into one part's time. */
const PARTS = 20;

class Door {
  readonly capacityPerSecond: number;
  readonly inSecond: SlidingCount = new SlidingCount(1_000);
  readonly inPart: SlidingCount = new SlidingCount(1_000 / PARTS);
  /** How many may be out; Infinity while no ramp is on. */
  limit = Number.POSITIVE_INFINITY;
  /** Out, of those that began since the ramp did. */
  readonly out: Set<Attempt> = new Set();

  constructor(capacityPerSecond: number) {
    this.capacityPerSecond = capacityPerSecond;
  }
}

export function offeredLoad(fleet: Fleet, contract: FailoverContract = FAILOVER_CONTRACT): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  let running = 0;
  const doors = new PerStation((group, station) => {
    const { stations } = groups.get(group) as DocumentedGroup;
    return new Door(stations.find((one) => one.name === station)?.capacityPerSecond ?? Number.POSITIVE_INFINITY);
  });
  const refuseTooMany = (door: Door, group: string, station: string, at: "once" | "last"): void => {
    if (door.out.size <= door.limit) return;
    // An attempt that was given up in this very step is told to be over only when the step is.
    if (at === "once") world.at(world.nowMs, () => refuseTooMany(door, group, station, "last"));
    else
      world.violate(
        "ramp-after-promotion",
        `${group}/${station}: ${door.out.size} attempts out, the ramp allows ${door.limit}`,
      );
  };
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      doors.clear();
    },
    gatewayEvent(event) {
      if (event.type !== "promoted" || contract.goesElsewhere) return;
      const door = doors.of(event.group, event.station);
      door.limit = INITIAL_CONCURRENT;
      door.out.clear();
    },
    attemptBegan(attempt) {
      const { group, station, localMs } = attempt;
      const door = doors.of(group, station);
      if (door.capacityPerSecond < Number.POSITIVE_INFINITY) refuseBeyondCapacity(fleet, door, attempt, contract);
      if (door.limit === Number.POSITIVE_INFINITY) return;
      door.out.add(attempt);
      refuseTooMany(door, group, station, "once");
      door.inPart.add(localMs);
      const mostInPart = 2 * Math.ceil(door.capacityPerSecond / PARTS);
      if (door.inPart.total(localMs) > mostInPart) {
        world.violate(
          "ramp-after-promotion",
          `${group}/${station}: ${door.inPart.total(localMs)} attempts in 50 ms, at most ${mostInPart} while the ramp is on`,
        );
      }
    },
    attemptEnded(attempt) {
      if (attempt.incarnation < running) return;
      const door = doors.of(attempt.group, attempt.station);
      if (door.limit === Number.POSITIVE_INFINITY) return;
      door.out.delete(attempt);
      const { commands } = groups.get(attempt.group) as DocumentedGroup;
      if (!succeeded(attempt, commands.errorBody)) return;
      door.limit++;
      if (door.limit >= FULL_CONCURRENT) door.limit = Number.POSITIVE_INFINITY;
    },
  };
}

const RATE_TOLERANCE = 1.01;

function refuseBeyondCapacity(
  fleet: Fleet,
  door: Door,
  { group, station, localMs }: Attempt,
  { goesElsewhere }: FailoverContract,
): void {
  door.inSecond.add(localMs);
  const offered = door.inSecond.total(localMs);
  const most = goesElsewhere ? RATE_TOLERANCE * door.capacityPerSecond + 1 : door.capacityPerSecond;
  if (offered <= most) return;
  fleet.world.violate(
    "offered-within-capacity",
    `${group}/${station}: ${offered} attempts in a second, it declares ${door.capacityPerSecond}`,
  );
}

/** As the manual has it: 5xx, 408 and 429 are failures, and so is a success that reports an error, where bodies count. */
export function succeeded({ outcome, status = 0, lies }: Attempt, errorBody: boolean): boolean {
  return outcome === "reply" && status < 500 && status !== 408 && status !== 429 && !(lies && errorBody);
}
