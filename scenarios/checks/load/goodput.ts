/**
 * `goodput-comes-back`: 5 s plus twice the callers' patience after a fault began or ended, callers
 * are answered in time again, whatever patience they state and whatever deadline is written.
 * - Offered load at most 0.9 of the capacity of the weakest station that is well: at least 0.9 of
 *   the sendings succeed.
 * - Offered load above that: the goodput is at least 0.8 of that capacity. It is counted by when
 *   the answers come: when a long queue gives way to a short one, stations do all they can while
 *   commands that arrive meanwhile are refused. If each refusal costs a station as much as a
 *   command, it is 0.75: then the gateway can learn the capacity only from refusals.
 *
 * A sending succeeds if its answer arrives while its caller still waits. An error that is the
 * command's own counts as a success; an error of the gateway or of a station does not. Every
 * sending counts, also a repetition: repetitions are load.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver, Sending } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import { workOfMost } from "../../fleet/work.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { judged, notJudged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import type { Stretch } from "../stretches.ts";
import { stretchesOf } from "../stretches.ts";
import { hasDefaults } from "./quiet-times.ts";
import { capacityOf, meanWorkMs, slownessOf } from "./true-capacity.ts";

const INVARIANT = "goodput-comes-back";
const BACK_MS = 5_000;
const PATIENCES = 2;
/** Right after its start a gateway does not know its stations. */
const START_MS = 5_000;
/**
 * After this time the gateway can tell that a station is slow, by comparison with its speed before.
 */
const PACE_KNOWN_MS = 6_000;
/**
 * After an outage of all stations the judged time begins this many times the outage later:
 * meanwhile a station works off the commands that it was sent in the outage, although their callers
 * have left.
 */
const BACKLOG_PER_OUTAGE = 3;
const BORNE_RATIO = 0.9;
const LEAST_SERVED_RATIO = 0.9;
const LEAST_OF_CAPACITY_RATIO = 0.8;
const LEAST_AT_DEAR_REFUSALS_RATIO = 0.75;
/** Shorter stretches, or fewer sendings, are not judged: one burst could change the result. */
const LEAST_MS = 2_000;
const FEWEST_SENDINGS = 20;
const SENDINGS_OF_GRACE = 2;
/**
 * A caller must wait for at least this many times a station's usual time for a command at low load,
 * plus a margin.
 */
const LEAST_PATIENCES = 3;
const LEAST_PATIENCE_MS = 150;
/** The share that must succeed: all but one in fifty. */
const MOST = 0.98;
/**
 * A caller that states no patience and leaves without closing its connection gives the gateway no
 * information.
 */
const LEAST_SILENT_PATIENCE_MS = 1_000;

interface Judged {
  readonly stretch: Stretch;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Commands a second of the weakest station that is well. */
  readonly capacity: number;
  /** The share of the capacity that is due if more is offered. */
  readonly leastRatio: number;
  offered: number;
  good: number;
  /** Successes while the stretch is judged, also of sendings from before. */
  answered: number;
  left: number;
  refused: number;
}

export function goodput(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const windows = fleet.plan.groups
    .filter(isWide)
    .flatMap(({ name }) => stretchesOf(fleet, name).flatMap((stretch) => windowOf(fleet, stretch) ?? []));
  if (windows.length === 0) return {};
  for (const window of windows) world.at(window.stretch.untilMs, () => judge(fleet, window));
  return {
    sendingEnded(sending) {
      const { command, atMs, end } = sending;
      for (const window of windows) {
        if (command.group !== window.stretch.group) continue;
        if (isGood(sending) && isWithin(window, world.nowMs)) window.answered++;
        if (!isWithin(window, atMs)) continue;
        window.offered++;
        if (isGood(sending)) window.good++;
        else if (end === "left") window.left++;
        else window.refused++;
      }
    },
  };
}

function dawdles({ plan }: Fleet, group: string): boolean {
  return plan.faults.some((fault) => fault.kind === "service" && fault.group === group && fault.mode === "slow");
}

/** The counters for `stretch`; undefined if it cannot be judged, which is counted by reason. */
function windowOf(fleet: Fleet, stretch: Stretch): Judged | undefined {
  const { plan } = fleet.group(stretch.group);
  const settings = documentedGroups(fleet).get(stretch.group) as DocumentedGroup;
  const why = reasonNot(fleet, stretch, plan, settings);
  if (why !== undefined) {
    notJudged(fleet.world, INVARIANT, why);
    return undefined;
  }
  const waitMs = longestWaitMs(plan, settings);
  const settleMs = Math.max(stretch.fromMs === 0 ? START_MS : 0, BACK_MS + PATIENCES * waitMs);
  const fromMs = stretch.fromMs + settleMs + BACKLOG_PER_OUTAGE * stretch.outageMs;
  const untilMs = stretch.untilMs - waitMs - 1;
  if (untilMs - fromMs < LEAST_MS) {
    notJudged(fleet.world, INVARIANT, "the next fault comes too soon");
    return undefined;
  }
  const declared = settings.stations.map(({ capacityPerSecond }) => capacityPerSecond);
  const capacity = Math.min(...stretch.well.map((station) => capacityOf(plan, station)), ...declared);
  const isDear = stretch.well.some((station) => (plan.breakingPoints?.[station]?.refusal?.costRatio ?? 0) >= 1);
  const leastRatio = isDear ? LEAST_AT_DEAR_REFUSALS_RATIO : LEAST_OF_CAPACITY_RATIO;
  return { stretch, fromMs, untilMs, capacity, leastRatio, offered: 0, good: 0, answered: 0, left: 0, refused: 0 };
}

/** How long a caller of the group waits at most. */
function longestWaitMs({ callers, patienceMs }: GroupPlan, { commands }: DocumentedGroup): number {
  return callers?.patienceMs ?? patienceMs ?? commands.deadlineMs;
}

/** Why nothing can be said about the goodput of a stretch; undefined if it can. */
export function reasonNot(
  fleet: Fleet,
  { group, well, spoiled, fromMs }: Stretch,
  plan: GroupPlan,
  settings: DocumentedGroup,
): string | undefined {
  const { quiet, mostMs } = planBoundsOf(fleet, group);
  if (!quiet || !hasDefaults(fleet, group)) return "settings of its own";
  if (spoiled !== undefined) return spoiled;
  if (well.length === 0) return "no station is well";
  if (fromMs < PACE_KNOWN_MS && dawdles(fleet, group)) return "a station dawdles before its pace is known";
  if (plan.callers?.uploads !== undefined) return "bodies take their time";
  if ((plan.routes ?? []).some(({ serviceMs }) => serviceMs !== undefined)) return "a route is slow";
  const workMs = meanWorkMs(plan) * workOfMost(plan, MOST);
  const leastMs = LEAST_PATIENCES * (slownessOf(fleet, group) * workMs + 8 * mostMs) + LEAST_PATIENCE_MS;
  const { commands } = settings;
  if (longestWaitMs(plan, settings) < leastMs) return "callers wait less than a command may take";
  if (Math.min(commands.timeoutMs, commands.deadlineMs) < leastMs) return "a timeout below what a command may take";
  if (isSilent(plan) && longestWaitMs(plan, settings) < LEAST_SILENT_PATIENCE_MS)
    return "callers leave without a sign, and soon";
  return undefined;
}

/** Whether its callers leave without closing their connections, and state no patience. */
export function isSilent({ callers, patienceMs }: GroupPlan): boolean {
  return callers?.leaves === "silently" && patienceMs === undefined;
}

function judge({ world }: Fleet, window: Judged): void {
  const { stretch, fromMs, untilMs, capacity, leastRatio, offered, left, refused } = window;
  if (offered < FEWEST_SENDINGS) return notJudged(world, INVARIANT, "few commands");
  const seconds = (untilMs - fromMs) / 1_000;
  const borne = offered / seconds <= BORNE_RATIO * capacity;
  const due = borne ? LEAST_SERVED_RATIO * offered : leastRatio * Math.min(capacity * seconds, offered);
  const good = borne ? window.good : window.answered;
  judged(world, borne ? INVARIANT : `${INVARIANT} above capacity`);
  if (good >= due - SENDINGS_OF_GRACE) return;
  world.violate(
    INVARIANT,
    `${stretch.group}: of ${offered} sendings in ${seconds.toFixed(1)} s (${Math.round(fromMs)} to ${Math.round(untilMs)} ms) ${good} were answered in time, ${Math.ceil(due)} are due; ${left} left, ${refused} got errors; ${stretch.well.join(", ")} can take ${capacity.toFixed(1)} a second, and the last fault began or ended at ${Math.round(stretch.fromMs)} ms`,
  );
}

/** Whether `atMs` is in the judged time. */
export function isWithin({ fromMs, untilMs }: Pick<Judged, "fromMs" | "untilMs">, atMs: number): boolean {
  return atMs >= fromMs && atMs <= untilMs;
}

/**
 * Whether `sending` was answered with success, or with the command's own error, while its caller
 * waited.
 */
export function isGood({ end }: Sending): boolean {
  return end === "served" || end === "own-error";
}
