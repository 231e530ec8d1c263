/**
 * Goodput after a fault: 0.9 of the offered load below capacity, 0.8 of the capacity above it,
 * nothing before the grace period.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import type { WideDraft } from "../wide-world.ts";
import { LOST, widePlan } from "../wide-world.ts";
import { goodput } from "./goodput.ts";

interface Traffic {
  readonly perSecond: number;
  /**
   * Share of the sendings that are answered in time: before 21 s, which is 5 s and twice the
   * patience after the fault, and later.
   */
  readonly before: number;
  readonly after: number;
  /**
   * Sendings that begin before 21 s end so much later; those of so long afterwards are refused.
   * Default 0.1 s, and none.
   */
  readonly queueMs?: number;
}

/** Sends from 12 s to the end of the run. */
async function run(draft: WideDraft, { perSecond, before, after, queueMs = 100 }: Traffic): Promise<Scripted> {
  const made = new Scripted(widePlan(draft), goodput);
  for (let sent = 0; ; sent++) {
    const atMs = 12_000 + (1_000 * sent) / perSecond;
    if (atMs > 57_900) break;
    await made.at(atMs);
    const isBefore = atMs < 21_000;
    const ratio = isBefore ? before : after;
    const isRefused = !isBefore && atMs < 21_000 + queueMs - 100;
    const good = !isRefused && Math.floor(ratio * (sent + 1)) > Math.floor(ratio * sent);
    const sending = made.begins(made.command());
    made.world.at(atMs + (isBefore ? queueMs : 100), () => made.finishes(sending, good ? "served" : "left"));
  }
  return await made.at(80_000);
}

test("all is answered again in time → nothing is wrong", async () => {
  const { violated, world } = await run(LOST, { perSecond: 8, before: 0, after: 0.95 });
  assert.deepEqual(violated, []);
  assert.equal(world.met.get("judged: goodput-comes-back"), 1);
});

test("below capacity, an eighth is not answered in time → violated", async () => {
  const { violated } = await run(LOST, { perSecond: 8, before: 1, after: 0.87 });
  assert.deepEqual(violated, ["goodput-comes-back"]);
});

test("above capacity, eight tenths of it are answered → nothing is wrong", async () => {
  // 20 of 40 could be.
  const { violated, world } = await run(LOST, { perSecond: 40, before: 0, after: 0.42 });
  assert.deepEqual(violated, []);
  assert.equal(world.met.get("judged: goodput-comes-back above capacity"), 1);
});

test("above capacity, a long queue gives way to a short one → what is answered counts, whenever it was sent", async () => {
  const { violated } = await run(LOST, { perSecond: 40, before: 0.42, after: 0.42, queueMs: 8_000 });
  assert.deepEqual(violated, []);
});

test("above capacity, half of it is answered → violated", async () => {
  assert.deepEqual((await run(LOST, { perSecond: 40, before: 1, after: 0.25 })).violated, ["goodput-comes-back"]);
});

test("settings of which nobody can say how they bear it → not judged, and counted", async () => {
  const strange = { ...LOST, sections: { breaker: { minimumVolume: 1 } } };
  const { violated, world } = await run(strange, { perSecond: 8, before: 0, after: 0 });
  assert.deepEqual(violated, []);
  assert.ok((world.met.get("not judged: goodput-comes-back (settings of its own)") ?? 0) > 0);
});
