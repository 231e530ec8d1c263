/**
 * Draws what becomes of the gateway's state: in half of the plans in which its process ends, the
 * gateway keeps state on its disk, and in some of these the disk is slow, stands still, fails or is
 * full for a while. All other plans stay as they are.
 */
import type { Random } from "ground-station-failover";
import type { DiskFault, Fault } from "ground-station-failover/sim";
import { chance, logUniform, pick } from "ground-station-failover/sim";
import type { FleetPlan } from "../fleet/plan.ts";
import { GATEWAY } from "../fleet/plan.ts";

export function withState(random: Random, plan: FleetPlan): FleetPlan {
  const ends = plan.faults.some((fault) => fault.kind === "crash" && fault.node === GATEWAY);
  return ends && chance(random, 0.5) ? keepingState(random, plan) : plan;
}

/** The same plan with state on the gateway's disk, and what the disk does. */
export function keepingState(random: Random, plan: FleetPlan): FleetPlan {
  const faults = chance(random, 0.5) ? [] : [diskFault(random, plan), diskFault(random, plan)];
  return { ...plan, keepsState: true, faults: [...plan.faults, ...faults] };
}

function diskFault(random: Random, { phases: { warmUpMs, chaosMs } }: FleetPlan): Fault {
  const conditions = pick<DiskFault["conditions"]>(random, [
    { freeBytes: 0 },
    { stalled: true },
    { syncErrorRate: 0.3 },
    { writeErrorRate: 0.3 },
    { latency: { kind: "exponential", minMs: 5, meanMs: 50 } },
  ]);
  return {
    kind: "disk",
    node: GATEWAY,
    conditions,
    atMs: Math.round(warmUpMs + random.next() * chaosMs),
    forMs: Math.round(logUniform(random, 50, 20_000)),
  };
}
