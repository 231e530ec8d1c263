/**
 * Does a station do more when it is given more? Round trips by hand, of one that takes `capacity`
 * calls a second.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Filling } from "./filling.ts";

/**
 * Its limit grows by a quarter each round trip, from `limit` on: with which was it found to be
 * full, and when?
 */
function fill(capacityPerSecond: number, serviceMs: number, limit: number): { fullAt: number; reached: number } {
  let nowMs = 0;
  const filling = new Filling(nowMs);
  for (let rounds = 0; rounds < 40; rounds++) {
    const tookMs = Math.max(serviceMs, (1_000 * limit) / capacityPerSecond);
    nowMs += tookMs;
    const fullAt = filling.fullAt(Math.floor(limit), limit, nowMs);
    if (fullAt !== undefined) return { fullAt, reached: limit };
    limit *= 1.25;
  }
  return { fullAt: Number.POSITIVE_INFINITY, reached: limit };
}

test("[F11] a limit that is above what a station takes → it is full at about that, before it has twice as many as it was given first", () => {
  const { fullAt, reached } = fill(13, 130, 4);
  assert.ok(fullAt <= 6 && reached <= 16, `full at ${fullAt}, found at ${reached}`);
});

test("[F11] a limit far below what it takes → it grows to about that, and not far beyond", () => {
  const { fullAt, reached } = fill(500, 100, 4);
  assert.ok(fullAt >= 40 && fullAt <= 75, `full at ${fullAt}`);
  assert.ok(reached <= 3 * 50, `found at ${reached}`);
});

test("[F11] given little more, it need not do more; given more, and it does → not full", () => {
  let nowMs = 0;
  const filling = new Filling(nowMs);
  const round = (finished: number, limit: number): number | undefined => {
    nowMs += 100;
    return filling.fullAt(finished, limit, nowMs);
  };
  assert.deepEqual([round(10, 10), round(10, 11), round(10, 12), round(10, 12)], new Array(4).fill(undefined));
  assert.deepEqual([round(14, 15), round(14, 20), round(20, 22)], new Array(3).fill(undefined));
  assert.deepEqual([round(20, 28), round(20, 35)], [undefined, 22]);
});

test("[F11] fewer calls than chance moves → no measurement: it goes on until there are more", () => {
  const filling = new Filling(0);
  for (let round = 1; round <= 7; round++) assert.equal(filling.fullAt(1, 2, round * 1_000), undefined);
});
