/**
 * Calibration from end to end: on known distributions the recommended detector is tried on a fresh
 * trace that it has never seen, and its false alarms there have to be as rare as was promised. And
 * it refuses what cannot be had.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GapModelName } from "../core/detection/gap-model.ts";
import { phiAccrualMachine } from "../core/detection/phi-accrual.ts";
import { ConfigurationError } from "../core/errors.ts";
import { type Random, seededRandom } from "../core/random.ts";
import { type CalibrationResult, calibrate, calibrationSteps, MIN_GAPS } from "./calibration.ts";
import type { CalibrationOptions } from "./goal.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";

const HOUR_MS = 3_600_000;

type Gap = (random: Random, atMs: number) => number;

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Traffic of SPEC section 9, each with a goal that a trace of some minutes can be continued to. */
const REGIMES: Readonly<Record<string, { gap: Gap; lossRate: number; goal: CalibrationOptions }>> = {
  "intra-region": {
    gap: (random) => Math.max(1, 50 + 10 * normal(random)),
    lossRate: 0,
    goal: { detectWithinMs: 1_000, falseAlarms: 1, perMs: HOUR_MS },
  },
  "cross-region": {
    gap: (random) => 500 * Math.exp(0.6 * normal(random) - 0.18),
    lossRate: 0,
    goal: { detectWithinMs: 20_000, falseAlarms: 1, perMs: 10 * HOUR_MS },
  },
  "lossy path": {
    gap: (random) => Math.max(1, 50 + 10 * normal(random)),
    lossRate: 0.01,
    goal: { detectWithinMs: 1_000, falseAlarms: 1, perMs: HOUR_MS },
  },
  "stalls of 200 ms": {
    gap: (random) => 50 + 2 * normal(random) + (random.next() < 0.0025 ? 200 : 0),
    lossRate: 0,
    goal: { detectWithinMs: 1_000, falseAlarms: 1, perMs: HOUR_MS },
  },
};

function* arrivals(gap: Gap, lossRate: number, beats: number, seed: string): Generator<readonly [number, number]> {
  const random = seededRandom(seed);
  let atMs = 0;
  for (let beat = 0; beat < beats; beat++) {
    atMs += gap(random, atMs);
    if (random.next() >= lossRate) yield [beat, atMs];
  }
}

function traceOf(gap: Gap, lossRate: number, beats: number, seed: string): HeartbeatTrace {
  const trace = new HeartbeatTrace();
  for (const [sequence, atMs] of arrivals(gap, lossRate, beats, seed)) trace.add("a", { sequence }, atMs);
  return trace;
}

type Recommended = Extract<CalibrationResult, { type: "recommended" }>;

/** False alarms of what was recommended, on beats that it has not seen. */
function freshAlarms(
  { recommendation }: Recommended,
  beats: Iterable<readonly [number, number]>,
): { alarms: number; watchedMs: number } {
  const { model, windowSize, minDeviationMs, intervalMs, ceilingMs, threshold } = recommendation;
  const machine = phiAccrualMachine({
    model: model as GapModelName,
    windowSize,
    minDeviationMs,
    expectedIntervalMs: intervalMs,
    ceilingMs,
  });
  let alarms = 0;
  let watchedMs = 0;
  for (const [sequence, atMs] of beats) {
    if (watchedMs > 0 && machine.suspicionLevel("a", atMs) >= threshold) alarms++;
    machine.noteHeartbeat("a", { sequence }, atMs);
    watchedMs = atMs;
  }
  return { alarms, watchedMs };
}

function freshRate(result: Recommended, gap: Gap, lossRate: number, beats: number, seed: string): number {
  const { alarms, watchedMs } = freshAlarms(result, arrivals(gap, lossRate, beats, seed));
  return alarms / watchedMs;
}

for (const [name, { gap, lossRate, goal }] of Object.entries(REGIMES)) {
  test(`[D10] ${name}: what is recommended keeps its promise on a fresh trace`, () => {
    const result = calibrate(traceOf(gap, lossRate, 36_000, `${name} calibration`), goal);
    assert.equal(result.type, "recommended", JSON.stringify({ ...result, curves: [] }));
    assert.notEqual(result.recommendation.model, "fixed");
    assert.equal(result.recommendation.ceilingMs, goal.detectWithinMs);
    assert.ok(result.evidence.silence.longestMs <= goal.detectWithinMs);
    const rate = freshRate(result, gap, lossRate, 500_000, `${name} fresh`);
    assert.ok(
      rate <= goal.falseAlarms / goal.perMs,
      `${rate * goal.perMs} alarms where ${goal.falseAlarms} are allowed`,
    );
  });
}

/**
 * Beats every 50 ms through a Gilbert-Elliott channel: one loss in a thousand, and bursts of three
 * on average.
 */
function* burstyArrivals(beats: number, seed: string): Generator<readonly [number, number]> {
  const random = seededRandom(seed);
  let isBad = false;
  for (let beat = 0; beat < beats; beat++) {
    isBad = random.next() < (isBad ? 2 / 3 : 5e-4);
    if (random.next() >= (isBad ? 1 : 0.001)) yield [beat, 50 * beat + Math.max(0, 20 + 4 * normal(random))];
  }
}

test("[D10] losses in bursts: what is recommended keeps its promise on a continuation of the same process", () => {
  let alarms = 0;
  let watchedMs = 0;
  for (let seed = 0; seed < 4; seed++) {
    const trace = new HeartbeatTrace();
    for (const [sequence, atMs] of burstyArrivals(72_000, `bursts ${seed}`)) trace.add("a", { sequence }, atMs);
    const result = calibrate(trace, { detectWithinMs: 3_000, falseAlarms: 1, perMs: 24 * HOUR_MS });
    assert.equal(result.type, "recommended", JSON.stringify({ ...result, curves: [] }));
    const fresh = freshAlarms(result, burstyArrivals(700_000, `bursts continued ${seed}`));
    alarms += fresh.alarms;
    watchedMs += fresh.watchedMs;
  }
  const allowed = watchedMs / (24 * HOUR_MS);
  assert.ok(alarms <= allowed + 1, `${alarms} alarms where ${allowed} are allowed`);
});

test("[D10] a trace that is long enough proves the rate, and the threshold is no higher than it has to be", () => {
  const { gap } = REGIMES["intra-region"] as (typeof REGIMES)[string];
  const goal = { detectWithinMs: 300, falseAlarms: 10, perMs: HOUR_MS };
  const result = calibrate(traceOf(gap, 0, 300_000, "long"), goal);
  assert.equal(result.type, "recommended");
  assert.ok(result.evidence.shown);
  assert.ok(result.evidence.atMostPerMs * HOUR_MS <= 10);
  assert.ok(result.evidence.silence.meanMs < 92, `${result.evidence.silence.meanMs}; the best timeout is 83 ms`);
  const rate = freshRate(result, gap, 0, 500_000, "fresh") * HOUR_MS;
  assert.ok(rate <= 10 && rate > 0.3, `${rate} an hour`);
});

test("[D10] one a week is not proven by an hour, and that is said", () => {
  const { gap } = REGIMES["intra-region"] as (typeof REGIMES)[string];
  const goal = { detectWithinMs: 1_000, falseAlarms: 1, perMs: 168 * HOUR_MS };
  const result = calibrate(traceOf(gap, 0, 72_000, "hour"), goal);
  assert.equal(result.type, "recommended");
  const { shown, atMostPerMs, continuedPerMs, provenAfterMs } = result.evidence;
  assert.equal(shown, false);
  assert.ok(Math.abs(atMostPerMs * HOUR_MS - 3) < 0.05);
  assert.ok((continuedPerMs as number) < 1 / goal.perMs);
  assert.ok(Math.abs(provenAfterMs / (168 * HOUR_MS) - 2.9957) < 1e-3);
});

test("[D10] a trace too short to be continued to the rate is refused with how long it has to be", () => {
  const { gap } = REGIMES["intra-region"] as (typeof REGIMES)[string];
  const result = calibrate(traceOf(gap, 0, 2_000, "short"), {
    detectWithinMs: 1_000,
    falseAlarms: 1,
    perMs: 168 * HOUR_MS,
  });
  assert.equal(result.type, "impossible");
  assert.equal(result.why, "trace-too-short");
  assert.ok(Math.abs(result.needs.leastWatchedMs / HOUR_MS - 0.168) < 1e-9);
});

test("[D10] silences of four hundred intervals are borne too, and by what learns rather than by a fixed timeout", () => {
  const random = seededRandom(3);
  const trace = new HeartbeatTrace();
  let atMs = 0;
  for (let beat = 0; beat < 40_000; beat++) {
    atMs += random.next() < 0.002 ? 20_000 + 1_000 * random.next() : 49 + 2 * random.next();
    trace.add("a", {}, atMs);
  }
  const result = calibrate(trace, { detectWithinMs: 40_000, falseAlarms: 1, perMs: HOUR_MS });
  assert.equal(result.type, "recommended");
  assert.notEqual(result.recommendation.model, "fixed");
  assert.equal(result.evidence.alarms, 0);
  assert.ok(result.evidence.silence.meanMs > 21_000);
});

test("[D10] outages and restarts are no false alarms", () => {
  const { gap, goal } = REGIMES["intra-region"] as (typeof REGIMES)[string];
  const trace = new HeartbeatTrace();
  let incarnation = 0;
  let shiftMs = 0;
  for (const [sequence, atMs] of arrivals(gap, 0, 36_000, "outages")) {
    if (sequence % 9_000 === 8_999) {
      shiftMs += 60_000;
      if (sequence > 20_000) incarnation++;
    }
    trace.add("a", { sequence, incarnation }, atMs + shiftMs);
  }
  const result = calibrate(trace, goal);
  assert.equal(result.type, "recommended");
  assert.deepEqual([result.traffic.outages.count, result.traffic.restarts], [2, 2]);
});

test("[D10] several nodes are watched at once, and a long trace is only sampled by those that do not win", () => {
  const trace = new HeartbeatTrace();
  const random = seededRandom(8);
  for (const node of ["a", "b", "c"]) {
    let atMs = 0;
    for (let beat = 0; beat < 350_000; beat++) {
      atMs += 50 + 5 * normal(random);
      trace.add(node, { sequence: beat }, atMs);
    }
  }
  const steps = calibrationSteps(trace, { detectWithinMs: 1_000, falseAlarms: 1, perMs: 4 * HOUR_MS });
  let last = { done: 0, total: 0 };
  for (;;) {
    const step = steps.next();
    if (step.done !== true) {
      assert.ok(step.value.done > last.done && step.value.done <= step.value.total);
      last = step.value;
      continue;
    }
    const result = step.value;
    assert.equal(result.type, "recommended");
    assert.equal(result.traffic.nodes, 3);
    assert.ok(Math.abs(result.traffic.watchedMs / (3 * 350_000 * 50) - 1) < 0.01);
    assert.ok(result.evidence.shown, "the 14 hours of three nodes together prove one in four hours");
    return;
  }
});

test("[D10] the trade-off has a curve for each detector, falling to the right", () => {
  const { gap, goal } = REGIMES["intra-region"] as (typeof REGIMES)[string];
  const { curves } = calibrate(traceOf(gap, 0, 20_000, "curves"), goal);
  assert.equal(new Set(curves.map(({ model }) => model)).size, 5);
  for (const { points, model } of curves) {
    for (const [place, { silenceMs, alarmsPerMs, counted }] of points.entries()) {
      const before = points[place - 1];
      if (before === undefined) continue;
      assert.ok(silenceMs >= before.silenceMs - 1e-9, model);
      if (counted > 0) assert.ok(alarmsPerMs <= before.alarmsPerMs, model);
    }
  }
});

test("[D10] a trace with hardly a gap is refused", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < MIN_GAPS; beat++) trace.add("a", {}, beat * 50);
  assert.throws(
    () => calibrate(trace, { detectWithinMs: 1_000, falseAlarms: 1, perMs: HOUR_MS }),
    (error) => error instanceof ConfigurationError && /199 gaps.*at least 200/.test(error.message),
  );
});

test("[D10] arrivals that all have the same time → the refusal says so, not that there are too few", () => {
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < 3 * MIN_GAPS; beat++) trace.add("a", { sequence: beat }, 1_000);
  assert.throws(
    () => calibrate(trace, { detectWithinMs: 1_000, falseAlarms: 1, perMs: HOUR_MS }),
    (error) => error instanceof ConfigurationError && /all 599 gaps .* are 0 ms long/.test(error.message),
  );
});
