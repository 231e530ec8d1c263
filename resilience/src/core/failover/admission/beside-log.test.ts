/**
 * How many times as long as elsewhere a station takes: by its first answers, and by quicker ones
 * after them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { BesideLog } from "./beside-log.ts";

/** The ratio that is known after each of these. */
function ratios(answers: readonly number[]): number[] {
  const beside = new BesideLog();
  return answers.map((times) => {
    beside.note(Math.log(times));
    return Math.exp(beside.value);
  });
}

test("[F11] answers that hardly differ → known after four; nothing is before", () => {
  assert.deepEqual(ratios([2, 2, 2, 2]).slice(2), [Number.POSITIVE_INFINITY, 2]);
});

test("[F11] answers that differ much → known after eight", () => {
  const known = ratios([1, 9, 1, 9, 1, 9, 1, 9]);
  assert.deepEqual([known[6], Math.round(known[7] ?? 0)], [Number.POSITIVE_INFINITY, 3]);
});

test("[F11] the first ones took long because of all that came at once, later ones do not → by the later ones; slow ones after that say nothing", () => {
  const known = ratios([8, 9, 10, 11, 2, 2, 2, 2, 20, 20, 20, 20]);
  assert.deepEqual(
    [3, 7, 11].map((place) => Math.round(known[place] ?? 0)),
    [9, 2, 2],
  );
});

test("[F11] exponential answers, a hundred of them → the least that is measured is hardly less than the mean", () => {
  const random = seededRandom("beside");
  const errors = Array.from({ length: 200 }, () => {
    const beside = new BesideLog();
    for (let answer = 0; answer < 100; answer++) beside.note(Math.log(-Math.log(1 - random.next())));
    // The mean of the logarithm of such a time is Euler's constant below 0.
    return beside.value + 0.577;
  });
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  assert.ok(mean > -0.8, `${mean}`);
});
