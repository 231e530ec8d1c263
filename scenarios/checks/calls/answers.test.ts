import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { buildFleet } from "../../fleet/build.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import { gatewayProgram } from "../../fleet/gateway-node.ts";
import type { FleetObserver, Visit } from "../../fleet/observer.ts";
import { planOf } from "../../swarm/written.ts";
import { calmNeighbour } from "../failover/calm-neighbour.ts";
import { queues } from "../load/queues.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { answeredInTime, sourcesAreTold } from "./answers.ts";

const SHORT = planOf({ phases: { warmUpMs: 3_000, chaosMs: 1_000, drainMs: 1_000, verifyMs: 36_000 } });

/**
 * A fleet that really runs, with `check`, and one more command than there is: nobody will ever
 * answer it.
 */
async function withLostCommand(check: (fleet: Fleet) => FleetObserver): Promise<string[]> {
  const world = new World({ seed: 1 });
  const fleet = buildFleet(world, SHORT, { gateway: gatewayProgram, checks: (made) => [check(made)] });
  let copied = false;
  fleet.observers.add({
    commandArrived(visit: Visit) {
      if (copied || world.nowMs < 1_000) return;
      copied = true;
      const lost = { ...visit.command, id: "atlantic.1.lost" };
      fleet.observers.tell("commandArrived", { ...visit, command: lost });
    },
  });
  await world.run(40_000);
  return world.violations.map(({ invariant }) => invariant);
}

async function undisturbed(check: (fleet: Fleet) => FleetObserver): Promise<string[]> {
  const world = new World({ seed: 1 });
  buildFleet(world, SHORT, { gateway: gatewayProgram, checks: (made) => [check(made)] });
  await world.run(41_000);
  return world.violations.map(({ invariant }) => invariant);
}

test("[S2] [B3] a fleet on an ordinary day answers in time and keeps nothing", async () => {
  for (const check of [answeredInTime, sourcesAreTold, queues, calmNeighbour]) {
    assert.deepEqual(await undisturbed(check), []);
  }
});

test("[S2] a command that nobody answers is missed at its deadline", async () => {
  assert.deepEqual(await withLostCommand(answeredInTime), ["answered-in-time"]);
});

test("[B3] a command that is open and nowhere is missed at once", async () => {
  assert.deepEqual(await withLostCommand(queues), ["queues-are-bounded"]);
});

test("[S2] a command waits, and its gateway calls the station ineligible → an excuse only where something failed there", async () => {
  for (const hasFailed of [true, false]) {
    const made = new Scripted({}, queues);
    const process = startGateway(made);
    const primary = { name: "primary", active: true, assessment: { eligible: false }, breaker: undefined, inFlight: 0 };
    const stations = [{ ...primary, ramp: { inFlight: 0, limit: 10 } }];
    const status = { waiting: 1, parked: 0, active: "primary", stations };
    made.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", { status }]]) } as never };
    made.declared("primary", "suspected", "alive");
    if (hasFailed) made.ends(made.sends(made.command(), "primary"), "reply", 500);
    made.arrives(made.command());
    made.tell("tick");
    await made.at(1_400);
    made.tell("tick");
    assert.deepEqual(made.violated, hasFailed ? [] : ["waiting-moves"], `failed: ${hasFailed}`);
  }
});

test("[S2] every source is told something in the end", async () => {
  const fleet = new Scripted({}, sourcesAreTold);
  const told = fleet.command();
  const forgotten = fleet.command();
  fleet.tell("commandSent", told);
  fleet.tell("commandSent", forgotten);
  fleet.tell("commandTold", told);
  await fleet.at(90_000);
  fleet.tell("ended");
  assert.deepEqual(fleet.violated, ["sources-are-told"]);
});

test("[B5] a calm group is served at once, whatever happens beside it", async () => {
  const fleet = new Scripted({}, calmNeighbour);
  const command = fleet.command();
  await fleet.at(50);
  fleet.tell("commandTold", { ...command, told: "acknowledged", toldAtMs: 50 });
  assert.deepEqual(fleet.violated, []);
  fleet.tell("commandTold", { ...command, told: "acknowledged", toldAtMs: 2_000 });
  fleet.tell("commandTold", { ...command, told: "not-executed", toldAtMs: 50 });
  assert.deepEqual(fleet.violated, ["calm-neighbour", "calm-neighbour"]);
});

test("[B5] a group that is touched is not promised that", () => {
  const pause = { kind: "pause", node: "gateway", atMs: 10, forMs: 5_000 } as const;
  const fleet = new Scripted({ faults: [pause] }, calmNeighbour);
  fleet.tell("commandTold", { ...fleet.command(), told: "not-executed", toldAtMs: 50 });
  assert.deepEqual(fleet.violated, []);
});
