/**
 * What a detector must not learn, and must not believe [D5]: examples of each rule, then properties
 * over random streams. fast-check prints seed and path of a failure; SEED=… replays a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Heartbeat } from "./detector.ts";
import { phiAccrualMachine } from "./phi-accrual.ts";
import type { PhiAccrualMachine } from "./phi-accrual-options.ts";

const SEED: number = Number(process.env["SEED"] ?? 27020035);
const OPTIONS = { expectedIntervalMs: 50, minSamples: 10, windowSize: 30 } as const;
const MODELS = ["normal", "lognormal", "exponential", "adaptive"] as const;

/** A machine that has learned 30 regular gaps of 50 ms, beats 0 to 30, the last at 1500 ms. */
function steady(): PhiAccrualMachine {
  const machine = phiAccrualMachine(OPTIONS);
  for (let sequence = 0; sequence <= 30; sequence++) machine.noteHeartbeat("a", { sequence }, sequence * 50);
  return machine;
}

test("[D7] each model tells when anybody was last heard", () => {
  for (const model of MODELS) {
    const machine = phiAccrualMachine({ model });
    assert.equal(machine.newestHeartbeatMs(), Number.NEGATIVE_INFINITY);
    machine.noteHeartbeat("a", { sequence: 1 }, 10);
    assert.equal(machine.newestHeartbeatMs(), 10);
    machine.noteHeartbeat("b", { sequence: 1 }, 20);
    machine.noteHeartbeat("a", { sequence: 2 }, 60);
    assert.equal(machine.noteHeartbeat("b", { sequence: 1 }, 70), "duplicate");
    assert.equal(machine.newestHeartbeatMs(), 60, model);
    machine.forget("a");
    assert.equal(machine.newestHeartbeatMs(), 60, model);
  }
});

test("[D5] the gap of an outage is not learned, long or short of the ceiling", () => {
  for (const outageMs of [300, 900, 60_000]) {
    const machine = steady();
    const before = machine.estimate("a");
    assert.equal(machine.noteHeartbeat("a", { sequence: 31 }, 1500 + outageMs), "counted");
    assert.deepEqual(machine.estimate("a"), before);
    assert.ok(machine.suspicionLevel("a", 1500 + outageMs + 300) > 8, "the next crash is found as fast as before");
  }
});

test("[D5] a network that became slower for good is followed", () => {
  const machine = steady();
  let nowMs = 1500;
  for (let sequence = 31; sequence < 36; sequence++) {
    nowMs += 400;
    machine.noteHeartbeat("a", { sequence }, nowMs);
  }
  assert.ok(machine.suspicionLevel("a", nowMs + 400) < 2, "four slow beats later, slow is normal");
  for (let sequence = 36; sequence < 60; sequence++) {
    nowMs += 400;
    machine.noteHeartbeat("a", { sequence }, nowMs);
  }
  assert.equal(machine.estimate("a")?.location, 400);
});

test("[D5] outages that repeat with beats between them are not mistaken for a slower network", () => {
  const machine = steady();
  const before = machine.estimate("a");
  let nowMs = 1500;
  for (let sequence = 31; sequence < 60; sequence++) {
    nowMs += sequence % 3 === 0 ? 50 : 400;
    machine.noteHeartbeat("a", { sequence }, nowMs);
  }
  assert.deepEqual(machine.estimate("a"), before);
});

test("[D5] gaps past the ceiling are never learned, however many come in a row", () => {
  const machine = steady();
  const before = machine.estimate("a");
  for (let sequence = 31; sequence < 50; sequence++)
    machine.noteHeartbeat("a", { sequence }, 1500 + (sequence - 30) * 1000);
  assert.deepEqual(machine.estimate("a"), before);
});

test("[D5] a lost beat is no sample, but the one after it proves life", () => {
  const machine = steady();
  const before = machine.estimate("a");
  assert.equal(machine.noteHeartbeat("a", { sequence: 32 }, 1600), "counted");
  assert.deepEqual(machine.estimate("a"), before);
  assert.equal(machine.lastHeartbeatMs("a"), 1600);
});

test("[D5] a clock that went back gives no gap and does not blind the detector", () => {
  const machine = steady();
  const before = machine.estimate("a");
  assert.equal(machine.suspicionLevel("a", 0) < 1, true);
  assert.equal(machine.noteHeartbeat("a", { sequence: 31 }, 100), "counted");
  assert.deepEqual(machine.estimate("a"), before);
  assert.ok(machine.suspicionLevel("a", 400) > 8, "silence counts from where the clock is now");
});

test("[D5] a restarted sender is alive again at once with a higher incarnation, after three beats without", () => {
  const machine = steady();
  assert.equal(machine.noteHeartbeat("a", { sequence: 0, incarnation: 1 }, 1600), "counted");
  assert.equal(machine.noteHeartbeat("a", { sequence: 31 }, 1650), "old-incarnation");
  const plain = steady();
  const verdicts = [0, 1, 2, 3].map((sequence) => plain.noteHeartbeat("a", { sequence }, 3000 + sequence * 50));
  assert.deepEqual(verdicts, ["reordered", "reordered", "counted", "counted"]);
});

test("[D5] stragglers right after their successors do not count as a restart", () => {
  const machine = steady();
  for (const sequence of [20, 21, 22, 23, 24]) {
    assert.equal(machine.noteHeartbeat("a", { sequence }, 1510 + sequence), "reordered");
  }
  assert.equal(machine.lastHeartbeatMs("a"), 1500);
});

interface Arrival {
  readonly gapMs: number;
  readonly noise: readonly { readonly kind: "duplicate" | "straggler" | "nonsense"; readonly back: number }[];
}

const arrivals = fc.array(
  fc.record({
    gapMs: fc.double({ min: 0, max: 120, noNaN: true }),
    noise: fc.array(
      fc.record({
        kind: fc.constantFrom("duplicate" as const, "straggler" as const, "nonsense" as const),
        back: fc.integer({ min: 1, max: 5 }),
      }),
      { maxLength: 3 },
    ),
  }),
  { minLength: 1, maxLength: 80 },
);

function noisy(kind: "duplicate" | "straggler" | "nonsense", back: number, sequence: number): Heartbeat {
  if (kind === "duplicate") return { sequence };
  return { sequence: kind === "straggler" ? Math.max(0, sequence - back) : -back };
}

test("[D5] property: duplicates, stragglers and nonsense leave no trace in what is learned or believed", () => {
  const property = fc.property(fc.constantFrom(...MODELS), arrivals, (model, stream: Arrival[]) => {
    const clean = phiAccrualMachine({ ...OPTIONS, model });
    const dirty = phiAccrualMachine({ ...OPTIONS, model });
    let nowMs = 1e6;
    stream.forEach(({ gapMs, noise }, sequence) => {
      nowMs += gapMs;
      assert.equal(clean.noteHeartbeat("a", { sequence }, nowMs), "counted");
      assert.equal(dirty.noteHeartbeat("a", { sequence }, nowMs), "counted");
      for (const { kind, back } of noise) {
        assert.notEqual(dirty.noteHeartbeat("a", noisy(kind, back, sequence), nowMs + 1), "counted");
      }
      assert.deepEqual(dirty.estimate("a"), clean.estimate("a"));
      assert.equal(dirty.suspicionLevel("a", nowMs + 77), clean.suspicionLevel("a", nowMs + 77));
    });
  });
  fc.assert(property, { seed: SEED, numRuns: 400 });
});

test("[D5] property: no input makes a level NaN, negative or falling, nor an estimate unsound", () => {
  const wildNumber = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, 2 ** 53, 1e308, Number.MIN_VALUE));
  const wildBeat = fc.option(
    fc.record({ sequence: wildNumber, sentAtMs: wildNumber, incarnation: wildNumber }, { requiredKeys: [] }),
    { nil: undefined },
  );
  const node = fc.constantFrom("a", "__proto__", "constructor", "", "\u0000");
  const step = fc.record({
    node,
    beat: wildBeat,
    nowMs: fc.oneof(wildNumber, fc.double({ min: 0, max: 5000, noNaN: true })),
  });
  const property = fc.property(fc.constantFrom(...MODELS), fc.array(step, { maxLength: 40 }), (name, steps) => {
    const machine = phiAccrualMachine({ ...OPTIONS, model: name });
    for (const { node: id, beat, nowMs } of steps) {
      machine.noteHeartbeat(id, beat as Heartbeat | undefined, nowMs);
      const lastMs = machine.lastHeartbeatMs(id);
      if (lastMs === undefined) continue;
      const estimate = machine.estimate(id);
      assert.ok(estimate !== undefined && Number.isFinite(estimate.location) && estimate.scale > 0);
      let previous = 0;
      for (const atMs of [nowMs, lastMs, lastMs + 10, lastMs + 60, lastMs + 500, lastMs + 1e9]) {
        const level = machine.suspicionLevel(id, atMs);
        assert.ok(level >= 0 && level < Number.POSITIVE_INFINITY, `level ${level}`);
        if (atMs >= lastMs) assert.ok(atMs === nowMs || level >= previous, `fell from ${previous} to ${level}`);
        if (atMs !== nowMs) previous = level;
      }
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 600 });
});

test("[D5] all models: a lost beat, a duplicate, a straggler and an older incarnation do not shift the deadline by much", () => {
  for (const model of MODELS) {
    const machine = phiAccrualMachine({ ...OPTIONS, model });
    for (let sequence = 0; sequence <= 600; sequence++) {
      machine.noteHeartbeat("a", { sequence, incarnation: 1 }, sequence * 50 + (sequence % 3) * 6);
    }
    const before = (machine.whenLevel("a", 8) as number) - 30_000;
    assert.equal(machine.noteHeartbeat("a", { sequence: 600, incarnation: 1 }, 30_010), "duplicate", model);
    assert.equal(machine.noteHeartbeat("a", { sequence: 598, incarnation: 1 }, 30_011), "reordered", model);
    assert.equal(machine.noteHeartbeat("a", { sequence: 900, incarnation: 0 }, 30_012), "old-incarnation", model);
    assert.equal((machine.whenLevel("a", 8) as number) - 30_000, before, model);
    assert.equal(machine.noteHeartbeat("a", { sequence: 602, incarnation: 1 }, 30_100), "counted", model);
    assert.equal(machine.lastHeartbeatMs("a"), 30_100, model);
    for (let sequence = 603; sequence <= 660; sequence++) {
      machine.noteHeartbeat("a", { sequence, incarnation: 1 }, sequence * 50 + (sequence % 3) * 6);
    }
    const after = (machine.whenLevel("a", 8) as number) - 33_000;
    assert.ok(Math.abs(after / before - 1) < 0.25, `${model}: ${after} after, ${before} before`);
  }
});

test("[D5] all models: a burst released at once after a partition, and replayed beats of a silent node", () => {
  for (const model of MODELS) {
    const machine = phiAccrualMachine({ ...OPTIONS, model });
    for (let sequence = 0; sequence <= 600; sequence++) machine.noteHeartbeat("a", { sequence }, sequence * 50);
    for (let sequence = 601; sequence <= 640; sequence++)
      machine.noteHeartbeat("a", { sequence }, 32_000 + sequence / 100);
    assert.ok((machine.whenLevel("a", 8) as number) > 32_006, `${model}: a burst shows life`);
    for (let sequence = 641; sequence <= 800; sequence++) machine.noteHeartbeat("a", { sequence }, sequence * 50);
    const lastMs = 800 * 50;
    assert.ok((machine.whenLevel("a", 8) as number) < lastMs + 1_000, `${model}: soon as attentive as before`);
    for (const sequence of [700, 701, 650]) {
      assert.notEqual(machine.noteHeartbeat("a", { sequence }, lastMs + 20), "counted", model);
    }
    assert.equal(machine.lastHeartbeatMs("a"), lastMs, model);
  }
});
