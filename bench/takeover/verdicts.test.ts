/**
 * Bounds and tables: what a row that keeps every promise looks like, and that each broken promise
 * is seen.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Figures } from "./figures.ts";
import { matrixCells, quickCells } from "./matrix.ts";
import { readOptions } from "./options.ts";
import { allVerdicts, report } from "./report.ts";
import { emptyRow, inOrder, type KeptRun, type Row, rowOf, rowsOf, spreadOf } from "./rows.ts";
import { DEFAULT_SETTING, type Setting } from "./setting.ts";
import { maxDoubledExcess, maxP99Ms, verdictsOf } from "./verdicts.ts";

const GOOD: Figures = {
  calls: 4_000,
  errors: 0,
  errorsBeforeFault: 0,
  lost: 0,
  doubled: 8,
  ghosts: 0,
  outageS: 0,
  p50Ms: 81,
  p99Ms: 120,
  maxMs: 190,
  baselineP50Ms: 81,
  baselineP99Ms: 84,
  goodputBackS: 0,
  lateGoodputPerSecond: 200,
  refusalP99Ms: null,
  backupRefusals: 0,
  backupPeakPerSecond: 216,
  primaryTries: 4,
  triesPerCall: 1.01,
};

function run(changes: Partial<Figures> = {}, more: Partial<KeptRun> = {}): KeptRun {
  return {
    front: "gsf-minimum",
    case: "1",
    repetition: 1,
    setting: DEFAULT_SETTING,
    figures: { ...GOOD, ...changes },
    floor: { errors: 0, doubled: 8, ghosts: 0 },
    outcomes: {},
    clientLagMs: 10,
    load: 0,
    isDisturbed: false,
    product: undefined,
    ...more,
  };
}

function missed(row: Row, peers: readonly Row[] = []): string[] {
  return verdictsOf(row, peers)
    .filter(({ isKept }) => !isKept)
    .map(({ promise }) => promise);
}

const small: Setting = { ...DEFAULT_SETTING, capacityRatio: 0.7 };

test("good run → every promise is kept", () => {
  assert.deepEqual(missed(rowOf([run()]), [rowOf([run({}, { front: "nginx" })])]), []);
});

test("each broken promise is seen, at its bound and not before", () => {
  const of = (changes: Partial<Figures>): string[] => missed(rowOf([run(changes)]));
  assert.deepEqual([of({ errors: 20 }), of({ errors: 21 })], [[], ["errors"]]);
  assert.deepEqual([of({ doubled: 28 }), of({ doubled: 29 })], [[], ["doubled"]]);
  assert.deepEqual(of({ ghosts: 1 }), ["reported failed yet executed"]);
  assert.deepEqual(of({ lost: 1 }), ["lost"]);
  assert.deepEqual([of({ goodputBackS: 5 }), of({ goodputBackS: 5.25 })], [[], ["goodput back"]]);
  assert.deepEqual(of({ goodputBackS: Number.POSITIVE_INFINITY }), ["goodput back"]);
  assert.deepEqual([of({ p99Ms: 200 }), of({ p99Ms: 201 })], [[], ["p99 after the fault"]]);
  assert.deepEqual(of({ p99Ms: null }), ["p99 after the fault"]);
  assert.deepEqual(of({ backupRefusals: 3 }), ["commands that the backup refused"]);
});

test("one lost command in three runs is a lost command", () => {
  assert.deepEqual(missed(rowOf([run(), run({ lost: 1 }), run()])), ["lost"]);
});

test("tuned file → at the floor exactly where it is 0, within a tenth elsewhere", () => {
  const tuned = { front: "gsf-tuned" };
  assert.deepEqual(missed(rowOf([run({ errors: 1 }, tuned)])), ["errors"]);
  const floor = { errors: 250, doubled: 8, ghosts: 0 };
  const burst = { ...tuned, case: "12", floor };
  assert.deepEqual(missed(rowOf([run({ errors: 275 }, burst)])), []);
  assert.deepEqual(missed(rowOf([run({ errors: 276 }, burst)])), ["errors"]);
});

test("contract → doubled at the floor", () => {
  const contract = { front: "gsf-minimum+contract" };
  assert.deepEqual(missed(rowOf([run({ doubled: 10 }, contract)])), []);
  assert.deepEqual(missed(rowOf([run({ doubled: 11 }, contract)])), ["doubled"]);
});

test("beside a better peer → worse; a peer's p99 counts only where it answered as many", () => {
  const ours = rowOf([run({ errors: 15, p99Ms: 190 })]);
  const better = rowOf([run({ p99Ms: 100 }, { front: "haproxy" })]);
  assert.deepEqual(missed(ours, [better]), ["errors, beside haproxy", "p99, beside haproxy"]);
  const failing = rowOf([run({ errors: 2_999, p99Ms: 82 }, { front: "haproxy" })]);
  assert.deepEqual(missed(ours, [failing]), []);
  const doubling = rowOf([run({ errors: 15, doubled: 20 })]);
  const unsure = rowOf([run({ errors: 3_015, ghosts: 3_015, doubled: 0 }, { front: "haproxy" })]);
  assert.deepEqual(missed(doubling, [unsure]), []);
  assert.deepEqual(missed(doubling, [unsure, rowOf([run({ doubled: 0, errors: 15 }, { front: "nginx" })])]), [
    "doubled, beside nginx",
  ]);
});

test("overload for good → goodput at least 0.8 of the capacity, the rest refused within 100 ms", () => {
  const floor = { errors: 590, doubled: 8, ghosts: 0 };
  const overloaded = { setting: small, floor };
  // More errors than the floor, which lets callers wait until the load ends.
  const fine = { errors: 860, lateGoodputPerSecond: 130, refusalP99Ms: 20, backupRefusals: 150 };
  assert.deepEqual(missed(rowOf([run(fine, overloaded)])), []);
  assert.deepEqual(missed(rowOf([run({ ...fine, lateGoodputPerSecond: 111 }, overloaded)])), [
    "goodput 5 s after the fault",
  ]);
  assert.deepEqual(missed(rowOf([run({ ...fine, refusalP99Ms: 101 }, overloaded)])), ["refused within (p99)"]);
  assert.deepEqual(missed(rowOf([run({ ...fine, backupRefusals: 201 }, overloaded)])), [
    "commands that the backup refused",
  ]);
});

test("bounds follow rate and latency", () => {
  assert.equal(maxP99Ms(80), 200);
  assert.equal(maxP99Ms(300), 640);
  assert.equal(maxDoubledExcess(200, 80), 20);
  assert.equal(maxDoubledExcess(800, 80), 80);
  assert.equal(maxDoubledExcess(20, 80), 20);
});

test("spread of runs: median, extremes, infinity, nothing", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(spreadOf([1, 2, null]), { median: 1.5, min: 1, max: 2 });
  const never = Number.POSITIVE_INFINITY;
  assert.deepEqual(spreadOf([never, never]), { median: never, min: never, max: never });
  assert.equal(spreadOf([null]), null);
});

test("disturbed runs are left out where there is a calm one, and told", () => {
  const row = rowOf([run(), run({ errors: 500 }, { isDisturbed: true })]);
  assert.deepEqual([row.runs, row.disturbed, row.figures?.errors?.max], [1, 1, 0]);
  assert.match(report([row]), /\| 1 \| gsf-minimum \| 1 \(\+1 disturbed\) \|/);
  const only = rowOf([run({ errors: 500 }, { isDisturbed: true })]);
  assert.equal(only.figures?.errors?.max, 500);
  assert.match(report([only]), /\| 1 \| gsf-minimum \| 1 disturbed \|/);
});

test("report: settings, cases and fronts in order, a front that did not start, what was missed", () => {
  const rows = inOrder([
    emptyRow("gsf-minimum+contract", "1", DEFAULT_SETTING),
    ...rowsOf([run({ errors: 21 }, { case: "2" }), run({}, { front: "nginx" }), run(), run({}, { setting: small })]),
  ]);
  assert.equal(rows.length, 5);
  const text = report(rows);
  assert.match(text, /## 200\/s, patience 2 s, capacity 1\.2/);
  assert.match(text, /## 200\/s, patience 2 s, capacity 0\.7/);
  assert.match(
    text,
    /\| 1 kill -9 primary \| 0 \/ 8 \/ 0, 120 ms \| did not start \| 0 \/ 8 \/ 0, 120 ms \| 0 \/ 8 \/ 0 \|/,
  );
  assert.match(text, /\| 2, 200\/s, patience 2 s, capacity 1\.2 \| gsf-minimum \| errors \| 21 \| ≤ 20 \|/);
  assert.ok(allVerdicts(rows).every(({ front }) => front !== "nginx"));
});

test("matrix: sixteen cases at the first setting, other loads, patience and capacity beside it", () => {
  const cells = matrixCells(0);
  assert.equal(cells.filter(({ setting, fronts }) => setting.rate === 200 && fronts.length === 6).length, 16);
  assert.deepEqual(new Set(cells.map(({ setting }) => setting.rate)), new Set([200, 20, 800]));
  assert.deepEqual(new Set(cells.map(({ setting }) => setting.patienceMs)), new Set([2_000, 500, 10_000]));
  assert.deepEqual(new Set(cells.map(({ setting }) => setting.capacityRatio)), new Set([1.2, 0.7]));
  assert.ok(quickCells(0).length <= 6);
});

test("options out of range or unknown are refused with the value", () => {
  assert.throws(() => readOptions(["--rate", "0"]), /--rate 0 is not allowed/);
  assert.throws(() => readOptions(["--case", "13"]), /There is no case 13/);
  assert.throws(() => readOptions(["--front", "envoy"]), /There is no front envoy/);
  assert.throws(() => readOptions(["--gateway", "/nowhere"]), /no gateway\/bin\/gsf\.js/);
  const { cells } = readOptions(["--matrix", "--case", "12", "--front", "nginx"]);
  assert.ok(cells.length === 4 && cells.every((cell) => cell.case === "12" && cell.fronts.join() === "nginx"));
});
