/**
 * The curve of improbability by itself: lines between points, the tail past them, the record that
 * holds it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KNEE, PRESUMED_INDEX, TailCurve } from "./tail-curve.ts";

function curveOf(
  points: readonly (readonly [z: number, orders: number])[],
  index: number,
  longestZ: number,
): TailCurve {
  const curve = new TailCurve();
  curve.begin(index, longestZ);
  for (const [z, orders] of points) curve.point(z, orders);
  curve.end(0.3);
  return curve;
}

test("[D9] straight lines between points, a Pareto tail past the last, and the inverse of both", () => {
  const curve = curveOf(
    [
      [8, 3],
      [4, 2],
      [1, 1],
    ],
    0.5,
    10,
  );
  assert.equal(curve.ordersAt(4), 2);
  assert.equal(curve.ordersAt(6), 2.5);
  assert.equal(curve.floorOrders, 0.3);
  // With index 1/2 an order more is sqrt(10) times as far, counted from the knee.
  assert.ok(Math.abs(curve.zAtOrders(4) - (10 * Math.sqrt(10) - KNEE)) < 1e-9);
  for (const z of [0.5, 1, 3, 6, 8, 20, 400]) assert.ok(Math.abs(curve.zAtOrders(curve.ordersAt(z)) - z) < 1e-9 * z);
  assert.equal(curve.zAtOrders(0.2), 0);
});

test("[D9] a point that would not rise is left out, and nothing is below the end", () => {
  const points = [[4, 2] as const, [5, 1.5] as const, [0, 1] as const];
  const curve = curveOf(points, 0.2, 4);
  assert.deepEqual([curve.ordersAt(4), curve.ordersAt(0)], [2, 0.3]);
});

test("[D9] what comes once an hour is held to three times the longest silence seen, measured from the knee", () => {
  const steep = curveOf([[25, 2]], 1.3, 50);
  assert.ok(steep.zAtOrders(4.86) > 10_000);
  steep.restrain(4.86);
  assert.ok(Math.abs(steep.zAtOrders(4.86) - (3 * (50 + KNEE) - KNEE)) < 1e-6);
  const gentle = curveOf([[25, 2]], 0.1, 50);
  const before = gentle.zAtOrders(4.86);
  gentle.restrain(4.86);
  assert.equal(gentle.zAtOrders(4.86), before, "a tail that stays below is left alone");
  const seen = curveOf([[25, 5]], 1.3, 50);
  seen.restrain(4.86);
  assert.equal(seen.ordersAt(10 * (25 + KNEE) - KNEE), 5 + 1 / 1.3, "so is one that has been seen as far");
});

test("[D4] a curve of which nothing is known has the presumed tail, and no record to hold it", () => {
  const curve = new TailCurve();
  const before = curve.zAtOrders(5);
  curve.restrain(5);
  assert.equal(curve.zAtOrders(5), before);
  assert.ok(Math.abs(before - (KNEE * 10 ** ((5 - Math.log10(2)) * PRESUMED_INDEX) - KNEE)) < 1e-9);
});
