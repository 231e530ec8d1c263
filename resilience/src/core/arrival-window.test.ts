/**
 * Mean and deviation of the window against exact integer arithmetic, over millions of samples. By construction a sum is
 * never older than two laps of the ring, so these runs show what any length shows; GSF_LONG=1 runs the 10^8 beats of
 * the rule itself (some ten seconds).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalWindow } from "./arrival-window.ts";
import { type Random, seededRandom } from "./random.ts";

const SEED: string = process.env["SEED"] ?? "27020033";
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/arrival-window.test.ts`;

/** Doubles as whole numbers of 2^-60: exact for samples down to 10^-2 and below 2^53 in size. */
const SCALE_BITS = 60;

function exactInteger(value: number): bigint {
  const buffer = new DataView(new ArrayBuffer(8));
  buffer.setFloat64(0, value);
  const bits = buffer.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = (bits & 0xfffffffffffffn) | (exponent === 0 ? 0n : 1n << 52n);
  const shift = Math.max(exponent, 1) - 1075 + SCALE_BITS;
  const magnitude = shift >= 0 ? fraction << BigInt(shift) : fraction >> BigInt(-shift);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

/** Mean and population deviation of `samples`, from integers without rounding. */
function exact(samples: readonly number[]): { mean: number; deviation: number } {
  const count = BigInt(samples.length);
  let sum = 0n;
  let squares = 0n;
  for (const sample of samples) {
    const whole = exactInteger(sample);
    sum += whole;
    squares += whole * whole;
  }
  const unit = 2 ** -SCALE_BITS;
  const spread = count * squares - sum * sum;
  return {
    mean: (Number(sum) / samples.length) * unit,
    deviation: (Math.sqrt(Number(spread)) / samples.length) * unit,
  };
}

function run(size: number, beats: number, sample: (index: number) => number, looks = 40): void {
  const window = new ArrivalWindow(size);
  const recent: number[] = [];
  const every = Math.max(1, Math.floor(beats / looks));
  for (let index = 0; index < beats; index++) {
    const value = sample(index);
    window.add(value);
    recent[index % size] = value;
    if (index % every !== every - 1 && index >= 5) continue;
    const truth = exact(recent);
    assert.equal(window.count, recent.length);
    const where = `after ${index + 1} samples, ${REPLAY}`;
    assert.ok(
      Math.abs(window.mean - truth.mean) <= 1e-9 * truth.mean,
      `mean ${window.mean} for ${truth.mean} ${where}`,
    );
    const error = Math.abs(window.deviation - truth.deviation);
    assert.ok(error <= 1e-9 * truth.deviation, `deviation ${window.deviation} for ${truth.deviation} ${where}`);
  }
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

test("[D2] mean and deviation stay exact to 1e-9 over a long steady stream", () => {
  const random = seededRandom(SEED).fork("steady");
  const beats = process.env["GSF_LONG"] === "1" ? 1e8 : 2e6;
  run(200, beats, () => 50 + 10 * normal(random));
});

test("[D2] an outlier that has left the window leaves no trace", () => {
  const random = seededRandom(SEED).fork("outliers");
  for (const size of [10, 200, 1000]) {
    run(size, 100_000, (index) => (index % 1777 === 5 ? 1e9 * random.next() : 50 + 10 * normal(random)), 300);
  }
});

test("[D2] a tiny jitter on a large offset keeps its digits, also after a step", () => {
  const random = seededRandom(SEED).fork("offset");
  run(200, 50_000, () => 1e9 + 1e-3 * random.next(), 100);
  run(200, 50_000, (index) => (index < 20_100 ? 1e6 : 1e3) + 1e-3 * random.next(), 100);
  run(37, 50_000, (index) => (index % 5000 < 2500 ? 1 : 1e4) * (1 + 1e-6 * random.next()), 300);
});

test("[D2] the sums are renewed every lap: where the stream began is forgotten", () => {
  const random = seededRandom(SEED).fork("laps");
  const window = new ArrivalWindow(200);
  for (let index = 0; index < 200; index++) window.add(1);
  const recent = Array.from({ length: 600 }, () => 1e9 + 1e-3 * random.next());
  for (const sample of recent) window.add(sample);
  const truth = exact(recent.slice(-200));
  assert.ok(Math.abs(window.mean - truth.mean) <= 1e-9 * truth.mean, REPLAY);
  assert.ok(Math.abs(window.deviation - truth.deviation) <= 1e-9 * truth.deviation, REPLAY);
});

test("[D2] constant samples have no deviation, an empty window has neither", () => {
  const window = new ArrivalWindow(3);
  assert.deepEqual([window.count, window.mean, window.deviation], [0, 0, 0]);
  for (let index = 0; index < 10; index++) window.add(0.1);
  assert.deepEqual([window.count, window.mean, window.deviation], [3, 0.1, 0]);
  window.clear();
  assert.deepEqual([window.count, window.mean, window.deviation], [0, 0, 0]);
  window.add(7);
  window.add(9);
  assert.deepEqual([window.count, window.mean, window.deviation], [2, 8, 1]);
});

test("a window of one sample is that sample", () => {
  const window = new ArrivalWindow(1);
  for (const sample of [5, 1e9, 3]) {
    window.add(sample);
    assert.deepEqual([window.count, window.mean, window.deviation], [1, sample, 0]);
  }
});
