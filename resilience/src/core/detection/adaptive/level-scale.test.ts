/**
 * The scale of levels: plain phi below, mistakes an hour above, rising and invertible all the way.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOURLY_LEVEL, levelOf, ordersOf } from "./level-scale.ts";

test("[D9] up to 2 a level is phi, 8 is one mistake an hour, 7 ten, each level beyond ten times fewer", () => {
  for (const phi of [0, 0.3, 1, 1.9]) assert.equal(levelOf(phi, 4.9), phi);
  for (const [orders, level] of [
    [4.9, HOURLY_LEVEL],
    [3.9, 7],
    [6.9, 10],
  ] as const)
    assert.ok(Math.abs(levelOf(orders, 4.9) - level) < 1e-12, `${levelOf(orders, 4.9)} for ${level}`);
});

test("[D11] the scale rises, and its inverse agrees with it, for quick and for very slow senders", () => {
  for (const hourlyOrders of [1, 2, 3, 4.9, 7]) {
    let previous = -1;
    for (let orders = 0; orders < 12; orders += 0.01) {
      const level = levelOf(orders, hourlyOrders);
      assert.ok(level > previous, `${orders} orders of ${hourlyOrders}`);
      assert.ok(Math.abs(ordersOf(level, hourlyOrders) - orders) < 1e-9, `${orders} orders of ${hourlyOrders}`);
      previous = level;
    }
  }
});
