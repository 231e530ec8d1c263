/**
 * `collapse-is-told`: if less than half of the sendings that end within 1 s are answered in time,
 * and this lasts for 1 s while a station is well, the gateway must raise an event that contains the
 * numbers of the collapse. The event may be up to 10 s older than the collapse. The check starts 3
 * s after a fault, when events about the fault itself are due.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { LOOK_EVERY_MS } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { OVERLOAD_EVENT, OVERLOAD_NUMBERS } from "../gateway-events.ts";
import { judged, notJudged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { SlidingCount } from "../sliding-count.ts";
import { livingGateway } from "../status-round.ts";
import { wellBetween } from "../stretches.ts";
import { isGood } from "./goodput.ts";
import { meanWorkMs } from "./true-capacity.ts";

const INVARIANT = "collapse-is-told";
const WINDOW_MS = 1_000;
/** A collapse counts if it lasts this long; the event is due this much later. */
const LASTS_MS = 1_000;
const TOLD_WITHIN_MS = 1_000;
/** An event from before the collapse is still valid for this long. */
const STANDS_MS = 10_000;
const FEWEST_ENDS = 10;
const SETTLED_MS = 3_000;

interface Watched {
  readonly plan: GroupPlan;
  readonly ends: SlidingCount;
  readonly good: SlidingCount;
  /** Since when the group has been in a collapse; Infinity while it is in none. */
  sinceMs: number;
  toldMs: number;
}

export function collapseIsTold(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const watched = new Map(
    fleet.plan.groups
      .filter((plan) => isWide(plan) && waitsLongEnough(fleet, plan))
      .map((plan) => [plan.name, fresh(plan)]),
  );
  if (watched.size === 0) return {};
  return {
    sendingEnded(sending) {
      const group = watched.get(sending.command.group);
      group?.ends.add(world.nowMs);
      if (isGood(sending)) group?.good.add(world.nowMs);
    },
    gatewayEvent(event) {
      if ((event.type as string) !== OVERLOAD_EVENT) return;
      const group = watched.get((event as { readonly group: string }).group);
      if (group === undefined) return;
      group.toldMs = world.nowMs;
      refuseEmpty(fleet, event as unknown as Readonly<Record<string, unknown>>);
    },
    tick() {
      for (const group of watched.values()) look(fleet, group);
    },
  };
}

function fresh(plan: GroupPlan): Watched {
  return {
    plan,
    ends: new SlidingCount(WINDOW_MS),
    good: new SlidingCount(WINDOW_MS),
    sinceMs: Number.POSITIVE_INFINITY,
    toldMs: Number.NEGATIVE_INFINITY,
  };
}

/** Callers that leave before any station can answer cause low goodput by themselves. */
function waitsLongEnough(fleet: Fleet, plan: GroupPlan): boolean {
  const { mostMs } = planBoundsOf(fleet, plan.name);
  const waits = (plan.callers?.patienceMs ?? Number.POSITIVE_INFINITY) > 2 * (meanWorkMs(plan) + 8 * mostMs);
  if (!waits) notJudged(fleet.world, INVARIANT, "callers wait less than a command may take");
  // If callers neither say how long they wait nor hang up, the gateway counts every late answer as
  // a good one.
  const isSilent = plan.callers?.leaves === "silently" && plan.patienceMs === undefined;
  if (isSilent) notJudged(fleet.world, INVARIANT, "callers leave without a sign");
  return waits && !isSilent && (plan.callers?.uploads?.cutRatio ?? 0) === 0;
}

function look(fleet: Fleet, group: Watched): void {
  const { world } = fleet;
  const { nowMs } = world;
  const ends = group.ends.total(nowMs);
  const good = group.good.total(nowMs);
  const { name } = group.plan;
  const isDown = ends >= FEWEST_ENDS && good < ends / 2;
  const canServe =
    livingGateway(fleet) !== undefined &&
    wellBetween(fleet, name, nowMs - SETTLED_MS, nowMs).length > 0 &&
    !faultTimelineOf(fleet).disturbsGateway(nowMs - SETTLED_MS, nowMs);
  if (!isDown || !canServe) {
    group.sinceMs = Number.POSITIVE_INFINITY;
    return;
  }
  group.sinceMs = Math.min(group.sinceMs, nowMs);
  if (nowMs - group.sinceMs < LASTS_MS + TOLD_WITHIN_MS) return;
  if (nowMs - group.sinceMs < LASTS_MS + TOLD_WITHIN_MS + LOOK_EVERY_MS) judged(world, INVARIANT);
  if (group.toldMs >= group.sinceMs - STANDS_MS) return;
  world.violate(
    INVARIANT,
    `${name}: of ${ends} sendings that ended in the last second ${good} were answered in time, so has it been for ${Math.round(nowMs - group.sinceMs)} ms, and no "${OVERLOAD_EVENT}" has told of it`,
  );
}

function refuseEmpty({ world }: Fleet, event: Readonly<Record<string, unknown>>): void {
  for (const name of OVERLOAD_NUMBERS) {
    const value = event[name];
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) continue;
    return world.violate(INVARIANT, `an event "${OVERLOAD_EVENT}" says that ${name} is ${String(value)}`);
  }
  // Commands that ended in a second may have arrived in an earlier one: they are not part of those
  // that arrived in it.
  const [ended, answered] = [Number(event["ended"]), Number(event["answered"])];
  if (answered >= ended / 2)
    world.violate(INVARIANT, `an event "${OVERLOAD_EVENT}" says that of ${ended} commands ${answered} were answered`);
}
