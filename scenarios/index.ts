/** The scenarios by name: what there is to run. */
import { answeredKeys } from "./answered-keys.ts";
import { asymmetricPartition } from "./asymmetric-partition.ts";
import { asynchronousCommands } from "./asynchronous-commands.ts";
import { clockJump } from "./clock-jump.ts";
import { faultSweep } from "./fault-sweep.ts";
import { flappingLink } from "./flapping-link.ts";
import { halfOpenDeadlock } from "./half-open-deadlock.ts";
import { healthyDay } from "./healthy-day.ts";
import { incidentCn2702003 } from "./incident-cn-2702-003.ts";
import { lying200 } from "./lying-200.ts";
import { restarts } from "./restarts.ts";
import { retryStorm } from "./retry-storm.ts";
import type { Scenario } from "./scenario.ts";
import { slowPrimary } from "./slow-primary.ts";
import { narrowSwarm, swarm, wideSwarm } from "./swarm.ts";

const drawn = { timeline: [], expected: ["the general checks, whatever is drawn"] } as const;
const swarms: readonly Scenario[] = [
  {
    ...narrowSwarm,
    ...drawn,
    story: "The part of the swarm in which stations never break and callers are careful.",
  },
  {
    ...wideSwarm,
    ...drawn,
    story: "The part of the swarm with stations that break, callers without patience, and errors of single commands.",
  },
  { ...swarm, ...drawn, story: "The swarm: another fleet, network, load, settings and chaos from each seed." },
];

/** The named ones first, the swarms last. */
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
  answeredKeys,
  asynchronousCommands,
  faultSweep,
  restarts,
  ...swarms,
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
