import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ledger } from "./spacecraft.ts";
import { type CommandRecord, type FaultMark, sumUp } from "./sums.ts";

const FAULT: FaultMark = { atMs: 100, station: "north" };

function answered(command: string, endedMs: number, station = "north"): CommandRecord {
  return { command, sentMs: endedMs - 3, endedMs, status: 200, station, error: undefined };
}

function ledgerOf(commands: Ledger["commands"], more: Partial<Ledger> = {}): Ledger {
  return { epochSeen: 1, attempts: 0, executions: 0, replayed: 0, refusedStale: 0, forgotten: 0, commands, ...more };
}

test("a command that was acknowledged and never executed is lost", () => {
  const sums = sumUp([answered("a", 90), answered("b", 95)], ledgerOf([["a", 1, 1]]), FAULT, 20);
  assert.equal(sums.lost, 1);
});

test("a command that was refused at the door without executing is attempted, and lost if it was acknowledged", () => {
  assert.equal(sumUp([answered("a", 90)], ledgerOf([["a", 1, 0]]), FAULT, 20).lost, 1);
});

test("a command that was neither answered nor executed is an error and lost; one that failed honestly is only an error", () => {
  const broken: CommandRecord = { ...answered("a", 90), status: undefined, error: "connection closed" };
  const failed: CommandRecord = { ...answered("b", 90), status: 503, error: "503" };
  const sums = sumUp([broken, failed], ledgerOf([]), FAULT, 20);
  assert.deepEqual([sums.callerErrors, sums.lost], [2, 1]);
  assert.deepEqual(sums.errors, ["a: connection closed", "b: 503"]);
});

test("a command that ran twice under one name is counted once as doubled", () => {
  const ledger = ledgerOf([
    ["a", 3, 2],
    ["b", 2, 1],
  ]);
  assert.equal(sumUp([answered("a", 90), answered("b", 95)], ledger, FAULT, 20).executedTwice, 1);
});

test("the outage is the longest gap between answers that ends after the fault, less the usual spacing", () => {
  const records = [answered("a", 10), answered("b", 80), answered("c", 95), answered("d", 145, "south")];
  const sums = sumUp(records, ledgerOf([]), FAULT, 20);
  assert.equal(sums.outageMs, 30);
});

test("service that never came back was away until the last thing heard of any command", () => {
  const failed: CommandRecord = { ...answered("b", 900), status: undefined, error: "no answer by the deadline" };
  assert.equal(sumUp([answered("a", 90), failed], ledgerOf([]), FAULT, 20).outageMs, 790);
});

test("take-over runs from the fault to the first success by another station; late answers of the old one do not count", () => {
  const records = [answered("a", 90), answered("b", 104), answered("c", 160, "south"), answered("d", 150, "south")];
  assert.equal(sumUp(records, ledgerOf([]), FAULT, 20).takeoverMs, 50);
  assert.equal(sumUp(records.slice(0, 2), ledgerOf([]), FAULT, 20).takeoverMs, undefined);
});

test("attempts that the guard absorbed are shown", () => {
  const { absorbed } = sumUp([], ledgerOf([], { replayed: 4, refusedStale: 2 }), FAULT, 20);
  assert.deepEqual(absorbed, { repeatedKey: 4, olderEpoch: 2 });
});
