/**
 * What would help: heartbeats, time, alarms, trace; each of which, taken at its word, does help.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { calibrationNeeds } from "./advice.ts";
import { calibrate } from "./calibration.ts";
import { calibrationGoal } from "./goal.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";
import { summarizeTraffic } from "./traffic-summary.ts";

/** Periodic beats with some jitter and independent losses. */
function lossy(intervalMs: number, lossRate: number, beats: number): HeartbeatTrace {
  const random = seededRandom(`${intervalMs}`);
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < beats; beat++) {
    const atMs = beat * intervalMs + 5 * random.next();
    if (random.next() >= lossRate) trace.add("a", { sequence: beat }, atMs);
  }
  return trace;
}

const HOUR_MS = 3_600_000;
const GOAL = { detectWithinMs: 300, falseAlarms: 1, perMs: HOUR_MS };

test("[D10] faster heartbeats that it asks for do help, and so does the time that it asks for", () => {
  const slow = calibrate(lossy(100, 0.02, 120_000), GOAL);
  assert.equal(slow.type, "impossible");
  assert.equal(slow.why, "silences-too-long");
  const { intervalMs, detectWithinMs, alarmsPerMs } = slow.needs;
  assert.ok(intervalMs !== undefined && intervalMs < 100 && intervalMs >= 20, `${intervalMs}`);
  const watchedMs = 120_000 * 100;
  assert.equal(calibrate(lossy(intervalMs, 0.02, watchedMs / intervalMs), GOAL).type, "recommended");
  assert.ok(detectWithinMs !== undefined && detectWithinMs > 300);
  assert.equal(calibrate(lossy(100, 0.02, 120_000), { ...GOAL, detectWithinMs }).type, "recommended");
  const falseAlarms = (alarmsPerMs as number) * HOUR_MS * 1.05;
  assert.equal(calibrate(lossy(100, 0.02, 120_000), { ...GOAL, falseAlarms }).type, "recommended");
});

test("[D10] two beats must fit into the time for detection", () => {
  const slow = calibrate(lossy(50, 0, 2_000), { ...GOAL, detectWithinMs: 60 });
  assert.equal(slow.type, "impossible");
  assert.deepEqual([slow.why, slow.needs.intervalMs], ["interval-too-long", 25]);
});

test("[D10] silences that no interval shortens are not answered with one", () => {
  const trace = new HeartbeatTrace();
  let atMs = 0;
  for (let beat = 0; beat < 20_000; beat++) {
    atMs += beat % 1_000 === 999 ? 900 : 50;
    trace.add("a", { sequence: beat }, atMs);
  }
  const stalled = calibrate(trace, { ...GOAL, detectWithinMs: 400 });
  assert.equal(stalled.type, "impossible");
  assert.deepEqual([stalled.why, stalled.needs.intervalMs], ["silences-too-long", undefined]);
  assert.ok((stalled.needs.detectWithinMs as number) >= 900);
});

test("[D10] how long a trace would have to be needs no trial", () => {
  const trace = lossy(50, 0, 1_000);
  const goal = calibrationGoal(GOAL);
  const needs = calibrationNeeds(trace, summarizeTraffic(trace, goal), goal, undefined);
  assert.ok(Math.abs(needs.watchedMs / HOUR_MS - 2.9957) < 1e-3);
  assert.equal(needs.leastWatchedMs, HOUR_MS / 1_000);
  assert.deepEqual([needs.detectWithinMs, needs.alarmsPerMs, needs.silences], [undefined, undefined, 0]);
});
