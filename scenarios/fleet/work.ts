/**
 * How much work single commands have. The plan gives the mean. Queries, caches and pauses of a real
 * service make some commands several times as much work, and callers and gateways see only how long
 * an answer takes.
 */
import type { GroupPlan, RoutePlan, WorkShape, WorkSpread } from "./plan.ts";

const FACTORS: Readonly<Record<WorkShape, (draw: number) => number>> = {
  even: (draw) => 0.5 + draw,
  exponential: (draw) => Math.min(7, -Math.log(1 - draw)),
  "two-kinds": (draw) => (draw < 0.9 ? 1 : 5) / 1.4,
  heavy: (draw) => Math.min(20, 0.5 / Math.sqrt(1 - draw)),
};

/** A factor of the mean; `draw` returns numbers from 0 to 1. */
export function workFactor(spread: WorkSpread | undefined, of: WorkSpread["of"], draw: () => number): number {
  return spread?.of === of ? FACTORS[spread.shape](draw()) : 1;
}

/** The work of a command on `route` on average. */
export function usualWorkMs(plan: GroupPlan, route: RoutePlan | undefined): number {
  return route?.serviceMs ?? plan.serviceMs;
}

/** The most that an attempt of a command of `workMs` may be. */
export function mostWorkMs({ spread }: GroupPlan, workMs: number): number {
  return spread?.of === "attempts" ? workMs * FACTORS[spread.shape](1) : workMs;
}

/** The factor of the mean that covers most commands: at least `share` of them have no more work. */
export function workOfMost({ spread }: GroupPlan, share: number): number {
  return spread === undefined ? 1 : FACTORS[spread.shape](share);
}
