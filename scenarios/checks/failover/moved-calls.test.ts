import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsUnfit } from "../claims-unfit.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { movedCalls } from "./moved-calls.ts";

function made(): Scripted {
  const fleet = new Scripted({}, movedCalls);
  fleet.starts();
  return fleet;
}

test("[F3] what may be repeated goes on from a silent station in that very step", async () => {
  const fleet = made();
  for (const kind of ["keyed", "once"] as const) {
    const command = fleet.command({ kind });
    fleet.arrives(command);
    fleet.sends(command, "primary");
    fleet.declared("primary", "alive", "down");
    fleet.promoted("backup", "primary", "failure");
    if (kind === "keyed") fleet.sends(command, "backup");
  }
  await fleet.at(10);
  assert.deepEqual(fleet.violated, []);
});

test("[F3] what stays there alone is seen", async () => {
  const fleet = made();
  const command = fleet.command({ kind: "read" });
  fleet.arrives(command);
  fleet.sends(command, "primary");
  fleet.declared("primary", "alive", "down");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, ["moves-what-was-in-flight"]);
});

test("[F3] nothing goes on, and the gateway calls the new station ineligible → an excuse only where something failed there", async () => {
  for (const [hasFailed, found] of [
    [true, []],
    [false, ["moves-what-was-in-flight"]],
  ] as const) {
    const fleet = new Scripted({}, movedCalls);
    startGateway(fleet);
    claimsUnfit(fleet.fleet);
    fleet.declared("backup", "suspected", "alive");
    fleet.ends(fleet.sends(fleet.command(), "backup"), "reply", hasFailed ? 500 : 200);
    const command = fleet.command({ kind: "read" });
    fleet.arrives(command);
    fleet.sends(command, "primary");
    fleet.declared("primary", "alive", "down");
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(10);
    assert.deepEqual(fleet.violated, found, `failed: ${hasFailed}`);
  }
});

test("[F3] what has no time left for another answer stays, and what has is seen", async () => {
  for (const [timeLeftMs, found] of [
    [100, []],
    [200, ["moves-what-was-in-flight"]],
  ] as const) {
    const fleet = made();
    const served = fleet.sends(fleet.command(), "primary");
    await fleet.at(100);
    fleet.ends(served, "reply", 200);
    const command = fleet.command({ kind: "read" });
    fleet.arrives(command);
    fleet.sends(command, "primary", { timeLeftMs });
    fleet.declared("primary", "alive", "down");
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(110);
    assert.deepEqual(fleet.violated, found);
  }
});

test("[F3] what the new station has had as often as it may stays, and what it could have once more is seen", async () => {
  for (const [times, found] of [
    [3, []],
    [2, ["moves-what-was-in-flight"]],
  ] as const) {
    const fleet = made();
    const command = fleet.command({ kind: "read" });
    fleet.arrives(command);
    fleet.sends(command, "primary");
    for (let time = 0; time < times; time++) fleet.ends(fleet.sends(command, "backup"), "reply", 429);
    fleet.ends(fleet.sends(command, "backup"), "never-sent");
    fleet.declared("primary", "alive", "down");
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(10);
    assert.deepEqual(fleet.violated, found);
  }
});

test("[F3] what is out at a station that answers stays, and one that is ended there is seen", async () => {
  for (const ends of [false, true]) {
    const fleet = made();
    const command = fleet.command();
    const given = new AbortController();
    fleet.arrives(command);
    fleet.sends(command, "primary", { signal: given.signal });
    fleet.promoted("backup", "primary", "switchover");
    if (ends) given.abort(new Error("the call goes elsewhere"));
    await fleet.at(10);
    assert.deepEqual(fleet.violated, ends ? ["stays-while-answered"] : []);
  }
});

test("[F3] a command is parked after a promotion → only where it failed, or its station was declared down with it", async () => {
  for (const [since, found] of [
    ["failed", []],
    ["declared down", []],
    ["declared down, given up before", ["moves-what-was-in-flight"]],
    ["another declared down", ["moves-what-was-in-flight"]],
    ["nothing", ["moves-what-was-in-flight"]],
  ] as const) {
    const fleet = new Scripted({}, movedCalls);
    const process = startGateway(fleet);
    const status = { parked: 1, waiting: 0 };
    fleet.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", { status }]]) } as never };
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(10);
    const command = fleet.command();
    const given = new AbortController();
    fleet.arrives(command);
    const attempt = fleet.sends(command, "backup", { signal: given.signal });
    if (since === "failed") fleet.ends(attempt, "lost");
    if (since === "declared down, given up before") given.abort();
    if (since.startsWith("declared down")) fleet.declared("backup", "alive", "down");
    if (since === "another declared down") fleet.declared("primary", "alive", "down");
    fleet.tell("tick");
    assert.deepEqual(fleet.violated, found, since);
  }
});
