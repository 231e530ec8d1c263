/**
 * A small group of the wide world for the tests of the checks: minimum configuration, two stations
 * that each accept 20 commands a second of 100 ms of work, and callers that wait for 2 s and then
 * close their connection.
 */
import type { BreakingPoint, FleetFault, GroupPlan, RoutePlan } from "../fleet/plan.ts";
import { stationNode } from "../fleet/plan.ts";
import type { GroupDraft, PlanDraft } from "../swarm/written.ts";
import { configurationOf } from "../swarm/written.ts";

const POINT: BreakingPoint = {
  parallelism: 4,
  acceptsPerSecond: 20,
  burst: 10,
  refusal: { status: 503, costRatio: 0.5 },
};

export const WRONG: RoutePlan = { name: "wrong", ratio: 0.5, answers: { status: 500 } };
export const SLOW: RoutePlan = { name: "slow", ratio: 0.1, serviceMs: 300 };

export interface WideDraft {
  readonly faults?: readonly FleetFault[];
  readonly lostForEver?: readonly string[];
  readonly group?: Partial<GroupPlan>;
  readonly sections?: Partial<GroupDraft>;
}

/** Warm-up until 10 s, chaos until 30 s, and quiet from 60 s on. */
export function widePlan({ faults = [], lostForEver = [], group = {}, sections = {} }: WideDraft = {}): PlanDraft {
  return {
    configuration: configurationOf([{ name: "atlantic", heartbeat: { kind: "http", path: "/healthz" }, ...sections }]),
    groups: [
      {
        name: "atlantic",
        commandsPerSecond: 8,
        serviceMs: 100,
        breakingPoints: { primary: POINT, backup: POINT },
        callers: { patienceMs: 2_000, leaves: "closing", retries: 0, retryAfterMs: 500 },
        ...group,
      },
    ],
    faults,
    lostForEver,
    phases: { warmUpMs: 10_000, chaosMs: 20_000, drainMs: 10_000, verifyMs: 40_000 },
  };
}

/** The primary loses its power at 12 s and never gets it back. */
export const LOST: WideDraft = {
  faults: [{ kind: "crash", node: stationNode("atlantic", "primary"), how: "power", atMs: 12_000 }],
  lostForEver: [stationNode("atlantic", "primary")],
};
