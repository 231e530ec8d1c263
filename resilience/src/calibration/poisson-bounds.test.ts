/**
 * Exact bounds on the rate of rare events, against published tables and against the distribution
 * they invert.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { poissonLowerBound, poissonUpperBound, standardNormalPoint } from "./poisson-bounds.ts";

test("[D10] no event still allows three, at 95 %", () => {
  assert.ok(Math.abs(poissonUpperBound(0, 0.95) + Math.log(0.05)) < 1e-9);
  assert.equal(poissonLowerBound(0, 0.95), 0);
});

test("[D10] the bounds are Garwood's: 97.5 % on either side of a count", () => {
  // Garwood 1936, as every table of exact Poisson limits has it.
  for (const [count, lower, upper] of [
    [1, 0.0253, 5.5716],
    [5, 1.6235, 11.6683],
    [10, 4.7954, 18.3904],
    [100, 81.3639, 121.6274],
  ] as const) {
    assert.ok(Math.abs(poissonLowerBound(count, 0.975) - lower) < 1e-3, `lower bound of ${count}`);
    assert.ok(Math.abs(poissonUpperBound(count, 0.975) - upper) < 1e-3, `upper bound of ${count}`);
  }
});

test("[D10] a mean at its upper bound yields the count or fewer with the probability that is left", () => {
  for (const count of [0, 3, 40, 300]) {
    const mean = poissonUpperBound(count, 0.95);
    let term = Math.exp(-mean);
    let sum = term;
    for (let events = 1; events <= count; events++) {
      term *= mean / events;
      sum += term;
    }
    assert.ok(Math.abs(sum - 0.05) < 1e-9, `${count}: ${sum}`);
  }
});

test("[D10] bounds rise with the count, fractions included, and large counts join on", () => {
  let last = 0;
  for (const count of [0, 0.5, 1, 1.5, 7, 9_999, 10_000, 10_001, 1e6]) {
    const bound = poissonUpperBound(count, 0.95);
    assert.ok(bound > last && bound > count, `${count}: ${bound}`);
    last = bound;
  }
  assert.ok(Math.abs(poissonUpperBound(10_001, 0.95) - poissonUpperBound(10_000, 0.95) - 1) < 0.1);
  assert.ok(poissonLowerBound(10_001, 0.95) < 10_001);
});

test("[D10] the normal point is the usual one", () => {
  assert.ok(Math.abs(standardNormalPoint(0.95) - 1.6449) < 1e-3);
  assert.ok(Math.abs(standardNormalPoint(0.05) + 1.6449) < 1e-3);
});
