/** The three gap distributions against high-precision vectors, and their inverses. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type GapModel, gapModel } from "./gap-model.ts";

interface Vectors {
  readonly lognormal: readonly (readonly [silenceMs: number, location: number, scale: number, level: number])[];
  readonly exponential: readonly (readonly [silenceMs: number, meanMs: number, level: number])[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../test/vectors/normal-tail.json", import.meta.url), "utf8"),
) as Vectors;

function agrees(model: GapModel, silenceMs: number, location: number, scale: number, expected: number): void {
  const level = model.level(silenceMs, location, scale);
  assert.ok(
    Math.abs(level - expected) <= 1e-12 * expected,
    `${silenceMs} ms, ${location}, ${scale}: ${level} for ${expected}`,
  );
  const inverseMs = model.silenceMs(model.reach(expected), location, scale);
  assert.ok(
    Math.abs(inverseMs - silenceMs) <= 1e-11 * silenceMs,
    `level ${expected}: ${inverseMs} for ${silenceMs} ms`,
  );
}

test("[D1] the lognormal model agrees with its vectors to 12 digits, and so does its inverse", () => {
  const model = gapModel("lognormal", 50, 12.5);
  for (const [silenceMs, location, scale, level] of vectors.lognormal) agrees(model, silenceMs, location, scale, level);
});

test("[D1] the exponential model agrees with its vectors to 12 digits, and so does its inverse", () => {
  const model = gapModel("exponential", 50, 12.5);
  for (const [silenceMs, meanMs, level] of vectors.exponential) agrees(model, silenceMs, meanMs, meanMs, level);
});

test("[D1] every model stays finite and rises up to the longest silence", () => {
  for (const name of ["normal", "lognormal", "exponential"] as const) {
    const model = gapModel(name, 50, 12.5);
    let previous = -1;
    for (const silenceMs of [0, 1e-300, 1e-9, 1, 49, 50, 51, 80, 1000, 1e6, 1e12, 1e160, 1e300, Number.MAX_VALUE]) {
      const level = model.level(silenceMs, model.expectedLocation, model.leastScale);
      assert.ok(Number.isFinite(level) && level >= previous, `${name}: ${silenceMs} ms gave ${level}`);
      previous = level;
    }
  }
});

test("a gap of zero is kept as something finite by every model", () => {
  for (const name of ["normal", "lognormal", "exponential"] as const) {
    const model = gapModel(name, 50, 12.5);
    assert.ok(Number.isFinite(model.keep(0)), name);
  }
});
