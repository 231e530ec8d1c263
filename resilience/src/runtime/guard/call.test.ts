/**
 * One guarded call under everything an operation, a classifier, a signal or a listener can do to
 * it: it ends once, and slot, permit, charge, timer and listener come back whatever happens.
 * Retries and deadlines: `retry-plan.test.ts`.
 */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { down, endOf, make, nothingIsLeftBehind, onAbort, run, settled } from "../../../../test/calls.ts";
import { deadlineAt } from "../../core/deadline.ts";
import { BulkheadFullError, CallAbortedError, ConfigurationError } from "../../core/errors.ts";
import type { Outcome } from "../../core/outcomes/classification.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import type { AttemptContext } from "./attempt.ts";
import type { Operation } from "./call-options.ts";
import { ResilientClient } from "./client.ts";

nothingIsLeftBehind();

test("[C1] whatever an operation returns or throws, in whatever way, becomes the call's end", async () => {
  const world = make();
  const thenable = (then: (...args: ((value: unknown) => void)[]) => void): PromiseLike<unknown> => ({ then }) as never;
  const cases: [Operation<unknown>, unknown][] = [
    [() => 5, 5],
    [() => undefined, undefined],
    [async () => "later", "later"],
    [down, "Error: down"],
    [async () => down(), "Error: down"],
    [() => Promise.reject("a string"), "a string"],
    [() => thenable((resolve) => resolve?.("theirs")), "theirs"],
    [() => thenable((_, reject) => reject?.("theirs too")), "theirs too"],
    [() => thenable(down), "Error: down"],
    [() => thenable((resolve, reject) => [resolve?.("first"), reject?.("second")]), "first"],
  ];
  for (const [operation, end] of cases) assert.equal(await run(world, operation), end);
  assert.equal(await run(world, "nothing" as never), "INVALID_CONFIGURATION");
});

test("[C1] [K2] an operation that never settles: its caller gets ATTEMPT_TIMEOUT, its slot stays taken until it does", async () => {
  const world = make({ retry: false });
  const work = Promise.withResolvers<void>();
  assert.equal(await run(world, () => work.promise), "ATTEMPT_TIMEOUT");
  assert.equal(world.client.bulkhead?.running, 1);
  assert.equal(world.client.breaker?.status.failures, 1);
  work.resolve();
  await settled();
});

test("[C1] a timeout is a timeout at any instant, however the sum of instant and duration is rounded", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock, timeoutMs: 100.1, breaker: false, retry: false });
  for (let start = 0; start < 50; start++) {
    await clock.advanceTo(clock.nowMs() + 1_000.3 / 3);
    const end = endOf(client.call(() => new Promise(() => undefined)));
    assert.equal(await clock.runUntilSettled(end), "ATTEMPT_TIMEOUT");
  }
});

test("[C2] a classifier that promises or says nonsense, or has a bug: the call ends with that, and no failure is booked", async () => {
  const bug = (answer: { headers?: Headers }): unknown => (answer.headers as Headers).get("x");
  for (const result of [() => "succes", () => Promise.resolve("success"), () => ({}), bug]) {
    const world = make({ classify: { result: result as () => Outcome } });
    let sends = 0;
    const send = (): unknown => ({ send: ++sends });
    assert.match(String(await run(world, send, { idempotent: true })), /INVALID_CONFIGURATION|^TypeError/);
    assert.deepEqual([world.client.breaker?.status.calls, sends], [0, 1]);
  }
});

test("[C2] whatever a classifier throws → no failure of the service and not retried; the service's own failure stays one", async () => {
  class ZodError extends Error {}
  const bugs = [
    new ZodError("id"),
    new assert.AssertionError({ message: "id" }),
    "text",
    undefined,
    new TypeError("x"),
  ];
  for (const bug of bugs) {
    const result = (): never => {
      throw bug;
    };
    const world = make({ classify: { result } });
    let sends = 0;
    for (let call = 0; call < 20; call++) {
      const answer = world.client.call(() => ({ send: ++sends }), { idempotent: true });
      const thrown = await world.clock.runUntilSettled(
        answer.then(
          () => assert.fail(),
          (error: unknown) => ({ error }),
        ),
      );
      assert.equal(thrown.error, bug);
    }
    assert.deepEqual([world.client.breaker?.status.calls, sends], [0, 20]);
  }
  const judgesErrors = make({ classify: { error: down }, retry: false });
  assert.equal(await run(judgesErrors, () => Promise.reject(new Error("theirs"))), "Error: theirs");
  assert.equal(judgesErrors.client.breaker?.status.failures, 1);
});

test("[C2] a classifier says of an error what is no outcome → refused by name, with the error as its cause; nothing booked", async () => {
  const rejects = async (): Promise<never> => {
    throw new Error("a promise that nobody hears");
  };
  const wrong: readonly [said: () => unknown, message: RegExp][] = [
    [() => "sucess", /classify said "sucess"; it must say, and not promise, one of success, failure/],
    [() => true, /classify said true/],
    [() => false, /classify said false/],
    [async () => "success", /classify said a promise/],
    [rejects, /classify said a promise/],
    [() => ({ outcome: "sucess" }), /classify said the outcome "sucess"/],
    [() => ({ outcome: "failure", retryAfterMs: "100" }), /classify said retryAfterMs "100"; it must be a number/],
    [() => ({ outcome: "failure", retry: "no" }), /classify said retry "no"; it must be true or false/],
    [() => ({}), /classify said an object/],
    [() => Object.defineProperty({}, "outcome", { get: down }), /classify said an outcome that cannot be read/],
    [() => 5, /classify said 5/],
  ];
  for (const [error, message] of wrong) {
    const world = make({ classify: { error: error as () => Outcome } });
    const theirs = new Error("theirs");
    let sends = 0;
    const operation = (): never => {
      sends++;
      throw theirs;
    };
    const call = world.client.call(operation, { idempotent: true });
    await world.clock.runUntilSettled(
      assert.rejects(call, (said) => {
        assert.ok(said instanceof ConfigurationError && said.hazard === "unknown-outcome", String(said));
        assert.match(said.message, message);
        return said.cause === theirs;
      }),
    );
    assert.deepEqual([world.client.breaker?.status.calls, sends], [0, 1]);
  }
});

test("[C2] a classifier says nothing → results are successes, errors failures", async () => {
  const silent = make({ classify: { result: () => undefined as never, error: () => undefined as never } });
  assert.equal(await run(silent, () => "answer"), "answer");
  assert.equal(await run(silent, down), "Error: down");
  assert.deepEqual([silent.client.breaker?.status.calls, silent.client.breaker?.status.failures], [2, 1]);
});

test("[C2] success and ignored: an error may prove life, a result may count as nothing; neither is retried", async () => {
  for (const [outcome, calls] of [
    ["success", 1],
    ["ignored", 0],
  ] as const) {
    const world = make({ classify: { result: () => outcome, error: () => outcome } });
    assert.equal(await run(world, down, { idempotent: true }), "Error: down");
    assert.equal(world.client.breaker?.status.calls, calls);
    assert.equal(await run(world, () => "value", { idempotent: true }), "value");
    assert.equal(world.client.breaker?.status.failures, 0);
  }
});

test("[B5] a local rejection out of the operation is nobody's failure, whatever the classifier says", async () => {
  const world = make({ classify: { error: () => "failure" }, breaker: { minimumVolume: 1 } });
  const inner = make({ breaker: { minimumVolume: 1 }, retry: false });
  await run(inner, down);
  let sends = 0;
  const nested: Operation<unknown> = () => {
    sends++;
    return inner.client.call(() => assert.fail("started"));
  };
  assert.equal(await run(world, nested, { idempotent: true }), "BREAKER_OPEN");
  assert.equal(sends, 1);
  assert.deepEqual([world.client.breaker?.state, world.client.breaker?.status.calls], ["closed", 0]);
});

test("[C4] an abort before, during, from inside and in the tick of settling: CALL_ABORTED once, or the result", async () => {
  const world = make();
  assert.equal(await run(world, () => assert.fail("started"), { signal: AbortSignal.abort() }), "CALL_ABORTED");

  const during = new AbortController();
  const work = Promise.withResolvers<void>();
  let attempt: AbortSignal | undefined;
  const call = endOf(
    world.client.call(
      (context) => {
        attempt = context.signal;
        return work.promise;
      },
      { signal: during.signal, idempotent: true },
    ),
  );
  during.abort("stop");
  assert.equal(await call, "CALL_ABORTED");
  assert.ok(attempt?.aborted && attempt.reason instanceof CallAbortedError && attempt.reason.cause === "stop");
  work.resolve();

  const inside = new AbortController();
  const fromInside = (): string => {
    inside.abort();
    return "done";
  };
  assert.equal(await run(world, fromInside, { signal: inside.signal }), "CALL_ABORTED");

  for (let ticks = 0; ticks < 6; ticks++) {
    const tick = new AbortController();
    const end = endOf(world.client.call(async () => "done", { signal: tick.signal }));
    for (let passed = 0; passed < ticks; passed++) await Promise.resolve();
    tick.abort();
    assert.match(String(await end), ticks === 0 ? /CALL_ABORTED/ : /CALL_ABORTED|done/);
    assert.equal(getEventListeners(tick.signal, "abort").length, 0);
  }
  await settled();
  assert.equal(world.client.breaker?.status.failures, 0, "[B5] an abort is no failure");
});

test("[C4] a signal asked for after the attempt was given up is aborted; after a success it never is", async () => {
  const world = make({ retry: false });
  const contexts: AttemptContext[] = [];
  const work = Promise.withResolvers<void>();
  const keep =
    (answer: unknown): Operation<unknown> =>
    (context) => {
      contexts.push(context);
      return answer;
    };
  await run(world, keep(work.promise));
  await run(world, keep("done"));
  work.resolve();
  await settled();
  assert.deepEqual(
    contexts.map(({ signal }) => signal.aborted),
    [true, false],
  );
});

test("[C1] ending the call from a listener of the breaker, in any step of it: no retry, no second end", async () => {
  for (const target of ["open", "half-open", "closed"]) {
    const world = make({ breaker: { minimumVolume: 1, openDurationMs: 1_000 }, timeoutMs: 90 });
    const controller = new AbortController();
    let sends = 0;
    let ends = 0;
    world.client.breaker?.onTransition(({ to }) => to === target && controller.abort());
    const options = { signal: controller.signal, idempotent: true };
    if (target !== "open") {
      await run(world, down);
      await world.clock.advanceBy(1_000);
    }
    const operation: Operation<unknown> = ({ signal }) => {
      sends++;
      return target === "closed" ? "up" : onAbort(signal);
    };
    const end = (): void => void ends++;
    world.client.call(operation, options).then(end, end);
    await world.clock.advanceBy(5_000);
    assert.equal(ends, 1);
    assert.equal(sends, target === "half-open" ? 0 : 1);
  }
});

test("[C4] an attempt's abort listener that aborts the call: one end, no retry", async () => {
  const world = make();
  const controller = new AbortController();
  let sends = 0;
  const operation: Operation<unknown> = ({ signal }) => {
    sends++;
    signal.addEventListener("abort", () => controller.abort());
    return onAbort(signal);
  };
  assert.equal(await run(world, operation, { signal: controller.signal, idempotent: true }), "CALL_ABORTED");
  await world.clock.advanceBy(5_000);
  assert.equal(sends, 1);
});

test("[K1] a hundred thousand queued calls whose circuit opens meanwhile are refused without overflowing the stack", async () => {
  const count = 100_000;
  const world = make({
    bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 90, maxQueue: count },
    breaker: { minimumVolume: 20 },
    retry: false,
  });
  const ends = new Map<unknown, number>();
  const all = Array.from({ length: count }, () =>
    endOf(world.client.call(down)).then((end) => ends.set(end, (ends.get(end) ?? 0) + 1)),
  );
  await Promise.all(all);
  assert.deepEqual(
    [...ends],
    [
      ["Error: down", 20],
      ["BREAKER_OPEN", count - 20],
    ],
  );
});

test("[K1] a listener that throws takes no slot with it", async () => {
  const surfaced: string[] = [];
  const channels = ["uncaughtException", "unhandledRejection"] as const;
  const listeners = channels.map((channel) => process.listeners(channel as "uncaughtException"));
  for (const channel of channels) {
    process.removeAllListeners(channel);
    process.on(channel, (error: unknown) => void surfaced.push(String(error)));
  }
  try {
    const world = make({ retry: false });
    world.client.onAttempt(down);
    world.client.onEvent(down);
    world.client.breaker?.onTransition(down);
    const calls = [
      world.client.call(() => "value"),
      world.client.call(() => Promise.reject(new Error("theirs"))),
      // These wait for a slot, and are refused in the step in which another gives it back.
      world.client.call(() => "value", { deadline: deadlineAt(0.2) }),
      world.client.call(() => "value"),
    ];
    await Promise.allSettled(calls);
    await settled();
    await settled();
    assert.ok(surfaced.length >= 4);
    assert.equal(await run(world, () => "still in service"), "still in service");
  } finally {
    for (const [place, channel] of channels.entries()) {
      process.removeAllListeners(channel);
      for (const listener of listeners[place] ?? []) process.on(channel, listener);
    }
  }
});

test("[K1] BULKHEAD_FULL and BULKHEAD_TIMEOUT reach the caller, and a bulkhead shared by two clients bounds both", async () => {
  const { clock, client } = make({ bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 50, maxQueue: 1 }, retry: false });
  const other = new ResilientClient({ name: "other", clock, ...(client.bulkhead && { bulkhead: client.bulkhead }) });
  const work = Promise.withResolvers<string>();
  const ends = [client.call(() => work.promise), other.call(() => "waits"), client.call(() => "too many")].map(endOf);
  await clock.advanceBy(60);
  work.resolve("done");
  assert.deepEqual(await Promise.all(ends), ["done", "BULKHEAD_TIMEOUT", "BULKHEAD_FULL"]);
});

test("[B3] a breaker shared by two clients lets one probe out for both", async () => {
  const { clock, client } = make({ breaker: { minimumVolume: 1, openDurationMs: 1_000 }, retry: false });
  const other = new ResilientClient({
    name: "other",
    clock,
    timeoutMs: 100,
    ...(client.breaker && { breaker: client.breaker }),
  });
  assert.equal(await endOf(client.call(down)), "Error: down");
  assert.equal(await endOf(other.call(down)), "BREAKER_OPEN");
  await clock.advanceBy(1_000);
  const probe = Promise.withResolvers<string>();
  const probing = client.call(() => probe.promise);
  assert.equal(await endOf(other.call(down)), "BREAKER_OPEN");
  probe.resolve("up");
  assert.equal(await probing, "up");
  assert.equal(await other.call(() => "up"), "up");
});

test("[C1] refused while a failure is in hand: the caller sees the failure, not our refusal to repeat it", async () => {
  const world = make({ breaker: { minimumVolume: 1 } });
  assert.equal(await run(world, down, { idempotent: true }), "Error: down");
  assert.equal(world.client.breaker?.state, "open");
});

test("[K1] an operation's own bulkhead refusal is not ours to retry", async () => {
  const world = make();
  const operation = async (): Promise<never> => {
    throw new BulkheadFullError("theirs");
  };
  assert.equal(await run(world, operation, { idempotent: true }), "BULKHEAD_FULL");
});

test("[F10] a bug in the operation → thrown at once, not retried, and nobody's failure", async () => {
  for (const bug of [new TypeError("x is undefined"), new ReferenceError("y"), new RangeError("length")]) {
    const world = make();
    let runs = 0;
    const operation = (): never => {
      runs++;
      throw bug;
    };
    assert.equal(await run(world, operation, { idempotent: true }), String(bug));
    assert.equal(world.clock.nowMs(), 0.1, "at once");
    assert.deepEqual([runs, world.client.breaker?.status.calls, world.client.breaker?.status.failures], [1, 0, 0]);
  }
});

test("[F10] fetch's TypeError, which has a cause → a failure of the service, and retried", async () => {
  const world = make();
  let runs = 0;
  const operation = (): string => {
    if (++runs === 3) return "answer";
    throw new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });
  };
  assert.equal(await run(world, operation, { idempotent: true }), "answer");
  assert.deepEqual([runs, world.client.breaker?.status.failures], [3, 2]);
});

test("[F10] this machine has no descriptor → retried even without a key, and no failure of the service", async () => {
  const world = make();
  let runs = 0;
  const operation = (): string => {
    if (++runs === 3) return "answer";
    throw Object.assign(new Error("connect EMFILE"), { code: "EMFILE", syscall: "connect" });
  };
  assert.equal(await run(world, operation), "answer");
  assert.deepEqual([runs, world.client.breaker?.status.failures], [3, 0]);
});
