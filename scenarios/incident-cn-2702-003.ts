/**
 * Incident CN-2702-003, on two gateways. The primary's uplink died at 11:23Z and never came back;
 * the backup should have carried the traffic within 30 s, and took 8 minutes.
 *
 *   sources ──► gateway ──✗──► primary ──► spacecraft        nine commands a minute; a source waits 40 s,
 *                     └──────► backup ─────────┘             hangs up, and sends it again, three times
 *
 *   that day   11:23:00 ──── 120 timeouts of 2 s ────► 11:27:00 declared and promoted; a hundred held requests are sent
 *              at once to a station that does one a second. There each waits longer than its source does, so that most
 *              answers find no caller and the sources send again: the work is real and nearly all of it is wasted, until
 *              the sources give up. 11:31 service.
 *   ours       11:23:00.3 declared and promoted; the next command is served.
 *
 * `present` prints the three reasons with their numbers: a detector tuned for another path, a
 * breaker that counts, and retries without a budget after a promotion without a ramp.
 * `incident/legacy-gateway.ts` is that day's gateway; the checks of this scenario run on ours.
 */
import { served, takenOver } from "./expectations.ts";
import { allTimelines, FAULT_AT_MS, GROUP, incidentPlan } from "./incident/both-systems.ts";
import { sideBySide } from "./incident/side-by-side.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";

/** The target; the objective for the whole is 30 s. */
const PROMOTED_WITHIN_MS = 5_000;
const SERVED_WITHIN_MS = 30_000;

export const incidentCn2702003: Scenario = scenarioFrom({
  name: "incident-cn-2702-003",
  story:
    "The incident, on two gateways: the old settings take eight minutes and end in a retry storm, ours serves the next command.",
  timeline: [
    { atMs: 0, what: "11:22:00Z nine commands a minute, a seventh of what a station can do" },
    { atMs: FAULT_AT_MS, what: "11:23:00Z the primary's uplink dies: nothing in, nothing out, for ever" },
  ],
  expected: [
    `taken-over: the backup is active within ${PROMOTED_WITHIN_MS / 1_000} s of the fault`,
    `served-again-within: every command, in hand at the fault or sent later, is served within ${SERVED_WITHIN_MS / 1_000} s`,
  ],
  plan: incidentPlan,
  expect: (fleet) => [
    takenOver(fleet, GROUP, "backup", FAULT_AT_MS + PROMOTED_WITHIN_MS),
    served(fleet, "served-again-within", SERVED_WITHIN_MS),
  ],
  async present(seed) {
    return sideBySide(seed, await allTimelines(seed));
  },
});
