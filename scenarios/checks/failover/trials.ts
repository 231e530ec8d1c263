/**
 * Checks how a gateway finds out whether a doubtful station serves: with as few commands as
 * possible, and in the end it does find out.
 * - `failback-begins-with-one`: a failback, or a race with a slow station, tries a station out.
 *   Until that station has served a command, or for 2 s if no repeatable command comes, it is sent
 *   one command at a time on that account, and none without a key.
 * - `failback-is-given-up`: if that station fails a command, the failback is over in the same
 *   instant.
 * - `once-is-not-spent`: a command without a key is not sent to find out whether a station lives
 *   that was declared down. Not judged if the station refuses connections, or served a moment ago.
 * - `doubt-ends`: at the end of a run no station is in doubt that has been well for long, by the
 *   plan, if there were commands to try it with and the written timeout lets a command end. (If a
 *   gateway says that a station is eligible, that ends an excuse in these checks, and is never an
 *   excuse itself.)
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import { endsAtMs, healedAtMs, stationNode } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { succeeded } from "../load/offered-load.ts";
import { PerStation } from "../per-station.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { timesOutByItself } from "./faultless-promotions.ts";
import { WaysOfCalls } from "./ways-of-calls.ts";

/** docs/guide/failover.md, `canaryWaitMs`. */
const QUIET_MS = 2_000;
/** A station that has served within this time is given more. */
const SERVED_LATELY_MS = 1_000;
/** Long enough for every fault to be over, and for a station in doubt to be tried many times. */
const SETTLED_MS = 20_000;
const DOUBTED_MS = 10_000;
const FEWEST_TO_TRY_WITH = 20;
/**
 * A station in doubt is tried no more often than this; if it refuses for load, it may do so for a
 * second.
 */
const TRIAL_INTERVAL_MS = 250;

/** A failback that has not served a command yet. */
interface Trial {
  readonly station: string;
  readonly begunAtMs: number;
  /** Attempts that only the failback explains, and whose callers still wait. */
  readonly out: Set<Attempt>;
}

/** What was seen of a station under this gateway process. */
class Door {
  downSinceMs: number = Number.POSITIVE_INFINITY;
  servedAtMs: number = Number.NEGATIVE_INFINITY;
  refuses = false;
}

/** A doubt that lasts. */
interface Doubt {
  readonly sinceMs: number;
  /**
   * How often the station could have been tried since then: with repeatable commands of the route
   * that every station serves.
   */
  chances: number;
  lastChanceMs: number;
}

export function trials(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const served = (attempt: Attempt): boolean =>
    succeeded(attempt, (groups.get(attempt.group) as DocumentedGroup).commands.errorBody);
  // The failback itself is no reason here: an attempt that nothing else explains is on its account.
  const ways = new WaysOfCalls(fleet, served);
  const doors = new PerStation(() => new Door());
  const actives: Map<string, string> = new Map();
  const trials: Map<string, Trial> = new Map();
  /** The station that a failback is about to make active, until it does or is given up. */
  const underWay: Map<string, string> = new Map();
  const doubts: Map<string, Doubt> = new Map();
  let running = 0;
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  return {
    gatewayStarted(process) {
      running = process.incarnation;
      ways.clear(process);
      doors.clear();
      trials.clear();
      underWay.clear();
      doubts.clear();
      for (const { name, stations } of groups.values()) actives.set(name, stations[0]?.name ?? "");
    },
    commandArrived({ command }) {
      ways.arrived(command);
      const doubt = doubts.get(command.group);
      if (doubt === undefined || command.kind === "once" || command.route !== undefined) return;
      if (localMs() - doubt.lastChanceMs < TRIAL_INTERVAL_MS) return;
      doubt.chances++;
      doubt.lastChanceMs = localMs();
    },
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) ways.answered(command);
    },
    gatewayEvent(event) {
      if (event.type !== "handover-begun") ways.heard(event);
      noteEvent(event, trials, actives, localMs());
      noteUnderWay(event, underWay);
      if (event.type === "declaration") {
        const door = doors.of(event.group, event.node);
        door.downSinceMs = event.to === "down" ? Math.min(door.downSinceMs, localMs()) : Number.POSITIVE_INFINITY;
        if (event.to !== "down") door.refuses = false;
      }
    },
    attemptBegan(attempt) {
      refuseSpent(fleet, attempt, doors.of(attempt.group, attempt.station), localMs());
      const trial = trials.get(attempt.group);
      const active = actives.get(attempt.group) ?? "";
      if (trial?.station === attempt.station && active !== attempt.station && !ways.mayGo(attempt, active, localMs()))
        refuseMany(fleet, attempt, trial, localMs());
      ways.began(attempt);
    },
    attemptEnded(attempt) {
      if (attempt.incarnation !== running) return;
      ways.ended(attempt, localMs() - attempt.judgedFromLocalMs);
      trials.get(attempt.group)?.out.delete(attempt);
      const door = doors.of(attempt.group, attempt.station);
      if (attempt.outcome === "never-sent") door.refuses = true;
      if (underWay.get(attempt.group) === attempt.station && hasFailed(attempt, served))
        refuseGoingOn(fleet, attempt, underWay);
      if (attempt.outcome !== "reply") return;
      door.servedAtMs = localMs();
      if (trials.get(attempt.group)?.station === attempt.station) trials.delete(attempt.group);
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const active = look.status.stations.find((station) => station.active);
      ways.looked(look);
      if (active?.doubted !== true) doubts.delete(look.group);
      else if (!doubts.has(look.group))
        doubts.set(look.group, { sinceMs: world.nowMs, chances: 0, lastChanceMs: Number.NEGATIVE_INFINITY });
    },
    ended() {
      for (const [group, doubt] of doubts) refuseLasting(fleet, group, doubt);
    },
  };
}

function noteEvent(event: GatewayEvent, trials: Map<string, Trial>, actives: Map<string, string>, nowMs: number): void {
  if (event.type === "handover-begun" && (event.cause === "failback" || event.cause === "slowness"))
    trials.set(event.group, { station: event.station, begunAtMs: nowMs, out: new Set() });
  else if (event.type === "handover-ended") trials.delete(event.group);
  else if (event.type === "promoted") {
    trials.delete(event.group);
    actives.set(event.group, event.station);
  }
}

function noteUnderWay(event: GatewayEvent, underWay: Map<string, string>): void {
  if (event.type === "handover-begun" && event.cause === "failback") underWay.set(event.group, event.station);
  else if (event.type === "handover-ended" || event.type === "promoted") underWay.delete(event.group);
}

/** Whether `attempt` failed because of its station, while its caller still waited. */
function hasFailed(attempt: Attempt, served: (attempt: Attempt) => boolean): boolean {
  if (attempt.signal.aborted) return false;
  return (
    attempt.outcome === "lost" || (attempt.outcome === "reply" && (attempt.status ?? 0) >= 500 && !served(attempt))
  );
}

/** The consequence of the end of `attempt` is reported before the step is over. */
function refuseGoingOn({ world }: Fleet, attempt: Attempt, underWay: ReadonlyMap<string, string>): void {
  const { command, group, station } = attempt;
  world.at(world.nowMs, () => {
    if (underWay.get(group) !== station) return;
    world.violate(
      "failback-is-given-up",
      `${group}: ${command.id} failed at ${station} (${attempt.outcome} ${attempt.status ?? ""}), and the failback to it goes on`,
    );
  });
}

function refuseMany({ world }: Fleet, attempt: Attempt, trial: Trial, nowMs: number): void {
  const { command, group, station } = attempt;
  for (const one of trial.out) if (one.signal.aborted) trial.out.delete(one);
  const before = trial.out.size;
  trial.out.add(attempt);
  if (nowMs - trial.begunAtMs >= QUIET_MS || (command.kind !== "once" && before === 0)) return;
  world.violate(
    "failback-begins-with-one",
    `${group}: ${command.id} (${command.kind}) goes to ${station}, which a failback tries out and which has served nothing yet, beside ${before} others`,
  );
}

function refuseSpent({ world }: Fleet, { command, group, station }: Attempt, door: Door, nowMs: number): void {
  const { downSinceMs, servedAtMs, refuses } = door;
  if (command.kind !== "once" || refuses || nowMs - servedAtMs < SERVED_LATELY_MS) return;
  if (nowMs - downSinceMs < SERVED_LATELY_MS) return;
  world.violate(
    "once-is-not-spent",
    `${command.id} carries no key and goes to ${group}/${station}, which was declared down ${Math.round(nowMs - downSinceMs)} ms ago`,
  );
}

/** `doubt` still lasts at the end of the run. */
function refuseLasting(fleet: Fleet, group: string, { sinceMs, chances }: Doubt): void {
  const { plan, world } = fleet;
  const active = livingGateway(fleet)
    ?.gateway.groups.get(group)
    ?.status.stations.find((station) => station.active);
  if (active?.doubted !== true || timesOutByItself(fleet, group)) return;
  if (plan.lostForEver.includes(stationNode(group, active.name))) return;
  if (endsAtMs(plan) - healedAtMs(plan) < SETTLED_MS || endsAtMs(plan) - sinceMs < DOUBTED_MS) return;
  if (chances < FEWEST_TO_TRY_WITH) return;
  world.violate(
    "doubt-ends",
    `${group}: ${active.name} is well and has been in doubt for ${Math.round(endsAtMs(plan) - sinceMs)} ms, in which it could have been tried ${chances} times`,
  );
}
