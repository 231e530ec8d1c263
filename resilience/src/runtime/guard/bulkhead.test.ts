/** The bulkhead for callers: every way in, every way out, and the slot that always comes back. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { type Deadline, deadlineAt } from "../../core/deadline.ts";
import {
  BulkheadFullError,
  BulkheadTimeoutError,
  CallAbortedError,
  ConfigurationError,
  DeadlineExceededError,
} from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { withDeadline } from "../time/ambient-deadline.ts";
import { Bulkhead, type BulkheadOptions, PRIORITIES } from "./bulkhead.ts";
import { ResilientClient } from "./client.ts";

function make(options: Partial<BulkheadOptions> = {}): { clock: VirtualClock; bulkhead: Bulkhead } {
  const clock = new VirtualClock();
  return { clock, bulkhead: new Bulkhead({ name: "uplink", clock, maxConcurrent: 1, ...options }) };
}

/** Takes a slot and holds it until told. */
function hold(bulkhead: Bulkhead): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  void bulkhead.execute(() => promise);
  return resolve;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("[K1] BULKHEAD_FULL: with nowhere to wait, one too many is refused at once with the numbers", async () => {
  const { bulkhead } = make();
  hold(bulkhead);
  await assert.rejects(
    bulkhead.execute(() => 1),
    (error) =>
      error instanceof BulkheadFullError && error.message === "uplink is full: 1 running, 0 of at most 0 waiting",
  );
});

test("[K1] BULKHEAD_TIMEOUT: nobody waits longer than the acquire timeout, and a place left is free again", async () => {
  const { clock, bulkhead } = make({ acquireTimeoutMs: 100, maxQueue: 1 });
  const release = hold(bulkhead);
  const waiting = assert.rejects(
    bulkhead.execute(() => 1),
    BulkheadTimeoutError,
  );
  await assert.rejects(
    bulkhead.execute(() => 2),
    BulkheadFullError,
  );
  await clock.advanceBy(100);
  await waiting;
  const next = bulkhead.execute(() => 3);
  release();
  assert.equal(await next, 3);
  assert.deepEqual([bulkhead.running, bulkhead.waiting, clock.pending], [0, 0, 0]);
});

test("[K1] [R4] nobody waits past the deadline, given or ambient, and nothing starts after it", async () => {
  const { clock, bulkhead } = make({ acquireTimeoutMs: 1_000, maxQueue: 2 });
  await assert.rejects(
    bulkhead.execute(() => assert.fail("started"), { deadline: deadlineAt(0) }),
    DeadlineExceededError,
  );
  hold(bulkhead);
  const waiting = [
    bulkhead.execute(() => assert.fail("started"), { deadline: deadlineAt(50) }),
    withDeadline(deadlineAt(50), () => bulkhead.execute(() => assert.fail("started")), clock),
  ];
  const rejected = Promise.all(waiting.map((one) => assert.rejects(one, DeadlineExceededError)));
  await clock.advanceBy(50);
  await rejected;
  assert.equal(bulkhead.waiting, 0);
});

test("[R4] a deadline or priority that is none is refused, and takes no slot", async () => {
  const { bulkhead } = make({ acquireTimeoutMs: 10 });
  for (const deadline of [Number.NaN, 1.8e12] as Deadline[]) {
    await assert.rejects(
      bulkhead.execute(() => 1, { deadline }),
      ConfigurationError,
    );
  }
  hold(bulkhead);
  await assert.rejects(
    bulkhead.execute(() => 1, { priority: Number.NaN }),
    ConfigurationError,
  );
  assert.deepEqual([bulkhead.running, bulkhead.waiting], [1, 0]);
});

test("[K4] CALL_ABORTED: an abort takes effect at once, before, in the queue and while running", async () => {
  const { clock, bulkhead } = make({ acquireTimeoutMs: 1_000 });
  const gone = AbortSignal.abort("never mind");
  await assert.rejects(
    bulkhead.execute(() => assert.fail("started"), { signal: gone }),
    CallAbortedError,
  );
  const controller = new AbortController();
  const work = Promise.withResolvers<void>();
  let told: AbortSignal | undefined;
  const running = bulkhead.execute(
    (signal) => {
      told = signal;
      return work.promise;
    },
    { signal: controller.signal },
  );
  const waiting = bulkhead.execute(() => assert.fail("started"), { signal: controller.signal });
  const rejected = Promise.all([running, waiting].map((one) => assert.rejects(one, CallAbortedError)));
  controller.abort("stop");
  await rejected;
  assert.equal(told, controller.signal);
  assert.equal(bulkhead.waiting, 0);
  assert.equal(bulkhead.running, 1, "[K2] the work has not settled, and keeps its slot");
  work.resolve();
  await settled();
  assert.equal(bulkhead.running, 0);
  assert.equal(clock.pending, 0);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("[K4] granted and aborted in the same tick: it does not start, and the slot goes to the next", async () => {
  const { bulkhead } = make({ acquireTimeoutMs: 1_000, maxQueue: 2 });
  const release = hold(bulkhead);
  const controller = new AbortController();
  const first = bulkhead.execute(() => assert.fail("started"), { signal: controller.signal });
  const rejected = assert.rejects(first, CallAbortedError);
  const second = bulkhead.execute(() => "second");
  await settled();
  release();
  // The slot is handed over two microtasks after the release; the abort is somewhere among them.
  for (let tick = 0; tick < 4 && bulkhead.waiting === 2; tick++) await Promise.resolve();
  controller.abort();
  await rejected;
  assert.equal(await second, "second");
  await settled();
  assert.equal(bulkhead.running, 0);
});

test("[K2] operations that throw, reject, return plain values or foreign thenables all give their slot back", async () => {
  const { bulkhead } = make();
  await assert.rejects(
    bulkhead.execute(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  await assert.rejects(
    bulkhead.execute(async () => {
      throw new Error("later");
    }),
    /later/,
  );
  assert.equal(await bulkhead.execute(() => 7), 7);
  // biome-ignore lint/suspicious/noThenProperty: a foreign thenable is what is tested.
  const thenable = { then: (resolve: (value: string) => void) => resolve("theirs") };
  assert.equal(await bulkhead.execute(() => thenable as PromiseLike<string>), "theirs");
  assert.equal(bulkhead.running, 0);
});

test("[K1] a hundred thousand waiting operations that throw at once overflow nothing", async () => {
  const count = 100_000;
  const { bulkhead } = make({ acquireTimeoutMs: Number.POSITIVE_INFINITY, maxQueue: count });
  const release = hold(bulkhead);
  let refused = 0;
  const error = new Error("at once");
  const all = Array.from({ length: count }, () =>
    bulkhead
      .execute(() => {
        throw error;
      })
      .catch(() => refused++),
  );
  release();
  await Promise.all(all);
  assert.equal(refused, count);
  assert.deepEqual([bulkhead.running, bulkhead.waiting], [0, 0]);
});

test("[R4] a queued operation runs in the async context of its own caller, not of whoever left the slot", async () => {
  const { bulkhead } = make({ acquireTimeoutMs: 1_000 });
  const tenant = new AsyncLocalStorage<string>();
  const work = Promise.withResolvers<void>();
  const first = tenant.run("first", () => bulkhead.execute(() => work.promise));
  const second = tenant.run("second", () => bulkhead.execute(() => tenant.getStore()));
  work.resolve();
  await first;
  assert.equal(await second, "second");
});

test("options out of range are refused; waiting without time to wait means no queue", () => {
  assert.throws(() => make({ maxConcurrent: 0 }), ConfigurationError);
  assert.throws(() => make({ acquireTimeoutMs: -1 }), ConfigurationError);
  assert.throws(() => make({ maxQueue: 1.5 }), ConfigurationError);
  assert.equal(make({ maxQueue: 5 }).bulkhead.status.maxQueue, 0);
  assert.equal(make({ maxConcurrent: 4, acquireTimeoutMs: 1 }).bulkhead.status.maxQueue, 4);
});

test("[K6] telemetry is shed first, an emergency last: the shed one is refused at once, and leaves nothing", async () => {
  const clock = new VirtualClock();
  const bulkhead = new Bulkhead({ name: "north", maxConcurrent: 1, maxQueue: 1, acquireTimeoutMs: 1_000, clock });
  const work = (ms: number) => () => clock.sleepUntil(clock.nowMs() + ms);
  const running = bulkhead.execute(work(100));
  const telemetry = bulkhead.execute(work(1), { priority: PRIORITIES.telemetry });
  const command = bulkhead.execute(work(1), { priority: PRIORITIES.command });
  await assert.rejects(telemetry, {
    code: "BULKHEAD_FULL",
    message: /north is full, and a call with a higher priority/,
  });
  const emergency = bulkhead.execute(work(1), { priority: PRIORITIES.emergency });
  await assert.rejects(command, BulkheadFullError);
  await assert.rejects(bulkhead.execute(work(1), { priority: PRIORITIES.telemetry }), /1 of at most 1 waiting/);
  await clock.advanceBy(101);
  await Promise.all([running, emergency]);
  assert.deepEqual([bulkhead.running, bulkhead.waiting, clock.pending], [0, 0, 0]);
});

test("[K6] a client's call that is shed while it waits → refused, not counted, and its retry budget untouched", async () => {
  const clock = new VirtualClock();
  const bulkhead = { maxConcurrent: 1, maxQueue: 1, acquireTimeoutMs: 1_000 };
  const client = new ResilientClient({ name: "north", clock, bulkhead });
  const work = (): Promise<void> => clock.sleepUntil(clock.nowMs() + 100);
  const running = client.call(work);
  const telemetry = client.call(work, { priority: PRIORITIES.telemetry, idempotent: true });
  const command = client.call(work);
  await assert.rejects(telemetry, BulkheadFullError);
  await clock.advanceBy(200);
  await Promise.all([running, command]);
  assert.deepEqual([client.breaker?.status.calls, client.budget?.status.sent, clock.pending], [2, 0, 0]);
});
