/** Range checks: both ends, whole numbers, and everything that is no number at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "./errors.ts";
import { COUNT, checked, DURATION_MS, PRIORITY, RATE, WAIT_MS } from "./options.ts";

test("[C3] values in range come back, the ends as documented", () => {
  assert.equal(checked("x", "y", 1, RATE), 1);
  assert.equal(checked("x", "y", 2 ** 31 - 1, DURATION_MS), 2 ** 31 - 1);
  assert.equal(checked("x", "y", 0, WAIT_MS), 0);
  assert.equal(checked("x", "y", Number.POSITIVE_INFINITY, WAIT_MS), Number.POSITIVE_INFINITY);
  assert.equal(checked("x", "y", 1, COUNT), 1);
  assert.equal(checked("x", "y", Number.NEGATIVE_INFINITY, PRIORITY), Number.NEGATIVE_INFINITY);
});

test("[C3] a refusal names part, option, value and what is allowed", () => {
  assert.throws(
    () => checked("Bulkhead", "maxConcurrent", 2.5, COUNT),
    (error) =>
      error instanceof ConfigurationError &&
      error.code === "INVALID_CONFIGURATION" &&
      error.hazard === "out-of-range" &&
      error.message === "Bulkhead: maxConcurrent is 2.5; it must be a whole number from 1 up to 2147483647.",
  );
  assert.throws(() => checked("x", "y", 0, RATE), /it must be a number above 0 up to 1/);
});

test("[C3] NaN, text, objects and nothing are out of every range", () => {
  for (const range of [RATE, DURATION_MS, WAIT_MS, COUNT, PRIORITY]) {
    for (const value of [Number.NaN, "5", null, undefined, {}, [1], true]) {
      assert.throws(() => checked("x", "y", value as number, range), ConfigurationError);
    }
  }
});
