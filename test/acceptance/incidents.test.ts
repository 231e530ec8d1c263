/**
 * The three incidents that layers of this kind are known to have missed: (1) a downstream that
 * answers within the timeout, but slower than the bulkhead's acquire wait; (2) HTTP 200 with an
 * error in the body; (3) a deadlock inside the layer between breaker transitions and pool
 * acquisition, under callbacks that call back in.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Bulkhead,
  BulkheadTimeoutError,
  deadlineAt,
  httpErrorBody,
  type Operation,
  type Random,
  ResilienceError,
  ResilientClient,
  RetryBudget,
  seededRandom,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const SEED = process.env["SEED"] ?? "CN-2702-003";
const REPLAY = `seed "${SEED}"; replay: SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/incidents.test.ts`;

/**
 * Offers a call every `gapMs` to a service that takes `serviceMs`, until the breaker opens or
 * `calls` are made.
 */
async function offer(
  serviceMs: number,
  gapMs: number,
  calls: number,
): Promise<{ client: ResilientClient; succeeded: number; starved: number; rule: string }> {
  const clock = new VirtualClock();
  const bulkhead = { maxConcurrent: 4, acquireTimeoutMs: 100 };
  const client = new ResilientClient({ name: "uplink", clock, bulkhead, timeoutMs: 1_000, retry: false });
  let succeeded = 0;
  let starved = 0;
  for (let call = 0; call < calls && client.breaker?.state === "closed"; call++) {
    client
      .call(() => clock.sleepUntil(clock.nowMs() + serviceMs))
      .then(
        () => succeeded++,
        (error: unknown) => {
          if (error instanceof BulkheadTimeoutError) starved++;
        },
      );
    await clock.advanceBy(gapMs);
  }
  return { client, succeeded, starved, rule: client.breaker?.status.rule ?? "" };
}

for (const gapMs of [20, 75, 110]) {
  test(`incident 1: slow but within the timeout, a call each ${gapMs} ms: the queue starves, and the breaker opens by slow rate`, async () => {
    const { client, succeeded, starved, rule } = await offer(800, gapMs, 1_000);
    assert.ok(succeeded >= 20 && starved > 0, `${succeeded} succeeded, ${starved} starved`);
    assert.equal(client.breaker?.state, "open");
    assert.match(rule, /^\d+ of \d+ calls were slow in 10000 ms \(threshold 0\.5\)$/);
    assert.equal(client.breaker?.status.failures, 0, "every call that was sent succeeded");
  });
}

test("incident 1, the other side: slower than the acquire wait harms nobody while nobody waits in vain", async () => {
  const { client, succeeded, starved } = await offer(120, 31, 500);
  assert.equal(client.breaker?.state, "closed");
  assert.equal(starved, 0);
  assert.ok(succeeded > 490);
});

test("incident 2: HTTP 200 with an error body opens the breaker, and the caller still gets the answer", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock, classify: httpErrorBody });
  const lie = { status: 200, body: { error: "no contact with the spacecraft" } };
  let arrived = 0;
  for (let call = 0; call < 20; call++) {
    const answer = await client.call(async () => {
      arrived++;
      return lie;
    });
    assert.equal(answer, lie);
  }
  assert.equal(arrived, 20, "unkeyed and not idempotent: never sent twice");
  assert.equal(client.breaker?.state, "open");
  assert.match(client.breaker?.status.rule ?? "", /20 of 20 calls failed/);
});

test("incident 2: a lie is retried where that is safe, and a truthful answer then counts", async () => {
  for (const safe of [{ idempotent: true }, { idempotencyKey: "command-7" }]) {
    const clock = new VirtualClock();
    const client = new ResilientClient({ name: "uplink", clock, classify: httpErrorBody });
    const call = client.call(
      async ({ attempt, idempotencyKey }) => ({
        status: 200,
        body: attempt === 1 ? { ok: false } : { ok: true, idempotencyKey },
      }),
      safe,
    );
    const answer = await clock.runUntilSettled(call);
    assert.equal((answer.body as { ok: boolean }).ok, true);
    assert.deepEqual([client.breaker?.status.calls, client.breaker?.status.failures], [2, 1]);
  }
});

test("incident 3: a transition listener, an abort listener and an operation that call back into the same client all end", async () => {
  const clock = new VirtualClock();
  const bulkhead = new Bulkhead({ name: "uplink", clock, maxConcurrent: 1, acquireTimeoutMs: 50, maxQueue: 3 });
  const client = new ResilientClient({
    name: "uplink",
    clock,
    bulkhead,
    timeoutMs: 100,
    breaker: { minimumVolume: 2, openDurationMs: 1_000 },
    retry: false,
  });
  const ends: Promise<string>[] = [];
  const again = (operation: Operation<string>): void => {
    const end = client.call(operation);
    ends.push(end.catch((error: unknown) => (error instanceof ResilienceError ? error.code : String(error))));
  };
  client.breaker?.onTransition(() => again(async () => "from a transition"));
  const nested: Operation<string> = (context) => {
    // Holding the only slot, it asks for another one: that one waits its bounded time and is
    // refused, not deadlocked.
    context.signal.addEventListener("abort", () => again(async () => "from an abort"));
    again(async () => "from inside");
    return new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(() => resolve("late")))));
  };
  for (let call = 0; call < 3; call++) {
    again(nested);
    await clock.advanceBy(500);
  }
  again(() => Promise.reject(new Error("down")));
  again(() => Promise.reject(new Error("down")));
  await clock.advanceBy(5_000);
  const told = await clock.runUntilSettled(Promise.all(ends));
  assert.ok(told.length >= 8, told.join(", "));
  assert.deepEqual([bulkhead.running, bulkhead.waiting, clock.pending], [0, 0, 0]);
});

/**
 * A world of two clients on one bulkhead, one breaker and one budget, in which everything calls
 * back into everything.
 */
async function tangle(random: Random): Promise<void> {
  const clock = new VirtualClock();
  const bulkhead = new Bulkhead({ name: "pool", clock, maxConcurrent: 2, acquireTimeoutMs: 40, maxQueue: 4 });
  const budget = new RetryBudget({ clock, ratio: 0.5, windowMs: 500 });
  const options = { clock, bulkhead, timeoutMs: 60, retry: { baseMs: 10, budget }, random: random.fork("jitter") };
  const first = new ResilientClient({
    name: "first",
    breaker: { minimumVolume: 3, openDurationMs: 80, halfOpenProbes: 2, windowMs: 300 },
    ...options,
  });
  const breaker = first.breaker;
  assert.ok(breaker !== undefined);
  const clients = [first, new ResilientClient({ name: "second", breaker, ...options })];
  let mostCalls = 150;
  let made = 0;
  let settled = 0;
  let running = 0;
  const controllers: AbortController[] = [];
  const pick = (share: number): boolean => random.next() < share;
  const strike = (): void => {
    if (pick(0.3)) controllers[Math.floor(random.next() * controllers.length)]?.abort("struck");
    if (pick(0.3)) call();
  };
  const operation: Operation<string> = (context) => {
    running++;
    assert.ok(running <= 2, `${running} running at capacity two; ${REPLAY}`);
    const leave = <R>(end: R): R => {
      running--;
      return end;
    };
    if (pick(0.3)) context.signal.addEventListener("abort", strike);
    strike();
    const fails = pick(0.5);
    if (pick(0.2)) {
      leave(undefined);
      if (fails) throw new Error("at once");
      return "at once";
    }
    const done = clock.sleepUntil(clock.nowMs() + random.next() * 90).then(() => leave(undefined));
    return done.then(() => (fails ? Promise.reject(new Error("later")) : "later"));
  };
  const call = (): void => {
    if (made >= mostCalls) return;
    made++;
    const controller = new AbortController();
    controllers.push(controller);
    const client = clients[Math.floor(random.next() * 2)] as ResilientClient;
    const deadline = pick(0.3) ? { deadline: deadlineAt(clock.nowMs() + random.next() * 100) } : {};
    const end = client.call(operation, {
      signal: controller.signal,
      idempotent: pick(0.6),
      priority: Math.floor(random.next() * 3),
      ...deadline,
    });
    end.then(strike, strike).finally(() => settled++);
  };
  breaker.onTransition(strike);
  clients[0]?.onEvent(strike);
  for (let step = 0; step < 60; step++) {
    call();
    if (pick(0.7)) await clock.advanceBy(random.next() * 40);
  }
  await clock.advanceBy(10_000);
  assert.equal(settled, made, `every call ends; ${REPLAY}`);
  assert.deepEqual(
    [bulkhead.running, bulkhead.waiting, running, clock.pending],
    [0, 0, 0, 0],
    `slots return; ${REPLAY}`,
  );
  assert.equal(budget.status.pending, 0, `charges return; ${REPLAY}`);
  mostCalls = made;
  const healed = clock.sleepUntil(clock.nowMs() + 1_000).then(async () => {
    while (breaker.state !== "closed") await first.call(async () => "up");
    return first.call(async () => "up");
  });
  assert.equal(await clock.runUntilSettled(healed), "up", `permits return; ${REPLAY}`);
}

test("incident 3, at random: whatever calls back into whatever, every permit, slot and charge returns, and nothing hangs", async () => {
  const root = seededRandom(SEED);
  for (let world = 0; world < 60; world++) await tangle(root.fork(`world ${world}`));
});
