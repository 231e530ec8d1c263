/**
 * The phi accrual machine: its levels, its inverse, what it presumes before it knows, and its
 * bounds.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { phiAccrualMachine } from "./phi-accrual.ts";
import type { PhiAccrualMachine, PhiAccrualOptions } from "./phi-accrual-options.ts";

const MODELS = ["normal", "lognormal", "exponential"] as const;

/** A machine that has heard `a` through the given gaps, beginning at 1000 ms. */
function heard(options: PhiAccrualOptions, gapsMs: readonly number[]): { machine: PhiAccrualMachine; lastMs: number } {
  const machine = phiAccrualMachine(options);
  let nowMs = 1000;
  machine.noteHeartbeat("a", undefined, nowMs);
  for (const gapMs of gapsMs) {
    nowMs += gapMs;
    assert.equal(machine.noteHeartbeat("a", undefined, nowMs), "counted");
  }
  return { machine, lastMs: nowMs };
}

/** 200 gaps with mean 50 and population deviation 10 exactly. */
const FORTY_SIXTY: readonly number[] = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 40 : 60));

test("[D1] the level is that of the normal distribution fitted to the window", () => {
  const { machine, lastMs } = heard({ expectedIntervalMs: 50, minDeviationMs: 1 }, FORTY_SIXTY);
  assert.deepEqual(machine.estimate("a"), { location: 50, scale: 10, samples: 200, presumed: false });
  const vectors = JSON.parse(
    readFileSync(new URL("../../../../test/vectors/normal-tail.json", import.meta.url), "utf8"),
  ) as { normal: [number, number][] };
  const reachable = vectors.normal.filter(([z]) => z >= -5 && z < 90 && Number.isInteger(z * 4));
  assert.ok(reachable.length > 150);
  for (const [z, expected] of reachable) {
    const level = machine.suspicionLevel("a", lastMs + 50 + 10 * z);
    assert.ok(Math.abs(level - expected) <= 1e-12 * expected, `z ${z}: ${level} for ${expected}`);
  }
});

test("[D1] the lognormal model fits logarithms, the exponential one the mean", () => {
  const lognormal = heard({ model: "lognormal", expectedIntervalMs: 50 }, FORTY_SIXTY).machine.estimate("a");
  assert.ok(Math.abs((lognormal?.location ?? 0) - (Math.log(40) + Math.log(60)) / 2) < 1e-12);
  const { machine, lastMs } = heard({ model: "exponential", expectedIntervalMs: 50 }, FORTY_SIXTY);
  assert.ok(Math.abs(machine.suspicionLevel("a", lastMs + 115.12925464970229) - 1) < 1e-12);
});

test("[D1] the level is finite and never falls while silence lasts, up to and past the ceiling", () => {
  for (const model of MODELS) {
    const { machine, lastMs } = heard({ model, expectedIntervalMs: 50 }, FORTY_SIXTY);
    let previous = -1;
    for (let silenceMs = 0; silenceMs < 1200; silenceMs += 0.37) {
      const level = machine.suspicionLevel("a", lastMs + silenceMs);
      assert.ok(Number.isFinite(level) && level >= previous, `${model} at ${silenceMs} ms: ${level} after ${previous}`);
      previous = level;
    }
    assert.equal(previous, Number.MAX_VALUE);
    assert.equal(machine.suspicionLevel("a", Number.MAX_VALUE), Number.MAX_VALUE);
  }
});

test("[D4] a node never heard from has maximum suspicion and no instant", () => {
  const machine = phiAccrualMachine();
  assert.equal(machine.suspicionLevel("a", 5), Number.POSITIVE_INFINITY);
  assert.equal(machine.isAlive("a", 1e300, 5), false);
  assert.equal(machine.whenLevel("a", 8), undefined);
  assert.equal(machine.lastHeartbeatMs("a"), undefined);
  assert.equal(machine.estimate("a"), undefined);
});

test("[D4] one beat is enough for a conservative verdict from the expected interval", () => {
  for (const model of MODELS) {
    const { machine, lastMs } = heard({ model, expectedIntervalMs: 50 }, []);
    assert.ok(machine.suspicionLevel("a", lastMs + 75) < 2, model);
    const whenMs = (machine.whenLevel("a", 8) ?? 0) - lastMs;
    assert.ok(whenMs > 150 && whenMs < 1000, `${model}: ${whenMs}`);
  }
  const { machine, lastMs } = heard({ expectedIntervalMs: 50 }, []);
  assert.ok(Math.abs((machine.whenLevel("a", 8) ?? 0) - lastMs - (50 + 25 * 5.612001244174789)) < 1e-9);
});

test("[D4] few samples only widen the presumption, never sharpen it", () => {
  const { machine } = heard({ expectedIntervalMs: 50 }, [1, 1, 1, 1, 1]);
  assert.deepEqual(machine.estimate("a"), { location: 50, scale: 25, samples: 5, presumed: true });
  const slower = heard({ expectedIntervalMs: 50 }, [90, 90, 90]).machine;
  assert.deepEqual(slower.estimate("a"), { location: 90, scale: 45, samples: 3, presumed: true });
  const known = heard({ expectedIntervalMs: 50 }, FORTY_SIXTY.slice(0, 50)).machine;
  assert.deepEqual(known.estimate("a"), { location: 50, scale: 12.5, samples: 50, presumed: false });
});

test("[D4] an untuned detector tells nothing wrong of the slowest common heartbeat and still learns a fast one", () => {
  const slow = heard({}, []);
  assert.ok(slow.machine.suspicionLevel("a", slow.lastMs + 1500) < 2);
  const fast = heard({}, FORTY_SIXTY);
  assert.ok(fast.machine.suspicionLevel("a", fast.lastMs + 73) < 2);
  assert.ok(fast.machine.suspicionLevel("a", fast.lastMs + 350) > 8);
});

test("[D11] whenLevel agrees with polling, for all models, levels and states of knowledge", () => {
  for (const model of MODELS) {
    for (const gapsMs of [[], [30, 80], FORTY_SIXTY]) {
      const { machine, lastMs } = heard({ model, expectedIntervalMs: 50 }, gapsMs);
      for (const level of [0, 1e-9, 0.1, 0.30103, 1, 3, 5, 8, 20, 300, Number.MAX_VALUE]) {
        const whenMs = machine.whenLevel("a", level) as number;
        assert.ok(machine.suspicionLevel("a", whenMs + 1e-6) >= level, `${model} ${level}`);
        if (whenMs > lastMs) assert.ok(machine.suspicionLevel("a", whenMs - 1e-6) < level, `${model} ${level}`);
      }
    }
  }
});

test("[D11] past the ceiling any threshold is reached, even where gaps are wild", () => {
  const wild = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 1 : 900));
  const { machine, lastMs } = heard({ expectedIntervalMs: 50, ceilingMs: 1000, outageLevel: 1e300 }, wild);
  assert.ok(machine.suspicionLevel("a", lastMs + 999) < 8);
  assert.equal(machine.isAlive("a", Number.MAX_VALUE, lastMs + 1000), false);
  assert.equal(machine.whenLevel("a", 8), lastMs + 1000);
  assert.equal(machine.whenLevel("a", Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});

test("[D11] no history brings a node to a level sooner than the shortest silence", () => {
  const uneven = Array.from({ length: 300 }, (_, place) => (place % 7 === 0 ? 140 : 5));
  const histories = [[], ...[0, 1e-3, 1, 50].map((gapMs) => new Array<number>(300).fill(gapMs)), uneven];
  for (const model of MODELS) {
    for (const [gapMs, minDeviationMs] of histories.flatMap((gaps) => [5, 12.5, 80].map((ms) => [gaps, ms] as const))) {
      const { machine, lastMs } = heard({ model, expectedIntervalMs: 50, minDeviationMs }, gapMs);
      for (const level of [0.01, 0.2, 1, 5, 8, 50]) {
        const silenceMs = (machine.whenLevel("a", level) as number) - lastMs;
        assert.ok(silenceMs >= machine.shortestSilenceMs(level) - 1e-9, `${model}, gap ${gapMs}, level ${level}`);
      }
      assert.ok(machine.shortestSilenceMs(5) > 1, model);
    }
  }
});

test("memory is bounded: beyond maxNodes unknown ids are refused and the known ones stay", () => {
  const machine = phiAccrualMachine({ maxNodes: 2 });
  assert.equal(machine.noteHeartbeat("a", undefined, 0), "counted");
  assert.equal(machine.noteHeartbeat("__proto__", undefined, 0), "counted");
  assert.equal(machine.noteHeartbeat("c", undefined, 0), "refused");
  assert.equal(machine.suspicionLevel("c", 1), Number.POSITIVE_INFINITY);
  assert.ok(machine.isAlive("a", 8, 1) && machine.isAlive("__proto__", 8, 1));
  machine.forget("a");
  assert.equal(machine.noteHeartbeat("c", undefined, 2), "counted");
  assert.equal(machine.suspicionLevel("a", 2), Number.POSITIVE_INFINITY);
});
