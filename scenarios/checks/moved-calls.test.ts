import assert from "node:assert/strict";
import { test } from "node:test";
import { HandMade } from "./hand-made.ts";
import { movedCalls } from "./moved-calls.ts";

function made(): HandMade {
  const fleet = new HandMade({}, movedCalls);
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
