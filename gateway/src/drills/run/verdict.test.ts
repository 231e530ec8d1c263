/** What a run of a drill showed: which fact decides, and how the process ends. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrillOutcome } from "../injection.ts";
import { exitStatusOf } from "./exit-status.ts";
import type { Measured } from "./hooks.ts";
import { type Facts, judged, judgedForeign } from "./verdict.ts";

const MEASURED: Measured = { mttdMs: 500, mttrMs: 2_000, falseAlarm: undefined, broken: [], marks: [] };
const HELD: Facts = {
  stop: undefined,
  remaining: [],
  heldBefore: true,
  heldAfter: true,
  missedLooks: 0,
  holdsAgain: true,
  felt: { kill: "process 7 has ended" },
  expect: { detectWithinMs: 1_000, recoverWithinMs: 3_000, recoverFrom: "fault" },
  measured: MEASURED,
  notMeasured: undefined,
};
const TRIP = {
  kind: "aborted",
  trip: { rule: "stop", at: "", observed: "error_ratio is 0.2", abortLatencyMs: 4 },
} as const;
const INTERRUPT = { kind: "interrupted", by: "SIGINT", rollbacks: "by-strategy" } as const;

describe("a drill", () => {
  const cases: ReadonlyArray<readonly [what: string, facts: Partial<Facts>, outcome: DrillOutcome]> = [
    ["everything as expected", {}, "held"],
    ["something of ours is still in place", { remaining: ["toxic a"] }, "dirty"],
    ["something is still in place after an interruption", { remaining: ["toxic a"], stop: INTERRUPT }, "dirty"],
    ["the steady state does not return", { holdsAgain: false }, "dirty"],
    ["the steady state does not return after an abort", { holdsAgain: false, stop: TRIP }, "dirty"],
    ["a guardrail stopped it", { stop: TRIP, felt: { kill: null } }, "aborted"],
    ["a signal stopped it", { stop: INTERRUPT, heldAfter: null, measured: undefined }, "interrupted"],
    ["no steady state before the fault", { heldBefore: false, felt: {} }, "invalid"],
    ["no proof that the fault was felt", { felt: { kill: null } }, "invalid"],
    ["the stage could not measure", { measured: undefined, notMeasured: "it ended" }, "invalid"],
    ["the hypothesis missed after the method", { heldAfter: false }, "deviated"],
    ["detected too late", { measured: { ...MEASURED, mttdMs: 1_001 } }, "deviated"],
    ["not detected", { measured: { ...MEASURED, mttdMs: null } }, "deviated"],
    ["recovered too late", { measured: { ...MEASURED, mttrMs: 3_001 } }, "deviated"],
    ["not recovered", { measured: { ...MEASURED, mttrMs: null } }, "deviated"],
    ["a false alarm", { measured: { ...MEASURED, falseAlarm: "suspected before the fault" } }, "deviated"],
    ["detected where nothing should be", { expect: { detectWithinMs: "never", recoverFrom: "fault" } }, "deviated"],
    ["another promise was broken", { measured: { ...MEASURED, broken: ["2 commands executed twice"] } }, "deviated"],
    [
      "no expectation",
      { expect: { recoverFrom: "fault" }, measured: { ...MEASURED, mttdMs: null, mttrMs: null } },
      "held",
    ],
    ["a miss in a run without a fault", { missedLooks: 1, felt: {} }, "deviated"],
    ["fail-fast", { stop: { kind: "failed", missedPercent: 50 } }, "deviated"],
  ];
  for (const [what, facts, outcome] of cases)
    test(`${what} → ${outcome}`, () => {
      const verdict = judged({ ...HELD, ...facts });
      assert.equal(verdict.outcome, outcome);
      assert.equal(verdict.reason === undefined, outcome === "held");
    });
});

test("a foreign experiment → judged by its hypothesis, and by what is left of ours", () => {
  const outcomeFor = (facts: Partial<Facts>): DrillOutcome =>
    judgedForeign({ ...HELD, measured: undefined, felt: {}, ...facts }).outcome;
  assert.equal(outcomeFor({}), "held");
  assert.equal(outcomeFor({ heldBefore: false }), "deviated");
  assert.equal(outcomeFor({ heldAfter: false }), "deviated");
  assert.equal(outcomeFor({ remaining: ["x"] }), "dirty");
  assert.equal(outcomeFor({ felt: { a: null } }), "held");
});

test("outcomes → the status of the process", () => {
  const all = { held: 0, skipped: 0, deviated: 1, dirty: 1, invalid: 2, aborted: 3, interrupted: 4 } as const;
  for (const [outcome, status] of Object.entries(all)) assert.equal(exitStatusOf([outcome as DrillOutcome]), status);
  assert.equal(exitStatusOf([]), 0);
  assert.equal(exitStatusOf(["held", "skipped", "invalid"]), 2);
  assert.equal(exitStatusOf(["aborted", "deviated", "invalid"]), 1);
  assert.equal(exitStatusOf(["deviated", "interrupted"]), 4);
});
