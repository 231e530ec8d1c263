/**
 * A primary whose uplink is lost and whose web server still answers: every command gets HTTP 200,
 * with `{"error": "uplink lost"}` in the body. Heartbeats arrive, connections open, answers are
 * quick, and nothing is ever executed.
 *
 *   source ──► gateway ──► primary    200 {"error": …}      a failure: held, and sent to the backup under its key
 *                     └──► backup     200 {"result": …}
 *
 * A gateway that judges a reply by its status alone acknowledges every command and loses them all.
 * This is the second of three failures that resilience layers are known to have missed.
 *
 * Expected: no such answer reaches a source as a success, the backup takes over within seconds, and
 * repeatable commands are served without their sources noticing.
 */
import { served, takenOver } from "./expectations.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { FleetObserver } from "./fleet/observer.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { planOf } from "./swarm/written.ts";

const FAULT_AT_MS = 15_000;
const TAKEN_OVER_WITHIN_MS = 5_000;
const SERVED_WITHIN_MS = 6_000;

export const lying200: Scenario = scenarioFrom({
  name: "lying-200",
  story: "A primary that answers 200 with an error in the body, and executes nothing.",
  timeline: [{ atMs: FAULT_AT_MS, what: 'the primary answers 200 {"error": "uplink lost"} to everything, for ever' }],
  expected: [
    "a-lie-is-no-success: what is acknowledged has been executed",
    `taken-over: the backup is active within ${TAKEN_OVER_WITHIN_MS / 1_000} s`,
    `served: each command that may be repeated, within ${SERVED_WITHIN_MS / 1_000} s; the others too once the backup is active`,
  ],
  plan: () =>
    planOf({
      faults: [
        { kind: "service", group: "atlantic", station: "primary", atMs: FAULT_AT_MS, mode: "lying-200", rate: 1 },
      ],
      lostForEver: ["atlantic/primary"],
    }),
  expect: (fleet) => [
    aLieIsNoSuccess(fleet),
    takenOver(fleet, "atlantic", "backup", FAULT_AT_MS + TAKEN_OVER_WITHIN_MS),
    served(fleet, "served", SERVED_WITHIN_MS, { repeatableOnly: true }),
    served(fleet, "served", SERVED_WITHIN_MS, { fromMs: FAULT_AT_MS + TAKEN_OVER_WITHIN_MS }),
  ],
});

function aLieIsNoSuccess({ world }: Fleet): FleetObserver {
  return {
    commandTold({ id, kind, told, executions }) {
      if (told === "acknowledged" && kind !== "read" && executions === 0)
        world.violate("a-lie-is-no-success", `${id} was acknowledged and has not been executed`);
    },
  };
}
