import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { SlidingCount } from "./sliding-count.ts";

test("what is older than the window, to the instant, does not count", () => {
  const count = new SlidingCount(1_000);
  for (const atMs of [0, 0, 400, 1_000]) count.add(atMs);
  assert.deepEqual([count.total(1_000), count.total(1_399), count.total(1_400), count.total(5_000)], [2, 2, 1, 0]);
});

test("it agrees with counting by hand, over many growths and turns of its ring", () => {
  const random = seededRandom("sliding-count");
  const count = new SlidingCount(100);
  const all: number[] = [];
  for (let nowMs = 0; nowMs < 10_000; nowMs += random.next() * (nowMs < 5_000 ? 1 : 20)) {
    count.add(nowMs);
    all.push(nowMs);
    assert.equal(count.total(nowMs), all.filter((atMs) => atMs > nowMs - 100).length, `at ${nowMs}`);
  }
});
