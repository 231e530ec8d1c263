/** What contexts learn: mean and deviation, the sender's schedule, when to step aside and what to take over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalContext, ScheduleContext } from "./adaptive-context.ts";
import { seededRandom } from "./random.ts";
import { SilenceHistogram, TailCurve } from "./silence-histogram.ts";

function histogram(): SilenceHistogram {
  return new SilenceHistogram(SilenceHistogram.store(1), 0);
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

test("[D9] a schedule is found through jitter and lost beats, and foretells the next beat better than the last one does", () => {
  const random = seededRandom("schedule");
  const context = new ScheduleContext(histogram(), 4096, 256);
  let last = 0;
  let worst = 0;
  for (let sequence = 0; sequence < 3000; sequence++) {
    if (sequence % 7 === 3) continue;
    const nowMs = 1000 + 50 * sequence + 14 * (random.next() - 0.5);
    context.learn(nowMs, Math.max(1, sequence - last), 0.5);
    last = sequence;
    if (sequence > 500) worst = Math.max(worst, Math.abs(context.baseMs - (1000 + 50 * (sequence + 1))));
  }
  assert.ok(worst < 2.5, `off by ${worst} ms where each beat is off by up to 7`);
});

test("[D9] a schedule whose interval changes is laid anew within a few dozen beats", () => {
  const context = new ScheduleContext(histogram(), 20, 32);
  const random = seededRandom("relay");
  let gridMs = 0;
  for (let beat = 0; beat < 500; beat++) {
    gridMs += 100;
    context.learn(gridMs + 20 * random.next(), 1, 1);
  }
  for (let beat = 0; beat < 60; beat++) {
    gridMs += 50;
    context.learn(gridMs + 20 * random.next(), 1, 1);
  }
  assert.ok(Math.abs(context.baseMs - (gridMs + 60)) < 20, `${context.baseMs - gridMs}`);
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
