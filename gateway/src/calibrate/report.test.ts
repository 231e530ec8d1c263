/** The sentences of a calibration: a trace whose lines are out of order is told to be sorted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BeatTrace, calibrate } from "ground-station-failover/core";
import { trafficLines } from "./report.ts";

function linesOf(swapped: boolean): string {
  const trace = new BeatTrace();
  for (let beat = 0; beat < 1_000; beat++) {
    const sequence = swapped && beat % 100 >= 98 ? beat + (beat % 2 === 0 ? 1 : -1) : beat;
    trace.add("a", { sequence }, 1_000 + 50 * sequence);
  }
  const { traffic, goal } = calibrate(trace, { detectWithinMs: 1_000, falseAlarms: 1, perMs: 60_000 });
  return trafficLines(traffic, goal.outageMs).join("\n");
}

test("[D10] lines out of order → a hint to sort them; in order → none", () => {
  assert.match(linesOf(true), /lines out of order .* sort them by arrival/);
  assert.doesNotMatch(linesOf(false), /sort/);
});
