/**
 * The deadlock inside a resilience layer: the breaker's probe needs a slot of the pool, the pool's
 * only slot is held by a call that hangs, and the breaker waits for its probe. Everything here is
 * chosen so that the two meet all the time: one slot, a service that hangs, a circuit that is
 * half-open every second, and no other station.
 *
 *   breaker   closed ──► open ─1 s─► half-open ──► probe ··· needs a slot
 *   pool      one slot: ├─ hangs 500 ms ─┤  each call gives it back only when it has really ended
 *   backup    without power, for ever
 *
 * This is the third of three failures that resilience layers are known to have missed.
 *
 * Expected: probes go on as long as the service hangs, at the pace of the open duration, and as
 * soon as it does not, every command is served.
 */
import { served } from "./expectations.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { FleetObserver } from "./fleet/observer.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const BACKUP_LOST_AT_MS = 12_000;
const HANGS_AT_MS = 15_000;
const HEALED_AT_MS = 45_000;
/**
 * The circuit is open for one second, a probe takes half a second, and the calls that hung at the
 * moment of healing take as much again.
 */
const SERVES_AFTER_MS = 3_000;
const PROBED_WITHIN_MS = 3_000;

export const halfOpenDeadlock: Scenario = scenarioFrom({
  name: "half-open-deadlock",
  story: "Breaker and pool meet: one slot, a service that hangs, a circuit that is half-open every second.",
  timeline: [
    { atMs: BACKUP_LOST_AT_MS, what: "the backup loses power, for ever" },
    { atMs: HANGS_AT_MS, what: "the primary accepts commands and answers none" },
    { atMs: HEALED_AT_MS, what: "it answers again" },
  ],
  expected: [
    `never-wedged: while commands come, somebody is tried at least every ${PROBED_WITHIN_MS / 1_000} s`,
    `served-again: ${SERVES_AFTER_MS / 1_000} s after healing every command is served, within 2 s`,
  ],
  plan: () =>
    planOf({
      configuration: configurationOf([
        {
          name: "atlantic",
          commands: { timeout: "500ms", deadline: "4s", maxWait: "4s", maxConcurrent: 1 },
          breaker: { minimumVolume: 5, window: "5s", openDuration: "1s" },
        },
      ]),
      groups: [{ name: "atlantic", commandsPerSecond: 8 }],
      faults: [
        { kind: "crash", node: "atlantic/backup", how: "power", atMs: BACKUP_LOST_AT_MS },
        { kind: "service", group: "atlantic", station: "primary", atMs: HANGS_AT_MS, mode: "hang", rate: 1 },
      ],
      lostForEver: ["atlantic/backup"],
      phases: { warmUpMs: 10_000, chaosMs: HEALED_AT_MS - 10_000, drainMs: 10_000, verifyMs: 20_000 },
    }),
  expect: (fleet) => [
    neverWedged(fleet),
    served(fleet, "served-again", 2_000, { fromMs: HEALED_AT_MS + SERVES_AFTER_MS }),
  ],
});

function neverWedged(fleet: Fleet): FleetObserver {
  let triedAtMs = 0;
  let sentAtMs = 0;
  return {
    attemptBegan() {
      triedAtMs = fleet.world.nowMs;
    },
    commandSent() {
      sentAtMs = fleet.world.nowMs;
    },
    tick() {
      const idleMs = sentAtMs - triedAtMs;
      if (idleMs <= PROBED_WITHIN_MS) return;
      const { waiting, parked } = fleet.gateway?.gateway.groups.get("atlantic")?.status ?? { waiting: 0, parked: 0 };
      const detail = `commands come, ${waiting} wait and ${parked} are parked, and nobody was tried for ${Math.round(idleMs)} ms`;
      fleet.world.violate("never-wedged", detail);
    },
  };
}
