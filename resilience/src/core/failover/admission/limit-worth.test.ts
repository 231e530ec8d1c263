/**
 * What a station finishes below a limit, beside what it did before, in virtual time and by chance.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { LimitWorth } from "./limit-worth.ts";

const SEED = Number(process.env["SEED"] ?? 411);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/admission/limit-worth.test.ts`;

/** Calls are finished by chance, `perMs` of them a ms; the verdict, and when it came. */
function finish(
  perMs: number,
  draw: () => number,
  worth = new LimitWorth(0.05, 0, 0),
): [verdict: string, atMs: number] {
  worth.verdict(true, 0, 0);
  for (let nowMs = 1; nowMs < 10_000; nowMs++) {
    if (draw() < perMs) worth.noteFinished();
    const verdict = worth.verdict(true, 0, nowMs);
    if (verdict !== undefined) return [verdict, nowMs];
  }
  return ["none", 10_000];
}

test("[F11] as many are finished → worth it; a third → in vain; hardly ever wrong, after some sixteen calls", () => {
  const random = seededRandom(SEED);
  for (const [share, right] of [
    [1, "worth it"],
    [0.33, "in vain"],
  ] as const) {
    const found = Array.from({ length: 400 }, () => finish(0.05 * share, () => random.next()));
    const wrong = found.filter(([verdict]) => verdict !== right).length;
    assert.ok(wrong <= 20, `${wrong} of 400 verdicts are not "${right}"; ${REPLAY}`);
    const meanMs = found.reduce((sum, [, atMs]) => sum + atMs, 0) / found.length;
    assert.ok(meanMs < 600, `${meanMs} ms, in which thirty calls were expected; ${REPLAY}`);
  }
});

test("[F11] what it was given before comes first, and a moment in which nobody waits begins it anew", () => {
  const worth = new LimitWorth(0.05, 40, 0);
  // 40 calls, and ten whose callers left since, take a second and a fifth of it more.
  for (let nowMs = 0; nowMs < 1_200; nowMs += 10) assert.equal(worth.verdict(true, 10, nowMs), undefined);
  assert.equal(worth.verdict(true, 10, 1_200), undefined);
  assert.equal(worth.verdict(true, 10, 1_300), undefined);
  assert.equal(worth.verdict(false, 10, 1_310), undefined);
  assert.equal(worth.verdict(true, 10, 1_320), undefined, "from here on it counts");
  assert.equal(worth.verdict(true, 10, 1_470), undefined, "seven were expected");
  assert.equal(worth.verdict(true, 10, 1_480), "in vain", "eight were expected, and none came");
});
