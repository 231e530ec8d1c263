/**
 * A gateway whose process ends again and again, by `kill -9` or with the power of its machine,
 * while it keeps state on a disk that loses, keeps and tears what was not synced. The fleet and its
 * other faults are those of the swarm. Judged are only the promises about what outlives the
 * process, and what must hold whatever happens.
 */
import type { Random } from "ground-station-failover";
import type { Fault } from "ground-station-failover/sim";
import { between, chance, pick, wholeBetween } from "ground-station-failover/sim";
import { groundTruth } from "./checks/calls/ground-truth.ts";
import { once } from "./checks/calls/once.ts";
import { epochs } from "./checks/failover/epochs.ts";
import { keptEpochs } from "./checks/failover/kept-epochs.ts";
import { buildFleet } from "./fleet/build.ts";
import { gatewayProgram } from "./fleet/gateway-node.ts";
import type { FleetPlan, OperatorAction } from "./fleet/plan.ts";
import { endsAtMs, GATEWAY } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { keepingState } from "./swarm/kept-state.ts";
import { simplerPlans } from "./swarm/simpler.ts";
import { narrowSwarm } from "./swarm.ts";

export const restarts: Scenario = {
  name: "restarts",
  story: "The gateway's process ends again and again, on a disk that loses, keeps and tears.",
  timeline: [],
  expected: ["epoch-never-reissued, epochs-do-not-jump, and what must hold whatever happens"],
  plan: (random) => keepingState(random.fork("state"), withRestarts(random.fork("restarts"), narrowSwarm.plan(random))),
  build: (world, plan) =>
    void buildFleet(world, plan, {
      gateway: gatewayProgram,
      checks: (fleet) => [groundTruth(fleet), once(fleet), epochs(fleet), keptEpochs(fleet)],
    }),
  untilMs: endsAtMs,
  faultsFromMs: ({ phases }) => phases.warmUpMs,
  simplify: simplerPlans,
};

/**
 * Four to ten ends of the process, and an operator who changes stations just before some of them.
 */
function withRestarts(random: Random, plan: FleetPlan): FleetPlan {
  const { warmUpMs, chaosMs } = plan.phases;
  const count = wholeBetween(random, 4, 10);
  const more = Array.from({ length: count }, (_, place): (Fault | OperatorAction)[] => {
    const atMs = Math.round(warmUpMs + (chaosMs * (place + random.next())) / count);
    const how = pick(random, ["kill", "power"] as const);
    const forMs = Math.round(between(random, 10, 500));
    const crash: Fault = { kind: "crash", node: GATEWAY, how, atMs, forMs };
    const group = pick(random, plan.configuration.groups);
    const station = pick(random, group.stations).name;
    // The epoch of a switchover is hardly stored when the process ends.
    const beforeMs = chance(random, 0.5) ? Math.round(between(random, 0, 8)) : 1_000;
    const operator: OperatorAction = {
      kind: "operator",
      action: "switchover",
      group: group.name,
      station,
      atMs: Math.max(0, atMs - beforeMs),
    };
    return chance(random, 0.7) ? [operator, crash] : [crash];
  });
  return { ...plan, faults: [...plan.faults, ...more.flat()] };
}
