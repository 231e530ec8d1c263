/**
 * What heartbeats' own numbers tell: loss, duplicates, reordering, restarts, replays and nonsense.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BeatOrder } from "./beat-order.ts";
import type { Heartbeat } from "./detector.ts";

function read(beats: readonly (Heartbeat | undefined)[], afterOutage = false): string[] {
  const order = new BeatOrder();
  return beats.map((beat) => order.note(beat, afterOutage));
}

function numbered(...sequences: number[]): Heartbeat[] {
  return sequences.map((sequence) => ({ sequence }));
}

test("[D5] adjacent numbers follow on, a jump tells of lost beats", () => {
  assert.deepEqual(read(numbered(4, 5, 6, 9, 10)), ["next", "next", "next", "skip", "next"]);
});

test("[D5] duplicates and stragglers prove nothing, however many, while no outage is on", () => {
  const beats = numbered(7, 7, 8, 5, 6, 7, 8, 9);
  assert.deepEqual(read(beats), [
    "next",
    "duplicate",
    "next",
    "reordered",
    "reordered",
    "reordered",
    "duplicate",
    "next",
  ]);
});

test("[D5] beats without numbers are taken as they come", () => {
  assert.deepEqual(read([undefined, {}, { sentAtMs: 5 }, { sentAtMs: 4 }]), ["next", "next", "next", "next"]);
});

test("[D5] a higher incarnation restarts the count, and the old one is a replay from then on", () => {
  const beats: Heartbeat[] = [
    { sequence: 100, incarnation: 1 },
    { sequence: 0, incarnation: 2 },
    { sequence: 101, incarnation: 1 },
    { sequence: 1, incarnation: 2 },
    { sequence: 102 },
  ];
  assert.deepEqual(read(beats), ["restart", "restart", "old-incarnation", "next", "old-incarnation"]);
});

test("[D5] without incarnations a lower number that was sent later is a restart", () => {
  const beats: Heartbeat[] = [
    { sequence: 100, sentAtMs: 5000 },
    { sequence: 98, sentAtMs: 4900 },
    { sequence: 0, sentAtMs: 5100 },
    { sequence: 1, sentAtMs: 5150 },
  ];
  assert.deepEqual(read(beats), ["next", "reordered", "restart", "next"]);
});

test("[D5] a first sending time alone does not make a restart", () => {
  assert.deepEqual(read([{ sequence: 100 }, { sequence: 98, sentAtMs: 4900 }]), ["next", "reordered"]);
});

test("[D5] without either, the third of a rising row after an outage is a restart", () => {
  assert.deepEqual(read(numbered(100, 0, 1, 2, 3), true), ["next", "reordered", "reordered", "restart", "next"]);
  assert.deepEqual(read(numbered(100, 5, 5, 5, 5), true), ["next", "reordered", "reordered", "reordered", "reordered"]);
  assert.deepEqual(read(numbered(100, 5, 6, 101, 7), true), ["next", "reordered", "reordered", "next", "reordered"]);
});

test("[D5] incarnations told → no row of replayed beats is a restart, the next incarnation is", () => {
  for (const incarnation of [0, 3]) {
    const beats = [100, 5, 6, 7, 8, 9, 101].map((sequence) => ({ sequence, incarnation }));
    const first = incarnation === 0 ? "next" : "restart";
    assert.deepEqual(read(beats, true), [first, ...Array.from({ length: 5 }, () => "reordered"), "next"]);
    assert.deepEqual(read([...beats, { sequence: 0, incarnation: incarnation + 1 }], true).at(-1), "restart");
  }
});

test("[D5] malformed numbers are refused and change nothing", () => {
  const order = new BeatOrder();
  order.note({ sequence: 3 }, false);
  const hostile = [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 1e308, 2 ** 53, "4" as unknown as number];
  for (const value of hostile) {
    assert.equal(order.note({ sequence: value }, true), "refused");
    assert.equal(order.note({ sequence: 4, incarnation: value }, true), "refused");
  }
  assert.equal(order.note({ sequence: 4, sentAtMs: Number.NaN }, true), "refused");
  assert.equal(order.note(null as unknown as Heartbeat, true), "refused");
  assert.equal(order.note({ sequence: 4 }, false), "next");
});
