import assert from "node:assert/strict";
import { test } from "node:test";
import type { WrittenSections } from "../swarm/written.ts";
import { configurationOf } from "../swarm/written.ts";
import { decisions } from "./decisions.ts";
import { HandMade } from "./hand-made.ts";

function made(sections: WrittenSections = {}): HandMade {
  const fleet = new HandMade({ configuration: configurationOf([{ name: "atlantic", ...sections }]) }, decisions);
  fleet.starts();
  return fleet;
}

/** `times` attempts at `primary`, each of which ends so, 10 ms apart. */
async function ends(fleet: HandMade, times: number, how: "never-sent" | "reply", status?: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    const attempt = fleet.sends(fleet.command(), "primary");
    await fleet.at(fleet.world.nowMs + 10);
    fleet.ends(attempt, how, status);
  }
}

test("[F1] connections refused in a row speak against a station, and only in a row", async () => {
  const inARow = made();
  await ends(inARow, 2, "never-sent");
  inARow.promoted("backup", "primary", "failure");
  assert.deepEqual(inARow.violated, []);

  const apart = made();
  await ends(apart, 1, "never-sent");
  await ends(apart, 1, "reply", 500);
  await ends(apart, 1, "never-sent");
  apart.promoted("backup", "primary", "failure");
  assert.deepEqual(apart.violated, ["promotes-on-evidence"]);
});

test("[F1] enough failures for long enough speak against a station, and successes clear it", async () => {
  const failing = made();
  await ends(failing, 5, "reply", 500);
  await failing.at(1_100);
  failing.promoted("backup", "primary", "failure");
  assert.deepEqual(failing.violated, []);

  const cleared = made();
  await ends(cleared, 5, "reply", 500);
  await cleared.at(1_100);
  await ends(cleared, 40, "reply", 200);
  cleared.promoted("backup", "primary", "failure");
  assert.deepEqual(cleared.violated, ["promotes-on-evidence"]);
});

/** Both stations beat, once. */
function beat(fleet: HandMade, ...stations: readonly string[]): void {
  for (const station of stations) fleet.tell("beatCounted", "atlantic", station);
}

test("[F1] so do a declared silence and the doubt after an earlier change", async () => {
  const fleet = made();
  for (const station of ["primary", "backup"]) fleet.declared(station, "suspected", "alive");
  fleet.declared("primary", "alive", "down");
  await fleet.at(10);
  beat(fleet, "backup");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(2_000);
  fleet.declared("backup", "alive", "down");
  fleet.declared("primary", "down", "alive");
  await fleet.at(2_010);
  beat(fleet, "primary");
  fleet.promoted("primary", "backup", "failure");
  assert.deepEqual(fleet.violated, []);
  await fleet.at(60_000);
  fleet.declared("backup", "down", "alive");
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(fleet.violated, ["promotes-on-evidence"]);
});

test("[F2] who is promoted has been heard of since the other fell silent, and nobody fit is passed over", async () => {
  const unheard = made();
  for (const station of ["primary", "backup"]) unheard.declared(station, "suspected", "alive");
  beat(unheard, "backup");
  await unheard.at(500);
  unheard.declared("primary", "alive", "down");
  unheard.promoted("backup", "primary", "failure");
  assert.deepEqual(unheard.violated, ["heard-since-is-promoted"]);

  const configuration = configurationOf([{ name: "atlantic", stations: 3 }]);
  const passedOver = new HandMade({ configuration }, decisions);
  passedOver.starts();
  for (const station of ["primary", "backup", "backup-2"]) passedOver.declared(station, "suspected", "alive");
  await ends(passedOver, 2, "never-sent");
  passedOver.promoted("backup-2", "primary", "failure");
  assert.deepEqual(passedOver.violated, ["promotes-the-first-fit"]);
});

test("[F7] maintenance lasts as long as it was asked for, and nobody in it is promoted", async () => {
  const fleet = made();
  const asked = {
    kind: "operator",
    group: "atlantic",
    station: "backup",
    action: "maintenance",
    atMs: 0,
    forMs: 5_000,
  } as const;
  fleet.tell(
    "gatewayEvent",
    { type: "maintenance", group: "atlantic", station: "backup", reason: "antenna", untilMs: 5_000, atMs: 0 },
    1,
  );
  fleet.tell("operated", asked);
  assert.deepEqual(fleet.violated, []);
  fleet.tell("operated", { ...asked, forMs: 60_000 });
  assert.deepEqual(fleet.violated, ["maintenance-is-kept"]);
  fleet.declared("backup", "suspected", "alive");
  await ends(fleet, 2, "never-sent");
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(fleet.violated, ["maintenance-is-kept", "unfit-is-not-promoted"]);
});
