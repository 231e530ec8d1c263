/**
 * The sentences of a calibration: what a reader should know of a trace before believing what rests
 * on it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { calibrate, HeartbeatTrace } from "ground-station-failover/calibration";
import { noteSentences, trafficLines } from "./report.ts";

function linesOf(swapped: boolean): string {
  const trace = new HeartbeatTrace();
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

test("[D10] a trace of one night → a note says how much of the day it covers; of a whole day → none", () => {
  const notesOf = (hours: number): string => {
    const trace = new HeartbeatTrace();
    for (let beat = 0; beat < hours * 360; beat++) trace.add("a", { sequence: beat }, 10_000 * beat);
    const { traffic } = calibrate(trace, { detectWithinMs: 60_000, falseAlarms: 1, perMs: 3_600_000 });
    return noteSentences(traffic).join("\n");
  };
  assert.match(notesOf(8), /covers 8h of the 24h of a day: .* record a whole day/);
  assert.equal(notesOf(24), "");
});
