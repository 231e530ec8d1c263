/** The scenarios by name: what there is to run. */
import { asymmetricPartition } from "./asymmetric-partition.ts";
import { clockJump } from "./clock-jump.ts";
import { faultSweep } from "./fault-sweep.ts";
import { flappingLink } from "./flapping-link.ts";
import { halfOpenDeadlock } from "./half-open-deadlock.ts";
import { healthyDay } from "./healthy-day.ts";
import { incidentCn2702003 } from "./incident-cn-2702-003.ts";
import { lying200 } from "./lying-200.ts";
import { retryStorm } from "./retry-storm.ts";
import type { Scenario } from "./scenario.ts";
import { slowPrimary } from "./slow-primary.ts";
import { swarm } from "./swarm.ts";

const swarmScenario: Scenario = {
  ...swarm,
  story: "The swarm: another fleet, network, load, settings and chaos from each seed.",
  timeline: [],
  expected: ["the general checks, whatever is drawn"],
};

/** The named ones first, the swarm last. */
export const scenarios: readonly Scenario[] = [
  incidentCn2702003,
  healthyDay,
  slowPrimary,
  lying200,
  halfOpenDeadlock,
  retryStorm,
  asymmetricPartition,
  clockJump,
  flappingLink,
  faultSweep,
  swarmScenario,
];

/** The scenario of that name; throws where there is none, and says which there are. */
export function scenarioOf(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) {
    throw new Error(
      `there is no scenario "${name}"; there are ${scenarios.map((scenario) => scenario.name).join(", ")}`,
    );
  }
  return found;
}
