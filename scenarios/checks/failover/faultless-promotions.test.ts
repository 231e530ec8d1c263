/**
 * A promotion for failure needs a fault of the replaced station. Faults of callers and of the
 * gateway's machine do not count.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FleetFault } from "../../fleet/plan.ts";
import { GATEWAY } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import type { WideDraft } from "../wide-world.ts";
import { widePlan } from "../wide-world.ts";
import { faultlessPromotions } from "./faultless-promotions.ts";

/**
 * The primary is replaced at 20 s, after `commands` were sent in the last two seconds, and one was
 * `served` before.
 */
async function violated(
  faults: readonly FleetFault[],
  commands = 5,
  cause: "failure" | "switchover" = "failure",
  served = true,
  draft: WideDraft = {},
) {
  const made = new Scripted(widePlan({ faults, ...draft }), faultlessPromotions);
  await made.at(17_000);
  const attempt = made.sends(made.command(), "primary");
  made.ends(attempt, "reply", served ? 200 : 500);
  await made.at(18_000);
  for (let sent = 0; sent < commands; sent++) made.begins(made.command());
  await made.at(20_000);
  made.promoted("backup", "primary", cause);
  return made.violated;
}

const hang = { kind: "service", group: "atlantic", mode: "hang", rate: 1, atMs: 12_000, forMs: 2_000 } as const;

test("nothing is wrong → violated", async () => {
  assert.deepEqual(await violated([]), ["no-role-change-without-fault"]);
});

test("it has just failed → nothing is wrong with that", async () => {
  assert.deepEqual(await violated([{ ...hang, station: "primary" }]), []);
});

test("the other one has failed → violated", async () => {
  assert.deepEqual(await violated([{ ...hang, station: "backup" }]), ["no-role-change-without-fault"]);
});

test("we are out of descriptors, or stood still → violated", async () => {
  const short = { kind: "shortage", resource: "descriptors", atMs: 19_000, forMs: 2_000, rate: 1 } as const;
  const pause = { kind: "pause", node: GATEWAY, atMs: 19_000, forMs: 500 } as const;
  assert.deepEqual(await violated([short]), ["no-role-change-without-fault"]);
  assert.deepEqual(await violated([pause]), ["no-role-change-without-fault"]);
});

test("it is asked for more than it can take → not judged", async () => {
  assert.deepEqual(await violated([], 60), []);
});

test("somebody asked for it → nothing is wrong with that", async () => {
  assert.deepEqual(await violated([], 5, "switchover"), []);
});

test("every command so far was wrong → not judged", async () => {
  assert.deepEqual(await violated([], 5, "failure", false), []);
});

test("all that was served had been sent before the first that was wrong → not judged; one was sent after it → violated", async () => {
  for (const [sentMs, found] of [
    [16_999, []],
    [17_001, ["no-role-change-without-fault"]],
  ] as const) {
    const made = new Scripted(widePlan({}), faultlessPromotions);
    await made.at(Math.min(sentMs, 17_000));
    const early = sentMs < 17_000 ? made.sends(made.command(), "primary") : undefined;
    await made.at(17_000);
    const wrong = made.sends(made.command(), "primary");
    await made.at(17_001);
    const slow = early ?? made.sends(made.command(), "primary");
    made.ends(wrong, "reply", 501);
    made.ends(slow, "reply", 200);
    await made.at(20_000);
    made.promoted("backup", "primary", "failure");
    assert.deepEqual(made.violated, found, `${sentMs}`);
  }
});

test("the station it is replaced by is a hundred times slower than usual since long ago, longer than callers wait → not judged; for callers who wait → violated", async () => {
  const slow = { kind: "slowdown", group: "atlantic", station: "backup", factor: 100, atMs: 1_000 } as const;
  const callers = (patienceMs: number): WideDraft => ({
    group: { callers: { patienceMs, leaves: "closing", retries: 0, retryAfterMs: 100 } },
  });
  assert.deepEqual(await violated([slow], 5, "failure", true, callers(1_000)), []);
  assert.deepEqual(await violated([slow], 5, "failure", true, callers(60_000)), ["no-role-change-without-fault"]);
});

test("callers leave about when an answer comes, or the deadline is shorter than a route → not judged", async () => {
  const leaving = (patienceMs: number): WideDraft => ({
    group: { callers: { patienceMs, leaves: "closing", retries: 0, retryAfterMs: 100 } },
  });
  assert.deepEqual(await violated([], 5, "failure", true, leaving(101)), []);
  assert.deepEqual(await violated([], 5, "failure", true, leaving(200)), ["no-role-change-without-fault"]);
  const written = (deadline: number): WideDraft => ({ sections: { commands: { deadline } } });
  assert.deepEqual(await violated([], 5, "failure", true, written(99)), []);
  assert.deepEqual(await violated([], 5, "failure", true, written(2_000)), ["no-role-change-without-fault"]);
});
