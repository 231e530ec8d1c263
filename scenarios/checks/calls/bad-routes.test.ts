/**
 * A bad route does not slow down other routes; a slow route and a slow upload are served if the
 * caller waits long enough.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sending } from "../../fleet/observer.ts";
import type { GroupPlan, RoutePlan } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import { SLOW, WRONG, widePlan } from "../wide-world.ts";
import { badRoutes } from "./bad-routes.ts";

interface Way {
  readonly route?: RoutePlan;
  readonly uploadMs?: number;
  readonly waitsMs?: number;
  readonly group?: Partial<GroupPlan>;
}

/**
 * A command is sent at 20 s, beside others of a wrong and a slow route, and ends `afterMs` later.
 */
async function violated(afterMs: number, end: NonNullable<Sending["end"]>, way: Way = {}): Promise<string[]> {
  const { route, uploadMs = 0, waitsMs = 20_000, group } = way;
  const made = new Scripted(widePlan({ group: { routes: [WRONG, SLOW], ...group } }), badRoutes);
  await made.at(20_000);
  const sending = made.begins(made.command({ route }), { waitsMs, uploadMs });
  await made.at(20_000 + afterMs);
  made.finishes(sending, end);
  return made.violated;
}

test("another route, served in its time → nothing is wrong", async () => {
  assert.deepEqual(await violated(150, "served"), []);
});

test("another route, refused or late → violated", async () => {
  assert.deepEqual(await violated(10, "refused"), ["one-bad-route-hurts-nobody"]);
  assert.deepEqual(await violated(1_000, "served"), ["one-bad-route-hurts-nobody"]);
});

test("the slow route, served as slowly as it is → nothing is wrong", async () => {
  assert.deepEqual(await violated(500, "served", { route: SLOW }), []);
});

test("the slow route, given up → violated", async () => {
  assert.deepEqual(await violated(500, "failed", { route: SLOW }), ["quiet-is-served"]);
});

test("a body of three seconds → three seconds more", async () => {
  assert.deepEqual(await violated(3_200, "served", { uploadMs: 3_000 }), []);
  assert.deepEqual(await violated(1_000, "failed", { uploadMs: 3_000 }), ["quiet-is-served"]);
});

test("a caller who waits for less than that → not judged", async () => {
  assert.deepEqual(await violated(100, "left", { waitsMs: 100 }), []);
});

test("the epoch of an upload ends while its body is streamed → refused in its time is right, later is violated", async () => {
  for (const [endMs, expected] of [
    [23_200, []],
    [25_000, ["quiet-is-served"]],
  ] as const) {
    const made = new Scripted(widePlan(), badRoutes);
    await made.at(20_000);
    const command = made.command({ kind: "once" });
    const sending = made.begins(command, { waitsMs: 20_000, uploadMs: 3_000 });
    const attempt = made.sends(command, "primary");
    await made.at(21_000);
    made.promoted("backup", "primary", "failure");
    await made.at(23_100);
    made.ends(attempt, "stale", 412);
    await made.at(endMs);
    made.finishes(sending, "refused");
    assert.deepEqual(made.violated, expected);
  }
});

test("a route that nobody waits for in full, sent again and again, leaves no room → not judged; less of it → violated", async () => {
  const endless = (ratio: number): Way => ({
    group: {
      commandsPerSecond: 2,
      routes: [{ name: "endless", ratio, serviceMs: 3_000 }],
      callers: { patienceMs: 2_000, leaves: "closing", retries: 3, retryAfterMs: 500 },
    },
  });
  assert.deepEqual(await violated(1_000, "served", endless(0.05)), []);
  assert.deepEqual(await violated(1_000, "served", endless(0.02)), ["one-bad-route-hurts-nobody"]);
});
