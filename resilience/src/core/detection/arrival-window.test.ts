/**
 * Mean and deviation of the window against exact integer arithmetic, over millions of samples. By
 * construction a sum is never older than two laps of the ring, so these runs show what any length
 * shows; GSF_LONG=1 runs the 10^8 beats of the rule itself (some ten seconds).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Random, seededRandom } from "../random.ts";
import { ArrivalWindow } from "./arrival-window.ts";

const SEED: string = process.env["SEED"] ?? "27020033";
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/detection/arrival-window.test.ts`;

/** Doubles as whole numbers of 2^-128: exact for all samples from 10^-22 on. */
const SCALE_BITS = 128;

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

/** Stretches of one kind each, and a sample a million times as large where one begins. */
const tame = fc.oneof(
  fc.record({ offset: fc.constantFrom(1, 50, 1e3), jitter: fc.constantFrom(0, 1e-2, 10) }),
  fc.record({ offset: fc.double({ min: 1e4, max: 1e5, noNaN: true }), jitter: fc.constantFrom(1, 1e4) }),
);
const stretches = fc.array(fc.record({ kind: tame, length: fc.integer({ min: 1, max: 60 }), huge: fc.boolean() }), {
  minLength: 1,
  maxLength: 8,
});

test("[D2] property: exact to 1e-9 through stretches of any kind, a huge sample before each, also after a clear", () => {
  const property = fc.property(fc.integer({ min: 1, max: 40 }), stretches, fc.string(), (size, all, seed) => {
    const random = seededRandom(seed);
    const window = new ArrivalWindow(size);
    for (let life = 0; life < 2; life++) {
      const recent: number[] = [];
      for (const { kind, length, huge } of all) {
        for (let index = 0; index < length; index++) {
          const sample = huge && index === 0 ? 1e6 * (1 + random.next()) : kind.offset + kind.jitter * random.next();
          window.add(sample);
          recent.push(sample);
          if (recent.length > size) recent.shift();
          const truth = exact(recent);
          assert.equal(window.count, recent.length);
          assert.ok(Math.abs(window.mean - truth.mean) <= 1e-9 * truth.mean, `mean ${window.mean} for ${truth.mean}`);
          const error = Math.abs(window.deviation - truth.deviation);
          // Where all samples have become the same no digit can be asked for; what is left is
          // 10^-14 of the huge ones.
          const noise = truth.deviation < 1e-4 ? 1e-7 : 0;
          assert.ok(error <= 1e-9 * truth.deviation + noise, `deviation ${window.deviation} for ${truth.deviation}`);
        }
      }
      window.clear();
    }
  });
  fc.assert(property, { seed: Number(SEED), numRuns: 60 });
});

test("[D2] property: three laps after anything else a jitter of 10^-9 around 10^6 keeps its nine digits", () => {
  const before = fc.array(fc.constantFrom(0, 1e-9, 1, 50, 1e3, 1e6, 1e9, 1e12), { maxLength: 100 });
  const property = fc.property(fc.integer({ min: 2, max: 40 }), before, fc.string(), (size, wild, seed) => {
    const random = seededRandom(seed);
    const window = new ArrivalWindow(size);
    for (const sample of wild) window.add(sample);
    const steady = Array.from({ length: 3 * size }, () => 1e6 + 1e-9 * random.next());
    for (const sample of steady) window.add(sample);
    const truth = exact(steady.slice(-size));
    assert.ok(Math.abs(window.mean - truth.mean) <= 1e-9 * truth.mean);
    const error = Math.abs(window.deviation - truth.deviation);
    assert.ok(error <= 1e-9 * truth.deviation, `deviation ${window.deviation} for ${truth.deviation}`);
  });
  fc.assert(property, { seed: Number(SEED), numRuns: 500 });
});

test("[D2] property: constant samples have no deviation at all once nothing else is remembered", () => {
  const property = fc.property(
    fc.double({ min: 1e-9, max: 1e12, noNaN: true }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    (one, other) => {
      const window = new ArrivalWindow(7);
      for (let index = 0; index < 5; index++) window.add(other);
      for (let index = 0; index < 28; index++) window.add(one);
      assert.equal(window.deviation, 0);
      assert.ok(Math.abs(window.mean - one) <= 1e-15 * one, `${window.mean} for ${one}`);
    },
  );
  fc.assert(property, { seed: Number(SEED), numRuns: 500 });
});
