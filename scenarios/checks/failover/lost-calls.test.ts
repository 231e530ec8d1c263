import assert from "node:assert/strict";
import { test } from "node:test";
import type { WrittenSections } from "../../swarm/written.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { lostCalls } from "./lost-calls.ts";

function made(commands: WrittenSections["commands"] = {}): Scripted {
  const fleet = new Scripted({ configuration: configurationOf([{ name: "atlantic", commands }]) }, lostCalls);
  fleet.starts();
  return fleet;
}

test("[F4] where a report is wanted, a keyed command that has reached one station goes to no other", () => {
  const fleet = made({ ambiguousKeyed: "report" });
  const refused = fleet.command();
  fleet.arrives(refused);
  fleet.ends(fleet.sends(refused, "primary"), "never-sent");
  fleet.sends(refused, "backup");
  const read = fleet.command({ kind: "read" });
  fleet.arrives(read);
  fleet.ends(fleet.sends(read, "primary"), "lost");
  fleet.sends(read, "backup");
  assert.deepEqual(fleet.violated, []);
  const reached = fleet.command();
  fleet.arrives(reached);
  fleet.ends(fleet.sends(reached, "primary"), "lost");
  fleet.sends(reached, "backup");
  assert.deepEqual(fleet.violated, ["report-is-not-resent"]);
});

test("[F4] where re-sending is wanted, nobody is told of a moved command that its outcome is ambiguous", async () => {
  const fleet = made();
  const moved = fleet.command();
  const visit = fleet.arrives(moved);
  fleet.ends(fleet.sends(moved, "primary"), "aborted");
  const failed = fleet.command();
  const failedVisit = fleet.arrives(failed);
  fleet.ends(fleet.sends(failed, "primary"), "lost");
  fleet.tell("commandAnswered", failedVisit, "AMBIGUOUS_OUTCOME");
  assert.deepEqual(fleet.violated, [], "one that broke off by itself may be told so");
  fleet.tell("commandAnswered", visit, "AMBIGUOUS_OUTCOME");
  assert.deepEqual(fleet.violated, ["resend-is-not-reported"]);
});

test("[F4] of a command without a key that broke off, its source is told just that", () => {
  const fleet = made();
  for (const code of ["AMBIGUOUS_OUTCOME", "DEADLINE_EXCEEDED", "STATION_UNREACHABLE"]) {
    const command = fleet.command({ kind: "once" });
    const visit = fleet.arrives(command);
    fleet.ends(fleet.sends(command, "primary"), "lost");
    fleet.tell("commandAnswered", visit, code);
  }
  assert.deepEqual(fleet.violated, ["lost-is-ambiguous"]);
});
