/** Which calls that a station did not serve are compared with which that another one served. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Uncompared } from "./uncompared.ts";

const SOURCES = Array.from({ length: 10 }, (_, place) => ({ place }));

function noted(count: number, sources: number): Uncompared {
  const uncompared = new Uncompared();
  for (let place = 0; place < count; place++) uncompared.note(SOURCES[place % sources] as object);
  return uncompared;
}

test("[F10] three that were not served are worth a comparison, two are chance", () => {
  assert.equal(noted(2, 1).isWorthComparing(SOURCES[0] as object), false);
  assert.equal(noted(3, 1).isWorthComparing(SOURCES[0] as object), true);
});

test("[F10] only a call of the same source tells, unless many sources are in the same case", () => {
  const stranger = {};
  assert.deepEqual([noted(7, 7).isWorthComparing(stranger), noted(7, 7).take(stranger)], [false, false]);
  assert.deepEqual([noted(8, 8).isWorthComparing(stranger), noted(8, 8).take(stranger)], [true, true]);
});

test("[F10] each that was not served is compared once", () => {
  const uncompared = noted(3, 1);
  const taken = Array.from({ length: 5 }, () => uncompared.take(SOURCES[0] as object));
  assert.deepEqual(taken, [true, true, true, false, false]);
});

test("[F10] the station serves again → nothing is left to compare", () => {
  const uncompared = noted(10, 10);
  uncompared.clear();
  assert.deepEqual(
    [uncompared.isWorthComparing(SOURCES[0] as object), uncompared.take(SOURCES[0] as object)],
    [false, false],
  );
});
