/** What a station that is not active is sent to compare it with the active one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { claimsUnfit } from "../claims-unfit.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { comparisons } from "./comparisons.ts";

const FEW = ["comparisons-are-few"];

/** The primary has failed `count` commands without a key. */
async function failing(count: number): Promise<Scripted> {
  const made = new Scripted({}, comparisons);
  made.starts();
  await fails(made, count);
  return made;
}

async function fails(made: Scripted, count: number): Promise<void> {
  for (let left = count; left > 0; left--)
    made.ends(made.sends(made.command({ kind: "once" }), "primary"), "reply", 500);
  await made.at(made.world.nowMs + 1);
}

/** The primary serves so many commands. */
async function serves(made: Scripted, count: number): Promise<void> {
  for (let left = count; left > 0; left--) made.ends(made.sends(made.command(), "primary"), "reply", 200);
  await made.at(made.world.nowMs + 1);
}

/** A new command goes to the backup, which answers with `status` after 10 ms. */
async function compares(made: Scripted, status = 200): Promise<void> {
  const attempt = made.sends(made.command({ kind: "once" }), "backup");
  await made.at(made.world.nowMs + 10);
  made.ends(attempt, "reply", status);
}

async function rests(made: Scripted, forMs: number): Promise<void> {
  await made.at(made.world.nowMs + forMs);
}

describe("comparisons-are-few", () => {
  test("three commands that were not served, then a new one at the backup → right; after two → wrong", async () => {
    for (const [count, found] of [
      [3, []],
      [2, FEW],
    ] as const) {
      const made = await failing(count);
      await compares(made);
      assert.deepEqual(made.violated, found, `${count}`);
    }
  });

  test("none was unserved, and its gateway calls the primary ineligible → an excuse only where something came to nothing there", async () => {
    for (const hasFailed of [true, false]) {
      const made = new Scripted({}, comparisons);
      startGateway(made);
      claimsUnfit(made.fleet);
      made.declared("primary", "suspected", "alive");
      if (hasFailed) await fails(made, 1);
      await compares(made);
      assert.deepEqual(made.violated, hasFailed ? [] : FEW, `failed: ${hasFailed}`);
    }
  });

  test("nobody was eligible, and its gateway calls the primary ineligible ever after → over once that is heard again, and nothing failed", async () => {
    for (const isHeard of [true, false]) {
      const made = new Scripted({}, comparisons);
      startGateway(made);
      claimsUnfit(made.fleet);
      made.tell(
        "gatewayEvent",
        { type: "no-eligible-station", group: "atlantic", station: "primary", epoch: 1, atMs: 0, evidence: [] },
        1,
      );
      if (isHeard) made.declared("primary", "suspected", "alive");
      await rests(made, 10);
      made.tell("tick");
      await compares(made);
      assert.deepEqual(made.violated, isHeard ? FEW : [], `heard: ${isHeard}`);
    }
  });

  test("three that have been out for long count as well; many successes after them begin anew", async () => {
    const made = await failing(0);
    for (let left = 3; left > 0; left--) made.sends(made.command({ kind: "once" }), "primary");
    await rests(made, 100);
    await compares(made);
    assert.deepEqual(made.violated, []);
    for (const [count, found] of [
      [1, []],
      [16, []],
      [18, FEW],
    ] as const) {
      const other = await failing(3);
      await serves(other, count);
      await compares(other);
      assert.deepEqual(other.violated, found, `${count} served`);
    }
  });

  test("a second one needs a fourth that was not served, and 250 ms", async () => {
    for (const [more, afterMs, found] of [
      [1, 250, []],
      [0, 250, FEW],
      [1, 200, FEW],
    ] as const) {
      const made = await failing(3);
      await compares(made);
      await fails(made, more);
      await rests(made, afterMs - 11);
      await compares(made);
      assert.deepEqual(made.violated, found, `${more} more, after ${afterMs} ms`);
    }
  });

  test("one that was out when the primary served something uses up none of those that it did not serve after that", async () => {
    for (const [more, found] of [
      [3, []],
      [2, FEW],
    ] as const) {
      const made = await failing(3);
      const success = made.sends(made.command(), "primary");
      const compared = made.sends(made.command({ kind: "once" }), "backup");
      await rests(made, 10);
      made.ends(success, "reply", 200);
      made.ends(compared, "reply", 200);
      await serves(made, 39);
      await fails(made, more);
      await rests(made, 250);
      await compares(made);
      assert.deepEqual(made.violated, found, `${more} more`);
    }
  });

  test("beside another one that is out there → wrong", async () => {
    const made = await failing(9);
    made.sends(made.command({ kind: "once" }), "backup");
    await rests(made, 300);
    await compares(made);
    assert.deepEqual(made.violated, FEW);
  });

  test("what the primary has had, and what goes there because of a doubt, a failback or a pause → no comparison", async () => {
    const made = await failing(0);
    const command = made.command();
    made.arrives(command);
    made.ends(made.sends(command, "primary"), "reply", 500);
    made.sends(command, "backup");
    made.ends(made.sends(made.command(), "primary"), "reply", 503);
    made.sends(made.command(), "backup");
    await rests(made, 2_000);
    const event = { group: "atlantic", station: "primary", reason: "", atMs: made.world.nowMs };
    made.tell("gatewayEvent", { ...event, type: "doubted" } as never, 1);
    made.sends(made.command(), "backup");
    made.tell("gatewayEvent", { ...event, type: "trusted" } as never, 1);
    made.tell("gatewayEvent", { ...event, type: "handover-begun", station: "backup", cause: "failback" } as never, 1);
    made.sends(made.command(), "backup");
    await rests(made, 1);
    assert.deepEqual(made.violated, []);
    made.tell("gatewayEvent", { ...event, type: "handover-ended", station: "backup" } as never, 1);
    made.sends(made.command(), "backup");
    await rests(made, 1);
    assert.deepEqual(made.violated, FEW);
  });

  test("what explains it is told in the same step, after it → no comparison", async () => {
    const made = await failing(0);
    made.sends(made.command(), "backup");
    made.promoted("backup", "primary", "failure");
    await rests(made, 1);
    assert.deepEqual(made.violated, []);
  });
});
