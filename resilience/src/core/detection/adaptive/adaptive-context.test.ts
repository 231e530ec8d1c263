/**
 * What contexts learn: mean and deviation, when to step aside and what to take over, and which kind
 * of traffic it is.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalContext } from "./adaptive-context.ts";
import { SilenceHistogram } from "./silence-histogram.ts";
import { TailCurve } from "./tail-curve.ts";

function histogram(): SilenceHistogram {
  return new SilenceHistogram(SilenceHistogram.store(1), 0, 1);
}

test("[D9] an arrival context learns mean and deviation, and one wild gap hardly moves them", () => {
  const context = new ArrivalContext(histogram(), 4096);
  context.presume(1000, 1);
  for (let gap = 0; gap < 4000; gap++) context.learn(gap % 2 === 0 ? 40 : 60, 1);
  assert.ok(Math.abs(context.meanMs - 50) < 0.1, `${context.meanMs}`);
  assert.ok(Math.abs(context.scaleMs - 10) < 0.1, `${context.scaleMs}`);
  context.learn(60_000, 1);
  assert.ok(context.meanMs < 50.1 && context.scaleMs < 10.1);
});

test("[D9] the deviation has a floor", () => {
  const context = new ArrivalContext(histogram(), 32);
  for (let gap = 0; gap < 1000; gap++) context.learn(50, 2);
  assert.equal(context.scaleMs, 2);
});

test("[D9] a context whose promise is broken three times in a row steps aside; a single late beat does not do that", () => {
  const context = new ArrivalContext(histogram(), 4096);
  const curve = new TailCurve();
  let nowMs = 0;
  const hear = (gapMs: number): void => {
    nowMs += gapMs;
    context.judge(nowMs, gapMs, false);
    context.learn(gapMs, 1);
    context.begin(nowMs);
  };
  for (let beat = 0; beat < 500; beat++) hear(beat % 2 === 0 ? 45 : 55);
  context.fit(curve, 50);
  hear(400);
  assert.equal(context.aside, false);
  hear(400);
  hear(400);
  assert.equal(context.aside, true);
});

test("[D9] a slow context takes over from the quick one after a change", () => {
  const [slow, quick] = [new ArrivalContext(histogram(), 4096), new ArrivalContext(histogram(), 20)];
  let nowMs = 0;
  const hear = (gapMs: number): void => {
    nowMs += gapMs;
    for (const context of [slow, quick]) {
      context.judge(nowMs, gapMs, false);
      context.learn(gapMs, 1);
    }
    slow.compare(quick);
    for (const context of [slow, quick]) context.begin(nowMs);
  };
  for (let beat = 0; beat < 5000; beat++) hear(beat % 2 === 0 ? 90 : 110);
  for (let beat = 0; beat < 300; beat++) hear(beat % 2 === 0 ? 48 : 52);
  assert.ok(Math.abs(slow.meanMs - 50) < 1, `${slow.meanMs}`);
  assert.ok(slow.scaleMs < 4, `${slow.scaleMs}`);
});

test("[D9] traffic is of another kind once its unit has left the band by a margin, and not before there is much to tell apart", () => {
  const context = new ArrivalContext(new SilenceHistogram(SilenceHistogram.store(6), 0, 6), 4096);
  context.scaleMs = 10;
  assert.equal(context.settle(), false, "nothing heard yet");
  for (let silence = 0; silence < 2000; silence++) context.remember(0, 50);
  assert.equal(context.settle(), true);
  for (const scaleMs of [10.5, 9.5, 11, 10]) {
    context.scaleMs = scaleMs;
    assert.equal(context.settle(), false, `${scaleMs} ms`);
  }
  context.scaleMs = 25;
  assert.equal(context.settle(), true);
  context.scaleMs = 1e-3;
  assert.equal(context.settle(), true);
  context.remember(1, 50);
  assert.equal(context.histogram.count, 2001);
});
