/**
 * The lowest threshold that keeps false alarms rare enough, with a bound that holds, and honest
 * about what is not shown.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { phiAccrualMachine } from "../core/detection/phi-accrual.ts";
import { seededRandom } from "../core/random.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";
import { alarmRates, PHI_LEVELS, selectThreshold } from "./selection.ts";
import { CalibrationTrial } from "./trial.ts";

/**
 * Exponential gaps under the exponential model: a level L is passed with probability 10^-L, near
 * enough.
 */
function trialOf(beats: number, seed: number): CalibrationTrial {
  const random = seededRandom(seed);
  const trace = new HeartbeatTrace();
  let atMs = 0;
  for (let beat = 0; beat < beats; beat++) {
    atMs += -50 * Math.log(1 - random.next());
    trace.add("a", { sequence: beat }, atMs);
  }
  const machine = phiAccrualMachine({
    model: "exponential",
    expectedIntervalMs: 50,
    minDeviationMs: 1,
    windowSize: 1_000,
    ceilingMs: 1e6,
  });
  const trial = new CalibrationTrial(machine, trace, { outageMs: Number.POSITIVE_INFINITY });
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  return trial;
}

test("[D10] where the trace can prove the rate, the bound of held-out tenths does", () => {
  const alarmsPerMs = 1e-3 / 50;
  const found = selectThreshold(trialOf(100_000, 1), PHI_LEVELS, { alarmsPerMs, confidence: 0.95 });
  assert.ok(found?.shown);
  assert.ok(found.atMostPerMs <= alarmsPerMs);
  assert.ok(found.level >= 3 && found.level < 3.4, `${found.level}`);
  assert.equal(found.continuedPerMs, undefined);
  assert.ok(found.alarms > 50);
});

test("[D10] where it cannot, the tail is continued to a tenth of the rate, and that is said", () => {
  const alarmsPerMs = 1e-6 / 50;
  const found = selectThreshold(trialOf(50_000, 2), PHI_LEVELS, { alarmsPerMs, confidence: 0.95 });
  assert.equal(found?.shown, false);
  assert.ok((found?.continuedPerMs as number) <= alarmsPerMs / 10);
  assert.ok((found?.level as number) >= 7 && (found?.level as number) < 11, `${found?.level}`);
  assert.ok((found?.atMostPerMs as number) > alarmsPerMs);
});

test("[D10] what the ceiling adds cannot be bought off by a higher threshold", () => {
  const trial = trialOf(50_000, 3);
  const terms = { alarmsPerMs: 1e-6 / 50, confidence: 0.95 };
  assert.equal(selectThreshold(trial, PHI_LEVELS, { ...terms, addedPerMs: () => 1e-6 }), undefined);
  assert.ok(selectThreshold(trial, PHI_LEVELS, { ...terms, addedPerMs: () => 1e-9 }) !== undefined);
});

test("[D10] alarms in clusters widen the bound", () => {
  const trace = new HeartbeatTrace();
  let atMs = 0;
  // All late beats fall into one tenth of the trace.
  for (let beat = 0; beat < 100_000; beat++) {
    atMs += beat >= 1_000 && beat < 6_000 && beat % 50 === 49 ? 80 : 50;
    trace.add("a", { sequence: beat }, atMs);
  }
  const machine = phiAccrualMachine({ expectedIntervalMs: 50, minDeviationMs: 5, ceilingMs: 1_000 });
  const trial = new CalibrationTrial(machine, trace, { outageMs: Number.POSITIVE_INFINITY });
  for (const [name, node] of trace.nodes) trial.replay(name, node);
  const alarmsPerMs = 200 / atMs;
  const range = { lowest: 1, highest: 1, step: 0.1 };
  assert.equal(alarmRates(trial, [1], { confidence: 0.95 })[0]?.counted, 100);
  // A hundred alarms are half of what is allowed, but as one cluster they prove nothing of the
  // kind.
  assert.equal(selectThreshold(trial, range, { alarmsPerMs, confidence: 0.95 }), undefined);
});

test("[D10] rates fall as the threshold rises, and go on below the last alarm", () => {
  const rates = alarmRates(trialOf(20_000, 4), [1, 2, 3, 4, 6, 8], { confidence: 0.95 });
  for (const [place, { perMs }] of rates.entries()) assert.ok(perMs < (rates[place - 1]?.perMs ?? 1) && perMs > 0);
  assert.ok((rates[0]?.counted as number) > 0);
  assert.equal(rates.at(-1)?.counted, 0);
});
