/**
 * Half a cable: messages of one side arrive, messages of the other side do not. Two groups, one for
 * each half.
 *
 *   deaf     gateway ──✗──► primary      commands never arrive; heartbeats do, every 50 ms, and prove nothing
 *            gateway ◄───── primary
 *   mute     gateway ─────► primary      commands arrive and are executed; the answers are lost,
 *            gateway ◄──✗── primary      and so are the heartbeats
 *
 * Every heartbeat shows the deaf primary as alive; only the calls show that it is useless. The mute
 * primary goes on executing the commands that it has while the backup gets the same commands. Only
 * the spacecraft, which executes a key once and refuses the older epoch, keeps a command from
 * taking effect twice.
 *
 * Expected: both backups take over within seconds, no command takes effect twice, and everything is
 * served afterwards.
 */
import { served, servedAgain, takenOver } from "./expectations.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { FleetObserver } from "./fleet/observer.ts";
import type { FleetFault } from "./fleet/plan.ts";
import { GATEWAY, stationNode } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const FAULT_AT_MS = 15_000;
const TAKEN_OVER_WITHIN_MS = 5_000;
const DEAF = stationNode("deaf", "primary");
const MUTE = stationNode("mute", "primary");

function cut(from: string, to: string): FleetFault {
  return { kind: "link", atMs: FAULT_AT_MS, from, to, conditions: { cut: true } };
}

export const asymmetricPartition: Scenario = scenarioFrom({
  name: "asymmetric-partition",
  story: "One-way cuts: heartbeats arrive and commands do not, and the reverse.",
  timeline: [
    { atMs: FAULT_AT_MS, what: "gateway → deaf/primary is cut: it beats, and hears nothing" },
    { atMs: FAULT_AT_MS, what: "mute/primary → gateway is cut: it hears, and nobody hears it" },
  ],
  expected: [
    `taken-over: both backups are active within ${TAKEN_OVER_WITHIN_MS / 1_000} s`,
    "served-again-within: in both groups a later command is served by then, and every one sent after that within 2 s",
    "takes-effect-once: no command is executed twice",
  ],
  plan: () =>
    planOf({
      configuration: configurationOf([{ name: "deaf" }, { name: "mute" }]),
      faults: [cut(GATEWAY, DEAF), cut(MUTE, GATEWAY)],
      lostForEver: [DEAF, MUTE],
    }),
  expect: (fleet) => [
    ...["deaf", "mute"].flatMap((group) => [
      takenOver(fleet, group, "backup", FAULT_AT_MS + TAKEN_OVER_WITHIN_MS),
      servedAgain(fleet, FAULT_AT_MS, TAKEN_OVER_WITHIN_MS, group),
    ]),
    served(fleet, "served-again-within", 2_000, { fromMs: FAULT_AT_MS + TAKEN_OVER_WITHIN_MS }),
    takesEffectOnce(fleet),
  ],
});

function takesEffectOnce({ world }: Fleet): FleetObserver {
  return {
    executed({ command: { id, executions }, station }) {
      if (executions > 1)
        world.violate("takes-effect-once", `${id} was executed ${executions} times, last by ${station}`);
    },
  };
}
