/** Each shape of delay has the mean and the deviation that it is asked for, over many draws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { type DelayDistribution, MAX_DELAY_MS, sampleDelayMs } from "./distribution.ts";

const DRAWS = 40_000;

function draws(latencyMs: number, jitterMs: number, distribution?: DelayDistribution): number[] {
  const random = seededRandom(`${distribution}`);
  const shape = { latencyMs, jitterMs, ...(distribution === undefined ? {} : { distribution }) };
  return Array.from({ length: DRAWS }, () => sampleDelayMs(random, shape));
}

function moments(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
}

function near(actual: number, expected: number, toleranceRatio: number): void {
  assert.ok(Math.abs(actual - expected) <= expected * toleranceRatio, `${actual} for ${expected}`);
}

test("no jitter → every delay is the latency, and nothing is drawn", () => {
  const [used, unused] = [seededRandom(1), seededRandom(1)];
  for (const distribution of ["uniform", "normal", "pareto", "lognormal"] as const)
    assert.equal(sampleDelayMs(used, { latencyMs: 40, jitterMs: 0, distribution }), 40);
  assert.equal(used.next(), unused.next());
});

test("no distribution named → uniform over latency ± jitter, as in Toxiproxy", () => {
  const values = draws(100, 30);
  assert.ok(Math.min(...values) >= 70 && Math.max(...values) < 130);
  near(moments(values).mean, 100, 0.01);
  near(moments(values).deviation, 60 / Math.sqrt(12), 0.02);
});

test("normal, lognormal, Pareto → latency is the mean, jitter the standard deviation", () => {
  for (const [distribution, deviationTolerance] of [
    ["normal", 0.02],
    ["lognormal", 0.05],
    ["pareto", 0.2],
  ] as const) {
    const { mean, deviation } = moments(draws(200, 40, distribution));
    near(mean, 200, 0.02);
    near(deviation, 40, deviationTolerance);
  }
});

test("the same mean and deviation → the tail is longest for Pareto, shortest for uniform", () => {
  const top = (["uniform", "normal", "lognormal", "pareto"] as const).map(
    (distribution) => draws(100, 50, distribution).sort((left, right) => left - right)[Math.floor(DRAWS * 0.9995)] ?? 0,
  );
  assert.deepEqual(
    top,
    [...top].sort((left, right) => left - right),
  );
});

test("jitter above latency → delays below 0 count as 0, none is above what a timer can wait", () => {
  assert.equal(Math.min(...draws(1, 100, "normal")), 0);
  assert.equal(Math.min(...draws(1, 100)), 0);
  assert.equal(Math.max(...draws(MAX_DELAY_MS, 1_000_000, "pareto")), MAX_DELAY_MS);
  assert.equal(Math.max(...draws(0, 100, "lognormal")), 0);
});
