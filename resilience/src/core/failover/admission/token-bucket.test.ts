/** A declared pace is given, and never exceeded: within 1 %, whatever the timers do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mostInAnySecond } from "../../../../../test/worlds/station.ts";
import { ConfigurationError } from "../../errors.ts";
import { seededRandom } from "../../random.ts";
import { TokenBucket } from "./token-bucket.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/admission/token-bucket.test.ts`;

/**
 * Instants at which calls go within 10 s, where calls always wait and the timer that lets them go
 * is late.
 */
function paced(perSecond: number, lateMs: () => number, forMs = 10_000, strict = false): number[] {
  const bucket = new TokenBucket(perSecond, strict);
  const went: number[] = [];
  for (let nowMs = 0; nowMs < forMs; nowMs = Math.max(nowMs, bucket.nextMs) + lateMs()) {
    while (bucket.allows(nowMs)) {
      bucket.take(nowMs);
      went.push(nowMs);
    }
  }
  return went;
}

for (const perSecond of [1, 24, 240, 5_000]) {
  for (const lateMs of [0, 1, 8]) {
    test(`[F6] ${perSecond}/s declared, timers up to ${lateMs} ms late → ${perSecond}/s within 1 % over 10 s`, () => {
      const random = seededRandom(`${SEED}/${perSecond}/${lateMs}`);
      const went = paced(perSecond, () => Math.max(0.001, lateMs * random.next()));
      // The one call that goes at once is no part of the pace.
      const slack = Math.max(1, perSecond * 10 * 0.01);
      assert.ok(Math.abs(went.length - 10 * perSecond) <= slack, `${went.length} in 10 s. ${REPLAY}`);
    });
  }
}

test("[F6] a burst is declared → it goes at once after a rest, and any time holds no more than it and the pace", () => {
  const bucket = new TokenBucket(240, true, 48);
  const went: number[] = [];
  for (let nowMs = 0; nowMs < 3_000; nowMs++) {
    // Calls wait all the time, but for a rest from the first second to the second one.
    if (nowMs >= 1_000 && nowMs < 2_000) continue;
    for (; bucket.allows(nowMs); went.push(nowMs)) bucket.take(nowMs);
  }
  const within = (fromMs: number, toMs: number): number => went.filter((atMs) => atMs >= fromMs && atMs < toMs).length;
  assert.deepEqual([within(0, 1), within(2_000, 2_001)], [48, 48]);
  for (const fromMs of [0, 2_000]) {
    const perSecond = within(fromMs, fromMs + 1_000);
    assert.ok(Math.abs(perSecond - 288) <= 3, `${perSecond} in the second from ${fromMs} ms on`);
  }
});

test("[F6] any pace, any lateness → no window holds more than the pace, 10 ms of it, and one call", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.2, max: 2_000, noNaN: true }),
      fc.nat({ max: 200 }),
      fc.nat(),
      (perSecond, lateMs, seed) => {
        const random = seededRandom(String(seed));
        const went = paced(perSecond, () => 0.001 + lateMs * random.next(), 2_000);
        for (const windowMs of [1, 50, 1_000]) {
          const most = (perSecond * (windowMs + 10)) / 1_000 + 1;
          for (let first = 0, last = 0; last < went.length; last++) {
            while ((went[last] as number) - (went[first] as number) > windowMs) first++;
            assert.ok(last - first + 1 <= most + 1e-6, `${last - first + 1} in ${windowMs} ms at ${perSecond}/s`);
          }
        }
      },
    ),
    { seed: SEED, numRuns: 100 },
  );
});

test("after a rest → one call and those of 10 ms go together, and no more", () => {
  const bucket = new TokenBucket(1_000);
  bucket.take(0);
  let together = 0;
  for (; bucket.allows(60_000); together++) bucket.take(60_000);
  assert.equal(together, 11);
});

for (const perSecond of [1, 24, 240, 1_000]) {
  for (const lateMs of [0, 8]) {
    test(`[F6] strictly ${perSecond}/s, timers up to ${lateMs} ms late → that within 1 %, and no second holds more`, () => {
      const random = seededRandom(`${SEED}/strict/${perSecond}/${lateMs}`);
      const went = paced(perSecond, () => Math.max(0.001, lateMs * random.next()), 10_000, true);
      const slack = Math.max(1, perSecond * 10 * 0.01);
      assert.ok(Math.abs(went.length - 10 * perSecond) <= slack, `${went.length} in 10 s. ${REPLAY}`);
      assert.ok(mostInAnySecond(went) <= perSecond, `${mostInAnySecond(went)} in a second. ${REPLAY}`);
    });
  }
}

test("[F6] any strict pace, calls that come as they like → no second holds more, and nobody waits for longer than a second", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 120 }),
      (perSecond, gaps) => {
        const bucket = new TokenBucket(perSecond, true);
        const went: number[] = [];
        let nowMs = 0;
        for (const gapMs of gaps) {
          nowMs += gapMs;
          // A burst of up to ten.
          for (let call = gapMs % 11; call > 0 && bucket.allows(nowMs); call--) {
            bucket.take(nowMs);
            went.push(nowMs);
          }
          assert.ok(bucket.nextMs <= nowMs + 1_000 + 1e-6, REPLAY);
        }
        assert.ok(mostInAnySecond(went) <= perSecond, `${mostInAnySecond(went)} of ${perSecond}/s. ${REPLAY}`);
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

test("[F6] a strict pace after a rest → four calls go together at least, or a twentieth of a second's", () => {
  for (const [perSecond, together] of [
    [1, 1],
    [5, 4],
    [40, 4],
    [400, 20],
  ] as const) {
    const bucket = new TokenBucket(perSecond, true);
    let sent = 0;
    for (; bucket.allows(60_000); sent++) bucket.take(60_000);
    assert.equal(sent, together, `${perSecond}/s`);
  }
});

test("a pace that changes → holds from now on, and what was taken is remembered", () => {
  const bucket = new TokenBucket(10);
  bucket.take(0);
  bucket.ratePerSecond = 100;
  assert.equal(bucket.ratePerSecond, 100);
  assert.equal(bucket.allows(89), false);
  bucket.take(90);
  assert.equal(bucket.nextMs, 100);
});

test("no pace any more → nobody waits for what was taken before", () => {
  const bucket = new TokenBucket(0.1);
  bucket.take(0);
  assert.equal(bucket.allows(5_000), false);
  bucket.ratePerSecond = Number.POSITIVE_INFINITY;
  assert.equal(bucket.allows(0), true);
});

test("a pace of nothing, below nothing or no number → refused", () => {
  for (const perSecond of [0, -1, Number.NaN]) {
    assert.throws(() => new TokenBucket(perSecond), ConfigurationError);
    const bucket = new TokenBucket(1);
    assert.throws(() => {
      bucket.ratePerSecond = perSecond;
    }, ConfigurationError);
  }
});

test("[F11] half of what a call takes of an even pace is given back → twice as many go", () => {
  const bucket = new TokenBucket(10);
  const went: number[] = [];
  for (let nowMs = 0; nowMs < 10_000; nowMs++) {
    while (bucket.allows(nowMs)) {
      bucket.take(nowMs);
      bucket.giveBack(0.5);
      went.push(nowMs);
    }
  }
  assert.ok(Math.abs(went.length - 200) <= 2, `${went.length} in 10 s`);
  const open = new TokenBucket(Number.POSITIVE_INFINITY);
  open.giveBack(1);
  assert.equal(open.allows(0), true);
});
