/**
 * B3 and L5, judged by the current status, one group at a time.
 * - `queues-are-bounded`: the waiting and parked commands of a group are exactly those that have
 *   arrived, have no answer and are not out (`at-the-door.ts` says when that is two bounds). So the
 *   gateway keeps nothing of a command that is over, and loses none. Only commands that have been
 *   sent are parked: the queue limit applies to commands that arrive, and does not refuse a command
 *   that a station already had.
 * - `waiting-moves`: while commands wait, the active station is eligible, its circuit lets a call
 *   pass and it has room, the gateway sends something within little more than a second.
 * - `held-moves`: the same for parked commands, while the retry budget has room for one of them.
 *
 * The gateway's account that the station is ineligible counts only if something known from outside
 * may support it (`surely-fit.ts`). Only the gateway knows how much room there is; `lone-waits.ts`
 * judges without it, while nothing is out.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { SurelyFit } from "../failover/surely-fit.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import type { StatusLook } from "../status-round.ts";
import { lookAround } from "../status-round.ts";
import { Door } from "./at-the-door.ts";

/**
 * For this long something could have been sent and was not; it includes one second in which a
 * declared capacity is used up.
 */
const STUCK_MS = 1_300;
const NEVER = Number.POSITIVE_INFINITY;

/** What is noted of one group. */
interface Seen {
  /** Commands that have arrived at the running process and have no answer. */
  readonly door: Door;
  /**
   * Since when commands that could have been sent have waited, and been parked; Infinity while
   * there are none.
   */
  waitsSinceMs: number;
  heldSinceMs: number;
}

export function queues(fleet: Fleet): FleetObserver {
  const settingsOf = documentedGroups(fleet);
  const timeline = faultTimelineOf(fleet);
  const surelyFit = new SurelyFit(fleet);
  let seen: Map<string, Seen> = new Map();
  const of = (group: string): Seen => seen.get(group) as Seen;
  const forget = (): void => {
    seen = new Map(
      [...settingsOf.keys()].map((name) => [
        name,
        { door: new Door(fleet.plan.keepsAnswers), waitsSinceMs: NEVER, heldSinceMs: NEVER },
      ]),
    );
  };
  forget();
  let running = 0;
  return {
    gatewayStarted(process) {
      surelyFit.hears.gatewayStarted(process);
      running = process.incarnation;
      forget();
    },
    commandArrived: ({ command }) => of(command.group).door.arrived(command),
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) of(command.group).door.answered(command);
    },
    gatewayEvent(event, incarnation) {
      surelyFit.hears.gatewayEvent(event, incarnation);
      of(event.group).door.heard(event);
    },
    attemptEnded(attempt) {
      surelyFit.hears.attemptEnded(attempt);
      if (attempt.incarnation === running) of(attempt.group).door.ended(attempt);
    },
    attemptBegan(attempt) {
      surelyFit.hears.attemptBegan(attempt);
      const seen = of(attempt.group);
      seen.door.began(attempt);
      seen.waitsSinceMs = seen.heldSinceMs = NEVER;
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const settings = settingsOf.get(look.group) as DocumentedGroup;
      const seen = of(look.group);
      refuseStrays(fleet, settings, look.status, seen.door);
      const { nowMs } = fleet.world;
      const { waiting, parked, active } = look.status;
      const station = timeline.disturbsGatewayLately(nowMs) ? undefined : open(look, settings, surelyFit);
      const waits = waiting > 0 && station !== undefined;
      const isHeld = parked > 0 && station !== undefined && mayRepeat(station, settings);
      seen.waitsSinceMs = waits ? Math.min(seen.waitsSinceMs, nowMs) : NEVER;
      seen.heldSinceMs = isHeld ? Math.min(seen.heldSinceMs, nowMs) : NEVER;
      const stuck = `for ${active}, which is eligible and has room, and nothing was sent for ${STUCK_MS} ms`;
      if (nowMs - seen.waitsSinceMs >= STUCK_MS)
        fleet.world.violate("waiting-moves", `${look.group}: ${waiting} commands wait ${stuck}`);
      if (nowMs - seen.heldSinceMs >= STUCK_MS)
        fleet.world.violate("held-moves", `${look.group}: ${parked} commands are held ${stuck}`);
    },
  };
}

function refuseStrays({ world }: Fleet, { name }: DocumentedGroup, status: FailoverStatus, door: Door): void {
  const { waiting, parked } = status;
  const { least, most } = door.waiting();
  if (waiting + parked < least || waiting + parked > most) {
    world.violate(
      "queues-are-bounded",
      `${name}: ${waiting} commands wait and ${parked} are parked; ${least} to ${most} of ${door.visits} are not out`,
    );
  }
  const tried = door.visits - door.untried;
  if (parked > tried) {
    world.violate("queues-are-bounded", `${name}: ${parked} commands are parked, and ${tried} have been sent anywhere`);
  }
}

type StationStatus = FailoverStatus["stations"][number];

/** The active station, if a command could be sent to it now. */
function open(
  { group, status, process }: StatusLook,
  { commands }: DocumentedGroup,
  surelyFit: SurelyFit,
): StationStatus | undefined {
  const active = status.stations.find((station) => station.active);
  if (active === undefined) return undefined;
  const { breaker, ramp, inFlight } = active;
  const passes = breaker === undefined || (breaker.nextProbeAtMs ?? 0) <= process.nowMs();
  const room = ramp.inFlight < ramp.limit && inFlight < commands.maxConcurrent;
  return surelyFit.isFit(group, active) && passes && room ? active : undefined;
}

/** Whether `station` has room for one more attempt of a command that was sent there before. */
function mayRepeat({ budget }: StationStatus, { retry }: DocumentedGroup): boolean {
  if (retry.maxAttempts < 2) return false;
  return budget === undefined || budget.sent + budget.pending + 1 <= budget.allowed;
}
