/**
 * Going back: a canary first, then a growing share, then all; each step earned by served calls or
 * by time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import { Failback } from "./failback.ts";
import { Race } from "./learned/slowness.ts";

const world = new Dispatching();
const repeatable = world.call({ key: "k" });
const single = world.call();
const begun = (): Failback =>
  new Failback(world.north, "failback", "proven", { quietMs: 2_000, usual: { inFlight: 0, perMs: 0 } }, 0);

/** Share of the next thousand calls that it takes. */
function share(failback: Failback): number {
  let taken = 0;
  for (let call = 0; call < 1_000; call++) if (failback.takes(single)) taken++;
  return taken / 1_000;
}

test("[F7] at first → one repeatable call at a time, and none without a key", () => {
  const failback = begun();
  assert.deepEqual([failback.takes(single), failback.takes(repeatable)], [false, true]);
  const out = new Dispatching();
  out.submit({ key: "out" });
  const busy = new Failback(out.north, "failback", "proven", { quietMs: 2_000, usual: { inFlight: 0, perMs: 0 } }, 0);
  assert.equal(busy.takes(repeatable), false, "the canary is out");
});

test("[F7] the canary is served → a tenth of all calls, doubled every 250 ms, then it is due", () => {
  const failback = begun();
  failback.noteServed(100);
  for (const [atMs, expected] of [
    [100, 0.1],
    [350, 0.2],
    [600, 0.4],
    [850, 0.8],
  ] as const) {
    assert.equal(failback.isDue(atMs), false);
    assert.ok(Math.abs(share(failback) - expected) <= 0.002, `${share(failback)} at ${atMs} ms`);
    assert.equal(failback.nextStepMs, atMs + 250);
    assert.equal(failback.isDue(atMs + 249), false);
  }
  assert.equal(failback.isDue(1_100), true);
});

test("[F7] served again while it has a share → no step is skipped", () => {
  const failback = begun();
  failback.noteServed(0);
  for (let call = 0; call < 100; call++) failback.noteServed(call);
  assert.equal(failback.nextStepMs, 250);
  assert.ok(Math.abs(share(failback) - 0.1) <= 0.002);
});

test("[F7] no repeatable call comes → after the quiet time it takes any", () => {
  const failback = begun();
  assert.equal(failback.nextStepMs, 2_000);
  assert.equal(failback.isDue(1_999), false);
  assert.equal(failback.takes(single), false);
  assert.equal(failback.isDue(2_000), false);
  assert.ok(Math.abs(share(failback) - 0.1) <= 0.002);
});

test("[F6] [F7] the canary is served → from then on it is given as much as was out at the other, not one call at a time", () => {
  const idle = new Dispatching();
  idle.south.admission.begin(1, 0);
  const failback = new Failback(
    idle.south,
    "failback",
    "proven",
    { quietMs: 2_000, usual: { inFlight: 40, perMs: 1 } },
    0,
  );
  const before = idle.south.admission.limit;
  failback.noteServed(100);
  const after = idle.south.admission.limit;
  assert.ok(after > before && after >= 40, `${before}, then ${after}`);
});

test("[F7] a race with a slow station → each stage takes three of its answer times, from 1 to 5 s", () => {
  for (const [usualMs, stepMs] of [
    [10, 1_000],
    [500, 1_500],
    [9_000, 5_000],
  ] as const) {
    const usual = { inFlight: 0, perMs: 0 };
    const race = new Race(0);
    const failback = new Failback(world.north, "slowness", "slow", { quietMs: 2_000, usual, race, usualMs }, 0);
    failback.noteServed(100);
    assert.equal(failback.nextStepMs, 100 + stepMs, `${usualMs} ms`);
  }
});
