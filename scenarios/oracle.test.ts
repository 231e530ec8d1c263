/**
 * The checks of the wide world can be satisfied: a gateway that knows the plan and does nothing
 * clever (`oracle-gateway.ts`) violates none of them. What is found here is a false alarm of a
 * check.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Simulation } from "ground-station-failover/sim";
import { runOnce } from "ground-station-failover/sim";
import { badRoutes } from "./checks/calls/bad-routes.ts";
import { ordinaryErrors } from "./checks/calls/ordinary-errors.ts";
import { goodput } from "./checks/load/goodput.ts";
import { outageOfAll } from "./checks/load/outage-of-all.ts";
import { buildFleet } from "./fleet/build.ts";
import { oracleProgram } from "./fleet/oracle-gateway.ts";
import type { FleetPlan } from "./fleet/plan.ts";
import { wideSwarm } from "./swarm.ts";

const SEEDS = 240;

const oracle: Simulation<FleetPlan> = {
  ...wideSwarm,
  name: "oracle",
  build(world, plan) {
    buildFleet(world, plan, {
      gateway: oracleProgram,
      checks: (fleet) => [goodput(fleet), outageOfAll(fleet), ordinaryErrors(fleet), badRoutes(fleet)],
    });
  },
};

test(`a gateway that knows the plan violates nothing in ${SEEDS} seeds of the wide world`, async () => {
  const judged = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, met } = await runOnce(oracle, { seed });
    assert.equal(violation, undefined, `seed ${seed}: ${violation?.invariant}: ${violation?.detail}`);
    for (const [situation, times] of met) judged.set(situation, (judged.get(situation) ?? 0) + times);
  }
  for (const invariant of ["goodput-comes-back", "ordinary-error-is-prompt", "one-bad-route-hurts-nobody"])
    assert.ok((judged.get(`judged: ${invariant}`) ?? 0) > 10, `${invariant} judged hardly anything`);
});
