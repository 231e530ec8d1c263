/** The ceiling follows usual gaps that are long, not lone outages, and falls back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UntoldCeiling } from "./untold-ceiling.ts";

test("[D11] the second long gap in a row raises the ceiling to twenty of them, the second short one ends it", () => {
  const ceiling = new UntoldCeiling(20_000);
  assert.deepEqual(
    [50, 30_000, 30_000, 31_000, 50, 50].map((gapMs) => ceiling.after(gapMs)),
    [20_000, 20_000, 600_000, 600_000, 600_000, 20_000],
  );
});

test("[D11] long gaps with short ones between → the ceiling stays; gaps round half of it count by the middle one", () => {
  const ceiling = new UntoldCeiling(20_000);
  for (const gapMs of [60_000, 50, 50, 60_000, 50, 50]) assert.equal(ceiling.after(gapMs), 20_000);
  assert.deepEqual(
    [9_000, 11_000, 9_000, 11_000, 11_000].map((gapMs) => ceiling.after(gapMs)),
    [20_000, 20_000, 20_000, 220_000, 220_000],
  );
});

test("[D11] gaps of any size leave it finite", () => {
  const ceiling = new UntoldCeiling(20_000);
  for (const gapMs of [1e300, 1.7e308, 1e300]) assert.ok(ceiling.after(gapMs) <= Number.MAX_SAFE_INTEGER);
});
