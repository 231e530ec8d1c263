import assert from "node:assert/strict";
import { test } from "node:test";
import { HandMade } from "./hand-made.ts";
import { movedCalls } from "./moved-calls.ts";

test("[F3] what may be repeated leaves the station that was replaced in that very step", async () => {
  const fleet = new HandMade({}, movedCalls);
  const attempt = fleet.sends(fleet.command(), "primary");
  fleet.sends(fleet.command({ kind: "once" }), "primary");
  fleet.promoted("backup", "primary", "failure");
  fleet.ends(attempt, "aborted");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, []);
});

test("[F3] what stays there is seen", async () => {
  const fleet = new HandMade({}, movedCalls);
  fleet.sends(fleet.command({ kind: "read" }), "primary");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(10);
  assert.deepEqual(fleet.violated, ["moves-what-was-in-flight"]);
});
