/**
 * Settings of the guards change while they work: what they have counted stays, and meets the new
 * ones.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../failover/admission/token-bucket.ts";
import { BreakerMachine } from "./breaker.ts";
import { RateWindow } from "./rate-window.ts";
import { RetryBudgetMachine } from "./retry-budget.ts";
import { Slots } from "./slots.ts";

test("[G4] threshold and window of a circuit change → the failures counted so far meet them", () => {
  const breaker = new BreakerMachine({ minimumVolume: 100 });
  for (let call = 0; call < 8; call++) breaker.failure(breaker.acquire(call * 100), call * 100);
  breaker.useSettingsOf(new BreakerMachine({ minimumVolume: 9, windowMs: 20_000 }), 800);
  assert.deepEqual([breaker.state(800), breaker.status(800).failures], ["closed", 8]);
  breaker.failure(breaker.acquire(900), 900);
  assert.equal(breaker.state(900), "open");
});

test("[G4] the open duration changes while a circuit is open → this period ends as announced", () => {
  const breaker = new BreakerMachine({ minimumVolume: 1, openDurationMs: 5_000 });
  breaker.failure(breaker.acquire(0), 0);
  breaker.useSettingsOf(new BreakerMachine({ minimumVolume: 1, openDurationMs: 60_000 }), 100);
  assert.deepEqual([breaker.state(4_999), breaker.state(5_000)], ["open", "half-open"]);
});

test("[G4] a budget's window changes → spent attempts stay spent, and a withdrawn one is refunded once", () => {
  const budget = new RetryBudgetMachine({ ratio: 0.1, windowMs: 10_000, reserve: 1 });
  assert.equal(budget.withdraw(100) && budget.send(100), true);
  budget.useSettingsOf(new RetryBudgetMachine({ ratio: 0.1, windowMs: 20_000, reserve: 2 }), 200);
  assert.deepEqual([budget.status(200).sent, budget.status(200).allowed], [1, 2]);
  assert.equal(budget.withdraw(300), true);
  budget.useSettingsOf(new RetryBudgetMachine({ ratio: 0, windowMs: 10_000, reserve: 0 }), 400);
  assert.equal(budget.send(500), false);
  assert.equal(budget.pending, 0);
});

test("[G4] windows of any two lengths → no call is counted twice, and none of the last bucket is lost", () => {
  for (const [fromMs, toMs] of [
    [10_000, 20_000],
    [20_000, 10_000],
    [1_000, 60_000],
  ] as const) {
    const from = new RateWindow(fromMs, 10, 2);
    for (let nowMs = 50_000; nowMs < 60_000; nowMs += 100) from.add(1, nowMs);
    const to = new RateWindow(toMs, 10, 2);
    from.copyTo(to, "end", 59_950);
    const kept = to.total(1, 59_950);
    assert.ok(kept <= from.total(1, 59_950) && kept >= Math.min(fromMs, toMs, 10_000) / 100 - 20, `${kept}`);
  }
});

for (const [before, after] of [
  [undefined, 50],
  [20, 50],
  [50, 20],
  [5_000, 50],
] as const)
  test(`[G4] a declared pace of ${before} a second becomes ${after} → no second after it holds more`, () => {
    const old = before === undefined ? undefined : new TokenBucket(before, true);
    const sentMs: number[] = [];
    const sendAll = (bucket: TokenBucket | undefined, fromMs: number, untilMs: number): void => {
      for (let nowMs = fromMs; nowMs < untilMs; nowMs++)
        while (bucket?.allows(nowMs) === true) {
          bucket.take(nowMs);
          sentMs.push(nowMs);
        }
    };
    sendAll(old, 0, 2_000);
    const next = new TokenBucket(after, true);
    next.carryOn(old, 2_000);
    sendAll(next, 2_000, 5_000);
    const later = sentMs.filter((atMs) => atMs >= 2_000);
    for (const startMs of later)
      assert.ok(later.filter((atMs) => atMs >= startMs && atMs < startMs + 1_000).length <= after);
    assert.ok(later.length >= 2 * after, `only ${later.length} went`);
  });

test("[G4] fewer slots than are taken → none is given until enough have come back", () => {
  const slots = new Slots(3, 10);
  assert.deepEqual([slots.tryTake(), slots.tryTake(), slots.tryTake()], [true, true, true]);
  slots.useSettingsOf(new Slots(1, 10));
  slots.giveBack();
  assert.equal(slots.tryTake(), false);
  slots.giveBack();
  slots.giveBack();
  assert.deepEqual([slots.tryTake(), slots.tryTake()], [true, false]);
});
