/**
 * `nobody-is-sent-in-vain`: of the commands that have waited, those are sent that can still be
 * answered. Who serves the oldest first when all have waited for too long has a station do what
 * nobody waits for any more, and goes on so for as long as the queue stands. Of the commands that
 * waited and were then sent for the first time, no more than three within 2 s may have had less
 * time left than their mere work takes.
 *
 * Judged where the gateway knows by when an answer is of use and how long a command takes, and
 * nothing has stopped it. Not where it calls nobody eligible, and something that is known from
 * outside may speak for that (`surely-fit.ts`): then somebody has to find out who serves again.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver, Visit } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import { SurelyFit } from "../failover/surely-fit.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged } from "../not-judged.ts";
import { SlidingCount } from "../sliding-count.ts";
import { livingGateway } from "../status-round.ts";
import { knowsDeadline } from "./vain-waits.ts";

const INVARIANT = "nobody-is-sent-in-vain";
const WINDOW_MS = 2_000;
const MOST = 3;
/** Who is sent this soon has not waited. */
const AT_ONCE_MS = 20;
/** So many answers tell how long a command takes. */
const ENOUGH_ANSWERS = 20;
/** Less than this share of its mere work is surely too little. */
const TOO_LITTLE = 0.8;

interface Watched {
  readonly plan: GroupPlan;
  readonly vain: SlidingCount;
  answers: number;
}

export function sentInVain(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = new Map(
    fleet.plan.groups
      .filter((plan) => isWide(plan) && plan.routes === undefined && plan.callers?.uploads === undefined)
      // How long the next command takes is anybody's guess.
      .filter(({ spread }) => spread === undefined)
      .map((plan) => [plan.name, fresh(plan)]),
  );
  if (groups.size === 0) return {};
  const surelyFit = new SurelyFit(fleet);
  /** Commands that were not sent yet, as they came. */
  const waiting: Map<Command, Visit> = new Map();
  return {
    gatewayStarted(process) {
      surelyFit.hears.gatewayStarted(process);
      waiting.clear();
      for (const [name, { plan }] of groups) groups.set(name, fresh(plan));
    },
    commandArrived(visit) {
      if (groups.has(visit.command.group)) waiting.set(visit.command, visit);
    },
    commandAnswered: ({ command }) => void waiting.delete(command),
    gatewayEvent: surelyFit.hears.gatewayEvent,
    attemptEnded(attempt) {
      surelyFit.hears.attemptEnded(attempt);
      const { group, outcome, status = 0 } = attempt;
      const watched = groups.get(group);
      if (watched !== undefined && outcome === "reply" && status === 200) watched.answers++;
    },
    attemptBegan(attempt) {
      surelyFit.hears.attemptBegan(attempt);
      const { command, group, localMs } = attempt;
      const visit = waiting.get(command);
      const watched = groups.get(group);
      waiting.delete(command);
      if (visit === undefined || watched === undefined || watched.answers < ENOUGH_ANSWERS) return;
      const { nowMs } = world;
      if (nowMs - visit.arrivedAtMs < AT_ONCE_MS || !knowsDeadline(fleet, visit)) return;
      if (faultTimelineOf(fleet).disturbsGateway(nowMs - WINDOW_MS, nowMs) || !isSomebodyFit(fleet, group, surelyFit))
        return;
      judged(world, INVARIANT);
      if (visit.deadlineLocalMs - localMs >= TOO_LITTLE * watched.plan.serviceMs) return;
      watched.vain.add(nowMs);
      const vain = watched.vain.total(nowMs);
      if (vain <= MOST) return;
      world.violate(
        INVARIANT,
        `${group}: ${vain} commands that had waited were sent within 2 s with less time left than their work takes (${watched.plan.serviceMs} ms)`,
      );
    },
  };
}

/** By the gateway's own word, or by all that it can know. Before it runs there is no word of it. */
function isSomebodyFit(fleet: Fleet, group: string, surelyFit: SurelyFit): boolean {
  const stations = livingGateway(fleet)?.gateway.groups.get(group)?.status.stations;
  return stations === undefined || stations.some((station) => surelyFit.isFit(group, station));
}

function fresh(plan: GroupPlan): Watched {
  return { plan, vain: new SlidingCount(WINDOW_MS), answers: 0 };
}
