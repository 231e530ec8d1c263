/**
 * What is a lasting overload, and what is not: by the rates of calls that come and of calls that
 * are answered.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RateWindow } from "../../guard/rate-window.ts";
import { seededRandom } from "../../random.ts";
import { OverloadWatch } from "./overload-watch.ts";

const SEED: string = process.env["SEED"] ?? "27020035";
const USUAL_MS = 80;

/** Calls come and are answered at even rates from 0 until `untilMs`; returns the watch. */
function flow(phases: readonly (readonly [untilMs: number, offered: number, answered: number])[]): OverloadWatch {
  const watch = new OverloadWatch();
  let nowMs = 0;
  let offeredAtMs = 0;
  let answeredAtMs = 0;
  for (const [untilMs, offered, answered] of phases) {
    for (; nowMs < untilMs; nowMs++) {
      for (; offeredAtMs <= nowMs; offeredAtMs += 1_000 / offered) watch.noteOffered(nowMs);
      for (; answeredAtMs <= nowMs && answered > 0; answeredAtMs += 1_000 / answered) watch.noteAnswered(nowMs);
    }
    answeredAtMs = Math.max(answeredAtMs, nowMs);
  }
  return watch;
}

for (const [what, phases, expected] of [
  ["a station that takes 0.7 of 200/s", [[3_000, 200, 140]], true],
  ["a station that takes 0.7 of 20/s", [[3_000, 20, 14]], true],
  [
    "a station that takes 0.97 of 200/s: by chance, or because its capacity is being looked for",
    [[3_000, 200, 194]],
    false,
  ],
  ["a station that takes 20 of 26/s, in three seconds: it could be chance", [[3_000, 26, 20]], false],
  ["a station that takes more than is asked for", [[3_000, 200, 240]], false],
  [
    "five times the load for a second, then what the station takes",
    [
      [1_000, 1_000, 240],
      [3_000, 200, 240],
    ],
    false,
  ],
  [
    "a station that refuses some for a second, while its limit is looked for",
    [
      [2_000, 200, 230],
      [3_000, 200, 160],
    ],
    false,
  ],
  ["a station that answers nothing: an outage", [[3_000, 200, 0]], false],
] as const) {
  test(`[F11] calls have waited for three seconds, ${what} → ${expected ? "a lasting overload" : "none"}`, () => {
    assert.equal(flow(phases).isLasting(0, 0, USUAL_MS, 3_000), expected);
  });
}

test("[F11] a station that takes 20 of 26/s, for six seconds → no chance any more", () => {
  assert.equal(flow([[6_000, 26, 20]]).isLasting(0, 0, USUAL_MS, 6_000), true);
  assert.equal(
    flow([[6_000, 26, 20]]).isLasting(2_500, 0, USUAL_MS, 6_000),
    false,
    "calls have waited for less than four",
  );
  assert.equal(flow([[6_000, 20, 20]]).isLasting(0, 0, USUAL_MS, 6_000), false);
});

test("[F11] calls have waited for less than two seconds, or than eight answer times → no lasting overload yet", () => {
  assert.equal(flow([[3_000, 200, 140]]).isLasting(1_001, 0, USUAL_MS, 3_000), false);
  assert.equal(flow([[3_000, 200, 140]]).isLasting(0, 1_001, USUAL_MS, 3_000), false, "another station serves");
  assert.equal(flow([[3_000, 200, 140]]).isLasting(0, 0, 500, 3_000), false, "it takes 500 ms");
  assert.equal(flow([[3_000, 200, 140]]).isLasting(1_000, 0, USUAL_MS, 3_000), true);
});

test("[F11] a lasting overload → lasts while the queue is empty now and then, and ends when enough is answered", () => {
  const watch = flow([[3_000, 200, 140]]);
  assert.equal(watch.isLasting(0, 0, USUAL_MS, 3_000), true);
  assert.equal(watch.isLasting(2_999, 0, USUAL_MS, 3_000), true, "nobody had waited for a moment");
  for (let nowMs = 3_000; nowMs < 5_000; nowMs += 5) {
    watch.noteOffered(nowMs);
    watch.noteAnswered(nowMs);
  }
  assert.equal(watch.isLasting(0, 0, USUAL_MS, 5_000), false);
});

test("[F11] nobody waits for two seconds → the overload is over", () => {
  const watch = flow([[3_000, 200, 140]]);
  assert.equal(watch.isLasting(0, 0, USUAL_MS, 3_000), true);
  for (let nowMs = 3_000; nowMs < 5_001; nowMs += 5) watch.noteOffered(nowMs);
  watch.noteAnswered(5_001);
  assert.equal(watch.isLasting(5_000, 0, USUAL_MS, 5_001), false);
});

test("[F11] another station begins to serve → what the one before could not do is forgotten", () => {
  const watch = flow([[3_000, 200, 140]]);
  assert.equal(watch.isLasting(0, 0, USUAL_MS, 3_000), true);
  assert.equal(watch.isLasting(0, 2_990, USUAL_MS, 3_000), false);
});

test("[F11] what is answered in a second counts, once calls have waited for a second and an answer time", () => {
  const watch = flow([[3_000, 200, 140]]);
  assert.ok(Math.abs(watch.answeredPerSecond(3_000) - 140) <= 4, String(watch.answeredPerSecond(3_000)));
  assert.deepEqual(
    [
      watch.isFull(1_920, 0, USUAL_MS, 3_000),
      watch.isFull(1_921, 0, USUAL_MS, 3_000),
      watch.isFull(0, 1_921, 80, 3_000),
    ],
    [true, false, false],
  );
});

test("[F11] how long a call may wait in a lasting overload → one answer time, and never less than 50 ms", () => {
  assert.deepEqual([new OverloadWatch().standingMs(5), new OverloadWatch().standingMs(80)], [50, 80]);
});

test("[F11] answers at any instants → as many in the last second as a window counts that is told each at once", () => {
  const random = seededRandom(SEED);
  const watch = new OverloadWatch();
  const window = new RateWindow(1_000, 40, 1);
  for (let nowMs = 0; nowMs < 20_000; nowMs += random.next() ** 4 * 200) {
    if (random.next() < 0.5) watch.noteOffered(nowMs);
    else {
      watch.noteAnswered(nowMs);
      window.add(0, nowMs);
    }
    if (random.next() < 0.1) assert.equal(watch.answeredPerSecond(nowMs), window.total(0, nowMs), `at ${nowMs}`);
  }
});
