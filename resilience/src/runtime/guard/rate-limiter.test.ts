/** A rate limiter in virtual time: who passes when, who is refused, and what is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineAt } from "../../core/deadline.ts";
import { CallAbortedError, ConfigurationError, DeadlineExceededError, RateLimitedError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { deadlineAfter, withDeadline } from "../time/ambient-deadline.ts";
import { RateLimiter, type RateLimiterOptions } from "./rate-limiter.ts";

function limiterWith(options: Partial<RateLimiterOptions> = {}) {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ perSecond: 10, burst: 1, clock, ...options });
  const passed: number[] = [];
  const call = (more = {}): Promise<number> => limiter.execute(() => passed.push(clock.nowMs()), more);
  return { clock, limiter, passed, call };
}

test("no wait allowed → the next one is refused at once, with the time of the next turn", async () => {
  const { limiter, call } = limiterWith();
  await call();
  await assert.rejects(call(), (error) => {
    assert.ok(error instanceof RateLimitedError);
    assert.deepEqual([error.code, error.origin, error.retryAfterMs], ["RATE_LIMITED", "local", 100]);
    assert.match(error.message, /10 a second and 1 at once; the next turn is in 100 ms/);
    return true;
  });
  assert.deepEqual([limiter.status.refused, limiter.status.waiting], [1, 0]);
});

test("calls wait for their turns in order; what would wait too long is refused", async () => {
  const { clock, passed, call } = limiterWith({ maxWaitMs: 250 });
  const calls = Array.from({ length: 5 }, () => call().catch((error: Error) => error.name));
  await clock.advanceBy(1_000);
  assert.deepEqual(passed, [0, 100, 200]);
  assert.deepEqual(await Promise.all(calls), [1, 2, 3, "RateLimitedError", "RateLimitedError"]);
  assert.equal(clock.pending, 0);
});

test("a waiting call is aborted → it leaves at once, and those behind it move up", async () => {
  const { clock, passed, call } = limiterWith({ maxWaitMs: 1_000 });
  const caller = new AbortController();
  const [, second, third] = [call(), call({ signal: caller.signal }), call()];
  caller.abort(new Error("gone"));
  await assert.rejects(second, CallAbortedError);
  await clock.advanceBy(100);
  assert.equal(await third, 2);
  assert.deepEqual(passed, [0, 100]);
});

test("its turn would come after its deadline → refused at once; one that has passed → DeadlineExceededError", async () => {
  const { clock, call } = limiterWith({ maxWaitMs: Number.POSITIVE_INFINITY });
  await clock.advanceBy(1_000.5);
  await call();
  await assert.rejects(call({ deadline: deadlineAfter(99, clock) }), RateLimitedError);
  await assert.rejects(call({ deadline: deadlineAt(clock.nowMs() - 1) }), DeadlineExceededError);
});

test("its turn would come after the ambient deadline → refused at once", async () => {
  const limiter = new RateLimiter({ perSecond: 0.01, burst: 1, maxWaitMs: Number.POSITIVE_INFINITY });
  await limiter.execute(() => "first");
  const late = withDeadline(deadlineAfter(10_000), () => limiter.execute(() => "second"));
  await assert.rejects(late, RateLimitedError);
});

test("tryTake does not overtake those that wait", async () => {
  const { clock, limiter, call } = limiterWith({ maxWaitMs: 1_000 });
  await call();
  const waiting = call();
  await clock.advanceBy(99);
  assert.equal(limiter.tryTake(), false);
  await clock.advanceBy(1);
  assert.equal(await waiting, 2);
  await clock.advanceBy(100);
  assert.equal(limiter.tryTake(), true);
});

test("a call that costs more waits for more", async () => {
  const { clock, passed, call } = limiterWith({ burst: 3, maxWaitMs: 1_000 });
  void call({ cost: 3 });
  void call({ cost: 2 });
  await clock.advanceBy(1_000);
  assert.deepEqual(passed, [0, 200]);
});

test("an operation that throws gives its error, and has used its turn", async () => {
  const { limiter } = limiterWith();
  await assert.rejects(
    limiter.execute(() => {
      throw new Error("mine");
    }),
    /mine/,
  );
  assert.equal(limiter.tryTake(), false);
});

test("wrong options and calls → refused by name", async () => {
  assert.throws(() => new RateLimiter({ perSecond: 10, maxWait: 1 } as never), /did you mean maxWaitMs/);
  assert.throws(() => new RateLimiter({ perSecond: 10, name: "" }), ConfigurationError);
  const { limiter } = limiterWith();
  await assert.rejects(limiter.execute("x" as never), ConfigurationError);
  await assert.rejects(
    limiter.execute(() => 1, { cost: 2 }),
    ConfigurationError,
  );
  // Also where others wait: they get their turns all the same.
  const busy = limiterWith({ maxWaitMs: 1_000 });
  const turns = [busy.call(), busy.call()];
  for (const cost of [2, 0, Number.NaN]) await assert.rejects(busy.call({ cost }), ConfigurationError);
  await busy.clock.advanceBy(100);
  assert.deepEqual(await Promise.all(turns), [1, 2]);
});
