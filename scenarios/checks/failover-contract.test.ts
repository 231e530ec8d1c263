/** The checks whose premise depends on where commands may go, with the promise that they may go elsewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { configurationOf } from "../swarm/written.ts";
import { epochs } from "./epochs.ts";
import type { FailoverContract } from "./failover-contract.ts";
import { HandMade } from "./hand-made.ts";
import { movedCalls } from "./moved-calls.ts";
import { offeredLoad } from "./offered-load.ts";

const ELSEWHERE: FailoverContract = { goesElsewhere: true };

const made = (check: (fleet: Fleet, contract: FailoverContract) => FleetObserver, capacityPerSecond?: number) => {
  const limits = capacityPerSecond === undefined ? {} : { capacityPerSecond };
  const configuration = configurationOf([{ name: "atlantic", ...limits }]);
  return new HandMade({ configuration }, (fleet) => check(fleet, ELSEWHERE));
};

test("a failed command goes to the other station under the same epoch → nothing is wrong", () => {
  const fleet = made(epochs);
  const command = fleet.command();
  fleet.ends(fleet.sends(command, "primary"), "reply", 500);
  fleet.sends(command, "backup");
  assert.deepEqual(fleet.violated, []);
});

test("an epoch that goes back is wrong all the same", () => {
  const fleet = made(epochs);
  fleet.sends(fleet.command(), "primary", { epoch: 2 });
  fleet.sends(fleet.command(), "backup", { epoch: 1 });
  assert.deepEqual(fleet.violated, ["epoch-rises"]);
});

test("a promotion, and what is out at a station that is heard stays there → nothing is wrong", async () => {
  const fleet = made(movedCalls);
  fleet.sends(fleet.command(), "primary");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, []);
});

test("a promotion, and what is out at a station that is down is out nowhere else → violated", async () => {
  const fleet = made(movedCalls);
  fleet.sends(fleet.command(), "primary");
  fleet.declared("primary", "alive", "down");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, ["moves-what-was-in-flight"]);
});

test("a promotion, and what was out at a station that is down is out elsewhere → nothing is wrong", async () => {
  const fleet = made(movedCalls);
  const command = fleet.command();
  fleet.sends(command, "primary");
  fleet.declared("primary", "alive", "down");
  fleet.sends(command, "backup");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, []);
});

test("a declared rate is kept within 1 % and one command", () => {
  const fleet = made(offeredLoad, 100);
  for (let sent = 0; sent < 102; sent++) fleet.sends(fleet.command(), "primary");
  assert.deepEqual(fleet.violated, []);
  fleet.sends(fleet.command(), "primary");
  assert.deepEqual(fleet.violated, ["offered-within-capacity"]);
});
