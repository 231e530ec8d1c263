/**
 * The sender's schedule as it is learned from arrivals: through jitter, lost beats and a change of
 * interval.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { ScheduleContext } from "./schedule-context.ts";
import { SilenceHistogram } from "./silence-histogram.ts";

function histogram(): SilenceHistogram {
  return new SilenceHistogram(SilenceHistogram.store(1), 0, 1);
}

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
