/**
 * Patience is learned from those who hang up, and given up when answers are taken later than that.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CallerPatience } from "./patience.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/learned/patience.test.ts`;

test("[F11] three hang-ups → nothing is known; four → known, a little below what they waited", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 3; left++) patience.noteHangUp(2_000, left);
  assert.equal(patience.estimateMs, undefined);
  patience.noteHangUp(2_000, 3);
  assert.ok((patience.estimateMs ?? 0) > 1_900 && (patience.estimateMs ?? 0) < 2_000, String(patience.estimateMs));
});

test("[F11] one caller in ten gives up early → the estimate is that of the others", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 60; left++) patience.noteHangUp(left % 12 === 0 ? 50 : 2_000, left);
  assert.ok((patience.estimateMs ?? 0) > 1_900, String(patience.estimateMs));
});

test("[F11] hang-ups of more than a minute ago → no longer count", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 60; left++) patience.noteHangUp(300, 0);
  assert.ok((patience.estimateMs ?? 0) < 300);
  patience.noteHangUp(2_000, 60_001);
  assert.equal(patience.estimateMs, undefined, "one hang-up proves nothing");
  for (let left = 0; left < 3; left++) patience.noteHangUp(2_000, 60_002);
  assert.ok((patience.estimateMs ?? 0) > 1_900, String(patience.estimateMs));
});

test("[F11] twenty answers taken later than the estimate, nobody hangs up → it is given up", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 8; left++) patience.noteHangUp(300, left);
  for (let taken = 0; taken < 19; taken++) patience.noteAnswered(500, 10);
  for (let early = 0; early < 100; early++) patience.noteAnswered(100, 10);
  assert.notEqual(patience.estimateMs, undefined);
  patience.noteAnswered(500, 10);
  assert.equal(patience.estimateMs, undefined);
});

test("[F11] a minute without a hang-up → the estimate is forgotten, however quick the answers are", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 8; left++) patience.noteHangUp(300, left);
  patience.noteAnswered(5, 60_007);
  assert.notEqual(patience.estimateMs, undefined);
  patience.noteAnswered(5, 60_008);
  assert.equal(patience.estimateMs, undefined);
});

test("[F11] a hang-up between the late answers → the estimate stays", () => {
  const patience = new CallerPatience();
  for (let left = 0; left < 8; left++) patience.noteHangUp(300, left);
  for (let taken = 0; taken < 19; taken++) patience.noteAnswered(500, 10);
  patience.noteHangUp(300, 9);
  for (let taken = 0; taken < 19; taken++) patience.noteAnswered(500, 10);
  assert.notEqual(patience.estimateMs, undefined);
});

test("[F11] any hang-ups → the estimate is above a few and below nine tenths of the latest 64", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 4, maxLength: 200 }), (ages) => {
      const patience = new CallerPatience();
      for (const [nowMs, age] of ages.entries()) patience.noteHangUp(age, nowMs);
      const estimate = patience.estimateMs as number;
      const kept = ages.slice(-64);
      const earlier = kept.filter((age) => age < estimate).length;
      assert.ok(earlier <= 0.1 * kept.length, `${earlier} of ${kept.length} left before ${estimate}. ${REPLAY}`);
      assert.ok(estimate <= Math.max(...kept) && estimate > 0.9 * Math.min(...kept), REPLAY);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("[F11] nobody has hung up → doubt begins a little before the next likely timeout above what was taken", () => {
  const patience = new CallerPatience();
  assert.equal(patience.doubtfulFromMs, 480);
  patience.noteAnswered(1_001, 10);
  assert.equal(patience.doubtfulFromMs, 1_980);
  for (let hangUp = 0; hangUp < 4; hangUp++) patience.noteHangUp(2_000, hangUp);
  assert.equal(patience.doubtfulFromMs, Number.POSITIVE_INFINITY, "known by then");
});

test("[F11] a caller still waits clearly after a likely timeout → doubt begins at the next one", () => {
  const patience = new CallerPatience();
  patience.noteWaits(509);
  assert.equal(patience.doubtfulFromMs, 480, "its hang-up may be under way");
  patience.noteWaits(510);
  assert.equal(patience.doubtfulFromMs, 980);
  patience.noteWaits(31_000);
  assert.equal(patience.doubtfulFromMs, Number.POSITIVE_INFINITY);
});
