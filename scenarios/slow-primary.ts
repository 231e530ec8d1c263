/**
 * A primary that answers every command within the timeout, and yet slower than the commands in the
 * queue can wait.
 *
 *   timeout 1,000 ms   ├───────────────────────────────────────┤
 *   answers after      ├────────────── 830 ms ──────────┤        a success, each of them
 *   the queue waits    ├───── 500 ms ─────┤                      then it is refused by the gateway itself
 *
 * With four at once, 830 ms each, five commands a second get through of the ten that come. No
 * attempt ever fails, so a breaker that looks at failures sees none. The other commands are refused
 * locally, and that must not count against the station. This is the first of three failures that
 * resilience layers are known to have missed.
 *
 * Expected: the gateway sees that calls are slow while others wait in vain, the backup takes over,
 * and every command is served again.
 */
import { served, servedAgain, takenOver } from "./expectations.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const FAULT_AT_MS = 15_000;
/**
 * The breaker needs twenty calls in its window of ten seconds, half of them slow. At five a second,
 * the older half of them was fast.
 */
const TAKEN_OVER_WITHIN_MS = 15_000;
const SERVED_WITHIN_MS = 2_000;

export const slowPrimary: Scenario = scenarioFrom({
  name: "slow-primary",
  story: "A primary that answers within the timeout, but slower than the queue before it waits.",
  timeline: [{ atMs: FAULT_AT_MS, what: "the primary takes 800 ms longer for every command, for ever" }],
  expected: [
    `taken-over: the backup is active within ${TAKEN_OVER_WITHIN_MS / 1_000} s`,
    `served-again: from then on each command is served within ${SERVED_WITHIN_MS / 1_000} s`,
  ],
  plan: () =>
    planOf({
      configuration: configurationOf([{ name: "atlantic", commands: { timeout: "1s", maxConcurrent: 4 } }]),
      groups: [{ name: "atlantic", lanes: 100, serviceMs: 30 }],
      faults: [
        {
          kind: "service",
          group: "atlantic",
          station: "primary",
          atMs: FAULT_AT_MS,
          mode: "slow",
          rate: 1,
          delayMs: 800,
        },
      ],
      lostForEver: ["atlantic/primary"],
    }),
  expect: (fleet) => [
    takenOver(fleet, "atlantic", "backup", FAULT_AT_MS + TAKEN_OVER_WITHIN_MS),
    servedAgain(fleet, FAULT_AT_MS, 5_000),
    served(fleet, "served-again", SERVED_WITHIN_MS, { fromMs: FAULT_AT_MS + TAKEN_OVER_WITHIN_MS }),
  ],
});
