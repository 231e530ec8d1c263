/** Gaps that stand for a fit: they have its mean and its deviation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalWindow } from "./arrival-window.ts";
import { gapsOfFit } from "./carried-node.ts";

test("[G4] gaps made from a fit → its mean and deviation, never negative, no more than were seen", () => {
  const window = new ArrivalWindow(100);
  for (const gapMs of gapsOfFit(100, 12, 1_000)) window.add(gapMs);
  assert.deepEqual([window.count, window.mean, Math.round(window.deviation * 1e9) / 1e9], [64, 100, 12]);
  assert.ok(gapsOfFit(10, 500, 50).every((gapMs) => gapMs >= 0));
  assert.deepEqual([gapsOfFit(10, 1, 0), gapsOfFit(10, 1, 1), gapsOfFit(10, 1, 3).length], [[], [], 2]);
});
