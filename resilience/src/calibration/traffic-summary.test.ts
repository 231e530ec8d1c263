/**
 * What a trace looks like: quantiles close to the exact ones, loss and its runs from sequence
 * numbers, the interval.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";
import { LONGEST_COUNTED_RUN, roundedInterval, summarizeTraffic } from "./traffic-summary.ts";

const ALL = { outageMs: Number.POSITIVE_INFINITY };

function near(actual: number, expected: number, share = 0.002): void {
  assert.ok(Math.abs(actual - expected) <= share * expected, `${actual} is not near ${expected}`);
}

test("[D10] quantiles, mean and deviation of gaps agree with the sorted gaps", () => {
  const random = seededRandom(1);
  const trace = new HeartbeatTrace();
  const gaps: number[] = [];
  let atMs = 0;
  trace.add("a", {}, atMs);
  for (let beat = 0; beat < 20_000; beat++) {
    const gapMs = 20 + 60 * random.next() ** 3;
    gaps.push(gapMs);
    atMs += gapMs;
    trace.add("a", {}, atMs);
  }
  gaps.sort((left, right) => left - right);
  const { gaps: found, watchedMs, spanMs, loss, beats } = summarizeTraffic(trace, ALL);
  near(found.p50Ms, gaps[9_999] as number);
  near(found.p99Ms, gaps[19_799] as number);
  near(found.p999Ms, gaps[19_979] as number);
  near(found.longestMs, gaps.at(-1) as number, 1e-9);
  near(found.meanMs, atMs / 20_000, 1e-9);
  near(watchedMs, atMs, 1e-9);
  near(spanMs, atMs, 1e-9);
  assert.deepEqual([loss, beats], [undefined, 20_001]);
});

test("[D10] loss, its runs and the sender's interval come from the numbers", () => {
  const trace = new HeartbeatTrace();
  const lost = new Set([10, 20, 21, 30, 31, 32, 500]);
  for (let beat = 0; beat < 1_000; beat++) if (!lost.has(beat)) trace.add("a", { sequence: beat }, beat * 50);
  const { loss, intervalMs } = summarizeTraffic(trace, ALL);
  assert.equal(intervalMs, 50);
  assert.deepEqual([loss?.lost, loss?.runs, loss?.longestRun, loss?.meanRun], [7, 4, 3, 7 / 4]);
  assert.deepEqual(loss?.runsOfAtLeast.slice(1, 5), [4, 2, 1, 0]);
  assert.equal(loss?.runsOfAtLeast.length, LONGEST_COUNTED_RUN + 1);
});

test("[D10] outages are told apart, and several nodes are added up", () => {
  const trace = new HeartbeatTrace();
  for (const node of ["a", "b"]) {
    for (let beat = 0; beat < 100; beat++) trace.add(node, {}, beat * 100);
    trace.add(node, {}, 9_900 + 60_000);
  }
  const { outages, watchedMs, nodes, gaps } = summarizeTraffic(trace, { outageMs: 10_000 });
  assert.deepEqual([outages.count, outages.longestMs, nodes, gaps.longestMs], [2, 60_000, 2, 100]);
  near(watchedMs, 2 * 9_900, 1e-9);
});

test("[D10] nights without the days between → eight hours of the day are covered, whatever the clock's zero", () => {
  const hourMs = 3_600_000;
  for (const zeroMs of [0, -5.5 * hourMs, 1.8e12 + 7 * hourMs]) {
    const trace = new HeartbeatTrace();
    for (let night = 0; night < 3; night++)
      for (let beat = 0; beat < 8 * 360; beat++) trace.add("a", {}, zeroMs + night * 24 * hourMs + beat * 10_000);
    const { dayCoveredMs } = summarizeTraffic(trace, { outageMs: hourMs });
    near(dayCoveredMs, 8 * hourMs, 0.005);
  }
  const day = new HeartbeatTrace();
  for (let beat = 0; beat < 26 * 12; beat++) day.add("a", {}, beat * 300_000);
  assert.equal(summarizeTraffic(day, ALL).dayCoveredMs, 24 * hourMs);
  const short = new HeartbeatTrace();
  for (let beat = 0; beat < 100; beat++) short.add("a", {}, 59_000 + beat * 50);
  assert.equal(summarizeTraffic(short, ALL).dayCoveredMs, 99 * 50);
});

test("[D10] a trace without a gap gives zeros", () => {
  const trace = new HeartbeatTrace();
  trace.add("a", {}, 5);
  const { gaps, intervalMs, watchedMs } = summarizeTraffic(trace, ALL);
  assert.deepEqual([gaps.p50Ms, gaps.deviationMs, intervalMs, watchedMs], [0, 0, 0, 0]);
  assert.equal(summarizeTraffic(new HeartbeatTrace(), ALL).spanMs, 0);
});

test("[D10] an interval is rounded to what a person once wrote down", () => {
  for (const [measured, written] of [
    [49.94, 50],
    [500.9, 500],
    [101.4, 100],
    [25.01, 25],
    [103.5, 104],
    [1_002, 1_000],
  ] as const) {
    assert.equal(roundedInterval(measured), written);
  }
});
