/**
 * Callers that ask twice: half of the commands with a key are sent again after they were answered,
 * some seconds later, and some keys come with another request. Meanwhile the gateway is killed or
 * loses its power again and again, links break, and the primary is lost.
 *
 *   gateway   ────╳──────╳────────╳───╳─────────╳───────      killed, or without power
 *   primary   ──────────────────╳                             lost for ever: promotion
 *   callers   POST k ► 200 … (some seconds) … POST k ► the same 200, from the store
 *
 * Expected: no command whose answer was given goes to a station again, everybody who asks again
 * gets the same answer, and another request under the key is refused.
 */
import type { Random } from "ground-station-failover";
import { between, chance, pick } from "ground-station-failover/sim";
import type { FleetFault, FleetPlan } from "./fleet/plan.ts";
import { GATEWAY, sourceNode, stationNode } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const BEGINS_AT_MS = 5_000;
const CHAOS_MS = 60_000;
const PRIMARY = stationNode("atlantic", "primary");

export const answeredKeys: Scenario = scenarioFrom({
  name: "answered-keys",
  story: "Callers send answered commands again while the gateway crashes and the primary is lost.",
  timeline: [
    { atMs: BEGINS_AT_MS, what: "the gateway crashes every few seconds (drawn), killed or without power" },
    { atMs: BEGINS_AT_MS, what: "links between callers and gateway break now and then" },
    { atMs: BEGINS_AT_MS + CHAOS_MS / 2, what: "the primary is lost for ever, in half of the seeds" },
  ],
  expected: [
    "answered-key-is-not-sent-again: a command whose answer was given goes to no station any more",
    "answered-key-is-answered-alike: whoever sends it again gets the same answer",
    "other-request-is-refused: with 422",
  ],
  plan,
  expect: () => [],
});

function plan(random: Random): FleetPlan {
  const faults: FleetFault[] = [];
  const untilMs = BEGINS_AT_MS + CHAOS_MS;
  for (let atMs = BEGINS_AT_MS; atMs < untilMs; atMs += between(random, 2_000, 12_000)) {
    const how = pick(random, ["kill", "power"] as const);
    faults.push({
      kind: "crash",
      node: GATEWAY,
      how,
      atMs: Math.round(atMs),
      forMs: Math.round(between(random, 50, 1_500)),
    });
  }
  for (let atMs = BEGINS_AT_MS; atMs < untilMs; atMs += between(random, 5_000, 15_000)) {
    const cut = { kind: "link", atMs: Math.round(atMs), forMs: 300, conditions: { cut: true } } as const;
    faults.push({ ...cut, from: GATEWAY, to: sourceNode("atlantic", 0) });
  }
  const isLost = chance(random, 0.5);
  if (isLost) faults.push({ kind: "crash", node: PRIMARY, how: "power", atMs: BEGINS_AT_MS + CHAOS_MS / 2 });
  const base = planOf({
    configuration: configurationOf([{ name: "atlantic" }]),
    faults,
    phases: { warmUpMs: BEGINS_AT_MS, chaosMs: CHAOS_MS, drainMs: 40_000, verifyMs: 20_000 },
    lostForEver: isLost ? [PRIMARY] : [],
  });
  const groups = base.groups.map((group) => ({ ...group, keyedRatio: 0.9, readRatio: 0.1, sourceRetries: 3 }));
  // A sync takes as long as on a busy disk, so that crashes fall into it.
  const disks = { latency: { kind: "exponential", minMs: 1, meanMs: between(random, 2, 15) } } as const;
  return { ...base, groups, disks, keepsAnswers: true, asksAgainRatio: 0.5 };
}
