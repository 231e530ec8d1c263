import assert from "node:assert/strict";
import { test } from "node:test";
import type { FleetFault } from "../../fleet/plan.ts";
import type { WrittenSections } from "../../swarm/written.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { roleChanges } from "./role-changes.ts";

const LONG = { warmUpMs: 10_000, chaosMs: 300_000, drainMs: 60_000, verifyMs: 60_000 };
const HUNG: FleetFault = { kind: "pause", node: "atlantic/primary", atMs: 1_000, forMs: 2_000 };

function made(faults: readonly FleetFault[], sections: WrittenSections = {}): Scripted {
  const fleet = new Scripted(
    { faults, phases: LONG, configuration: configurationOf([{ name: "atlantic", ...sections }]) },
    roleChanges,
  );
  fleet.starts();
  return fleet;
}

test("[B4] nothing happens in a group that nothing touches, replayed heartbeats or not", async () => {
  const replayed: FleetFault = { kind: "replayed-beats", group: "atlantic", station: "primary", atMs: 1_000, count: 9 };
  const fleet = made([replayed]);
  await fleet.at(2_000);
  fleet.declared("primary", "alive", "suspected");
  fleet.declared("primary", "suspected", "alive");
  assert.deepEqual(fleet.violated, []);
  fleet.declared("primary", "alive", "down");
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(new Set(fleet.violated), new Set(["no-needless-role-change"]));
});

test("[B4] a promotion follows trouble, and not long after it", async () => {
  const fleet = made([HUNG]);
  await fleet.at(5_000);
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(fleet.violated, []);
  await fleet.at(200_000);
  fleet.promoted("primary", "backup", "failure");
  assert.deepEqual(fleet.violated, ["no-needless-role-change"]);
});

test("[B4] … unless a station is to be called silent as soon as two commands are late", async () => {
  for (const [unansweredAfter, violated] of [
    [49, []],
    [50, ["no-needless-role-change"]],
  ] as const) {
    const fleet = made([HUNG], { commandPath: { unansweredAfter } });
    await fleet.at(200_000);
    fleet.promoted("primary", "backup", "failure");
    assert.deepEqual(fleet.violated, violated);
  }
});

test("[B4] failback comes only where it is automatic, and after the hold-down", async () => {
  const manual = made([HUNG]);
  manual.promoted("primary", "backup", "failback");
  assert.deepEqual(manual.violated, ["failback-holds-down"]);

  const automatic = made([HUNG], { failback: { mode: "automatic", holdDown: "10s" } });
  await automatic.at(2_000);
  automatic.promoted("backup", "primary", "failure");
  await automatic.at(12_000);
  automatic.promoted("primary", "backup", "failback");
  assert.deepEqual(automatic.violated, []);
  await automatic.at(14_000);
  automatic.promoted("backup", "primary", "failure");
  await automatic.at(24_500);
  automatic.declared("primary", "suspected", "alive");
  await automatic.at(36_000);
  automatic.promoted("primary", "backup", "failback");
  assert.deepEqual(automatic.violated, ["failback-holds-down"]);
});

test("[B4] roles do not change more often than dwells and doubts leave room for", async () => {
  const fleet = made([{ ...HUNG, forMs: 200_000 }]);
  for (let change = 0; change < 60; change++) {
    await fleet.at(10_000 + change * 500);
    fleet.promoted(change % 2 === 0 ? "backup" : "primary", change % 2 === 0 ? "primary" : "backup", "failure");
  }
  assert.ok(fleet.violated.includes("no-needless-role-change"));
});
