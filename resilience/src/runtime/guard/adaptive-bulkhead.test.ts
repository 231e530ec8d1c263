/** The adaptive bulkhead under a client, before a service in virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BulkheadFullError, ConfigurationError } from "../../core/errors.ts";
import { httpStatus } from "../../core/outcomes/outcome.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { AdaptiveBulkhead, type AdaptiveBulkheadOptions } from "./adaptive-bulkhead.ts";
import { Bulkhead } from "./bulkhead.ts";
import { ResilientClient } from "./client.ts";

/** A service that works on `workers` calls at once for 50 ms each; the others wait inside. */
function service(clock: VirtualClock, workers: number) {
  const inside = new Bulkhead({ maxConcurrent: workers, maxQueue: 10_000, acquireTimeoutMs: 1e9, clock });
  const serve = (): Promise<string> =>
    inside.execute(async () => {
      await clock.sleepUntil(clock.nowMs() + 50);
      return "served";
    });
  return { inside, serve };
}

async function loaded(callers: number, options: AdaptiveBulkheadOptions = {}) {
  const clock = new VirtualClock();
  const bulkhead = new AdaptiveBulkhead({ clock, acquireTimeoutMs: 5_000, maxQueue: 1_000, ...options });
  const client = new ResilientClient({ name: "north", clock, bulkhead, retry: false });
  const { inside, serve } = service(clock, 10);
  let [isOver, served, most] = [false, 0, 0];
  const caller = async (): Promise<void> => {
    while (!isOver) {
      await client.call(serve);
      served++;
      most = Math.max(most, inside.waiting);
    }
  };
  const all = Array.from({ length: callers }, caller);
  await clock.advanceBy(30_000);
  [served, most] = [0, 0];
  const limits: number[] = [];
  for (let second = 0; second < 30; second++) {
    await clock.advanceBy(1_000);
    limits.push(bulkhead.limit);
  }
  isOver = true;
  await clock.advanceBy(60_000);
  await Promise.all(all);
  return { bulkhead, served, most, usual: limits.sort((one, other) => one - other)[15] as number };
}

test("[K6] a hundred callers before a service for ten → it is busy, and few wait inside it", async () => {
  const { bulkhead, served, most, usual } = await loaded(100);
  assert.ok(served >= (0.95 * 30_000) / 5, `${served} of 6000`);
  assert.ok(most <= 20, `${most} waited inside`);
  assert.ok(usual >= 10 && usual <= 30, `${usual}`);
  assert.deepEqual([bulkhead.running, bulkhead.waiting], [0, 0]);
});

test("[K6] few callers → the limit stays where it was", async () => {
  assert.equal((await loaded(3)).usual, 20);
});

test("[K6] the service refuses with Retry-After → the limit falls to its least", async () => {
  const clock = new VirtualClock();
  const bulkhead = new AdaptiveBulkhead({ clock, algorithm: "aimd", minConcurrent: 2 });
  const client = new ResilientClient<{ status: number; headers: Headers }>({
    ...{ name: "north", clock, bulkhead, retry: false, breaker: false, classify: httpStatus },
  });
  const refuse = () => ({ status: 429, headers: new Headers({ "retry-after": "1" }) });
  for (let call = 0; call < 1_000; call++) {
    await client.call(refuse);
    await clock.advanceBy(10);
  }
  assert.equal(bulkhead.limit, 2);
});

test("[K6] without a client it learns from `execute`", async () => {
  const clock = new VirtualClock();
  const bulkhead = new AdaptiveBulkhead({ clock, algorithm: "aimd", initialConcurrent: 4 });
  for (let round = 0; round < 200; round++) {
    const calls = Array.from({ length: bulkhead.limit }, () =>
      bulkhead.execute(() => clock.sleepUntil(clock.nowMs() + 10)),
    );
    await clock.advanceBy(10);
    await Promise.all(calls);
  }
  assert.ok(bulkhead.limit > 10, `${bulkhead.limit}`);
  const full = Array.from({ length: bulkhead.limit + 1 }, () => bulkhead.execute(() => new Promise(() => {})));
  await assert.rejects(full.at(-1) as Promise<unknown>, BulkheadFullError);
});

test("[K6] the limit rises while calls wait → they get the new slots", async () => {
  const clock = new VirtualClock();
  const bulkhead = new AdaptiveBulkhead({
    clock,
    algorithm: "aimd",
    initialConcurrent: 4,
    acquireTimeoutMs: 60_000,
    maxQueue: 100,
  });
  let running = 0;
  const work = async (): Promise<void> => {
    running++;
    await clock.sleepUntil(clock.nowMs() + 10);
    running--;
  };
  const all = Promise.all(Array.from({ length: 100 }, () => bulkhead.execute(work)));
  await clock.advanceBy(151);
  assert.equal(running, bulkhead.limit);
  assert.ok(bulkhead.limit > 4 && bulkhead.waiting > 0, `${bulkhead.limit}, ${bulkhead.waiting} wait`);
  await clock.advanceBy(10_000);
  await all;
});

test("[K6] wrong options → refused", async () => {
  assert.throws(() => new AdaptiveBulkhead({ maxConcurent: 1 } as never), /did you mean maxConcurrent/);
  assert.throws(() => new AdaptiveBulkhead({ name: "" }), ConfigurationError);
  await assert.rejects(new AdaptiveBulkhead().execute("x" as never), ConfigurationError);
});

test("[K6] a service that says that it is overloaded, and with aimd rejections in `execute` → the limit falls; gradient: no quick failure counts as quick", async () => {
  const clock = new VirtualClock();
  const options = { clock, minConcurrent: 2 } as const;
  const refused = new AdaptiveBulkhead({ ...options, algorithm: "aimd" });
  const client = new ResilientClient<{ status: number; headers: Headers }>({
    ...{ name: "north", clock, bulkhead: refused, retry: false, breaker: false, classify: httpStatus },
  });
  const rejected = new AdaptiveBulkhead({ ...options, algorithm: "aimd" });
  const gradient = new AdaptiveBulkhead(options);
  const fail = (): Promise<never> => Promise.reject(new Error("503"));
  for (let call = 0; call < 1_000; call++) {
    await client.call(() => ({ status: 503, headers: new Headers() }));
    for (const bulkhead of [rejected, gradient]) await bulkhead.execute(fail).catch(() => undefined);
    await clock.advanceBy(10);
  }
  assert.deepEqual([refused.limit, rejected.limit, gradient.limit], [2, 2, 20]);
});

test("[K6] gradient: attempts that time out → the limit falls", async () => {
  const clock = new VirtualClock();
  const bulkhead = new AdaptiveBulkhead({ clock, minConcurrent: 2 });
  const client = new ResilientClient({ name: "north", clock, bulkhead, timeoutMs: 10, retry: false, breaker: false });
  const hangs = ({ signal }: { readonly signal: AbortSignal }): Promise<void> => clock.sleepUntil(1e9, signal);
  for (let call = 0; call < 500; call++) {
    const late = client.call(hangs).catch(() => undefined);
    await clock.advanceBy(11);
    await late;
  }
  assert.equal(bulkhead.limit, 2);
});
