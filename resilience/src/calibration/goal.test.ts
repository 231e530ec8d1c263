/** What a calibration is asked for: defaults, and refusals that name the option. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { calibrationGoal } from "./goal.ts";

test("[D10] a goal has a confidence of 95 % and takes ten times the time for detection for an outage", () => {
  const { alarmsPerMs, confidence, outageMs } = calibrationGoal({
    detectWithinMs: 1_000,
    falseAlarms: 2,
    perMs: 8_000,
  });
  assert.deepEqual([alarmsPerMs, confidence, outageMs], [2 / 8_000, 0.95, 10_000]);
});

test("[D10] what is out of range is refused by name", () => {
  const good = { detectWithinMs: 1_000, falseAlarms: 1, perMs: 1_000 };
  for (const [option, value] of [
    ["detectWithinMs", 0],
    ["detectWithinMs", Number.NaN],
    ["falseAlarms", 0],
    ["falseAlarms", Number.POSITIVE_INFINITY],
    ["perMs", -1],
    ["confidence", 1],
    ["confidence", 0.4],
    ["outageMs", 1_000],
  ] as const) {
    assert.throws(
      () => calibrationGoal({ ...good, [option]: value }),
      (error) => error instanceof ConfigurationError && error.message.includes(option),
    );
  }
});
