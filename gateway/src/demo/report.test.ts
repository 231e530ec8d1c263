import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "./play.ts";
import { isKept, reportOf } from "./report.ts";

function outcome(change: Partial<Outcome["sums"]> = {}): Outcome {
  const sums: Outcome["sums"] = {
    sent: 200,
    callerErrors: 0,
    executedTwice: 0,
    lost: 0,
    outageMs: 40.4,
    takeoverMs: 60.6,
    slowestMs: 70,
    absorbed: { repeatedKey: 1, olderEpoch: 2 },
    errors: [],
    ...change,
  };
  return { sums, epoch: 2, absorbedByStation: 3, healed: undefined };
}

test("the promise is broken by one error, one loss, one doubled command, or nobody taking over", () => {
  assert.equal(isKept(outcome()), true);
  assert.equal(isKept(outcome({ callerErrors: 1 })), false);
  assert.equal(isKept(outcome({ lost: 1 })), false);
  assert.equal(isKept(outcome({ executedTwice: 1 })), false);
  assert.equal(isKept(outcome({ takeoverMs: undefined })), false);
});

test("absorbed duplicates break no promise and are shown", () => {
  const report = reportOf("hang", outcome());
  assert.equal(report.ok, true);
  assert.deepEqual(report.absorbed, { repeatedKey: 1, olderEpoch: 2, byStation: 3 });
});

test("a take-over that did not happen is null in the report, not zero and not missing", () => {
  assert.equal(reportOf("kill", outcome({ takeoverMs: undefined })).takeoverMs, null);
  assert.equal(reportOf("kill", outcome()).takeoverMs, 61);
});
