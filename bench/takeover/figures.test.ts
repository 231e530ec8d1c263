/**
 * The figures of recordings made by hand, and what the load, the wire and the seed make of their
 * input.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { caseNamed, shifted } from "./cases.ts";
import { faultShiftS } from "./chance.ts";
import { busiest, figuresOf, quantile, type Recording } from "./figures.ts";
import { type Call, dueSeconds, judgeAnswer, type Outcome } from "./load.ts";
import { DEFAULT_SETTING } from "./setting.ts";
import { attemptsOf } from "./wire.ts";

const START_MS = 1_000_000;
const setting = { ...DEFAULT_SETTING, rate: 10 };

/**
 * Ten commands a second for 20 s, each answered after 80 ms and executed once by the primary,
 * except as said.
 */
function recording(outcomeOf: (atS: number) => Outcome = () => "ok", changes: Partial<Recording> = {}): Recording {
  const calls = Array.from({ length: 200 }, (_, place): Call => {
    const dueMs = START_MS + 100 * place;
    return { key: `c-${place}`, dueMs, doneMs: dueMs + 80, outcome: outcomeOf(place / 10), servedBy: "primary" };
  });
  const executions = calls.map(({ key, dueMs }) => ({ key, atMs: dueMs + 40, station: "primary" }));
  const whole = { setting, faultCase: caseNamed("1"), startMs: START_MS, faultMs: START_MS + 5_000, calls, executions };
  return { ...whole, backupArrivalsMs: [], backupRefusals: 0, wire: undefined, ...changes };
}

test("nothing goes wrong → no error, no outage, the latency is the stations'", () => {
  const found = figuresOf(recording());
  assert.deepEqual([found.calls, found.errors, found.lost, found.doubled, found.ghosts], [200, 0, 0, 0, 0]);
  assert.deepEqual([found.p50Ms, found.p99Ms, found.maxMs, found.baselineP50Ms], [80, 80, 80, 80]);
  assert.deepEqual([found.outageS, found.goodputBackS, found.refusalP99Ms, found.primaryTries], [0, 0, null, null]);
});

test("answer without execution is lost, two executions double, an error of an executed command is a ghost", () => {
  const base = recording((atS) => (atS >= 6 && atS < 7 ? "timeout" : "ok"));
  const executions = base.executions.filter(({ key }) => key !== "c-3" && key !== "c-65");
  const found = figuresOf({ ...base, executions: [...executions, { key: "c-9", atMs: START_MS, station: "backup" }] });
  assert.deepEqual([found.errors, found.lost, found.doubled, found.ghosts], [10, 1, 1, 9]);
  assert.equal(found.outageS, 1.98);
});

test("goodput that ends at 5 and returns at 8 → back after about three seconds", () => {
  const { goodputBackS } = figuresOf(recording((atS) => (atS >= 5 && atS < 8 ? "http-503" : "ok")));
  assert.ok(goodputBackS >= 3 && goodputBackS <= 4, `${goodputBackS}`);
});

test("goodput that never returns → never", () => {
  const { goodputBackS, lateGoodputPerSecond } = figuresOf(recording((atS) => (atS >= 5 ? "timeout" : "ok")));
  assert.equal(goodputBackS, Number.POSITIVE_INFINITY);
  assert.equal(lateGoodputPerSecond, 0);
});

test("backup too small for good → nine tenths of what it takes are enough", () => {
  const small = { ...setting, capacityRatio: 0.5 };
  const isRefused = (atS: number): boolean => atS >= 5 && Math.round(atS * 10) % 2 === 1;
  const found = figuresOf(recording((atS) => (isRefused(atS) ? "http-503" : "ok"), { setting: small }));
  assert.equal(found.goodputBackS, 0);
  assert.ok(Math.abs(found.lateGoodputPerSecond - 5) < 0.3, `${found.lateGoodputPerSecond}`);
  assert.equal(found.refusalP99Ms, 80);
});

test("tries at the primary count only while it is broken", () => {
  const wire = [4, 6, 7].map((atS) => ({ atMs: START_MS + 1_000 * atS, to: "primary" as const, isDead: true }));
  const found = figuresOf(recording(undefined, { wire, backupArrivalsMs: [0, 500, 999, 1_000, 3_000] }));
  assert.equal(found.primaryTries, 2);
  assert.equal(found.triesPerCall, 2 / 150);
  assert.equal(found.backupPeakPerSecond, 3);
});

test("quantiles and the busiest window", () => {
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([3, 1, 2], 0.99), 3);
  assert.equal(busiest([], 100), 0);
  assert.equal(busiest([0, 99, 100, 150], 100), 3);
});

test("the schedule holds the rate, and five times the rate during the burst", () => {
  const due = [...dueSeconds(DEFAULT_SETTING, caseNamed("12"))];
  const between = (from: number, to: number): number => due.filter((atS) => atS >= from && atS < to).length;
  assert.ok(Math.abs(between(0, 5) - 1_000) <= 1);
  // One gap of the normal rate, five of the burst, can straddle its beginning.
  assert.ok(Math.abs(between(5.25, 6.25) - 1_000) <= 5);
  assert.ok(between(-1.5, 0) > 290);
});

test("only a complete success of the same key is an answer", () => {
  assert.deepEqual(judgeAnswer(200, '{"status":"ok","key":"a","station":"x"}', "a"), { outcome: "ok", servedBy: "x" });
  assert.deepEqual(judgeAnswer(200, '{"status":"ok","key":"b"}', "a"), { outcome: "semantic" });
  assert.deepEqual(judgeAnswer(200, '{"status":"error"}', "a"), { outcome: "semantic" });
  assert.deepEqual(judgeAnswer(200, '{"status":', "a"), { outcome: "bad-body" });
  assert.deepEqual(judgeAnswer(503, "", "a"), { outcome: "http-503" });
});

test("the capture: a connection that carried no command is a dead try", () => {
  const lines = [
    "5.000001 IP 127.0.0.1.40000 > 127.0.0.1.27101: Flags [S], seq 1",
    "5.000100 IP 127.0.0.1.40000 > 127.0.0.1.27101: Flags [P.], seq 1:300",
    "5.000200 IP 127.0.0.1.40001 > 127.0.0.1.27101: Flags [S], seq 1",
    "5.000300 IP 127.0.0.1.40002 > 127.0.0.1.27104: Flags [P.], seq 1:300",
    "garbage",
  ].join("\n");
  const found = attemptsOf(lines, 27_101).map(({ to, isDead }) => `${to} ${isDead}`);
  assert.deepEqual(found, ["primary false", "primary true", "backup false"]);
});

test("same seed, same fault instants; seed 0 leaves them as written", () => {
  assert.equal(faultShiftS(0, "1", 1), 0);
  assert.equal(faultShiftS(7, "1", 1), faultShiftS(7, "1", 1));
  assert.notEqual(faultShiftS(7, "1", 1), faultShiftS(7, "1", 2));
  const moved = shifted(caseNamed("12"), 0.1);
  assert.equal(moved.steps[0]?.atS, 5.1);
  assert.equal(moved.loadFactor?.(5.3), 1);
  assert.equal(moved.loadFactor?.(5.36), 5);
});
