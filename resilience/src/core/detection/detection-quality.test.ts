/** What is measured of a detector while it works: spacing, detection time, mistakes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../random.ts";
import { DetectionQualityMachine } from "./detection-quality.ts";

test("[D8] mean, deviation and quantiles of the gaps are those of the stream, before and after old counts are halved", () => {
  for (const beats of [5_000, 200_000]) {
    const random = seededRandom(7);
    const quality = new DetectionQualityMachine();
    let nowMs = 0;
    for (let beat = 0; beat < beats; beat++) {
      // Uniform from 40 to 60: mean 50, deviation 20 / sqrt(12).
      nowMs += 40 + 20 * random.next();
      quality.noteHeartbeat(1, nowMs);
    }
    const { meanMs = 0, deviationMs = 0, p50Ms = 0, p99Ms = 0, p999Ms = 0 } = quality.status(nowMs);
    assert.ok(Math.abs(meanMs - 50) < 2, `${meanMs}`);
    assert.ok(Math.abs(deviationMs - 5.77) < 0.8, `${deviationMs}`);
    assert.ok(p50Ms >= 49.5 && p50Ms <= 50.5 * 1.05, `${p50Ms}`);
    assert.ok(p99Ms >= 59.5 && p99Ms <= 60 * 1.05, `${p99Ms}`);
    assert.ok(p999Ms >= p99Ms && p999Ms <= 60 * 1.05, `${p999Ms}`);
  }
});

test("[D8] far quantiles of a heavy tail survive the halving of old counts", () => {
  for (const beats of [22_000, 60_000, 200_000]) {
    const random = seededRandom(11);
    const quality = new DetectionQualityMachine();
    let nowMs = 0;
    for (let beat = 0; beat < beats; beat++) {
      nowMs += 10 * (1 - random.next()) ** (-1 / 1.5);
      quality.noteHeartbeat(1, nowMs);
    }
    // Pareto of shape 1.5 from 10 ms on: 1,000 ms once in a thousand.
    const { p999Ms = 0 } = quality.status(nowMs);
    assert.ok(p999Ms > 700 && p999Ms < 1_400, `${beats}: ${p999Ms}`);
  }
});

test("[D8] a mistake is a node heard again soon, without a restart; what was rightly missed is none", () => {
  const after = (backAfterMs: number, incarnation: number): number => {
    const quality = new DetectionQualityMachine();
    for (let nowMs = 0; nowMs <= 1_000; nowMs += 50) quality.noteHeartbeat(1, nowMs);
    quality.noteDown(330, 1_330);
    quality.noteHeartbeat(incarnation, 1_330 + backAfterMs);
    const { falsePositivesPerDay, lastDetectionMs, p999Ms = 0 } = quality.status(20_000);
    assert.equal(lastDetectionMs, 330);
    assert.ok(p999Ms < 60, "the gap of an outage is no gap between beats");
    return falsePositivesPerDay;
  };
  assert.deepEqual([after(200, 1), after(200, 2), after(11_000, 1)], [1, 0, 0]);
});

test("[D8] mistakes are those of the last day", () => {
  const quality = new DetectionQualityMachine();
  const hourMs = 3_600_000;
  for (let hour = 0; hour < 30; hour++) {
    quality.noteHeartbeat(1, hour * hourMs);
    quality.noteDown(330, hour * hourMs + 330);
    quality.noteHeartbeat(1, hour * hourMs + 400);
  }
  assert.equal(quality.status(29 * hourMs + 500).falsePositivesPerDay, 24);
  assert.equal(quality.status(40 * hourMs).falsePositivesPerDay, 13);
  assert.equal(quality.status(100 * hourMs).falsePositivesPerDay, 0);
});

test("before anything was heard nothing is claimed", () => {
  assert.deepEqual(new DetectionQualityMachine().status(0), {
    meanMs: undefined,
    deviationMs: undefined,
    p50Ms: undefined,
    p99Ms: undefined,
    p999Ms: undefined,
    falsePositivesPerDay: 0,
    lastDetectionMs: undefined,
  });
});
