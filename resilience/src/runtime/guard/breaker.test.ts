/**
 * The breaker for callers: `execute`, the one error of an open period, and listeners that call back
 * in.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BreakerOpenError, BulkheadFullError } from "../../core/errors.ts";
import { REFUSED } from "../../core/guard/breaker.ts";
import { httpStatus } from "../../core/outcomes/outcome.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { CircuitBreaker, type CircuitBreakerOptions } from "./breaker.ts";
import { ResilientClient } from "./client.ts";

const failing = async (): Promise<never> => {
  throw new Error("down");
};

function make(options: CircuitBreakerOptions = {}): { clock: VirtualClock; breaker: CircuitBreaker } {
  const clock = new VirtualClock();
  return { clock, breaker: new CircuitBreaker({ name: "uplink", clock, minimumVolume: 2, ...options }) };
}

test("[B1] execute hands on results and errors, whether the operation throws, rejects or returns a plain value", async () => {
  const { breaker } = make({ minimumVolume: 100 });
  assert.equal(await breaker.execute(() => 5), 5);
  assert.equal(await breaker.execute(async () => 6), 6);
  await assert.rejects(breaker.execute(failing), /down/);
  await assert.rejects(
    breaker.execute(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  assert.deepEqual([breaker.status.calls, breaker.status.failures], [4, 2]);
});

test("[B2] BREAKER_OPEN: one error serves the whole open period, says why, and knows when the next probe is due", async () => {
  const { clock, breaker } = make();
  for (let call = 0; call < 2; call++) await assert.rejects(breaker.execute(failing), /down/);
  const refusals = await Promise.all([1, 2].map(() => breaker.execute(failing).catch((error: unknown) => error)));
  const [refusal] = refusals;
  assert.ok(refusal instanceof BreakerOpenError && refusal === refusals[1]);
  assert.equal(refusal.code, "BREAKER_OPEN");
  assert.equal(refusal.message, "uplink is open: 2 of 2 calls failed in 10000 ms (threshold 0.5)");
  assert.equal(refusal.retryAfterMs, 30_000);
  await clock.advanceBy(29_000);
  assert.equal(refusal.retryAfterMs, 1_000);
  await clock.advanceBy(1_000);
  assert.notEqual(breaker.tryAcquire(), REFUSED);
  const halfOpen = await breaker.execute(failing).catch((error: unknown) => error);
  assert.ok(halfOpen instanceof BreakerOpenError && halfOpen !== refusal);
  assert.equal(halfOpen.message, "uplink is half-open and all its probes are out");
});

test("[B5] our own refusals are never booked against the service, also where they come out of the operation", async () => {
  const { breaker } = make();
  for (let call = 0; call < 10; call++) {
    await assert.rejects(
      breaker.execute(async () => {
        throw new BulkheadFullError("full");
      }),
      BulkheadFullError,
    );
  }
  assert.equal(breaker.state, "closed");
  assert.equal(breaker.status.calls, 0);
});

test("[B3] a probe refused by ourselves gives its permit back", async () => {
  const { clock, breaker } = make();
  for (let call = 0; call < 2; call++) await assert.rejects(breaker.execute(failing), /down/);
  await clock.advanceBy(30_000);
  const refused = breaker.execute(async () => {
    throw new BulkheadFullError("full");
  });
  await assert.rejects(refused, BulkheadFullError);
  assert.equal(breaker.state, "half-open");
  assert.equal(await breaker.execute(() => "up"), "up");
  assert.equal(breaker.state, "closed");
});

test("[B6] execute times calls: slow successes open the circuit", async () => {
  const { clock, breaker } = make({ slowCallDurationMs: 100 });
  for (let call = 0; call < 2; call++) {
    await clock.runUntilSettled(breaker.execute(() => clock.sleepUntil(clock.nowMs() + 101)));
  }
  assert.equal(breaker.state, "open");
  assert.match(breaker.status.rule, /2 of 2 calls were slow/);
});

test("[B2] allow, note: a caller with one call at a time needs no permit", async () => {
  const { clock, breaker } = make();
  for (let call = 0; call < 2; call++) {
    assert.ok(breaker.allow());
    breaker.noteFailure();
  }
  assert.equal(breaker.allow(), false);
  await clock.advanceBy(30_000);
  assert.ok(breaker.allow());
  breaker.noteSuccess();
  assert.equal(breaker.state, "closed");
});

test("[B3] callers of allow that never report cannot wedge it", async () => {
  const { clock, breaker } = make({ openDurationMs: 1_000 });
  for (let call = 0; call < 50; call++) breaker.allow();
  for (let call = 0; call < 2; call++) breaker.noteFailure();
  for (let round = 0; round < 5; round++) {
    await clock.advanceBy(1_000);
    assert.ok(breaker.allow(), "a probe");
    assert.equal(breaker.allow(), false);
    await clock.advanceBy(1_000);
    assert.equal(breaker.state, "open", "its lease is over");
  }
});

test("a listener may call back in: every listener hears of every transition once, in order", async () => {
  const { clock, breaker } = make();
  const heard: string[] = [];
  breaker.onTransition(({ to }) => {
    heard.push(`first ${to}`);
    // Re-entrant, and in the step that is being told: a probe fails as soon as it may pass.
    if (to === "half-open") breaker.noteFailure();
  });
  breaker.onTransition(({ to }) => heard.push(`second ${to}`));
  for (let call = 0; call < 2; call++) await assert.rejects(breaker.execute(failing), /down/);
  await clock.advanceBy(30_000);
  breaker.tryAcquire();
  assert.deepEqual(heard, [
    "first open",
    "second open",
    "first half-open",
    "second half-open",
    "first open",
    "second open",
  ]);
  assert.equal(breaker.state, "open");
});

test("a listener that leaves hears no more", async () => {
  const { breaker } = make();
  let heard = 0;
  breaker.onTransition(() => heard++)[Symbol.dispose]();
  for (let call = 0; call < 2; call++) await assert.rejects(breaker.execute(failing), /down/);
  assert.equal(heard, 0);
});

test("[B6] forced open → the reason is in the refusal and the transition; ended → half-open", async () => {
  const { clock, breaker } = make({ name: "north" });
  const told: string[] = [];
  breaker.onTransition(({ from, to, rule }) => told.push(`${from} → ${to}: ${rule}`));
  breaker.force("open", { reason: "antenna works", forMs: 60_000 });
  const error = await breaker.execute(() => "not called").catch((reason: unknown) => reason);
  assert.ok(error instanceof BreakerOpenError);
  assert.match(error.message, /north is open: forced: antenna works/);
  assert.equal(error.retryAfterMs, 60_000);
  await clock.advanceBy(60_000);
  assert.equal(await breaker.execute(() => "probe"), "probe");
  assert.deepEqual(told, [
    "closed → open: forced: antenna works",
    "open → half-open: no longer forced open (antenna works); 1 probe(s) may pass",
    "half-open → closed: 1 of 1 probe(s) succeeded",
  ]);
  breaker.force("disabled", { reason: "trial" });
  breaker.unforce();
  assert.equal(breaker.status.forced, undefined);
});

test("[B6] a client's service says Retry-After → the circuit that opens stays open so long", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient<{ status: number; headers: Headers }>({
    name: "north",
    clock,
    retry: false,
    classify: httpStatus,
    breaker: { minimumVolume: 1, openDurationMs: 1_000 },
  });
  await client.call(() => ({ status: 503, headers: new Headers({ "retry-after": "20" }) }));
  assert.equal(client.breaker?.status.nextProbeAtMs, 20_000);
});

test("[B6] jitter → two breakers of one name do not probe at the same instant", async () => {
  const opened: number[] = [];
  for (let process = 0; process < 2; process++) {
    const clock = new VirtualClock(process * 17);
    const breaker = new CircuitBreaker({ clock, minimumVolume: 1, openJitter: 1 });
    breaker.noteFailure();
    opened.push((breaker.status.nextProbeAtMs as number) - clock.nowMs());
  }
  assert.notEqual(opened[0], opened[1]);
});
