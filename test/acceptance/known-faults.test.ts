/**
 * Faults that other layers of this kind are known to have (HOUSE §7), each tried on ours. The last
 * of that list, clock and chance hidden in chaos tools, is with the chaos promise.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BreakerOpenError,
  Bulkhead,
  BulkheadFullError,
  BulkheadTimeoutError,
  CircuitBreaker,
  ResilientClient,
  RetryBudget,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const down = async (): Promise<never> => {
  throw new Error("down");
};
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("cockatiel's: a queued caller rejected after acceptance, because a newcomer took the slot that came free", async () => {
  const clock = new VirtualClock();
  const bulkhead = new Bulkhead({ clock, maxConcurrent: 1, acquireTimeoutMs: 1_000, maxQueue: 1 });
  const client = new ResilientClient({ name: "uplink", clock, bulkhead, retry: false });
  const order: string[] = [];
  const first = client.call(() => clock.sleepUntil(10));
  // In the very step in which the slot comes free, a newcomer asks for it, before the queued caller
  // can run anything.
  const newcomer = first.then(() => client.call(async () => order.push("newcomer")));
  const queued = client.call(async () => order.push("queued"));
  await clock.runUntilSettled(Promise.all([queued, newcomer]));
  assert.deepEqual(order, ["queued", "newcomer"]);

  // The same within one synchronous step: released, and asked for by somebody else before the next
  // microtask.
  const work = Promise.withResolvers<void>();
  const running = bulkhead.execute(() => work.promise);
  const answer = Promise.withResolvers<string>();
  const accepted = bulkhead.execute(() => answer.promise);
  const late = running.then(() => [bulkhead.running, bulkhead.waiting]);
  work.resolve();
  assert.deepEqual(await late, [1, 0], "the slot already belongs to the one who waited");
  answer.resolve("served");
  assert.equal(await accepted, "served");
});

test("cockatiel's: a window that still counts a failure of an hour ago", async () => {
  const clock = new VirtualClock();
  const breaker = new CircuitBreaker({ clock });
  for (let call = 0; call < 19; call++) await assert.rejects(breaker.execute(down), /down/);
  await clock.advanceBy(3_600_000);
  await assert.rejects(breaker.execute(down), /down/);
  assert.equal(breaker.state, "closed");
  assert.deepEqual([breaker.status.calls, breaker.status.failures], [1, 1]);
});

test("cockatiel's: callers parked behind a hung probe and released as a herd", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({
    name: "uplink",
    clock,
    timeoutMs: 5_000,
    breaker: { openDurationMs: 5_000 },
    retry: false,
  });
  for (let call = 0; call < 20; call++) await assert.rejects(client.call(down), /down/);
  await clock.advanceBy(5_000);
  let arrived = 0;
  const hang = (): Promise<never> => {
    arrived++;
    return new Promise(() => undefined);
  };
  void client.call(hang).catch(() => undefined);
  // A thousand callers behind the probe: each is refused now, with the time to come back; none is
  // kept.
  const refused = await Promise.all(
    Array.from({ length: 1_000 }, () => client.call(hang).catch((error: unknown) => error)),
  );
  assert.ok(refused.every((error) => error instanceof BreakerOpenError && error.retryAfterMs === 5_000));
  await clock.advanceBy(60_000);
  assert.equal(arrived, 1);
});

test("cockatiel's: an abort honoured only after the backoff", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock, retry: { baseMs: 5_000, jitter: "none" } });
  const controller = new AbortController();
  const call = assert.rejects(client.call(down, { signal: controller.signal, idempotent: true }), {
    name: "AbortError",
    code: "CALL_ABORTED",
  });
  await clock.advanceBy(1);
  assert.equal(clock.pending, 1, "it backs off");
  controller.abort();
  await call;
  assert.deepEqual([clock.nowMs(), clock.pending], [1, 0]);
});

test("opossum's: a breaker that opens on its own bulkhead's rejections", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({
    name: "uplink",
    clock,
    bulkhead: { maxConcurrent: 2, acquireTimeoutMs: 10, maxQueue: 5 },
    breaker: { minimumVolume: 2 },
    retry: false,
  });
  const ends: Record<string, number> = {};
  for (let round = 0; round < 10; round++) {
    for (let call = 0; call < 20; call++) {
      client
        .call(() => clock.sleepUntil(clock.nowMs() + 9))
        .then(
          () => "served",
          (error: { code: string }) => error.code,
        )
        .then((end) => {
          ends[end] = (ends[end] ?? 0) + 1;
        });
    }
    await clock.advanceBy(50);
  }
  assert.ok((ends["BULKHEAD_FULL"] ?? 0) > 50 && (ends["BULKHEAD_TIMEOUT"] ?? 0) > 5, JSON.stringify(ends));
  assert.equal(client.breaker?.state, "closed");
  assert.equal(client.breaker?.status.failures, 0);
});

test("opossum's: a waiter evicted by the timer of another", async () => {
  const clock = new VirtualClock();
  const bulkhead = new Bulkhead({ clock, maxConcurrent: 1, acquireTimeoutMs: 100, maxQueue: 3 });
  const first = Promise.withResolvers<void>();
  void bulkhead.execute(() => first.promise);
  const early = bulkhead.execute(() => clock.sleepUntil(1_000));
  await clock.advanceTo(50);
  const late = bulkhead.execute(() => "served");
  await clock.advanceTo(90);
  first.resolve();
  // The early one has been served. Its instant passes, and the one that waits since 50 keeps its
  // place until 150.
  await clock.advanceTo(149);
  assert.equal(bulkhead.waiting, 1);
  const rejected = assert.rejects(late, BulkheadTimeoutError);
  await clock.advanceTo(150);
  await rejected;
  await clock.runUntilSettled(early);
});

test("opossum's: ten running at capacity two after timeouts", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({
    name: "uplink",
    clock,
    bulkhead: { maxConcurrent: 2 },
    timeoutMs: 100,
    breaker: false,
    retry: false,
  });
  let running = 0;
  let most = 0;
  const ends: unknown[] = [];
  for (let call = 0; call < 10; call++) {
    client
      .call(async () => {
        most = Math.max(most, ++running);
        await clock.sleepUntil(clock.nowMs() + 100_000);
        running--;
      })
      .catch((error: unknown) => ends.push(error));
    await clock.advanceBy(150);
  }
  assert.equal(most, 2);
  assert.equal(client.bulkhead?.running, 2, "their callers have gone, the work has not");
  assert.equal(ends.filter((error) => error instanceof BulkheadFullError).length, 8);
  await clock.advanceBy(200_000);
  assert.deepEqual([running, client.bulkhead?.running], [0, 0]);
});

test("both's: late results of calls from before the trip", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({
    name: "uplink",
    clock,
    timeoutMs: 60_000,
    breaker: { openDurationMs: 1_000 },
    retry: false,
  });
  const early = Array.from({ length: 40 }, () => Promise.withResolvers<string>());
  const calls = early.map(({ promise }) => client.call(() => promise).catch(() => "failed"));
  for (let call = 0; call < 60; call++) await client.call(down).catch(() => undefined);
  assert.equal(client.breaker?.state, "open");
  for (const { resolve } of early.slice(0, 20)) resolve("done");
  await settled();
  assert.equal(client.breaker?.state, "open", "late successes do not close it");
  await clock.advanceBy(1_000);
  const probe = Promise.withResolvers<string>();
  const probing = client.call(() => probe.promise);
  for (const { reject } of early.slice(20)) reject(new Error("late"));
  await Promise.all(calls);
  assert.equal(client.breaker?.state, "half-open", "late failures are not the probe's");
  probe.resolve("up");
  assert.equal(await probing, "up");
  assert.equal(client.breaker?.state, "closed");
});

test("Envoy's: a budget that forgets the retries that sleep", async () => {
  const clock = new VirtualClock();
  const budget = new RetryBudget({ clock });
  const client = new ResilientClient({
    name: "uplink",
    clock,
    breaker: false,
    retry: { baseMs: 5_000, jitter: "none", maxAttempts: 2, budget },
  });
  let arrived = 0;
  const fail = (): Promise<never> => {
    arrived++;
    return down();
  };
  for (let call = 0; call < 100; call++) void client.call(fail, { idempotent: true }).catch(() => undefined);
  await clock.advanceBy(4_999);
  assert.equal(arrived, 100);
  assert.deepEqual([budget.status.sent, budget.status.pending], [0, 10], "ten sleep, and are counted while they do");
  await clock.advanceBy(1);
  assert.equal(arrived, 110, "and not a hundred wake into the same millisecond");
});
