/**
 * An unstable link: the primary is cut off for two seconds, back for a few, and gone again, for two
 * minutes. A gateway that follows it moves the service with every change, and each move costs a
 * caller an answer.
 *
 *   primary   ──╲__╱────╲__╱────╲__╱────╲__╱──────────────────────────────
 *   active    primary ► backup ··· hold-down ··· (primary ► backup ··· twice as long ···) ► primary
 *
 * Failback is automatic here, after five seconds of proven health. A return that fails doubles the
 * hold-down, so that a link that is up for less than that is not used again. So there is one move
 * when it first fails, at most one wrong return (there and back), and one return when it is well
 * for good. A link that stays up for longer than ten seconds would cause more moves; this one does
 * not.
 *
 * Expected: at most four role changes, one of them for good, and service for all of the time but
 * the first moment of each.
 */
import type { Random } from "ground-station-failover";
import { between } from "ground-station-failover/sim";
import { roleChangesAtMost, served } from "./expectations.ts";
import type { FleetFault, FleetPlan } from "./fleet/plan.ts";
import { stationNode } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const BEGINS_AT_MS = 10_000;
const FLAPS_FOR_MS = 120_000;
const DOWN_FOR_MS = 2_000;
const MOST_UP_MS = 9_000;
const MOST_ROLE_CHANGES = 4;
/**
 * A command that is under way when the link goes waits for the declaration, and for a place on the
 * ramp.
 */
const SERVED_WITHIN_MS = 5_000;
const PRIMARY = stationNode("atlantic", "primary");

export const flappingLink: Scenario = scenarioFrom({
  name: "flapping-link",
  story: "The primary's link fails for two seconds every few seconds: the service must not follow it.",
  timeline: [
    {
      atMs: BEGINS_AT_MS,
      what: "the primary is cut off for 2 s, then back for 1 to 9 s (drawn from the seed), again and again",
    },
    { atMs: BEGINS_AT_MS + FLAPS_FOR_MS, what: "the link stays up; failback after its hold-down" },
  ],
  expected: [
    `few-role-changes: at most ${MOST_ROLE_CHANGES}`,
    `served: what may be repeated, within ${SERVED_WITHIN_MS / 1_000} s, also while the link flaps`,
  ],
  plan,
  expect: (fleet) => [
    roleChangesAtMost(fleet, "atlantic", MOST_ROLE_CHANGES),
    served(fleet, "served", SERVED_WITHIN_MS, { repeatableOnly: true }),
  ],
});

function plan(random: Random): FleetPlan {
  const upMs = between(random, 1_000, MOST_UP_MS);
  const faults: FleetFault[] = [];
  for (let atMs = BEGINS_AT_MS; atMs < BEGINS_AT_MS + FLAPS_FOR_MS; atMs += DOWN_FOR_MS + upMs) {
    const cut = { kind: "link", atMs, forMs: DOWN_FOR_MS, conditions: { cut: true } } as const;
    faults.push({ ...cut, from: PRIMARY, to: "*" }, { ...cut, from: "*", to: PRIMARY });
  }
  return planOf({
    configuration: configurationOf([{ name: "atlantic", failback: { mode: "automatic", holdDown: "5s" } }]),
    faults,
    phases: { warmUpMs: BEGINS_AT_MS, chaosMs: FLAPS_FOR_MS, drainMs: 30_000, verifyMs: 30_000 },
  });
}
