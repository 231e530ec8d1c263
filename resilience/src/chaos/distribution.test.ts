/**
 * Each shape draws what its formula says: means and quantiles over many draws, with bounds five
 * deviations wide.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { seededRandom } from "../core/random.ts";
import { type Distribution, durationSource, LONGEST_WAIT_MS } from "./distribution.ts";

const REPLAY = "node --conditions=@gsf/source --test resilience/src/chaos/distribution.test.ts";
const DRAWS = 20_000;

function sortedDraws(given: number | Distribution, seed: string): number[] {
  const draw = durationSource("test", "ms", given);
  const random = seededRandom(seed);
  return Array.from({ length: DRAWS }, () => draw(random)).sort((left, right) => left - right);
}

function within(actual: number, expected: number, toleranceRatio: number, what: string, seed: string): void {
  const off = Math.abs(actual - expected) / expected;
  assert.ok(off <= toleranceRatio, `${what}: ${actual} for ${expected} (seed "${seed}"; replay: ${REPLAY})`);
}

const mean = (draws: readonly number[]): number => draws.reduce((sum, ms) => sum + ms, 0) / draws.length;
const quantile = (draws: readonly number[], share: number): number => draws[Math.floor(share * DRAWS)] as number;

test("[H] a number is that duration every time, and so is a fixed shape", () => {
  for (const given of [40, { shape: "fixed", ms: 40 }] as const) {
    const draws = sortedDraws(given, "fixed");
    assert.equal(draws[0], 40);
    assert.equal(draws[DRAWS - 1], 40);
  }
});

test("[H] uniform fills its interval evenly and never leaves it", () => {
  const draws = sortedDraws({ shape: "uniform", minMs: 100, maxMs: 300 }, "uniform");
  assert.ok((draws[0] as number) >= 100 && (draws[DRAWS - 1] as number) <= 300);
  within(quantile(draws, 0.25), 150, 0.03, "first quartile", "uniform");
  within(quantile(draws, 0.75), 250, 0.03, "third quartile", "uniform");
});

test("[H] normal has its mean and its deviation, and is cut off at zero", () => {
  const draws = sortedDraws({ shape: "normal", meanMs: 200, deviationMs: 40 }, "normal");
  within(mean(draws), 200, 0.01, "mean", "normal");
  within(quantile(draws, 0.8413) - quantile(draws, 0.5), 40, 0.06, "one deviation", "normal");
  assert.equal(sortedDraws({ shape: "normal", meanMs: 1, deviationMs: 100 }, "cut")[0], 0);
});

test("[H] exponential has its mean and its median", () => {
  const draws = sortedDraws({ shape: "exponential", meanMs: 80 }, "exponential");
  within(mean(draws), 80, 0.04, "mean", "exponential");
  within(quantile(draws, 0.5), 80 * Math.LN2, 0.06, "median", "exponential");
});

test("[H] pareto starts at its minimum, follows its tail index, and ends at the longest wait", () => {
  const draws = sortedDraws({ shape: "pareto", minMs: 10, tailIndex: 2 }, "pareto");
  assert.ok((draws[0] as number) >= 10);
  within(quantile(draws, 0.5), 10 * Math.SQRT2, 0.03, "median", "pareto");
  within(quantile(draws, 0.99), 100, 0.2, "p99", "pareto");
  const heavy = sortedDraws({ shape: "pareto", minMs: 10, tailIndex: 0.1 }, "heavy");
  assert.equal(heavy[DRAWS - 1], LONGEST_WAIT_MS);
});

test("[H] a shape out of range is refused with the option, the value and what is allowed", () => {
  const bad: ReadonlyArray<readonly [number | Distribution, RegExp]> = [
    [-1, /Chaos latency: ms is -1/],
    [Number.NaN, /ms is NaN/],
    [Number.POSITIVE_INFINITY, /ms is Infinity/],
    [{ shape: "uniform", minMs: 20, maxMs: 10 }, /ms\.maxMs is 10; .*from 20/],
    [{ shape: "normal", meanMs: 5, deviationMs: -2 }, /ms\.deviationMs is -2/],
    [{ shape: "exponential", meanMs: -5 }, /ms\.meanMs is -5/],
    [{ shape: "pareto", minMs: 0, tailIndex: 1 }, /ms\.minMs is 0/],
    [{ shape: "pareto", minMs: 1, tailIndex: 0 }, /ms\.tailIndex is 0/],
  ];
  for (const [given, message] of bad) {
    assert.throws(
      () => durationSource("Chaos latency", "ms", given),
      (error) => error instanceof ConfigurationError && message.test(error.message),
      JSON.stringify(given),
    );
  }
});
