/** Patience that was learned from callers who had not begun to wait is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GATEWAY } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import type { WideDraft } from "../wide-world.ts";
import { widePlan } from "../wide-world.ts";
import { learnedPatience } from "./learned-patience.ts";

const INVARIANT = "patience-is-true";

/**
 * The callers of the group wait for 2 s; at 40 s its gateway says that they wait for `patienceMs`.
 */
async function learned(patienceMs: number | undefined, draft: WideDraft = {}): Promise<Scripted> {
  const made = new Scripted(widePlan(draft), learnedPatience);
  await made.at(40_000);
  made.tell("gatewayEvent", { type: "patience-learned", group: "atlantic", patienceMs, atMs: 40_000 }, 1);
  return made;
}

test("[F11] callers are believed to wait for about as long as they do, or longer → nothing is wrong", async () => {
  for (const patienceMs of [1_940, 2_000, 30_000, undefined])
    assert.deepEqual((await learned(patienceMs)).violated, [], String(patienceMs));
  assert.ok(((await learned(2_000)).world.met.get(`judged: ${INVARIANT}`) ?? 0) > 0);
});

test("[F11] they are believed to leave much earlier → violated", async () => {
  assert.deepEqual((await learned(1_000)).violated, [INVARIANT]);
});

test("[F11] the gateway has stood still → not judged", async () => {
  const faults = [{ kind: "pause", node: GATEWAY, atMs: 20_000, forMs: 1_000 }] as const;
  assert.deepEqual((await learned(1_000, { faults })).violated, []);
});
