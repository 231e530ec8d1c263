/**
 * One replay counts the false alarms of every threshold: as many as a detector with that threshold
 * would have made.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FixedHeartbeatMachine } from "../core/detection/fixed-heartbeat.ts";
import { phiAccrualMachine } from "../core/detection/phi-accrual.ts";
import { seededRandom } from "../core/random.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";
import { CalibrationTrial, HIGHEST_LEVEL, TRIAL_BLOCKS } from "./trial.ts";

const ALL = { outageMs: Number.POSITIVE_INFINITY };
const OPTIONS = { expectedIntervalMs: 50, minDeviationMs: 5, ceilingMs: 2_000 };

function jittered(
  beats: number,
  seed: number,
): { readonly trace: HeartbeatTrace; readonly arrivals: readonly number[] } {
  const random = seededRandom(seed);
  const trace = new HeartbeatTrace();
  const arrivals: number[] = [];
  let atMs = 0;
  for (let beat = 0; beat < beats; beat++) {
    atMs += 30 + 40 * random.next() + (random.next() < 0.01 ? 200 * random.next() : 0);
    arrivals.push(atMs);
    trace.add("a", { sequence: beat }, atMs);
  }
  return { trace, arrivals };
}

function alarmsOf(trial: CalibrationTrial, level: number): number {
  let sum = 0;
  for (let block = 0; block < TRIAL_BLOCKS; block++) sum += trial.alarms(block, level);
  return sum;
}

test("[D10] the counts are those of the detector itself, asked before each arrival", () => {
  const { trace, arrivals } = jittered(5_000, 1);
  const trial = new CalibrationTrial(phiAccrualMachine(OPTIONS), trace, ALL);
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  for (const level of [1, 2, 5, 8, 20, HIGHEST_LEVEL]) {
    const machine = phiAccrualMachine(OPTIONS);
    let alarms = 0;
    for (const [beat, atMs] of arrivals.entries()) {
      if (beat > 0 && machine.suspicionLevel("a", atMs) >= level) alarms++;
      machine.noteHeartbeat("a", { sequence: beat }, atMs);
    }
    assert.equal(alarmsOf(trial, level), alarms, `level ${level}`);
  }
});

test("[D10] blocks share out the time watched, and outages belong to none", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat <= 100; beat++) trace.add("a", {}, beat * 100);
  for (let beat = 0; beat <= 100; beat++) trace.add("a", {}, 50_000 + beat * 100);
  const trial = new CalibrationTrial(new FixedHeartbeatMachine({ timeoutMs: 1_000 }), trace, { outageMs: 10_000 });
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  assert.equal(
    trial.watchedMs.reduce((sum, ms) => sum + ms, 0),
    20_000,
  );
  assert.equal(trial.watchedMs[4], 0);
  assert.equal(alarmsOf(trial, 1), 0);
});

test("[D10] silence figures are the detector's own answer to when", () => {
  const { trace } = jittered(3_000, 2);
  const machine = phiAccrualMachine(OPTIONS);
  const trial = new CalibrationTrial(machine, trace, ALL);
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  const steady = phiAccrualMachine(OPTIONS);
  trace.nodes.get("a")?.forEach(({ arrivalMs }) => {
    steady.noteHeartbeat("a", undefined, arrivalMs);
  });
  const nowMs = steady.lastHeartbeatMs("a") as number;
  for (const level of [3, 7.3, 8, 30]) {
    const { p50Ms, p99Ms, longestMs, meanMs } = trial.silence(level);
    const atTheEndMs = (steady.whenLevel("a", level) as number) - nowMs;
    assert.ok(Math.abs(p50Ms - atTheEndMs) < 0.4 * atTheEndMs, `${p50Ms} and ${atTheEndMs} at ${level}`);
    assert.ok(p50Ms <= p99Ms && p99Ms <= longestMs && longestMs <= 2_000 && meanMs <= longestMs);
  }
  assert.equal(trial.silence(1e9).longestMs, trial.silence(HIGHEST_LEVEL).longestMs);
});

test("[D10] a sample looks at a part, and at the same detector's behaviour", () => {
  const { trace } = jittered(100_000, 3);
  const whole = new CalibrationTrial(phiAccrualMachine(OPTIONS), trace, ALL);
  const sample = new CalibrationTrial(phiAccrualMachine(OPTIONS), trace, ALL, 2);
  for (const trial of [whole, sample]) for (const [name, node] of trace.nodes) trial.replay(name, node);
  assert.deepEqual([whole.sampled, sample.sampled], [false, true]);
  const share = alarmsOf(sample, 2) / alarmsOf(whole, 2);
  assert.ok(share > 0.4 && share < 0.6, `${share}`);
});

test("[D10] lost beats count as alarms, and not as late ones", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < 1_000; beat++) if (beat % 100 !== 50) trace.add("a", { sequence: beat }, beat * 50);
  const trial = new CalibrationTrial(new FixedHeartbeatMachine({ timeoutMs: 80 }), trace, ALL);
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  assert.equal(alarmsOf(trial, 8), 10);
  let late = 0;
  for (let block = 0; block < TRIAL_BLOCKS; block++)
    late += trial.lateCounts(block).reduce((sum, count) => sum + count, 0);
  assert.equal(late, 979);
});
