/**
 * The floor against arithmetic that can be done on paper, and its behaviour when the numbers of a
 * run change.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { caseNamed, type Step } from "./cases.ts";
import { floorOf, latencyAt } from "./floor.ts";
import { DEFAULT_SETTING, type Setting } from "./setting.ts";

function floor(name: string, changes: Partial<Setting> = {}, steps?: readonly Step[]): string {
  const { errors, doubled, ghosts } = floorOf(caseNamed(name), { ...DEFAULT_SETTING, ...changes }, steps);
  return `${errors} / ${doubled} / ${ghosts}`;
}

test("station killed → commands executed and unanswered are doubled: rate × latency × (1 − executed at)", () => {
  assert.equal(floor("1"), "0 / 8 / 0");
  assert.equal(floor("1", { rate: 800 }), "0 / 32 / 0");
  assert.equal(floor("1", { latencyMs: 300 }), "0 / 30 / 0");
});

test("station refuses, is slow or cuts answers → nothing need fail or run twice", () => {
  for (const name of ["0", "3", "4", "5", "5b", "6", "7", "7b", "10"]) assert.equal(floor(name), "0 / 0 / 0", name);
});

test("both stations down → callers who leave before the return are errors, those in flight reported failed", () => {
  // Due from 4.92 (in flight at 5) to 6.08: at 8.00 those have less than the 80 ms left that an
  // answer takes.
  assert.equal(floor("9"), "232 / 0 / 8");
  // Due to 7.58 have left, and then 48 and 240 a second are served of the rest: everybody who still
  // waits.
  assert.equal(floor("9", { patienceMs: 500 }), "532 / 0 / 8");
  assert.equal(floor("9", { patienceMs: 10_000 }), "0 / 8 / 0");
});

test("backup killed a moment after the primary → it served nobody in between", () => {
  const steps = caseNamed("9").steps.map((step, place) => (place === 1 ? { ...step, atS: 5.002 } : step));
  assert.equal(floor("9", {}, steps), "232 / 0 / 8");
});

test("backup back later than written → as many more errors as came due meanwhile", () => {
  const steps = caseNamed("9").steps.map((step) => (step.action.kind === "start" ? { ...step, atS: 8.2 } : step));
  assert.equal(floor("9", {}, steps), "272 / 0 / 8");
});

test("burst of five times the load → what bucket and patience do not cover fails", () => {
  // Offered from 5 to 6.25 and served until the last of the burst has left: 50 + 1,000 against 48 +
  // 240/s for 3.17 s.
  const { errors, doubled } = floorOf(caseNamed("12"), DEFAULT_SETTING);
  assert.ok(errors > 240 && errors < 270, `${errors}`);
  assert.equal(doubled, 8);
  assert.equal(floor("12", { patienceMs: 10_000 }), "0 / 8 / 0");
});

test("backup of 0.7 × for good → three of ten fail, less what its bucket and the last waiting callers cover", () => {
  const { errors } = floorOf(caseNamed("3"), { ...DEFAULT_SETTING, capacityRatio: 0.7 });
  // 15 s at 60/s too many are 900; the bucket holds 48, and 1.92 s at 140/s are answered after the
  // load's end.
  assert.ok(Math.abs(errors - (900 - 48 - 269)) <= 2, `${errors}`);
  assert.equal(floor("10", { capacityRatio: 0.7 }), "0 / 0 / 0", "a slow primary still serves");
});

test("latency of a station follows its steps", () => {
  const { steps } = caseNamed("11b");
  assert.equal(latencyAt(steps, "primary", 4.9, 80), 80);
  assert.equal(latencyAt(steps, "primary", 5.1, 80), Number.POSITIVE_INFINITY);
  assert.equal(latencyAt(steps, "primary", 12.5, 80), Number.POSITIVE_INFINITY, "cold");
  assert.equal(latencyAt(steps, "primary", 13.1, 80), 80);
  assert.equal(latencyAt(steps, "backup", 6, 80), 80);
  assert.equal(latencyAt(caseNamed("10").steps, "primary", 6, 80), 300);
});
