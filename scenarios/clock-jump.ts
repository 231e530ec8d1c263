/**
 * Clocks that go wrong on every machine at once. Calendars are set forward and back, by seconds and
 * by days, as happens when time synchronisation comes back after an outage. The clocks of all
 * machines also run apart, by up to two seconds in a hundred. That is far more than quartz clocks
 * do, and not more than virtual machines have been seen to do.
 *
 *   calendar    ──┐     ┌────         the calendar jumps; no duration may be measured with it
 *                 └─────┘
 *   monotonic   ⟋                     never goes back, and may run fast or slow
 *
 * Expected: nothing. Durations are measured on the monotonic clock of one machine, and no instant
 * of one machine is ever compared with that of another.
 */
import type { Random } from "ground-station-failover";
import { between, pick } from "ground-station-failover/sim";
import { nothingHappens, served } from "./expectations.ts";
import type { FleetFault, FleetPlan } from "./fleet/plan.ts";
import { GATEWAY, sourceNode, stationNode } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { planOf } from "./swarm/written.ts";

const BEGINS_AT_MS = 10_000;
const JUMPS_FOR_MS = 40_000;
const JUMPS_PER_NODE = 5;
const STEPS_MS: readonly number[] = [-86_400_000, -3_600_000, -2_000, -50, 50, 2_000, 3_600_000, 86_400_000];
const MOST_DRIFT = 0.02;
const SERVED_WITHIN_MS = 1_000;

const NODES: readonly string[] = [
  GATEWAY,
  stationNode("atlantic", "primary"),
  stationNode("atlantic", "backup"),
  sourceNode("atlantic", 0),
  sourceNode("atlantic", 1),
];

export const clockJump: Scenario = scenarioFrom({
  name: "clock-jump",
  story: "Calendars jump by days and clocks run apart on every machine: nothing may happen.",
  timeline: [
    { atMs: 0, what: "every clock runs at a rate of its own, up to 2 % apart from true time" },
    {
      atMs: BEGINS_AT_MS,
      what: `for ${JUMPS_FOR_MS / 1_000} s calendars jump by up to a day, and rates change once more`,
    },
  ],
  expected: [
    "nothing-happens: no declaration, no promotion, no circuit that opens",
    `every-command-served: each within ${SERVED_WITHIN_MS} ms`,
  ],
  plan,
  expect: (fleet) => [nothingHappens(fleet), served(fleet, "every-command-served", SERVED_WITHIN_MS)],
});

function plan(random: Random): FleetPlan {
  const rate = (): number => between(random, 1 - MOST_DRIFT, 1 + MOST_DRIFT);
  const atMs = (): number => between(random, BEGINS_AT_MS, BEGINS_AT_MS + JUMPS_FOR_MS);
  const faults: FleetFault[] = [];
  for (const node of NODES) {
    for (let jump = 0; jump < JUMPS_PER_NODE; jump++) {
      faults.push({ kind: "wall-step", node, atMs: atMs(), byMs: pick(random, STEPS_MS) });
    }
    faults.push({ kind: "drift", node, atMs: atMs(), rate: rate() });
  }
  return planOf({
    faults,
    clockRates: Object.fromEntries(NODES.map((node) => [node, rate()])),
    phases: { warmUpMs: BEGINS_AT_MS, chaosMs: JUMPS_FOR_MS, drainMs: 5_000, verifyMs: 25_000 },
  });
}
