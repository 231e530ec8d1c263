import assert from "node:assert/strict";
import { test } from "node:test";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { retriesWithinBudget } from "./retries-within-budget.ts";

/** The manual's defaults: a tenth more, over ten seconds, ten in any case. */
const made = (retry: object = {}): Scripted =>
  new Scripted({ configuration: configurationOf([{ name: "atlantic", retry }]) }, retriesWithinBudget);

async function calls(fleet: Scripted, count: number): Promise<void> {
  for (let call = 0; call < count; call++) {
    const command = fleet.command();
    fleet.arrives(command);
    fleet.ends(fleet.sends(command, "primary"), "reply", 200);
    await fleet.at(fleet.world.nowMs + 1);
  }
}

/** A command that fails, and is sent again `extra` times. */
function fails(fleet: Scripted, extra: number): void {
  const command = fleet.command();
  fleet.arrives(command);
  for (let attempt = 0; attempt <= extra; attempt++) fleet.ends(fleet.sends(command, "primary"), "reply", 500);
}

test("[B1] a tenth of the calls of the last ten seconds may be repeated", async () => {
  const fleet = made();
  await calls(fleet, 119);
  fails(fleet, 12);
  assert.deepEqual(fleet.violated, []);
});

test("[B1] one extra attempt more than that is too many", async () => {
  const fleet = made();
  await calls(fleet, 119);
  fails(fleet, 13);
  assert.deepEqual(fleet.violated, ["retries-within-budget"]);
});

test("[B1] calls of long ago allow nothing, but ten are always allowed", async () => {
  const fleet = made();
  await calls(fleet, 200);
  await fleet.at(20_000);
  fails(fleet, 10);
  assert.deepEqual(fleet.violated, []);
  fails(fleet, 1);
  assert.deepEqual(fleet.violated, ["retries-within-budget"]);
});

test("[B1] where nothing is retried, nothing is sent a second time", () => {
  const fleet = made({ maxAttempts: 1 });
  fails(fleet, 1);
  assert.deepEqual(fleet.violated, ["retries-within-budget"]);
});

test("[B1] the first attempt at another station, a source's own repetition, and what never left are no extra load", () => {
  const fleet = made();
  const command = fleet.command();
  fleet.arrives(command);
  fleet.ends(fleet.sends(command, "primary"), "lost");
  fleet.ends(fleet.sends(command, "backup"), "never-sent");
  fleet.ends(fleet.sends(command, "backup"), "stale");
  fleet.ends(fleet.sends(command, "backup"), "reply", 200);
  fleet.arrives(command);
  fleet.ends(fleet.sends(command, "backup"), "reply", 200);
  fleet.sends(command, "primary");
  assert.deepEqual(fleet.violated, []);
});
