/**
 * Seeds without faults and almost without traffic: a few commands arrive together, more than a
 * station's declared capacity for a second, and then none for a while. Each of the waiting commands
 * must go by the clock alone: no other command and no answer makes the gateway look at its queue.
 */
import type { Random } from "ground-station-failover";
import { between, pick, wholeBetween } from "ground-station-failover/sim";
import { DEFAULT_DEADLINE_MS } from "../checks/documented.ts";
import type { FleetPlan, GroupPlan } from "../fleet/plan.ts";
import { QUIET_MARGIN_MS } from "../fleet/source-node.ts";
import { drawCallers, drawWideLoad } from "./wide-load.ts";
import { configurationOf } from "./written.ts";

const GROUP = "atlantic";
/**
 * Callers wait this many times as long as it takes until the last of the commands that arrive
 * together is sent.
 */
const PATIENCES = 3;

export function drawLoneCallers(random: Random): FleetPlan {
  const rates = random.fork("rates");
  const capacityPerSecond = pick(rates, [1, 1, 2, 3, 5]);
  const together = capacityPerSecond + wholeBetween(rates, 1, 2 * capacityPerSecond + 2);
  const lastMs = (1_000 * together) / capacityPerSecond;
  const forMs = Math.round(between(rates, 200, 1_000));
  const bare = drawWideLoad(random, GROUP, (1_000 * together) / forMs, between(rates, 5, 50));
  const { callers, patienceMs } = drawCallers(random.fork("callers"), PATIENCES * lastMs + 2_000, DEFAULT_DEADLINE_MS);
  const group: GroupPlan = {
    ...bare,
    sources: wholeBetween(rates, 1, 2),
    bursts: { forMs, restMs: Math.round(lastMs + between(rates, 3_000, 10_000)) },
    callers,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  };
  const heartbeat = pick(random.fork("heartbeat"), [{ kind: "udp" }, { kind: "http", path: "/healthz" }] as const);
  return {
    phases: {
      warmUpMs: 6_000,
      chaosMs: Math.round(between(rates, 20_000, 40_000)),
      drainMs: 1_000,
      verifyMs: DEFAULT_DEADLINE_MS + QUIET_MARGIN_MS + 1_000,
    },
    faults: [],
    configuration: configurationOf([{ name: GROUP, heartbeat, capacityPerSecond }]),
    brokenConfigurations: [],
    groups: [group],
    network: {},
    clockRates: {},
    lostForEver: [],
  };
}
