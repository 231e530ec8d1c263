/**
 * Calls that are late and cannot be sent twice: when a new one is worth a comparison, and how many
 * of them it counts for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LateAlone } from "./late-alone.ts";

const [mine, other] = [{}, {}];

/** So many late calls, each after so many that were served. */
function late(count: number, servedBefore: number, source: object = mine): LateAlone {
  const calls = new LateAlone();
  for (let each = 0; each < count; each++) {
    calls.note(source);
    if (each < count - 1) for (let served = 0; served < servedBefore; served++) calls.noteServed();
  }
  return calls;
}

test("[F10] three late calls among a few that are served → worth a comparison, for their source", () => {
  assert.deepEqual(
    [1, 2, 3].map((count) => late(count, 1).isWorthComparing(mine)),
    [false, false, true],
  );
  assert.equal(late(3, 1).isWorthComparing(other), false);
});

test("[F10] one in twenty is late, as it always is somewhere → forgotten, and never compared", () => {
  const calls = new LateAlone();
  for (let each = 0; each < 1_000; each++) {
    if (each % 20 === 0) calls.note(mine);
    else calls.noteServed();
    assert.equal(calls.isWorthComparing(mine), false, `call ${each}`);
  }
});

test("[F10] another station serves three in a row in time → as many of the last twenty count as were late; once", () => {
  for (const [count, servedBefore, most] of [
    [3, 0, 3],
    [12, 1, 10],
    [30, 1, 10],
    [30, 3, 5],
  ] as const) {
    const calls = late(count, servedBefore);
    assert.deepEqual([calls.take(mine, 20), calls.take(mine, 20)], [0, 0], "one or two say too little");
    assert.ok(Math.abs(calls.take(mine, 20) - most) <= 1, `${count} late, each after ${servedBefore}`);
    assert.deepEqual([calls.size, calls.take(mine, 20)], [0, 0]);
  }
  const calls = late(5, 1);
  for (let each = 0; each < 5; each++) assert.equal(calls.take(other, 20), 0, "another route may need less time");
});
