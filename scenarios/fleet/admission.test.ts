/** A station's token bucket: capacity, burst, and the cost of refusals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StationAdmission } from "./admission.ts";

/**
 * How many of `perSecond` commands a second are accepted between `fromS` and `toS`, if that many
 * came from 0 on.
 */
function accepted(admission: StationAdmission, perSecond: number, fromS: number, toS: number): number {
  let count = 0;
  for (let command = 0; command < perSecond * toS; command++) {
    const atMs = (1_000 * command) / perSecond;
    if (admission.accepts(atMs) && atMs >= 1_000 * fromS) count++;
  }
  return count;
}

const bucket = { parallelism: 1, acceptsPerSecond: 10, burst: 5 };

test("below its capacity → nothing is refused", () => {
  assert.equal(accepted(new StationAdmission(bucket, 0), 9, 0, 10), 90);
});

test("above its capacity, refusals for nothing → it does what it can", () => {
  const free = { ...bucket, refusal: { status: 503 as const, costRatio: 0 } };
  assert.ok(Math.abs(accepted(new StationAdmission(free, 0), 30, 5, 10) - 50) <= 2);
});

test("far above its capacity, refusals at half a command each → it does nothing else", () => {
  const costly = { ...bucket, refusal: { status: 503 as const, costRatio: 0.5 } };
  assert.equal(accepted(new StationAdmission(costly, 0), 60, 5, 10), 0);
});

test("without a rate → all are accepted", () => {
  assert.equal(accepted(new StationAdmission({ parallelism: 1 }, 0), 1_000, 0, 1), 1_000);
});
