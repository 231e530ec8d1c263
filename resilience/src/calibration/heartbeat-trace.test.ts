/**
 * The condensed trace: what proves life is kept with its gap, what does not is counted, and nothing
 * grows without bound.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Heartbeat } from "../core/detection/detector.ts";
import { HeartbeatTrace, MAX_TRACE_NODES, NodeTrace } from "./heartbeat-trace.ts";

interface Step {
  readonly gapMs: number;
  readonly missing: number;
  readonly sentAtMs: number | undefined;
}

function stepsOf(trace: HeartbeatTrace, node: string): Step[] {
  const steps: Step[] = [];
  trace.nodes.get(node)?.forEach(({ gapMs, missing, sentAtMs }) => {
    steps.push({ gapMs, missing, sentAtMs });
  });
  return steps;
}

function traceOf(...beats: readonly (readonly [arrivalMs: number, beat: Heartbeat])[]): HeartbeatTrace {
  const trace = new HeartbeatTrace();
  for (const [arrivalMs, beat] of beats) trace.add("a", beat, arrivalMs);
  return trace;
}

test("[D10] gaps, missing beats and send times come back in order", () => {
  const trace = traceOf(
    [100, { sequence: 1, sentAtMs: 7 }],
    [150, { sequence: 2 }],
    [300, { sequence: 5, sentAtMs: 9 }],
  );
  assert.deepEqual(stepsOf(trace, "a"), [
    { gapMs: Number.NaN, missing: 0, sentAtMs: 7 },
    { gapMs: 50, missing: 0, sentAtMs: undefined },
    { gapMs: 150, missing: 2, sentAtMs: 9 },
  ]);
});

test("[D10] duplicates, stragglers and older incarnations are counted and leave no gap", () => {
  const trace = traceOf(
    [0, { sequence: 1, incarnation: 2 }],
    [50, { sequence: 2, incarnation: 2 }],
    [60, { sequence: 2, incarnation: 2 }],
    [70, { sequence: 1, incarnation: 2 }],
    [80, { sequence: 9, incarnation: 1 }],
    [100, { sequence: 3, incarnation: 2 }],
  );
  const node = trace.nodes.get("a");
  assert.deepEqual([node?.duplicates, node?.reordered, node?.beats], [1, 2, 3]);
  assert.deepEqual(
    stepsOf(trace, "a").map(({ gapMs }) => gapMs),
    [Number.NaN, 50, 50],
  );
});

test("[D10] a restart, a clock that went back and a jump of the numbers are breaks, not gaps", () => {
  const restarted = traceOf(
    [0, { sequence: 5 }],
    [50, { sequence: 0, incarnation: 1 }],
    [100, { sequence: 1, incarnation: 1 }],
  );
  assert.equal(restarted.nodes.get("a")?.restarts, 1);
  assert.deepEqual(
    stepsOf(restarted, "a").map(({ gapMs }) => gapMs),
    [Number.NaN, Number.NaN, 50],
  );
  const back = traceOf([1_000, {}], [1_050, {}], [500, {}], [550, {}]);
  assert.equal(back.nodes.get("a")?.clockWentBack, 1);
  assert.deepEqual(
    stepsOf(back, "a").map(({ gapMs }) => gapMs),
    [Number.NaN, 50, Number.NaN, 50],
  );
  const jump = traceOf([0, { sequence: 1 }], [50, { sequence: 2 }], [100, { sequence: 2 ** 50 }]);
  assert.ok(Number.isNaN(stepsOf(jump, "a")[2]?.gapMs));
});

test("[D10] a sender that starts anew after an outage, without saying so, is followed", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < 100; beat++) trace.add("a", { sequence: 1_000 + beat }, beat * 50);
  const verdicts = [0, 1, 2, 3].map((sequence) => trace.add("a", { sequence }, 60_000 + sequence * 50));
  assert.equal(verdicts.at(-1), "counted");
});

test("[D10] many chunks read back as they were written", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < 200_000; beat++) trace.add("a", { sequence: beat }, beat * 10 + (beat % 3));
  let beats = 0;
  let endMs = 0;
  trace.nodes.get("a")?.forEach(({ arrivalMs, gapMs }) => {
    if (beats > 0) assert.ok(gapMs === 8 || gapMs === 11, `${gapMs}`);
    beats++;
    endMs = arrivalMs;
  });
  assert.deepEqual([beats, endMs], [200_000, 1_999_990 + (199_999 % 3)]);
});

test("[D10] hostile input: not a number, more nodes than there is room for", () => {
  const trace = new HeartbeatTrace();
  assert.equal(trace.add("a", {}, Number.NaN), "refused");
  assert.equal(trace.add("a", { sequence: -1 }, 0), "refused");
  assert.equal(trace.add("a", { sequence: 1.5 }, 0), "refused");
  assert.equal(trace.nodes.size, 0);
  for (let node = 0; node < MAX_TRACE_NODES; node++) trace.add(`n${node}`, {}, 0);
  assert.equal(trace.add("one more", {}, 0), "too-many-nodes");
  assert.equal(trace.add("n0", {}, 50), "counted");
  assert.equal(trace.beats, MAX_TRACE_NODES + 1);
});

test("[D10] arrivals given out of order → counted, also where their numbers make them stragglers", () => {
  const node = new NodeTrace();
  for (const sequence of [0, 1, 3, 2, 4, 6, 5, 7]) node.add({ sequence }, 1_000 + 50 * sequence);
  assert.deepEqual([node.clockWentBack, node.reordered], [2, 2]);
});
