/**
 * `nobody-is-sent-in-vain`: of the commands that have waited, the gateway sends those that can
 * still be answered. If a gateway serves the oldest command first when all have waited too long, a
 * station works on commands whose callers have left, for as long as the queue lasts. Of the
 * commands that waited and were then sent for the first time, no more than three within 2 s may
 * have had less time left than their work alone takes.
 *
 * Judged if the gateway knows each command's deadline and how long a command takes, and nothing has
 * stopped it. Not judged if the gateway calls no station eligible, and something known from outside
 * may support that (`surely-fit.ts`): then some command has to find out which station serves again.
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
/** A command that is sent this soon has not waited. */
const AT_ONCE_MS = 20;
/** This many answers tell the gateway how long a command takes. */
const ENOUGH_ANSWERS = 20;
/** Less than this share of the work alone is surely too little time. */
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
      // The duration of the next command cannot be predicted.
      .filter(({ spread }) => spread === undefined)
      .map((plan) => [plan.name, fresh(plan)]),
  );
  if (groups.size === 0) return {};
  const surelyFit = new SurelyFit(fleet);
  /** Commands that were not sent yet, in order of arrival. */
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

/**
 * Whether a station is eligible, by the gateway's own account, or by all that it can know. Before
 * the gateway runs it has no account.
 */
function isSomebodyFit(fleet: Fleet, group: string, surelyFit: SurelyFit): boolean {
  const stations = livingGateway(fleet)?.gateway.groups.get(group)?.status.stations;
  return stations === undefined || stations.some((station) => surelyFit.isFit(group, station));
}

function fresh(plan: GroupPlan): Watched {
  return { plan, vain: new SlidingCount(WINDOW_MS), answers: 0 };
}
