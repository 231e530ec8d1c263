/**
 * B2: what a station is offered, counted at its door. `offered-within-capacity`: no second holds
 * more attempts than it declares it can take (docs/guide/failover.md: "in any second, retries
 * included"). `ramp-after-promotion`: a station that has just become active begins with ten
 * attempts out, or a quarter more than were out at once anywhere in its group before, those apart
 * whose bodies were still being sent, and gets at most half as many again in each round trip in
 * which one succeeded (what was out before it was declared down and heard again does not count, nor
 * what hangs there, nor one call a second that finds out whether the station serves again); and no
 * station that declares a capacity gets a second's worth in one burst: a twentieth of it, at least
 * four, and what its pace allows meanwhile. That the ramp also shrinks after refusals is not
 * recounted: what a station can do is judged by `goodput.ts`.
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
/** No round trip is taken to be shorter. */
const MIN_ROUND_MS = 10;
/**
 * One that was sent after it was answered, and it is out for so many times as long as that one
 * took, and for this long: it hangs.
 */
const HANGING = { ratio: 4, leastMs: 100 };
/** A burst is judged over this time, and may hold so much of a second's worth, or so many. */
const PART_MS = 50;
const BURST_SHARE = 0.05;
const MIN_BURST = 4;
/** A timer may be late by this without the pace falling behind. */
const LATENESS_MS = 10;
/** A pace that is kept exactly sends one when the one a second before it leaves the second. */
const ROUNDING_MS = 0.001;

class Door {
  readonly capacityPerSecond: number;
  readonly inSecond: SlidingCount = new SlidingCount(1_000 - ROUNDING_MS);
  readonly inPart: SlidingCount = new SlidingCount(PART_MS);
  /** How many may be out; Infinity while no ramp is on. */
  limit = Number.POSITIVE_INFINITY;
  /** When it was raised last. */
  raisedAtMs = Number.NEGATIVE_INFINITY;
  /** Out, of those that began since the ramp did. */
  readonly out: Set<Attempt> = new Set();
  /** All that are out, and the most that ever were and had their bodies sent. */
  readonly allOut: Set<Attempt> = new Set();
  mostOut = 0;
  /** The latest that one began which succeeded, and how long it took. */
  servedFromMs = Number.NEGATIVE_INFINITY;
  servedInMs = 0;
  /** When one began last, or the ramp did. */
  begunAtMs = Number.NEGATIVE_INFINITY;

  constructor(capacityPerSecond: number) {
    this.capacityPerSecond = capacityPerSecond;
  }

  noteMost(): void {
    if (this.allOut.size > this.mostOut) this.mostOut = Math.max(this.mostOut, working(this.allOut));
  }

  /** One more is out; not counted is one that finds out, as it is alone in its second. */
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

  /** Of those that began since the ramp did, how many is the station likely to work on? */
  atWork(nowMs: number): number {
    const longMs = Math.max(HANGING.leastMs, HANGING.ratio * this.servedInMs);
    return working(this.out, (attempt) => attempt.localMs < this.servedFromMs && nowMs - attempt.localMs >= longMs);
  }
}

/** A body that is being sent is no work of the station yet. */
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
    // An attempt that was given up in this very step is told to be over only when the step is.
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
      // What was out before it was down is likely to be lost with it, and holds no place.
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
 * As the manual has it: 5xx, 408 and 429 are failures, and so is a success that reports an error,
 * where bodies count.
 */
export function succeeded({ outcome, status = 0, lies }: Attempt, errorBody: boolean): boolean {
  return outcome === "reply" && status < 500 && status !== 408 && status !== 429 && !(lies && errorBody);
}
