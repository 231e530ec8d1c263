import assert from "node:assert/strict";
import { test } from "node:test";
import type { WrittenSections } from "../swarm/written.ts";
import { configurationOf } from "../swarm/written.ts";
import { commandPaths } from "./command-paths.ts";
import { HandMade } from "./hand-made.ts";

function made(sections: WrittenSections = {}): HandMade {
  const fleet = new HandMade({ configuration: configurationOf([{ name: "atlantic", ...sections }]) }, commandPaths);
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

test("[F1] enough failures for long enough speak against a station, and one success clears it", async () => {
  const failing = made();
  await ends(failing, 5, "reply", 500);
  await failing.at(1_100);
  failing.promoted("backup", "primary", "failure");
  assert.deepEqual(failing.violated, []);

  const cleared = made();
  await ends(cleared, 5, "reply", 500);
  await cleared.at(1_100);
  await ends(cleared, 1, "reply", 200);
  cleared.promoted("backup", "primary", "failure");
  assert.deepEqual(cleared.violated, ["promotes-on-evidence"]);
});

test("[F1] so do a declared silence, an open circuit and the doubt after an earlier change", async () => {
  const silent = made();
  silent.declared("primary", "suspected", "down");
  silent.promoted("backup", "primary", "failure");
  await silent.at(2_000);
  silent.declared("backup", "suspected", "down");
  silent.promoted("primary", "backup", "failure");
  await silent.at(4_000);
  silent.declared("primary", "down", "alive");
  silent.promoted("backup", "primary", "failure");
  assert.deepEqual(silent.violated, [], "it can be in doubt for five seconds since it was replaced");
  await silent.at(60_000);
  silent.declared("backup", "down", "alive");
  silent.promoted("primary", "backup", "failure");
  assert.deepEqual(silent.violated, ["promotes-on-evidence"]);
});
