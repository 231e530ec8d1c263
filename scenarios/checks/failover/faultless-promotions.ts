/**
 * `no-role-change-without-fault`: in the wide world a station is replaced for failing only if a
 * fault of the plan strikes it, or did so in the last 15 s. These are not faults of a station: slow
 * callers, callers that hang up, commands that are wrong by their own fault, slow routes, shortages
 * of the gateway's own machine, and pauses of the gateway's process.
 *
 * Not judged are a station that was recently loaded above 70 % of its capacity, settings whose
 * effect cannot be calculated, and callers that leave before a command can be answered. Nor is the
 * time before the group has served a command that was sent after the first failed one. If every
 * command since then was wrong, the gateway cannot tell a station that fails everything from
 * callers whose commands are all wrong.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { GATEWAY, isWide, stationNode } from "../../fleet/plan.ts";
import { workOfMost } from "../../fleet/work.ts";
import { ServedYet } from "../calls/served-yet.ts";
import type { Span } from "../fault-timeline.ts";
import { faultTimelineOf, nodesOf } from "../fault-timeline.ts";
import { hasDefaults } from "../load/quiet-times.ts";
import { capacityOf, slownessOf } from "../load/true-capacity.ts";
import { judged, notJudged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { SlidingCount } from "../sliding-count.ts";

const INVARIANT = "no-role-change-without-fault";
/**
 * A fault may still lead to a promotion for this long after it ends: silences and windows have to
 * fill.
 */
const LATELY_MS = 15_000;
const LOAD_OVER_MS = 3_000;
/** A slowdown up to this factor is no fault of a station that has work to do. */
const SLOWED = 2;
/** Above this share of its capacity, a station may be too slow for its callers. */
const MOST_LOADED = 0.7;

export function faultlessPromotions(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const wide = fleet.plan.groups.filter(isWide);
  const loads = new Map(wide.map((plan) => [plan.name, new Load(plan)]));
  if (wide.length === 0) return {};
  const served = new ServedYet(fleet);
  return {
    ...served.hears,
    sendingBegan: ({ command }) => loads.get(command.group)?.note(world.nowMs),
    gatewayEvent(event) {
      if (event.type !== "promoted" || event.cause !== "failure") return;
      const { group, station, from, evidence } = event;
      const load = loads.get(group);
      if (load === undefined) return;
      const { quiet, mostMs } = planBoundsOf(fleet, group);
      if (!quiet || !hasDefaults(fleet, group)) return notJudged(world, INVARIANT, "settings of its own");
      if (leavesTooSoon(fleet.group(group).plan, slownessOf(fleet, group), mostMs))
        return notJudged(world, INVARIANT, "callers leave too soon");
      if (timesOutByItself(fleet, group)) return notJudged(world, INVARIANT, "a timeout below what a command takes");
      if (load.wasTooMuch(from, world.nowMs)) return notJudged(world, INVARIANT, "loaded");
      const struck = faultTimelineOf(fleet)
        .of(group)
        .some((span) => excuses(span, stationNode(group, from), world.nowMs));
      if (struck) return judged(world, INVARIANT);
      if (!served.has(group) || !served.hasSinceFirstFailure(group))
        return notJudged(world, INVARIANT, "every command so far was wrong");
      const why = evidence.filter(({ verdict }) => verdict === "ineligible").map(({ detail }) => detail);
      world.violate(
        INVARIANT,
        `${group}: ${station} replaced ${from} (${why.join("; ")}), and nothing is wrong with it`,
      );
    },
  };
}

/**
 * A written timeout or deadline that is shorter than a command's work, from the start or after a
 * slowdown, makes attempts fail on purpose.
 */
export function timesOutByItself(fleet: Fleet, group: string): boolean {
  const { plan } = fleet.group(group);
  const written = fleet.plan.configuration.groups.find(({ name }) => name === group)?.["commands"];
  const { timeout, deadline } = (written ?? {}) as { readonly timeout?: number; readonly deadline?: number };
  const workMs = Math.max(plan.serviceMs, ...(plan.routes ?? []).map(({ serviceMs = 0 }) => serviceMs));
  const slowestMs = slownessOf(fleet, group) * workOfMost(plan, 1) * workMs;
  if (deadline !== undefined && deadline < slowestMs) return true;
  return timeout !== undefined && timeout < SLOWED * slowestMs + (plan.callers?.uploads?.forMs ?? 0);
}

/**
 * If callers leave at about the slowest answer time, they get no answer from a healthy station, as
 * if it had stopped.
 */
function leavesTooSoon({ serviceMs, callers }: GroupPlan, slowness: number, mostMs: number): boolean {
  return callers !== undefined && callers.patienceMs < slowness * serviceMs + 8 * mostMs;
}

/** The load on a group, and when it was last too much for which of its stations. */
class Load {
  readonly #plan: GroupPlan;
  readonly #sendings: SlidingCount = new SlidingCount(LOAD_OVER_MS);
  readonly #tooMuchAtMs: Map<string, number> = new Map();

  constructor(plan: GroupPlan) {
    this.#plan = plan;
  }

  note(nowMs: number): void {
    this.#sendings.add(nowMs);
    const perSecond = this.#sendings.total(nowMs) / (LOAD_OVER_MS / 1_000);
    for (const station of Object.keys(this.#plan.breakingPoints ?? {})) {
      if (perSecond > MOST_LOADED * capacityOf(this.#plan, station)) this.#tooMuchAtMs.set(station, nowMs);
    }
  }

  wasTooMuch(station: string, nowMs: number): boolean {
    return (this.#tooMuchAtMs.get(station) ?? Number.NEGATIVE_INFINITY) > nowMs - LATELY_MS;
  }
}

/** Whether this is a fault of the station `node` that is in force at `nowMs`, or was lately. */
function excuses({ fault, fromMs, untilMs }: Span, node: string, nowMs: number): boolean {
  if (fault.kind === "shortage" || fault.kind === "surge") return false;
  if (fault.kind === "pause" && fault.node === GATEWAY) return false;
  if (fromMs > nowMs || untilMs < nowMs - LATELY_MS) return false;
  const nodes = nodesOf(fault);
  return nodes.length === 0 || nodes.some((one) => one === node || one === GATEWAY || one === "*");
}
