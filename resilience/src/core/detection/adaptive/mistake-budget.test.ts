/** Mistakes are spent where they shorten the wait most, and in all as many as were promised. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../random.ts";
import { allot, undivided } from "./mistake-budget.ts";
import { SilenceHistogram } from "./silence-histogram.ts";
import { TailCurve } from "./tail-curve.ts";

const SILENCES = 360_000;

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/**
 * Five hours of calm and five of rough traffic at 50 ms; in the rough one silence in 500 is of any
 * length.
 */
function calmAndRough(): SilenceHistogram {
  const random = seededRandom("calm and rough");
  const histogram = new SilenceHistogram(SilenceHistogram.store(6), 0, 6);
  for (let silence = 0; silence < SILENCES; silence++) {
    histogram.add(1, normal(random), 5, 50);
    histogram.add(4, silence % 500 === 0 ? -8 * Math.log(1 - random.next()) : normal(random), 20, 50);
  }
  return histogram;
}

test("[D9] rough traffic, where a mistake buys more, is given more of them; together they keep the promise", () => {
  const histogram = calmAndRough();
  const even = allot(histogram, new TailCurve(), 50);
  const [calm, rough] = [histogram.aim(1), histogram.aim(4)];
  assert.ok(rough > 3 * calm, `${rough} an hour of rough traffic, ${calm} of calm`);
  assert.ok(Math.abs((calm + rough) / 2 - 0.85) < 0.05, `${(calm + rough) / 2} an hour in all`);
  assert.ok(even > 10 && even < 60, `${even} deviations without kinds`);
});

test("[D9] the mean wait is shorter than at an equal share each", () => {
  const histogram = calmAndRough();
  const curve = new TailCurve();
  const even = allot(histogram, curve, 50);
  const wait = (kind: number): number => {
    const perHour = histogram.fit(curve, kind, 50);
    return histogram.unitMs(kind) * curve.zAtOrders(Math.log10(perHour / histogram.aim(kind)));
  };
  assert.ok(wait(1) + wait(4) < 0.97 * even * 25, `${wait(1)} and ${wait(4)} ms, ${even * 25} in all without kinds`);
});

test("[D9] one kind has the whole promise; a jump once an hour is not waited for, jumps twice an hour are", () => {
  const random = seededRandom("jumps");
  const curve = new TailCurve();
  for (const [jumpsPerHour, aim] of [
    [0, 0.85],
    [1, 1.35],
    [2, 0.85],
  ] as const) {
    const histogram = new SilenceHistogram(SilenceHistogram.store(1), 0, 1);
    for (let silence = 0; silence < 4 * SILENCES; silence++) histogram.add(0, normal(random), 10, 50);
    for (let jump = 0; jump < 20 * jumpsPerHour; jump++) histogram.add(0, 60 + jump, 10, 50);
    const perHour = histogram.fit(curve, 0, 50);
    assert.equal(undivided(curve, perHour), aim, `${jumpsPerHour} an hour`);
    allot(histogram, curve, 50);
    assert.equal(histogram.aim(0), 0, "nothing to share out");
  }
});
