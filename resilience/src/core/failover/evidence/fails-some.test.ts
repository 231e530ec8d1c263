/**
 * Calls that fail and cannot be sent twice, beside others that are served: when a new one is worth
 * a comparison, and what it shows.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { FailsSome } from "./fails-some.ts";

const [mine, other] = [{}, {}];

/** So many failures, each before so many that were served. */
function failing(count: number, servedAfter: number): FailsSome {
  const calls = new FailsSome();
  for (let each = 0; each < count; each++) {
    calls.note(mine);
    for (let served = 0; served < servedAfter; served++) calls.noteServed();
  }
  return calls;
}

test("[F10] three failures among calls that are served → worth a comparison, for their source", () => {
  assert.deepEqual(
    [failing(2, 1), failing(3, 0), failing(3, 1), failing(3, 4)].map((calls) => calls.isWorthComparing(mine)),
    [false, false, true, true],
  );
  assert.equal(failing(3, 1).isWorthComparing(other), false);
});

test("[F10] one in ten fails → forgotten, and never compared; nor is a station that has recovered", () => {
  const calls = new FailsSome();
  for (let each = 0; each < 1_000; each++) {
    if (each % 10 === 0) calls.note(mine);
    else calls.noteServed();
    assert.equal(calls.isWorthComparing(mine), false, `call ${each}`);
  }
  const recovered = failing(30, 1);
  for (let served = 0; served < 32; served++) recovered.noteServed();
  assert.deepEqual([recovered.isWorthComparing(mine), recovered.size], [false, 0]);
});

test("[F10] another station serves all of them → as many of the last twenty count as failed, the sooner the more did; once", () => {
  for (const [servedAfter, comparisons, counts] of [
    [1, 16, 10],
    [2, 28, 7],
    [3, 39, 5],
  ] as const) {
    const calls = failing(12, servedAfter);
    const taken = Array.from({ length: comparisons }, () => calls.noteServedBeside(mine, 20));
    assert.deepEqual([taken.findIndex((count) => count > 0), taken.at(-1)], [comparisons - 1, counts]);
    assert.deepEqual([calls.size, calls.noteServedBeside(mine, 20)], [0, 0]);
  }
});

test("[F10] half of a source's requests are wrong, and fail anywhere → the station is not blamed, and after a few comparisons there are none for long", () => {
  const random = seededRandom("own errors");
  const calls = failing(20, 1);
  let [blamed, compared] = [0, 0];
  for (let call = 0; call < 200_000; call++) {
    if (calls.isWorthComparing(mine) && call % 4 === 0) {
      compared++;
      if (random.next() < 0.5) calls.noteFailedBeside();
      else if (calls.noteServedBeside(mine, 20) > 0) blamed++;
    } else if (random.next() < 0.5) calls.note(mine);
    else calls.noteServed();
  }
  assert.equal(blamed, 0);
  assert.ok(compared < 2_000, `${compared} comparisons`);
});
