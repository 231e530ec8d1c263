/**
 * When an attempt is overdue, worth a second one, or too late to begin: by what is known of its
 * station and its source.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../../test/worlds/dispatching.ts";
import type { Attempt } from "../call.ts";
import { CallerPatience } from "./patience.ts";
import { UsualTimes } from "./usual-times.ts";

interface Known {
  readonly world: Dispatching;
  readonly usual: UsualTimes;
  readonly patience: CallerPatience;
}

/** North has given `answers` answers of 80 ms to the source "route". */
function knowing(answers: number): Known {
  const world = new Dispatching({ stations: [{ timeoutMs: 30_000 }, { timeoutMs: 30_000 }] });
  world.serve(answers, { source: "route" }, 80);
  const patience = new CallerPatience();
  return { world, patience, usual: new UsualTimes(world.roles, patience) };
}

function sent(world: Dispatching, source = "route", key?: string): Attempt {
  return world.attemptOf(world.submit(key === undefined ? { source } : { source, key }));
}

/** After how long `attempt` is late. */
const lateAfterMs = ({ usual, world }: Known, attempt: Attempt): number => usual.lateAtMs(attempt) - world.nowMs;

test("[F10] nothing is known → worth a second attempt after a second, never overdue", () => {
  const at = knowing(0);
  const attempt = sent(at.world);
  assert.deepEqual([at.usual.isKnown(attempt), lateAfterMs(at, attempt)], [false, 1_000]);
  attempt.isHedged = true;
  assert.equal(at.usual.lateAtMs(attempt), Number.POSITIVE_INFINITY);
});

test("[F10] callers are known to wait 500 ms → half of that, and never less than 100 ms", () => {
  for (const [patienceMs, lateMs] of [
    [500, 240],
    [5_000, 1_000],
    [20, 100],
  ] as const) {
    const at = knowing(0);
    for (let caller = 0; caller < 4; caller++) at.patience.noteHangUp(patienceMs, 0);
    assert.equal(lateAfterMs(at, sent(at.world)), lateMs, `${patienceMs} ms`);
  }
});

test("[F10] 80 ms are usual → overdue a little later, then worth a second attempt", () => {
  const at = knowing(64);
  const attempt = sent(at.world, "route", "k");
  const overdueMs = lateAfterMs(at, attempt);
  attempt.isOverdue = true;
  const hedgedMs = lateAfterMs(at, attempt);
  assert.ok(at.usual.isKnown(attempt) && overdueMs > 80 && overdueMs <= 95, `overdue after ${overdueMs}`);
  assert.ok(hedgedMs > overdueMs && hedgedMs <= 120, `hedged after ${hedgedMs}`);
  const once = sent(at.world);
  assert.equal(lateAfterMs(at, once), overdueMs);
  once.isOverdue = true;
  assert.equal(lateAfterMs(at, once), 1_000, "it may be much work");
});

test("[F10] a new route at a station that is known → its age is held against nobody", () => {
  const at = knowing(64);
  const attempt = sent(at.world, "new");
  assert.deepEqual([at.usual.isKnown(attempt), lateAfterMs(at, attempt)], [false, 1_000]);
});

test("[F10] a station of which nothing is known is given twice as long as the slowest of the others", () => {
  const at = knowing(64);
  at.world.dispatcher.switchover("south", "switchover", "test", at.world.nowMs);
  const own = lateAfterMs(at, { ...sent(at.world), station: at.world.north });
  assert.equal(lateAfterMs(at, sent(at.world)), 2 * own);
  assert.deepEqual([at.usual.ms(at.world.south), at.usual.serviceMs], [80, 88]);
});

test("[F10] a few answers of a station are known, slower than twice the others' → as long as they took, it is not silent", () => {
  const at = knowing(64);
  at.world.dispatcher.switchover("south", "switchover", "test", at.world.nowMs);
  const silentAfterMs = (): number => at.usual.silentAtMs(sent(at.world), at.world.nowMs + 170) - at.world.nowMs;
  assert.equal(silentAfterMs(), 170, "nothing is known of it");
  at.world.serve(3, { source: "route" }, 400);
  assert.ok(silentAfterMs() >= 400 && silentAfterMs() <= 440, `silent after ${silentAfterMs()}`);
  at.world.serve(30, { source: "route" }, 80);
  assert.equal(silentAfterMs(), 170, "its own answers tell when one is overdue");
});

test("[F4] a station may begin within three times what all but one in a thousand take, and at least a second", () => {
  const quick = knowing(64);
  assert.equal(quick.usual.leaseMs(quick.world.call({ source: "route" }), quick.world.north), 1_000);
  const unknown = knowing(0);
  assert.equal(unknown.usual.leaseMs(unknown.world.call(), unknown.world.north), Number.POSITIVE_INFINITY);
  const slow = knowing(0);
  slow.world.serve(64, { source: "slow" }, 600);
  const leaseMs = slow.usual.leaseMs(slow.world.call({ source: "slow" }), slow.world.north);
  assert.ok(leaseMs >= 3 * 600 && leaseMs <= 3 * 600 * 1.3, `${leaseMs}`);
});
