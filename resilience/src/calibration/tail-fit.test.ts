/**
 * The generalized Pareto tail: known tails are found again, and the bound on what is rarer than the
 * sample holds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { FEWEST_EXCESSES, fitTail, type TailFit, tailMisfit, tailShareAtMost } from "./tail-fit.ts";

/** Excesses of a generalized Pareto distribution with scale 2. */
function sample(shape: number, count: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const left = 1 - random.next();
    return shape === 0 ? -2 * Math.log(left) : (2 / shape) * (left ** -shape - 1);
  });
}

function fitted(excesses: readonly number[]): TailFit {
  const fit = fitTail(
    excesses,
    excesses.map(() => 1),
  );
  assert.ok(fit !== undefined);
  return fit;
}

test("[D10] shape and scale of a known tail are found", () => {
  for (const shape of [0, 0.2, 0.7]) {
    const fit = fitted(sample(shape, 5_000, 1));
    assert.ok(Math.abs(fit.shape - shape) < 0.06, `shape ${fit.shape} for ${shape}`);
    assert.ok(Math.abs(fit.scale - 2) < 0.15, `scale ${fit.scale}`);
  }
});

test("[D10] the bound on what is a thousand times rarer than the sample holds in nineteen samples of twenty, or about", () => {
  for (const shape of [0, 0.3]) {
    let low = 0;
    for (let seed = 0; seed < 200; seed++) {
      const fit = fitted(sample(shape, 300, seed));
      const rare = shape === 0 ? -2 * Math.log(1e-5) : (2 / shape) * (1e-5 ** -shape - 1);
      if (tailShareAtMost(fit, rare, 1.645) < 1e-5) low++;
    }
    // Ten are expected; so many more than sixteen come by chance once in fifty runs.
    assert.ok(low <= 16, `${low} of 200 bounds were too low at shape ${shape}`);
  }
});

test("[D10] a tail that ends is taken for an exponential one, never for one that ends", () => {
  const random = seededRandom(4);
  const fit = fitted(Array.from({ length: 500 }, () => random.next()));
  assert.equal(fit.shape, 0);
});

test("[D10] two heaps are a misfit, one tail is none", () => {
  const one = sample(0.1, 400, 3);
  const weights = one.map(() => 1);
  assert.ok(tailMisfit(fitted(one), one, weights) < 1);
  const random = seededRandom(5);
  const two = Array.from({ length: 400 }, (_, place) => (place < 200 ? random.next() : 50 + random.next()));
  assert.ok(tailMisfit(fitted(two), two, weights) > 1);
});

test("[D10] a share never rises with the excess, and weights count as repetitions", () => {
  const fit = fitted(sample(0.2, 100, 6));
  let last = 1;
  for (let excess = 0; excess < 100; excess += 5) {
    const share = tailShareAtMost(fit, excess, 1.645);
    assert.ok(share <= last && share >= 0);
    last = share;
  }
  assert.deepEqual(fitTail([1, 2, 3], [10, 10, 10]), fitTail([1, 1, 2, 2, 3, 3], [5, 5, 5, 5, 5, 5]));
  assert.equal(fitTail([1], [FEWEST_EXCESSES - 1]), undefined);
});
