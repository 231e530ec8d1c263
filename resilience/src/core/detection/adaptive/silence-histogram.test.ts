/**
 * The histogram of silences and its curve: quantiles, the tail beyond what was seen, fading, and
 * both directions.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { normalTailLevel } from "../normal-tail.ts";
import { SilenceHistogram } from "./silence-histogram.ts";
import { TailCurve } from "./tail-curve.ts";

function fitted(samples: Iterable<number>): { histogram: SilenceHistogram; curve: TailCurve } {
  const histogram = new SilenceHistogram(SilenceHistogram.store(1), 0, 1);
  const curve = new TailCurve();
  for (const z of samples) histogram.add(0, z, 10, 50);
  histogram.fit(curve, 0, 50);
  return { histogram, curve };
}

function* normals(count: number, seed: string): Generator<number> {
  const random = seededRandom(seed);
  for (let sample = 0; sample < count; sample++)
    yield Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

test("[D9] of normal silences the curve is the normal tail, as far as counts reach and two orders beyond", () => {
  const { curve } = fitted(normals(100_000, "normal"));
  for (const z of [0.5, 1, 2, 3, 3.5]) {
    const error = curve.ordersAt(z) - normalTailLevel(z);
    assert.ok(Math.abs(error) < 0.1, `z ${z}: ${curve.ordersAt(z)} for ${normalTailLevel(z)}`);
  }
  const beyond = curve.zAtOrders(6);
  assert.ok(beyond > 4.6 && beyond < 6.5, `six orders at ${beyond}; the normal tail says 4.75`);
});

test("[D9] of Pareto silences the tail goes on with their index", () => {
  const random = seededRandom("pareto");
  const samples = Array.from({ length: 50_000 }, () => 2 * ((1 - random.next()) ** -0.5 - 1));
  const { curve } = fitted(samples);
  const exact = 2 * (10 ** 3 - 1);
  assert.ok(Math.abs(Math.log(curve.zAtOrders(6) / exact)) < 0.7, `${curve.zAtOrders(6)} for ${exact}`);
});

test("[D4] without any silence the presumption rules: half lie past the mean, and the tail is finite", () => {
  const { curve } = fitted([]);
  assert.equal(curve.ordersAt(0), Math.log10(2));
  assert.ok(curve.zAtOrders(5) > 8 && curve.zAtOrders(5) < 14);
  for (const few of [[0], [3], [0, 0, 0], [1e9], [0.1, 0.2, 5]]) {
    const { curve: other } = fitted(few);
    assert.ok(Number.isFinite(other.ordersAt(1)) && other.ordersAt(1) >= 0, String(few));
    assert.ok(other.zAtOrders(5) > 0 && !Number.isNaN(other.zAtOrders(5)), String(few));
  }
});

test("[D11] the curve rises, and its inverse agrees with it", () => {
  for (const count of [1, 7, 100, 5_000]) {
    const { curve } = fitted(normals(count, `inverse ${count}`));
    let previous = -1;
    for (let z = 0; z < 40; z += 0.01) {
      const orders = curve.ordersAt(z);
      assert.ok(orders >= previous, `${count} samples, z ${z}`);
      previous = orders;
      if (orders > curve.floorOrders) assert.ok(Math.abs(curve.zAtOrders(orders) - z) < 1e-6 * (1 + z), `z ${z}`);
    }
  }
});

test("[D5] old silences fade, and what is left of them in the end is nothing", () => {
  const histogram = new SilenceHistogram(SilenceHistogram.store(2), 1, 1);
  for (let sample = 0; sample < 1000; sample++) histogram.add(0, sample % 2 === 0 ? 0 : 1, 10, 50);
  histogram.add(0, 5_000, 10, 50);
  histogram.fade(0.5);
  assert.ok(Math.abs(histogram.count - 500.5) < 1e-3);
  for (let round = 0; round < 100; round++) histogram.fade(0.5);
  assert.equal(histogram.count, 0);
  const curve = new TailCurve();
  histogram.fit(curve, 0, 50);
  assert.equal(curve.ordersAt(0), Math.log10(2));
});

test("histograms that share a store do not see each other", () => {
  const store = SilenceHistogram.store(2);
  const [one, other] = [new SilenceHistogram(store, 0, 1), new SilenceHistogram(store, 1, 1)];
  for (let sample = 0; sample < 100; sample++) one.add(0, 1e6, 10, 50);
  const curve = new TailCurve();
  other.fit(curve, 0, 50);
  assert.equal(other.count, 0);
  assert.ok(curve.zAtOrders(5) < 20);
});

test("[D9] a kind's curve is its own, with a little of the others in it; all kinds together are what they sum to", () => {
  const histogram = new SilenceHistogram(SilenceHistogram.store(2), 0, 2);
  for (let sample = 0; sample < 100_000; sample++) {
    histogram.add(0, sample % 1000 === 0 ? 3 : 1, 10, 50);
    histogram.add(1, sample % 10 === 0 ? 30 : 1, 20, 50);
  }
  const curve = new TailCurve();
  assert.ok(Math.abs(histogram.hours(0) - 100_000 / 72_000) < 1e-3, `${histogram.hours(0)} hours`);
  assert.equal(histogram.unitMs(1), 20);
  const perHour = histogram.fit(curve, 1, 50);
  assert.ok(Math.abs(perHour - 72_000) < 100, `${perHour} silences an hour`);
  // Of the other kind, of which nothing is above 10, 0.13 hours are mixed into 1.39.
  assert.ok(Math.abs(10 ** -curve.ordersAt(10) - 0.0914) < 0.005, `${10 ** -curve.ordersAt(10)}`);
  histogram.fit(curve, undefined, 50);
  assert.ok(Math.abs(10 ** -curve.ordersAt(10) - 0.05) < 0.005, `${10 ** -curve.ordersAt(10)}`);
});
