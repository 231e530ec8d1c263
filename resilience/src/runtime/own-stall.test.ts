/**
 * This process stands still while calls are out, as one does that parses a large document or
 * collects garbage. Its timers then fire late, and before its sockets are read. Nothing of that may
 * count against the service: not a timeout, not a slow call, not a starved queue, not a probe. What
 * the service does itself still counts, also where this process is always late.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { endOf, settled } from "../../../test/calls.ts";
import { StallingClock } from "../../../test/worlds/stalling-clock.ts";
import { deadlineAt } from "../core/deadline.ts";
import { AttemptTimeoutError } from "../core/errors.ts";
import { VirtualClock } from "../sim/kernel/virtual-clock.ts";
import { Prober } from "./failover/prober.ts";
import { CircuitBreaker } from "./guard/breaker.ts";
import { Bulkhead } from "./guard/bulkhead.ts";
import { type ClientOptions, ResilientClient } from "./guard/client.ts";
import { afterWait } from "./time/read-first.ts";

interface Scene {
  readonly world: VirtualClock;
  readonly clock: StallingClock;
  /** Answers `ms` of the world's time after it was asked: the service does not stand still. */
  answerAfter(ms: number): () => Promise<string>;
}

function scene(): Scene {
  const world = new VirtualClock();
  const answerAfter = (ms: number) => async (): Promise<string> => {
    await world.sleepUntil(world.nowMs() + ms);
    return "answer";
  };
  return { world, clock: new StallingClock(world), answerAfter };
}

interface Stalled {
  readonly ends: unknown[];
  readonly client: ResilientClient;
  readonly clock: StallingClock;
}

/**
 * Thirty calls are out at a service that answers `answerMs` after the stall, and this process
 * stands still for 400 ms.
 */
async function standStill(answerMs: number, options: Partial<ClientOptions> = {}): Promise<Stalled> {
  const { world, clock, answerAfter } = scene();
  const client = new ResilientClient({ name: "uplink", clock, timeoutMs: 100, retry: false, ...options });
  const ends = Promise.all(Array.from({ length: 30 }, () => endOf(client.call(answerAfter(answerMs)))));
  await settled();
  clock.stall(400);
  return { ends: await world.runUntilSettled(ends), client, clock };
}

test("[F10] answers wait unread when the process goes on → they are in time", async () => {
  const { ends, client } = await standStill(0);
  assert.deepEqual([...new Set(ends)], ["answer"]);
  assert.deepEqual([client.breaker?.state, client.breaker?.status.failures], ["closed", 0]);
});

test("[F10] requests could not leave before the stall → they have their timeout after it", async () => {
  const { ends, client } = await standStill(99);
  assert.deepEqual([...new Set(ends)], ["answer"]);
  assert.deepEqual([client.breaker?.status.calls, client.breaker?.status.failures], [30, 0]);
});

test("[F10] the service hangs after the stall, too → timeouts count, one timeout later", async () => {
  const { ends, client, clock } = await standStill(60_000);
  assert.deepEqual([...new Set(ends)], ["ATTEMPT_TIMEOUT"]);
  assert.equal(clock.nowMs(), 500);
  assert.equal(client.breaker?.state, "open");
});

test("[F10] a timeout that was over in the stall, with less than itself after it → ends, counts as nothing, and says so", async () => {
  const { world, clock } = scene();
  const outcomes: string[] = [];
  const client = new ResilientClient({
    name: "uplink",
    clock,
    timeoutMs: 300,
    retry: false,
  });
  client.onAttempt(({ outcome }) => outcomes.push(outcome));
  const end = client.call(() => new Promise(() => undefined)).catch((error: unknown) => error);
  await settled();
  clock.stall(400);
  const error = await world.runUntilSettled(end);
  assert.ok(error instanceof AttemptTimeoutError);
  assert.match(error.message, /^uplink: attempt 1 took longer than 300 ms; this process stood still meanwhile/);
  assert.deepEqual([clock.nowMs(), client.breaker?.status.calls, outcomes], [500, 0, ["ignored"]]);
});

test("[F10] a timeout that counts as nothing → a repeatable call is retried", async () => {
  const { world, clock } = scene();
  const client = new ResilientClient({ name: "uplink", clock, timeoutMs: 300, breaker: { minimumVolume: 1 } });
  let sends = 0;
  const operation = (): Promise<string> | string => (++sends === 1 ? new Promise(() => undefined) : "answer");
  const end = client.call(operation, { idempotent: true });
  await settled();
  clock.stall(400);
  assert.equal(await world.runUntilSettled(end), "answer");
});

test("[F10] a deadline that passed in the stall → what waits unread is read, and nothing is waited for beyond that", async () => {
  for (const [answerMs, expected] of [
    [0, "answer"],
    [5, "DEADLINE_EXCEEDED"],
  ] as const) {
    const { world, clock, answerAfter } = scene();
    const client = new ResilientClient({ name: "uplink", clock, deadlineMs: 100, timeoutMs: 100 });
    const end = endOf(client.call(answerAfter(answerMs), { deadline: deadlineAt(90) }));
    await settled();
    clock.stall(400);
    assert.equal(await world.runUntilSettled(end), expected);
    assert.equal(client.breaker?.status.failures, 0);
  }
});

test("[B6] slow calls are rated, and the process stood still → none is slow", async () => {
  const { ends, client } = await standStill(99, { timeoutMs: 5_000, breaker: { slowCallDurationMs: 100 } });
  assert.deepEqual([...new Set(ends)], ["answer"]);
  assert.deepEqual([client.breaker?.status.calls, client.breaker?.status.slow], [30, 0]);
});

test("[B6] slow calls are rated, and the service is slow after the stall, too → they are slow", async () => {
  for (const retry of [false, { maxAttempts: 1 }] as const) {
    const { client } = await standStill(101, { timeoutMs: 5_000, breaker: { slowCallDurationMs: 100 }, retry });
    assert.equal(client.breaker?.state, "open");
    assert.match(client.breaker?.status.rule ?? "", /were slow/);
  }
});

test("[F10] a process that is always late → a service that hangs still opens the circuit", async () => {
  for (const latenessMs of [30, 200, 1_000]) {
    const { world, clock } = scene();
    clock.latenessMs = latenessMs;
    const client = new ResilientClient({ name: "uplink", clock, timeoutMs: 100, retry: false });
    const hangs = Array.from({ length: 20 }, () => endOf(client.call(() => new Promise(() => undefined))));
    assert.deepEqual([...new Set(await world.runUntilSettled(Promise.all(hangs)))], ["ATTEMPT_TIMEOUT"]);
    assert.equal(client.breaker?.state, "open", `late by ${latenessMs} ms`);
    assert.ok(clock.nowMs() <= 100 + 6 * (latenessMs + 100), "waited for three times at most");
  }
});

test("[K1] callers wait for slots while the process stands still → those that come free are theirs, and nobody starved", async () => {
  const bulkhead = { maxConcurrent: 25, acquireTimeoutMs: 50, maxQueue: 100 };
  const { ends, client } = await standStill(10, { bulkhead });
  assert.deepEqual([...new Set(ends)], ["answer"]);
  assert.deepEqual([client.breaker?.state, client.breaker?.status.slow], ["closed", 0]);
});

test("[K1] no slot comes free after the stall, either → BULKHEAD_TIMEOUT, as long again later", async () => {
  const { world, clock } = scene();
  const bulkhead = new Bulkhead({ clock, maxConcurrent: 1, acquireTimeoutMs: 50 });
  void bulkhead.execute(() => new Promise(() => undefined));
  const waiting = endOf(bulkhead.execute(() => "ran"));
  await settled();
  clock.stall(400);
  assert.equal(await world.runUntilSettled(waiting), "BULKHEAD_TIMEOUT");
  assert.equal(clock.nowMs(), 450);
});

test("[K1] Bulkhead.execute: a slot comes free in the turn after the stall → its first waiter runs", async () => {
  const { world, clock, answerAfter } = scene();
  const bulkhead = new Bulkhead({ clock, maxConcurrent: 1, acquireTimeoutMs: 50 });
  const ends = Promise.all([answerAfter(10), () => "ran"].map((operation) => endOf(bulkhead.execute(operation))));
  await settled();
  clock.stall(400);
  assert.deepEqual(await world.runUntilSettled(ends), ["answer", "ran"]);
});

test("[B3] a probe is out while the process stands still, longer than its lease → its answer closes the circuit", async () => {
  const { world, clock, answerAfter } = scene();
  const breaker = { minimumVolume: 1, openDurationMs: 100 };
  const client = new ResilientClient({ name: "uplink", clock, timeoutMs: 100, retry: false, breaker });
  client.breaker?.noteFailure();
  await world.advanceBy(100);
  const probe = endOf(client.call(answerAfter(5)));
  await settled();
  clock.stall(400);
  assert.equal(await world.runUntilSettled(probe), "answer");
  assert.equal(client.breaker?.state, "closed");
});

test("[B6] CircuitBreaker.execute, and the process stood still → a success is not slow, nor is a failure", async () => {
  const { world, clock, answerAfter } = scene();
  const breaker = new CircuitBreaker({ clock, slowCallDurationMs: 100 });
  const down = async (): Promise<never> => {
    await answerAfter(5)();
    throw new Error("down");
  };
  const ends = Promise.all([endOf(breaker.execute(answerAfter(5))), endOf(breaker.execute(down))]);
  await settled();
  clock.stall(400);
  assert.deepEqual(await world.runUntilSettled(ends), ["answer", "Error: down"]);
  assert.deepEqual([breaker.status.calls, breaker.status.failures, breaker.status.slow], [2, 1, 0]);
  assert.equal(world.pending, 0, "no timer is left behind");
});

test("[F7] a failover's probe of a station is out while the process stands still → its answer counts, or nothing does", async () => {
  for (const [stallMs, answerMs, expected] of [
    [400, 5, [true]],
    [400, 99, [true]],
    [150, 60_000, []],
    [400, 60_000, [false]],
  ] as const) {
    const { world, clock, answerAfter } = scene();
    const told: boolean[] = [];
    const prober = new Prober(clock, 100, answerAfter(answerMs), (_station, isWell) => told.push(isWell));
    prober.tryIfDue([{ name: "north" }], clock.nowMs());
    await settled();
    clock.stall(stallMs);
    await world.advanceBy(200);
    assert.deepEqual(told, expected, `${stallMs} ms, answered after ${answerMs} ms`);
  }
});

test("[F10] a wait that is over in time → told in that instant, and disposing it leaves nothing behind", async () => {
  const { world, clock } = scene();
  const told: [number, boolean][] = [];
  const tell = (isFair: boolean): unknown => told.push([clock.nowMs(), isFair]);
  afterWait(clock, 100, tell);
  afterWait(clock, 100, tell, 60);
  const withdrawn = afterWait(clock, 100, tell);
  await world.advanceBy(99);
  withdrawn[Symbol.dispose]();
  await world.advanceBy(101);
  assert.deepEqual(told, [
    [60, true],
    [100, true],
  ]);
  assert.equal(world.pending, 0);
});
