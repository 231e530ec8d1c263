/** What a phi accrual detector refuses to be told, and what it fills in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { phiAccrualMachine } from "./phi-accrual.ts";
import { completePhiOptions, type PhiAccrualOptions } from "./phi-accrual-options.ts";

test("options out of range are refused with their name and value", () => {
  const refused: [PhiAccrualOptions, RegExp][] = [
    [{ expectedIntervalMs: 0 }, /expectedIntervalMs is 0/],
    [{ expectedIntervalMs: Number.NaN }, /expectedIntervalMs is NaN/],
    [{ windowSize: 1 }, /windowSize is 1/],
    [{ windowSize: 20, minSamples: 21 }, /minSamples is 21/],
    [{ minDeviationMs: 0 }, /minDeviationMs is 0/],
    [{ expectedIntervalMs: 50, ceilingMs: 50 }, /ceilingMs is 50/],
    [{ outageLevel: -1 }, /outageLevel is -1/],
    [{ maxNodes: 0.5 }, /maxNodes is 0.5/],
    [{ model: "gamma" as "normal" }, /model is "gamma"/],
  ];
  for (const [options, message] of refused) {
    assert.throws(
      () => phiAccrualMachine(options),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    );
  }
});

test("defaults of the adaptive model: few samples, a small floor, a ceiling of 20 s", () => {
  const adaptive = completePhiOptions({ model: "adaptive", expectedIntervalMs: 50 });
  assert.deepEqual([adaptive.minSamples, adaptive.minDeviationMs, adaptive.ceilingMs], [4, 2, 20_000]);
  const normal = completePhiOptions({ expectedIntervalMs: 50 });
  assert.deepEqual([normal.minSamples, normal.minDeviationMs, normal.ceilingMs], [50, 12.5, 1_000]);
  assert.deepEqual(
    [completePhiOptions({}).minDeviationMs, completePhiOptions({ model: "adaptive" }).minDeviationMs],
    [25, 2],
  );
});
