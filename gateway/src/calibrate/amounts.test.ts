/** Durations and rates as people write and read them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { durationFlag, rateFlag, shownDuration, shownRate, threeDigits } from "./amounts.ts";

test("[D10] durations and rates are read as people write them", () => {
  const read = durationFlag(10, 3_600_000);
  assert.deepEqual(["10ms", "1.5s", "2m", "1h"].map(read), [10, 1_500, 120_000, 3_600_000]);
  assert.deepEqual(rateFlag("1/week"), { count: 1, perMs: 604_800_000 });
  assert.deepEqual(rateFlag("0.5 per day"), { count: 0.5, perMs: 86_400_000 });
  assert.deepEqual(rateFlag("3/Hours"), { count: 3, perMs: 3_600_000 });
  for (const wrong of ["", "1", "5ms", "2h", "-1s", "1 parsec", "1e3s"]) assert.throws(() => read(wrong), /allowed is/);
  for (const wrong of ["", "1", "0/week", "-1/day", "1/fortnight", "one/week", "1/"])
    assert.throws(() => rateFlag(wrong), /allowed is/, wrong);
});

test("[D10] what is shown is short and keeps its size", () => {
  assert.deepEqual([50, 0.5, 1_350, 90_000, 3_600_000, 7_200_000, 172_800_000].map(shownDuration), [
    "50ms",
    "0.5ms",
    "1.35s",
    "1.5m",
    "60m",
    "2h",
    "2d",
  ]);
  const hour = 1 / 3_600_000;
  assert.deepEqual([0, hour, hour / 24, hour / 168, 90 * hour, hour / 1e6].map(shownRate), [
    "0",
    "1/hour",
    "1/day",
    "1/week",
    "1.5/minute",
    "0.00876/year",
  ]);
  assert.deepEqual([12_345, 0.00012, Number.POSITIVE_INFINITY].map(threeDigits), ["12,300", "1.2e-4", "unknown"]);
});
