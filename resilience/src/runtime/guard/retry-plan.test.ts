/**
 * What follows a failure, seen through a client: what is sent again and what never is, how long it
 * waits, in whose context it runs, and what a deadline does to all of it.
 */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { down, endOf, make, nothingIsLeftBehind, onAbort, refused, run, settled } from "../../../../test/calls.ts";
import { type Deadline, deadlineAt } from "../../core/deadline.ts";
import { type ErrorCode, ResilienceError } from "../../core/errors.ts";
import { wasNeverSent } from "../../core/outcomes/error-evidence.ts";
import type { Classifier } from "../../core/outcomes/outcome.ts";
import { ambientDeadline, withDeadline } from "../time/ambient-deadline.ts";
import type { AttemptContext } from "./attempt.ts";
import type { CallOptions, Operation } from "./call-options.ts";
import { ResilientClient } from "./client.ts";

nothingIsLeftBehind();

test("[R4] deadline and timeout at the same instant: a timeout, so that the breaker sees it", async () => {
  const world = make({ deadlineMs: 100, retry: false });
  assert.equal(await run(world, ({ signal }) => onAbort(signal)), "ATTEMPT_TIMEOUT");
  assert.equal(world.client.breaker?.status.failures, 1);
});

test("[R4] DEADLINE_EXCEEDED: a deadline shorter than the timeout ends the attempt, and is no failure of the service", async () => {
  const world = make();
  let told: unknown;
  const deadline = deadlineAt(world.clock.nowMs() + 60);
  const operation: Operation<unknown> = async (context) => {
    assert.equal(context.timeLeftMs(), deadline - world.clock.nowMs());
    await onAbort(context.signal);
    told = context.signal.reason;
  };
  assert.equal(await run(world, operation, { deadline, idempotent: true }), "DEADLINE_EXCEEDED");
  await settled();
  assert.ok(told instanceof ResilienceError && told.code === "DEADLINE_EXCEEDED");
  assert.equal(world.client.breaker?.status.calls, 0);
});

test("[B6] an attempt that the deadline ends after the slow limit counts against the service", async () => {
  const world = make({ breaker: { slowCallDurationMs: 40 } });
  await run(world, ({ signal }) => onAbort(signal), { deadline: deadlineAt(world.clock.nowMs() + 60) });
  assert.equal(world.client.breaker?.status.slow, 1);
});

test("[R4] a deadline in the past, now, too near, or none at all: not started", async () => {
  const world = make({ minTimeLeftMs: 20 });
  const never: Operation<unknown> = () => assert.fail("started");
  for (const [deadline, code] of [
    [-5, "DEADLINE_EXCEEDED"],
    [0.1, "DEADLINE_EXCEEDED"],
    [20, "DEADLINE_EXCEEDED"],
    [Number.NEGATIVE_INFINITY, "DEADLINE_EXCEEDED"],
    [Number.NaN, "INVALID_CONFIGURATION"],
    [1_800_000_000_000, "INVALID_CONFIGURATION"],
  ] as const) {
    assert.equal(await run(world, never, { deadline: deadline as Deadline }), code, String(deadline));
  }
  assert.equal(
    await endOf(withDeadline(deadlineAt(10), () => world.client.call(never), world.clock)),
    "DEADLINE_EXCEEDED",
  );
  assert.equal(await run(world, never, { priority: Number.NaN }), "INVALID_CONFIGURATION");
});

test("[R4] a retry that could not finish by the deadline is not made: the failure in hand is delivered", async () => {
  const world = make();
  let attempts = 0;
  const operation = (): never => {
    attempts++;
    return down();
  };
  assert.equal(
    await run(world, operation, { idempotent: true, deadline: deadlineAt(world.clock.nowMs() + 10) }),
    "Error: down",
  );
  assert.equal(attempts, 1);
});

test("[R3] only what is safe is sent again: idempotent, keyed, or never sent; an empty key is none", async () => {
  const sendsOf = async (operation: Operation<unknown>, options: CallOptions): Promise<number> => {
    let sends = 0;
    await run(
      make(),
      (context) => {
        sends++;
        return operation(context);
      },
      options,
    );
    return sends;
  };
  assert.equal(await sendsOf(down, {}), 1);
  assert.equal(await sendsOf(down, { idempotencyKey: "" }), 1);
  assert.equal(await sendsOf(down, { idempotencyKey: null as never }), 1);
  assert.equal(await sendsOf(down, { idempotencyKey: "command-7" }), 3);
  assert.equal(await sendsOf(down, { idempotent: true }), 3);
  assert.equal(await sendsOf(refused, {}), 3);
  assert.equal(await sendsOf(({ attempt }) => (attempt === 1 ? refused() : down()), {}), 2, "the second was sent");
});

test("[F4] a refused connection after an attempt that may have run proves nothing: the earlier failure is delivered", async () => {
  const lost = (): never => {
    throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
  };
  for (const operation of [
    ({ attempt }: AttemptContext) => (attempt === 1 ? lost() : refused()),
    ({ attempt }: AttemptContext) => (attempt === 2 ? lost() : refused()),
  ]) {
    const { clock, client } = make();
    let error: unknown;
    await clock.runUntilSettled(
      client.call(operation, { idempotent: true }).catch((thrown: unknown) => {
        error = thrown;
      }),
    );
    assert.equal((error as Error).message, "socket hang up");
    assert.equal(wasNeverSent(error), false);
  }
  assert.equal(
    await run(make(), refused, { idempotent: true }),
    await run(make(), refused, {}),
    "refused throughout: told so",
  );
});

test("[R1] a hint of the service is waited for; one beyond the deadline or the longest wait ends the call at once", async () => {
  const hint = (retryAfterMs: number): Classifier<unknown> => ({ error: () => ({ outcome: "failure", retryAfterMs }) });
  const tookMs = async (retryAfterMs: number, deadlineMs?: number): Promise<number> => {
    const world = make({ classify: hint(retryAfterMs) });
    const startedMs = world.clock.nowMs();
    const options = {
      idempotent: true,
      ...(deadlineMs === undefined ? {} : { deadline: deadlineAt(startedMs + deadlineMs) }),
    };
    await run(world, down, options);
    return Math.round(world.clock.nowMs() - startedMs);
  };
  assert.equal(await tookMs(2_000), 4_000);
  assert.equal(await tookMs(5), 30, "never sooner than the backoff");
  assert.equal(await tookMs(2_000, 1_500), 0);
  assert.equal(await tookMs(86_400_000), 0);
  assert.equal(await tookMs(Number.POSITIVE_INFINITY), 0);
  for (const nonsense of [Number.NaN, -1]) assert.equal(await tookMs(nonsense), 30);
});

test("[C2] a failure that trying again cannot mend is not tried again", async () => {
  const world = make({ classify: { error: () => ({ outcome: "failure", retry: false }) } });
  let sends = 0;
  const operation = (): never => {
    sends++;
    return down();
  };
  await run(world, operation, { idempotent: true });
  assert.equal(sends, 1);
});

test("[R4] attempts run in their own caller's async context: queued, retried, and after a timeout", async () => {
  const tenant = new AsyncLocalStorage<string>();
  // Cid has to wait for a slot, all are retried after a failure, and Ann after a timeout too.
  const names = ["ann", "bob", "cid"];
  const world = make();
  const seen: string[] = [];
  const operation =
    (name: string): Operation<unknown> =>
    async ({ attempt, signal }) => {
      seen.push(`${name} ${attempt} as ${tenant.getStore()}`);
      if (attempt === 2 && name === "ann") await onAbort(signal);
      else if (attempt < 3) down();
    };
  const calls = names.map((name) =>
    tenant.run(name, () => endOf(world.client.call(operation(name), { idempotent: true }))),
  );
  await tenant.run("the clock", () => world.clock.runUntilSettled(Promise.all(calls)));
  const expected = names.flatMap((name) => [1, 2, 3].map((attempt) => `${name} ${attempt} as ${name}`));
  assert.deepEqual(seen.toSorted(), expected);
});

test("[R4] after a timeout of an operation that asked for no signal, the retry runs as nobody, under its own deadline", async () => {
  const tenant = new AsyncLocalStorage<string>();
  const world = make();
  const seen: unknown[] = [];
  const hung = Promise.withResolvers<void>();
  const deadline = deadlineAt(world.clock.nowMs() + 1_000);
  const operation: Operation<unknown> = ({ attempt }) => {
    seen.push(tenant.getStore(), ambientDeadline());
    return attempt === 1 ? hung.promise : "done";
  };
  const call = tenant.run("ann", () => world.client.call(operation, { idempotent: true, deadline }));
  await tenant.run("bob", () => world.clock.runUntilSettled(call));
  hung.resolve();
  await settled();
  assert.deepEqual(seen, ["ann", Number.POSITIVE_INFINITY, undefined, deadline]);
});

test("[R4] with propagateDeadline, clients used by the operation end by its deadline", async () => {
  const world = make({ propagateDeadline: true, deadlineMs: 80, timeoutMs: 80 });
  const inner = new ResilientClient({ name: "inner", clock: world.clock, retry: false });
  const innerEnds: unknown[] = [];
  const work = Promise.withResolvers<void>();
  const operation: Operation<unknown> = () => {
    inner
      .call(() => work.promise)
      .catch((error: { code: ErrorCode }) => innerEnds.push(error.code, world.clock.nowMs()));
    return "started";
  };
  assert.equal(await run(world, operation), "started");
  await world.clock.advanceBy(100);
  work.resolve();
  assert.deepEqual(innerEnds, ["DEADLINE_EXCEEDED", 80.1]);
});

test("[R2] the last attempt's deadline keeps the failure before it as cause", async () => {
  const { clock, client } = make();
  const operation: Operation<unknown> = ({ attempt, signal }) => (attempt === 1 ? down() : onAbort(signal));
  const call = client.call(operation, { idempotent: true, deadline: deadlineAt(clock.nowMs() + 50) });
  const error: unknown = await clock.runUntilSettled(call).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof ResilienceError && error.code === "DEADLINE_EXCEEDED");
  assert.ok(error.cause instanceof Error && error.cause.message === "down");
});
