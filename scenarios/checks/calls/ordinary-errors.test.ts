/**
 * A command's own error is answered promptly at quiet times; at other times, and to callers that
 * leave early, nothing is owed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sending } from "../../fleet/observer.ts";
import type { RoutePlan } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import type { WideDraft } from "../wide-world.ts";
import { WRONG, widePlan } from "../wide-world.ts";
import { ordinaryErrors } from "./ordinary-errors.ts";

const BUSY: RoutePlan = { name: "busy", ratio: 0.5, answers: { status: 503 } };

/**
 * A command of the wrong route is sent at 20 s and ends `afterMs` later; another was `served`
 * before.
 */
async function ended(
  draft: WideDraft,
  afterMs: number,
  end: NonNullable<Sending["end"]>,
  waitsMs = 20_000,
  served = true,
): Promise<Scripted> {
  const route = draft.group?.routes?.[0] ?? WRONG;
  const made = new Scripted(widePlan({ ...draft, group: { routes: [route] } }), ordinaryErrors);
  await made.at(19_000);
  made.ends(made.sends(made.command(), "primary"), "reply", served ? 200 : 500);
  await made.at(20_000);
  const sending = made.begins(made.command({ route }), { waitsMs });
  await made.at(20_000 + afterMs);
  made.finishes(sending, end);
  return made;
}

const INVARIANT = "ordinary-error-is-prompt";

test("its own error after the time of two stations → nothing is wrong", async () => {
  const { violated, world } = await ended({}, 210, "own-error");
  assert.deepEqual(violated, []);
  assert.equal(world.met.get(`judged: ${INVARIANT}`), 1);
});

test("its own error, held for long → violated", async () => {
  assert.deepEqual((await ended({}, 1_500, "own-error")).violated, [INVARIANT]);
});

test("another error in its place → violated", async () => {
  assert.deepEqual((await ended({}, 210, "failed")).violated, [INVARIANT]);
});

test("its caller has waited in vain → violated", async () => {
  assert.deepEqual((await ended({}, 5_000, "left", 5_000)).violated, [INVARIANT]);
});

test("a station fails meanwhile → not judged", async () => {
  const fault = { kind: "service", group: "atlantic", station: "backup", mode: "hang", rate: 1 } as const;
  const { violated, world } = await ended({ faults: [{ ...fault, atMs: 19_000, forMs: 500 }] }, 1_500, "own-error");
  assert.deepEqual(violated, []);
  assert.equal(world.met.get(`not judged: ${INVARIANT} (something was wrong)`), 1);
});

test("a caller who leaves before that → not judged", async () => {
  assert.deepEqual((await ended({}, 200, "left", 200)).violated, []);
});

test("every command so far was wrong → not judged where it could be load, or a station was replaced for it", async () => {
  const refused = await ended({ group: { routes: [BUSY] } }, 1_500, "own-error", 20_000, false);
  assert.deepEqual(refused.violated, []);
  assert.equal(refused.world.met.get(`not judged: ${INVARIANT} (every command so far was wrong)`), 1);
  assert.deepEqual((await ended({}, 1_500, "own-error", 20_000, false)).violated, [INVARIANT]);
});

test("the first is served while a refused one waits → not judged; sent after that → judged", async () => {
  for (const [servedAtMs, expected] of [
    [19_000, [INVARIANT]],
    [20_500, []],
  ] as const) {
    const made = new Scripted(widePlan({ group: { routes: [BUSY] } }), ordinaryErrors);
    const serve = async (): Promise<void> => {
      await made.at(servedAtMs);
      made.ends(made.sends(made.command(), "primary"), "reply", 200);
    };
    if (servedAtMs < 20_000) await serve();
    await made.at(20_000);
    const sending = made.begins(made.command({ route: BUSY }), { waitsMs: 20_000 });
    if (servedAtMs > 20_000) await serve();
    await made.at(21_500);
    made.finishes(sending, "own-error");
    assert.deepEqual(made.violated, expected);
  }
});

test("the epoch of an upload ends while its body is streamed → refused as not executed is right, too", async () => {
  for (const [kind, expected] of [
    ["once", []],
    ["keyed", [INVARIANT]],
  ] as const) {
    const made = new Scripted(widePlan({ group: { routes: [WRONG] } }), ordinaryErrors);
    await made.at(20_000);
    const command = made.command({ kind, route: WRONG });
    const sending = made.begins(command, { waitsMs: 20_000, uploadMs: 3_000 });
    const attempt = made.sends(command, "primary");
    await made.at(21_000);
    made.ends(made.sends(made.command(), "primary"), "reply", 200);
    made.promoted("backup", "primary", "failure");
    await made.at(23_100);
    made.ends(attempt, "stale", 412);
    made.finishes(sending, "refused");
    assert.deepEqual(made.violated, expected);
  }
});
