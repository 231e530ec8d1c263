import assert from "node:assert/strict";
import { test } from "node:test";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { offeredLoad } from "./offered-load.ts";

const made = (capacityPerSecond?: number): Scripted => {
  const group = { name: "atlantic", ...(capacityPerSecond === undefined ? {} : { capacityPerSecond }) };
  return new Scripted({ configuration: configurationOf([group]) }, offeredLoad);
};

async function offers(fleet: Scripted, count: number, everyMs: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    fleet.ends(fleet.sends(fleet.command(), "primary"), "reply", 200);
    await fleet.at(fleet.world.nowMs + everyMs);
  }
}

test("[B2] a station gets in any second what it declares that it can take", async () => {
  const fleet = made(10);
  await offers(fleet, 30, 100);
  assert.deepEqual(fleet.violated, []);
});

test("[B2] one more in a second, and be it over the seam of two, is too many", async () => {
  const fleet = made(10);
  await fleet.at(500);
  await offers(fleet, 11, 90);
  assert.deepEqual(fleet.violated, ["offered-within-capacity"]);
});

test("[B2] a new active station begins with ten, and gets half as many again in a round trip", async () => {
  const fleet = made();
  fleet.promoted("backup", "primary", "failure");
  const out = Array.from({ length: 10 }, () => fleet.sends(fleet.command(), "backup"));
  await fleet.at(fleet.world.nowMs + 10);
  for (const attempt of out.slice(0, 2)) fleet.ends(attempt, "reply", 200);
  for (let sent = 0; sent < 7; sent++) fleet.sends(fleet.command(), "backup");
  await fleet.at(fleet.world.nowMs + 1);
  assert.deepEqual(fleet.violated, []);
  fleet.sends(fleet.command(), "backup");
  await fleet.at(fleet.world.nowMs + 1);
  assert.deepEqual(fleet.violated, ["ramp-after-promotion"]);
});

test("[B2] a backlog that is released at once is seen", async () => {
  const fleet = made();
  fleet.promoted("backup", "primary", "failure");
  for (let sent = 0; sent < 11; sent++) fleet.sends(fleet.command(), "backup");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, ["ramp-after-promotion"]);
});

test("[B2] attempts that are told to be over in the same step are not out", async () => {
  const fleet = made();
  fleet.promoted("backup", "primary", "failure");
  const out = Array.from({ length: 11 }, () => fleet.sends(fleet.command(), "backup"));
  fleet.ends(out[0] as (typeof out)[0], "aborted");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, []);
});

test("[B2] a second's worth does not come in one burst", async () => {
  const fleet = made(100);
  for (let sent = 0; sent < 12; sent++) fleet.ends(fleet.sends(fleet.command(), "primary"), "reply", 200);
  await fleet.at(10);
  assert.deepEqual(fleet.violated, ["ramp-after-promotion"]);
});

test("[B2] attempts whose bodies are still being sent are no measure of what is usual", async () => {
  for (const [judgedFromLocalMs, found] of [
    [0, []],
    [Number.POSITIVE_INFINITY, ["ramp-after-promotion"]],
  ] as const) {
    const fleet = made();
    for (let sent = 0; sent < 100; sent++) fleet.sends(fleet.command(), "primary", { judgedFromLocalMs });
    fleet.promoted("backup", "primary", "failure");
    for (let sent = 0; sent < 20; sent++) fleet.sends(fleet.command(), "backup");
    await fleet.at(10);
    assert.deepEqual(fleet.violated, found);
  }
});

test("[B2] what hangs at a station is no work, and one call a second may find out", async () => {
  for (const [isServed, more, found] of [
    [true, 16, []],
    [true, 17, ["ramp-after-promotion"]],
    [false, 1, []],
    [false, 2, ["ramp-after-promotion"]],
  ] as const) {
    const fleet = made();
    fleet.promoted("backup", "primary", "failure");
    for (let sent = 0; sent < 9; sent++) fleet.sends(fleet.command(), "backup");
    await fleet.at(900);
    const last = fleet.sends(fleet.command(), "backup");
    if (isServed) fleet.ends(last, "reply", 200);
    await fleet.at(1_900);
    for (let sent = 0; sent < more; sent++) fleet.sends(fleet.command(), "backup");
    await fleet.at(1_910);
    assert.deepEqual(fleet.violated, found);
  }
});
