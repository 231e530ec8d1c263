/** Chance that can be replayed: fixed by its seed, forked by name, uniform enough for jitter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "./random.ts";

const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

test("the same seed draws the same numbers, another seed others, however close", () => {
  assert.deepEqual(draws(seededRandom(7), 5), draws(seededRandom("7"), 5));
  assert.notDeepEqual(draws(seededRandom(7), 5), draws(seededRandom(8), 5));
});

test("the stream is this one, on every engine and in every release: seeds in old reports stay good", () => {
  assert.deepEqual(
    draws(seededRandom("CN-2702-003"), 3).map((number) => Math.floor(number * 2 ** 32)),
    [2021062492, 1538473052, 2023887839],
  );
});

test("a fork is fixed by seed and name, and moves nobody else's draws", () => {
  const parent = seededRandom(1);
  const before = parent.fork("jitter");
  parent.next();
  const after = parent.fork("jitter");
  assert.deepEqual(draws(before, 5), draws(after, 5));
  const alone = seededRandom(1);
  alone.next();
  assert.equal(parent.next(), alone.next());
  assert.notDeepEqual(draws(parent.fork("a"), 5), draws(parent.fork("b"), 5));
});

test("numbers lie in [0, 1) and fill it evenly", () => {
  const tenths = new Array<number>(10).fill(0);
  for (const number of draws(seededRandom("even"), 100_000)) {
    assert.ok(number >= 0 && number < 1);
    const tenth = Math.floor(number * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  // Five deviations of a fair count: 5 × √(100,000 × 0.1 × 0.9) ≈ 474. The seed is fixed, so this
  // cannot flicker.
  for (const count of tenths) assert.ok(Math.abs(count - 10_000) < 474, tenths.join(" "));
});
