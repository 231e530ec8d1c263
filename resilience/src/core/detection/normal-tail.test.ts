/** The exact normal tail against vectors computed with mpmath, its limits, and its inverse. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { normalTailLevel, normalTailPoint } from "./normal-tail.ts";

interface Vectors {
  readonly normal: readonly (readonly [z: number, level: number])[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../../test/vectors/normal-tail.json", import.meta.url), "utf8"),
) as Vectors;

test("[D1] the level of the normal tail agrees with high-precision vectors to 12 digits, z from -20 to 1e6", () => {
  assert.ok(vectors.normal.length > 500);
  assert.equal(vectors.normal[0]?.[0], -20);
  assert.equal(vectors.normal.at(-1)?.[0], 1e6);
  for (const [z, expected] of vectors.normal) {
    const relativeError = Math.abs(normalTailLevel(z) - expected) / expected;
    assert.ok(relativeError <= 1e-12, `z ${z}: ${normalTailLevel(z)} for ${expected}, relative error ${relativeError}`);
  }
});

test("[D1] level 8 is at 5.612 deviations, where the logistic approximation of other detectors says 9.31", () => {
  assert.ok(Math.abs(normalTailLevel(5.612001244174789) - 8) < 1e-12);
  const z = 5.612001244174789;
  const logistic = Math.log10(1 + Math.exp(z * (1.5976 + 0.070566 * z * z)));
  assert.ok(logistic > 9.3);
});

test("[D1] the level is finite for every finite z and does not underflow to infinity", () => {
  for (const z of [38.5, 100, 1e6, 1e100, 1e160, 1e300, Number.MAX_VALUE, -1e6, -Number.MAX_VALUE]) {
    const level = normalTailLevel(z);
    assert.ok(Number.isFinite(level) && level >= 0, `z ${z} gave ${level}`);
  }
});

test("[D1] the level never falls, neither over the whole range nor in tiny steps where the formula changes", () => {
  let previous = -1;
  for (let z = -45; z < 45; z += 0.0005) {
    const level = normalTailLevel(z);
    assert.ok(level >= previous, `fell at z ${z}`);
    previous = level;
  }
  for (const change of [-5.656854249492381, -0.6629126073623882, 0.6629126073623882, 5.656854249492381]) {
    previous = -1;
    for (let step = -5000; step <= 5000; step++) {
      const level = normalTailLevel(change + step * 1e-11);
      assert.ok(level >= previous, `fell at z ${change} + ${step}e-11`);
      previous = level;
    }
  }
});

test("[D11] the inverse gives back z on every vector", () => {
  for (const [z, level] of vectors.normal) {
    const error = Math.abs(normalTailPoint(level) - z) / Math.max(1, Math.abs(z));
    assert.ok(error < 1e-14, `level ${level}: ${normalTailPoint(level)} for z ${z}`);
  }
});

test("[D11] the inverse is defined for every level", () => {
  assert.equal(normalTailPoint(0), Number.NEGATIVE_INFINITY);
  assert.equal(normalTailPoint(-1), Number.NEGATIVE_INFINITY);
  assert.equal(normalTailPoint(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.ok(normalTailPoint(Number.MIN_VALUE) < -38);
  assert.ok(Math.abs(normalTailPoint(Math.log10(2))) < 1e-15);
  assert.ok(normalTailPoint(1e300) > 1e150);
});
