import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import { FLEET_SITUATIONS } from "./coverage-points.ts";
import { coverageWatch } from "./coverage-watch.ts";

test("every situation that is noted here by hand is one that batches ask for, and each is named once", () => {
  assert.equal(new Set(FLEET_SITUATIONS).size, FLEET_SITUATIONS.length);
});

test("a command that moves is noted for why it moved", async () => {
  const { world, ...fleet } = await moved("never-sent");
  assert.deepEqual([...world.met.keys()].sort(), ["never-sent moved to the other station", "promotion"]);
  assert.deepEqual(fleet.violated, []);
});

test("a held command that a promotion resumes is noted, and so is a duplicate after it", async () => {
  const { world } = await moved("reply");
  assert.deepEqual([...world.met.keys()].sort(), [
    "duplicate after failover",
    "held command resumed by promotion",
    "promotion",
  ]);
});

async function moved(outcome: "never-sent" | "reply"): Promise<{ world: Scripted["world"]; violated: string[] }> {
  const fleet = new Scripted({}, coverageWatch);
  for (const station of ["primary", "backup"]) fleet.world.node(`atlantic/${station}`, () => undefined);
  const command = fleet.command();
  fleet.arrives(command);
  const attempt = fleet.sends(command, "primary");
  await fleet.at(100);
  if (outcome === "reply") command.executions++;
  fleet.ends(attempt, outcome, outcome === "reply" ? 500 : undefined);
  await fleet.at(200);
  fleet.promoted("backup", "primary", "failure");
  fleet.sends(command, "backup");
  // What could not be sent moves for another reason than what failed and was held.
  if (outcome === "never-sent") fleet.world.met.delete("held command resumed by promotion");
  return { world: fleet.world, violated: fleet.violated };
}

test("circuits, epochs and lies are noted", () => {
  const fleet = new Scripted({}, coverageWatch);
  fleet.world.node("atlantic/primary", () => undefined);
  const transition = (from: "closed" | "open" | "half-open", to: "closed" | "open" | "half-open"): void =>
    fleet.tell(
      "gatewayEvent",
      { type: "breaker", group: "atlantic", station: "primary", transition: { from, to, atMs: 0, rule: "" } },
      2,
    );
  transition("closed", "open");
  transition("open", "half-open");
  transition("half-open", "open");
  transition("half-open", "closed");
  fleet.tell("gatewayEvent", { type: "epoch-adopted", group: "atlantic", epoch: 9, atMs: 0 }, 2);
  const attempt = fleet.sends(fleet.command(), "primary");
  attempt.lies = true;
  fleet.ends(attempt, "reply", 200);
  const expected = ["breaker opened", "half-open probe failed", "half-open probe succeeded"];
  assert.deepEqual([...fleet.world.met.keys()], [...expected, "epoch adopted after gateway restart", "lying 200 seen"]);
  for (const situation of fleet.world.met.keys()) assert.ok(FLEET_SITUATIONS.includes(situation), situation);
});
