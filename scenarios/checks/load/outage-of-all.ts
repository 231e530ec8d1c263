/**
 * `outage-of-all-ends`: judged when all stations of a group were gone at the same time (crashed,
 * without power), or calls hung at all of them and are never answered, and at least one station is
 * well again. From 3 s to 5 s after that there are at least half as many successes as sendings, or
 * half of the capacity if more is offered: a station that is heard again is used again, whatever
 * was refused while it was gone. Successes are counted by when they come: commands sent in the
 * outage wait in a queue, and commands that arrive meanwhile may be refused. If callers leave
 * without a sign, the gateway cannot tell the commands of absent callers from the rest. Then the
 * judged time begins later: by as long as callers wait, and by as long as a station needs to work
 * off the commands of the outage beside new ones.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver, Sending } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged, notJudged } from "../not-judged.ts";
import type { Stretch } from "../stretches.ts";
import { stretchesOf } from "../stretches.ts";
import { isGood, isSilent, isWithin, reasonNot } from "./goodput.ts";
import { capacityOf } from "./true-capacity.ts";

const INVARIANT = "outage-of-all-ends";
const BACK_MS = 3_000;
const UNTIL_MS = 5_000;
const LEAST_RATIO = 0.5;
const FEWEST_SENDINGS = 10;

interface Window {
  readonly stretch: Stretch;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Sendings that began within that time. */
  offered: number;
  /** Successes within that time, also of earlier sendings. */
  good: number;
}

export function outageOfAll(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const windows = fleet.plan.groups
    .filter(isWide)
    .flatMap(({ name }) => stretchesOf(fleet, name).flatMap((stretch) => windowOf(fleet, stretch) ?? []));
  if (windows.length === 0) return {};
  for (const window of windows) world.at(window.untilMs + 1, () => judge(fleet, window));
  const count = (sending: Sending, as: "offered" | "good"): void => {
    for (const window of windows) {
      if (sending.command.group === window.stretch.group && isWithin(window, world.nowMs)) window[as]++;
    }
  };
  return {
    sendingBegan: (sending) => count(sending, "offered"),
    sendingEnded(sending) {
      if (isGood(sending)) count(sending, "good");
    },
  };
}

/**
 * The counters for the time after an outage of all stations; undefined if `stretch` does not follow
 * one.
 */
function windowOf(fleet: Fleet, stretch: Stretch): Window | undefined {
  if (stretch.outageMs === 0 || !wereGone(fleet, stretch)) return undefined;
  const { plan } = fleet.group(stretch.group);
  const settings = documentedGroups(fleet).get(stretch.group) as DocumentedGroup;
  const laterMs = isSilent(plan) ? (plan.callers?.patienceMs ?? 0) + backlogMs(plan, stretch) : 0;
  const [fromMs, untilMs] = [stretch.fromMs + laterMs + BACK_MS, stretch.fromMs + laterMs + UNTIL_MS];
  const isCutShort = untilMs >= stretch.untilMs;
  const why = reasonNot(fleet, stretch, plan, settings) ?? (isCutShort ? "the next fault comes too soon" : undefined);
  if (why !== undefined) {
    notJudged(fleet.world, INVARIANT, why);
    return undefined;
  }
  return { stretch, fromMs, untilMs, offered: 0, good: 0 };
}

/**
 * How long the weakest station works on the commands of the outage beside new ones; Infinity if it
 * never finishes.
 */
function backlogMs(plan: GroupPlan, { well, outageMs }: Stretch): number {
  const load = plan.commandsPerSecond / Math.min(...well.map((station) => capacityOf(plan, station)));
  return load < 1 ? (outageMs * load) / (1 - load) : Number.POSITIVE_INFINITY;
}

/**
 * Whether the processes were gone, or left hanging calls unanswered, so that none of the commands
 * sent to them is left to do.
 */
function wereGone(fleet: Fleet, { group, fromMs }: Stretch): boolean {
  const ended = faultTimelineOf(fleet)
    .of(group)
    .filter(({ untilMs }) => untilMs === fromMs);
  return ended.every(({ fault }) => fault.kind === "crash" || (fault.kind === "service" && fault.mode === "hang"));
}

function judge(fleet: Fleet, { stretch, fromMs, untilMs, offered, good }: Window): void {
  const { world } = fleet;
  const { group, well } = stretch;
  if (offered < FEWEST_SENDINGS) return notJudged(world, INVARIANT, "few commands");
  const { plan } = fleet.group(group);
  const capacity = Math.min(...well.map((station) => capacityOf(plan, station)));
  const due = LEAST_RATIO * Math.min(offered, (capacity * (untilMs - fromMs)) / 1_000);
  judged(world, INVARIANT);
  if (good >= due) return;
  world.violate(
    INVARIANT,
    `${group}: all stations were gone until ${stretch.fromMs} ms; ${offered} sendings came from ${fromMs} to ${untilMs} ms, ${good} were answered in time then, ${Math.ceil(due)} are due`,
  );
}
