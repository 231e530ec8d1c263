/**
 * The true capacity of a station, from the plan; the gateway is not told. It is the lower one of
 * the rate that the station accepts and the rate at which its processor finishes commands. A
 * station without a breaking point has lanes, and finishes what its lanes finish.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { BreakingPoint, GroupPlan } from "../../fleet/plan.ts";

/** Work of one command on average, over all routes. */
export function meanWorkMs({ serviceMs, routes = [] }: GroupPlan): number {
  const elsewhere = routes.reduce((sum, { ratio }) => sum + ratio, 0);
  const there = routes.reduce((sum, route) => sum + route.ratio * (route.serviceMs ?? serviceMs), 0);
  return there + Math.max(0, 1 - elsewhere) * serviceMs;
}

/** Commands a second. */
export function capacityOf(plan: GroupPlan, station: string): number {
  const point: BreakingPoint | undefined = plan.breakingPoints?.[station];
  if (point === undefined) return (1_000 * plan.lanes) / meanWorkMs(plan);
  const { parallelism, acceptsPerSecond = Number.POSITIVE_INFINITY } = point;
  return Math.min(acceptsPerSecond, (1_000 * parallelism) / meanWorkMs(plan));
}

/** How many times its usual time the slowest station of `group` takes at the end of the plan. */
export function slownessOf({ plan }: Fleet, group: string): number {
  const factors = plan.faults.flatMap((fault) =>
    fault.kind === "slowdown" && fault.group === group ? [fault.factor] : [],
  );
  return Math.max(1, ...factors);
}

/**
 * The group's usual load as a share of the capacity of its weakest station. A command that takes at
 * least `awaitedMs` is answered too late: by then the gateway has sent it to each station, and its
 * caller sends it again.
 */
export function usualLoadRatio(plan: GroupPlan, awaitedMs: number = Number.POSITIVE_INFINITY): number {
  const stations = Object.keys(plan.breakingPoints ?? { any: undefined });
  const { serviceMs, routes = [], callers, sourceRetries = 0 } = plan;
  const more = stations.length * (1 + (callers?.retries ?? sourceRetries)) - 1;
  const again = routes.reduce(
    (sum, { ratio, serviceMs: ms = serviceMs }) => sum + (ms < awaitedMs ? 0 : ratio * ms),
    0,
  );
  const perCommand = 1 + (more * again) / meanWorkMs(plan);
  const capacity = Math.min(...stations.map((station) => capacityOf(plan, station)));
  return (plan.commandsPerSecond * perCommand) / capacity;
}
