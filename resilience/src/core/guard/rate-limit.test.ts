/** What a rate limit lets pass, in any window. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { seededRandom } from "../random.ts";
import { RateLimitMachine, type RateLimitOptions } from "./rate-limit.ts";

const SEED: string = process.env["SEED"] ?? "1";

test("burst at once, then one each interval; after a pause the burst again and no more", () => {
  const limit = new RateLimitMachine({ perSecond: 10, burst: 3 });
  const passed = (nowMs: number): number => {
    let count = 0;
    while (limit.tryTake(nowMs)) count++;
    return count;
  };
  assert.deepEqual([passed(0), passed(99), passed(100), passed(350), passed(10_000)], [3, 0, 1, 2, 3]);
});

test("any arrivals → in every window at most burst and what the rate gives", () => {
  const random = seededRandom(`rate-limit/${SEED}`);
  for (let round = 0; round < 50; round++) {
    const perSecond = 0.5 + 200 * random.next();
    const burst = 1 + Math.floor(20 * random.next());
    const limit = new RateLimitMachine({ perSecond, burst });
    const passed: number[] = [];
    for (let nowMs = 0; passed.length < 300 && nowMs < 60_000; nowMs += (2_000 / perSecond) * random.next() ** 3)
      if (limit.tryTake(nowMs)) passed.push(nowMs);
    for (let first = 0; first < passed.length; first++)
      for (let last = first; last < passed.length; last++) {
        const windowMs = (passed[last] as number) - (passed[first] as number);
        const allowed = burst + (windowMs / 1_000) * perSecond + 1e-6;
        assert.ok(last - first + 1 <= allowed, `${last - first + 1} in ${windowMs} ms; SEED=${SEED}, round ${round}`);
      }
  }
});

test("a call that waits for as long as it says passes, at once and not earlier", () => {
  const random = seededRandom(`rate-limit waits/${SEED}`);
  for (let round = 0; round < 200; round++) {
    const limit = new RateLimitMachine({ perSecond: 1 + 500 * random.next(), burst: 4 });
    let nowMs = 1_000 * random.next();
    for (let call = 0; call < 20; call++) {
      const waitMs = limit.waitMs(nowMs);
      if (waitMs > 0.01) assert.equal(limit.tryTake(nowMs + waitMs - 0.01), false, `SEED=${SEED}, round ${round}`);
      nowMs += waitMs;
      assert.ok(limit.tryTake(nowMs), `SEED=${SEED}, round ${round}`);
    }
  }
});

test("a call may cost more than one, and less", () => {
  const limit = new RateLimitMachine({ perSecond: 10, burst: 4 });
  assert.deepEqual([limit.tryTake(0, 3), limit.tryTake(0, 2), limit.tryTake(0, 0.5)], [true, false, true]);
  assert.equal(limit.status(0).available, 0.5);
  assert.equal(limit.waitMs(0, 2), 150);
});

test("a clock that stands still or goes back gives nothing", () => {
  const limit = new RateLimitMachine({ perSecond: 1_000, burst: 1 });
  assert.ok(limit.tryTake(5_000));
  assert.equal(limit.tryTake(0), false);
});

for (const [options, message] of [
  [{ perSecond: 0 }, /perSecond is 0/],
  [{ perSecond: Number.NaN }, /perSecond is NaN/],
  [{ perSecond: 10, burst: 1.5 }, /burst is 1.5/],
  [{ perSecond: 10, brust: 1 }, /did you mean burst/],
] as const)
  test(`${JSON.stringify(options)} → refused: ${message.source}`, () => {
    assert.throws(() => new RateLimitMachine(options as RateLimitOptions), { name: "ConfigurationError", message });
  });

test("a cost that could never pass → refused, instead of waiting for ever", () => {
  const limit = new RateLimitMachine({ perSecond: 10, burst: 2 });
  for (const cost of [3, 0, -1, Number.NaN]) assert.throws(() => limit.tryTake(0, cost), ConfigurationError);
});
