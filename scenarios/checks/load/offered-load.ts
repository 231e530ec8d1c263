/**
 * B2: bounds the load that a station is offered, counted where attempts are sent.
 * - `offered-within-capacity`: no second has more attempts than the station declares as its
 *   capacity (docs/guide/failover.md: "in any second, retries included").
 * - `ramp-after-promotion`: a station that has just become active begins with ten attempts out, or
 *   with a quarter more than were out at once anywhere in its group before, without those whose
 *   bodies were still being sent. It gets at most half as many again in each round trip in which an
 *   attempt succeeded. Not counted: attempts that were out before it was declared down and heard
 *   again, attempts that hang there, and one call a second that finds out whether the station
 *   serves again.
 * - A station that declares a capacity does not get a second's worth in one burst: at most a
 *   twentieth of it, or four if that is more, and what its pace allows meanwhile.
 *
 * The check does not recount that the ramp also shrinks after refusals: `goodput.ts` judges what a
 * station can do.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import { SlidingCount } from "../sliding-count.ts";

/** docs/guide/failover.md, "The ramp". */
const INITIAL_CONCURRENT = 10;
const USUAL_SHARE = 1.25;
const FULL_CONCURRENT = 1_000;
const GROWTH = 1.5;
/** A round trip is never taken to be shorter. */
const MIN_ROUND_MS = 10;
/**
 * An attempt hangs if a later one has been answered, and it is out for this many times as long as
 * that one took, and for at least this long.
 */
const HANGING = { ratio: 4, leastMs: 100 };
/** A burst is judged over this time. It may hold this share of a second's worth, or this many. */
const PART_MS = 50;
const BURST_SHARE = 0.05;
const MIN_BURST = 4;
/** A timer may be late by this without the pace falling behind. */
const LATENESS_MS = 10;
/**
 * A pace that is kept exactly sends one attempt just as the attempt of a second before leaves the
 * window.
 */
const ROUNDING_MS = 0.001;

class Door {
  readonly capacityPerSecond: number;
  readonly inSecond: SlidingCount = new SlidingCount(1_000 - ROUNDING_MS);
  readonly inPart: SlidingCount = new SlidingCount(PART_MS);
  /** How many may be out; Infinity while no ramp is on. */
  limit = Number.POSITIVE_INFINITY;
  /** When it was last raised. */
  raisedAtMs = Number.NEGATIVE_INFINITY;
  /** Attempts that are out, of those that began since the ramp did. */
  readonly out: Set<Attempt> = new Set();
  /** All attempts that are out, and the most that ever were out with their bodies sent. */
  readonly allOut: Set<Attempt> = new Set();
  mostOut = 0;
  /** When the latest attempt began that succeeded, and how long it took. */
  servedFromMs = Number.NEGATIVE_INFINITY;
  servedInMs = 0;
  /** When the last attempt began, or the ramp did. */
  begunAtMs = Number.NEGATIVE_INFINITY;

  constructor(capacityPerSecond: number) {
    this.capacityPerSecond = capacityPerSecond;
  }

  noteMost(): void {
    if (this.allOut.size > this.mostOut) this.mostOut = Math.max(this.mostOut, working(this.allOut));
  }

  /**
   * One more attempt is out. An attempt that is alone in its second is not counted: it finds out
   * whether the station serves.
   */
  begin(attempt: Attempt): void {
    const isAlone = attempt.localMs - this.begunAtMs >= 1_000 - ROUNDING_MS;
    this.begunAtMs = attempt.localMs;
    if (!isAlone) this.out.add(attempt);
  }

  noteServed({ localMs }: Attempt, nowMs: number): void {
    if (localMs < this.servedFromMs) return;
    this.servedFromMs = localMs;
    this.servedInMs = nowMs - localMs;
  }

  /** How many attempts the station is likely to work on, of those that began since the ramp did. */
  atWork(nowMs: number): number {
    const longMs = Math.max(HANGING.leastMs, HANGING.ratio * this.servedInMs);
    return working(this.out, (attempt) => attempt.localMs < this.servedFromMs && nowMs - attempt.localMs >= longMs);
  }
}

/** A body that is still being sent is no work for the station yet. */
function working(out: ReadonlySet<Attempt>, hangs: (attempt: Attempt) => boolean = () => false): number {
  let count = 0;
  for (const attempt of out) if (attempt.judgedFromLocalMs < Number.POSITIVE_INFINITY && !hangs(attempt)) count++;
  return count;
}

export function offeredLoad(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  let running = 0;
  const doors = new PerStation((group, station) => {
    const { stations } = groups.get(group) as DocumentedGroup;
    return new Door(stations.find((one) => one.name === station)?.capacityPerSecond ?? Number.POSITIVE_INFINITY);
  });
  const localNow = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  const refuseTooMany = (door: Door, group: string, station: string, at: "once" | "last"): void => {
    const out = door.atWork(localNow());
    if (out <= Math.ceil(door.limit)) return;
    // The end of an attempt that was given up in this same step is reported only when the step is
    // over.
    if (at === "once") world.at(world.nowMs, () => refuseTooMany(door, group, station, "last"));
    else
      world.violate(
        "ramp-after-promotion",
        `${group}/${station}: ${out} attempts out, the ramp allows ${Math.ceil(door.limit)}`,
      );
  };
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      doors.clear();
    },
    gatewayEvent(event) {
      // Attempts that were out before the station was down are likely lost with it, and hold no
      // slot.
      if (event.type === "declaration" && event.from === "down" && event.to === "alive")
        doors.of(event.group, event.node).out.clear();
      if (event.type !== "promoted") return;
      const door = doors.of(event.group, event.station);
      let most = 0;
      for (const { name } of groups.get(event.group)?.stations ?? [])
        most = Math.max(most, doors.of(event.group, name).mostOut);
      door.limit = Math.max(INITIAL_CONCURRENT, USUAL_SHARE * most);
      door.raisedAtMs = event.atMs;
      door.begunAtMs = event.atMs;
      door.out.clear();
    },
    attemptBegan(attempt) {
      const { group, station } = attempt;
      const door = doors.of(group, station);
      door.allOut.add(attempt);
      door.noteMost();
      if (door.capacityPerSecond < Number.POSITIVE_INFINITY) {
        refuseBeyondCapacity(fleet, door, attempt);
        refuseBurst(fleet, door, attempt);
      }
      if (door.limit === Number.POSITIVE_INFINITY) return;
      door.begin(attempt);
      refuseTooMany(door, group, station, "once");
    },
    attemptEnded(attempt) {
      if (attempt.incarnation < running) return;
      const door = doors.of(attempt.group, attempt.station);
      door.noteMost();
      door.allOut.delete(attempt);
      if (door.limit === Number.POSITIVE_INFINITY) return;
      door.out.delete(attempt);
      const { commands } = groups.get(attempt.group) as DocumentedGroup;
      if (!succeeded(attempt, commands.errorBody)) return;
      const localMs = localNow();
      door.noteServed(attempt, localMs);
      if (localMs - door.raisedAtMs < MIN_ROUND_MS) return;
      door.raisedAtMs = localMs;
      door.limit *= GROWTH;
      if (door.limit >= FULL_CONCURRENT) door.limit = Number.POSITIVE_INFINITY;
    },
  };
}

function refuseBeyondCapacity(fleet: Fleet, door: Door, { group, station, localMs }: Attempt): void {
  door.inSecond.add(localMs);
  const offered = door.inSecond.total(localMs);
  if (offered <= door.capacityPerSecond) return;
  fleet.world.violate(
    "offered-within-capacity",
    `${group}/${station}: ${offered} attempts in a second, it declares ${door.capacityPerSecond}`,
  );
}

function refuseBurst(fleet: Fleet, door: Door, { group, station, localMs }: Attempt): void {
  door.inPart.add(localMs);
  const perMs = door.capacityPerSecond / 1_000;
  const most = Math.max(MIN_BURST, BURST_SHARE * door.capacityPerSecond) + perMs * (PART_MS + LATENESS_MS);
  const sent = door.inPart.total(localMs);
  if (sent <= Math.ceil(most)) return;
  fleet.world.violate(
    "ramp-after-promotion",
    `${group}/${station}: ${sent} attempts in ${PART_MS} ms, at most ${Math.ceil(most)} at its capacity of ${door.capacityPerSecond} a second`,
  );
}

/**
 * As the manual says: 5xx, 408 and 429 are failures, and so is a success whose body reports an
 * error, if bodies count.
 */
export function succeeded({ outcome, status = 0, lies }: Attempt, errorBody: boolean): boolean {
  return outcome === "reply" && status < 500 && status !== 408 && status !== 429 && !(lies && errorBody);
}
