/** The three gap distributions against high-precision vectors, and their inverses. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { type GapModel, gapModel } from "./gap-model.ts";

const SEED: number = Number(process.env["SEED"] ?? 27020038);

interface Vectors {
  readonly lognormal: readonly (readonly [silenceMs: number, location: number, scale: number, level: number])[];
  readonly exponential: readonly (readonly [silenceMs: number, meanMs: number, level: number])[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../../test/vectors/normal-tail.json", import.meta.url), "utf8"),
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

test("property: a gap kept as less than the least at a reach is shorter than the silence there, however wide the fit", () => {
  const inputs = fc.record({
    name: fc.constantFrom("normal" as const, "lognormal" as const, "exponential" as const),
    level: fc.oneof(fc.constantFrom(0.1, 0.3, 0.302, 8), fc.double({ min: 1e-3, max: 40, noNaN: true })),
    locationMs: fc.double({ min: 0.01, max: 1e6, noNaN: true }),
    scale: fc.double({ min: 1e-6, max: 5, noNaN: true }),
    wider: fc.oneof(fc.constant(1), fc.double({ min: 1, max: 3, noNaN: true })),
    share: fc.oneof(fc.double({ min: -1e-11, max: 1e-11, noNaN: true }), fc.double({ min: -1, max: 1, noNaN: true })),
  });
  const property = fc.property(inputs, ({ name, level, locationMs, scale, wider, share }) => {
    const model = gapModel(name, 50, 0.01);
    const reach = model.reach(level);
    const location = model.keep(locationMs);
    const silenceMs = model.silenceMs(reach, location, wider * scale);
    const gapMs = Math.max(0, silenceMs * (1 + share));
    if (model.keep(gapMs) < model.leastAt(reach, location, scale))
      assert.ok(gapMs < silenceMs, `${gapMs} ${silenceMs}`);
  });
  fc.assert(property, { seed: SEED, numRuns: 20_000 });
});
