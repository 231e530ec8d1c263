/**
 * A day on which nothing is wrong, in twelve minutes: half a minute stands for an hour. With
 * heartbeats every 50 ms a full simulated day would cost minutes of real time, and nothing in the
 * gateway looks back longer than its windows, which are shorter than half a minute.
 *
 *   load      ▁▁▁▁▁▁▂▂▃▃▃▆▆▆▃▃▃▃▂▂▂▂▁▁      a third at night, double at noon
 *   network   · · · · · · · · · · ~ ~ ~ ~ ·  some jitter always, congestion from five till ten in the evening
 *             0     6     12    18    24
 *
 * Expected: nothing. No declaration, no promotion, no circuit that opens, no command that fails.
 * Every alarm of such a day is a false one, and operators turn off a detector that raises one a
 * day.
 */
import type { Random } from "ground-station-failover";
import { between } from "ground-station-failover/sim";
import { nothingHappens, served } from "./expectations.ts";
import type { FleetFault, FleetPlan } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { planOf } from "./swarm/written.ts";

const HOUR_MS = 30_000;
const WARM_UP_MS = 10_000;
const SERVED_WITHIN_MS = 1_000;

function hour(of: number): number {
  return WARM_UP_MS + of * HOUR_MS;
}

export const healthyDay: Scenario = scenarioFrom({
  name: "healthy-day",
  story: "A day without faults, half a minute for each hour: nothing may happen.",
  timeline: [
    { atMs: hour(0), what: "night: a third of the load" },
    { atMs: hour(6), what: "morning: the usual load" },
    { atMs: hour(11), what: "noon: double load until 14 h" },
    { atMs: hour(17), what: "evening: congestion, delays of tens of milliseconds in bursts, until 22 h" },
    { atMs: hour(24), what: "midnight" },
  ],
  expected: [
    "nothing-happens: no declaration, no promotion, no circuit that opens",
    `every-command-served: each within ${SERVED_WITHIN_MS} ms`,
  ],
  plan,
  expect: (fleet) => [nothingHappens(fleet), served(fleet, "every-command-served", SERVED_WITHIN_MS)],
});

function plan(random: Random): FleetPlan {
  const load = (fromHour: number, hours: number, factor: number): FleetFault => ({
    kind: "surge",
    group: "atlantic",
    atMs: hour(fromHour),
    forMs: hours * HOUR_MS,
    factor,
  });
  const calm = { kind: "fixed", ms: 0 } as const;
  const burst = { kind: "exponential", minMs: between(random, 2, 10), meanMs: between(random, 2, 8) } as const;
  return planOf({
    network: { delay: { kind: "exponential", minMs: between(random, 0.2, 5), meanMs: between(random, 0.3, 3) } },
    faults: [
      load(0, 6, 0.33),
      load(11, 3, 2),
      {
        kind: "link",
        from: "*",
        to: "*",
        atMs: hour(17),
        forMs: 5 * HOUR_MS,
        conditions: { delay: { kind: "bursts", calm, burst, meanCalmMs: 3_000, meanBurstMs: 1_000 } },
      },
    ],
    groups: [{ name: "atlantic", commandsPerSecond: 6 }],
    phases: { warmUpMs: WARM_UP_MS, chaosMs: 24 * HOUR_MS, drainMs: 10_000, verifyMs: 30_000 },
  });
}
