/** Defaults of the supervisor, and that each bound follows another that was moved. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { completeSupervisorOptions } from "./supervisor-options.ts";

test("[D6] the documented defaults are in force", () => {
  assert.deepEqual(completeSupervisorOptions({}), {
    suspectThreshold: 5,
    declareThreshold: 8,
    clearThreshold: 2,
    sustainMs: 0,
    minDwellMs: 1000,
    flapWindowMs: 60_000,
    maxDwellMs: 30_000,
    gracePeriodMs: 5000,
    recheckMs: 50,
    ceilingMs: Number.POSITIVE_INFINITY,
  });
});

test("[D6] the dwell's default bounds give way to a longer minimum and a shorter flap window", () => {
  assert.equal(completeSupervisorOptions({ minDwellMs: 45_000 }).maxDwellMs, 45_000);
  assert.equal(completeSupervisorOptions({ flapWindowMs: 10_000 }).maxDwellMs, 10_000);
  assert.equal(completeSupervisorOptions({ minDwellMs: 90_000 }).flapWindowMs, 90_000);
});
