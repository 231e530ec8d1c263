/**
 * Promises [B2], [B3], [B4], [B7]: the breaker's way round its states, over a hundred failures and
 * an hour of silence.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BreakerOpenError,
  CircuitBreaker,
  type CircuitBreakerOptions,
  REFUSED,
  ResilientClient,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const down = async (): Promise<never> => {
  throw new Error("down");
};

/** A breaker with its defaults, and every transition it made as [from, to, instant]. */
function make(options: CircuitBreakerOptions = {}): {
  clock: VirtualClock;
  breaker: CircuitBreaker;
  transitions: [string, string, number][];
} {
  const clock = new VirtualClock();
  const breaker = new CircuitBreaker({ clock, ...options });
  const transitions: [string, string, number][] = [];
  breaker.onTransition(({ from, to, atMs }) => transitions.push([from, to, atMs]));
  return { clock, breaker, transitions };
}

async function fail(breaker: CircuitBreaker, times: number): Promise<{ reached: number; refused: number }> {
  let reached = 0;
  let refused = 0;
  for (let call = 0; call < times; call++) {
    const error: unknown = await breaker.execute(down).catch((thrown: unknown) => thrown);
    if (error instanceof BreakerOpenError) refused++;
    else reached++;
  }
  return { reached, refused };
}

test("[B2] a hundred failures open it at the floor of twenty; the other eighty never reach the service", async () => {
  const { breaker, transitions } = make();
  assert.deepEqual(await fail(breaker, 100), { reached: 20, refused: 80 });
  assert.deepEqual(transitions, [["closed", "open", 0]]);
});

test("[B2] open, probe, half-open; failure opens it with the timer restarted; success closes it", async () => {
  const { clock, breaker, transitions } = make();
  await fail(breaker, 100);
  await clock.advanceTo(29_999);
  assert.equal(breaker.state, "open");
  assert.equal(breaker.allow(), false);
  await clock.advanceTo(30_000);
  assert.equal(breaker.state, "half-open");
  assert.deepEqual(await fail(breaker, 100), { reached: 1, refused: 99 });
  await clock.advanceTo(59_999);
  assert.equal(breaker.state, "open", "thirty seconds from the failed probe, not from the first trip");
  await clock.advanceTo(60_000);
  assert.equal(await breaker.execute(() => "up"), "up");
  assert.deepEqual(transitions, [
    ["closed", "open", 0],
    ["open", "half-open", 30_000],
    ["half-open", "open", 30_000],
    ["open", "half-open", 60_000],
    ["half-open", "closed", 60_000],
  ]);
  assert.equal(breaker.status.calls, 0, "a fresh start: the failures before the trip are not counted again");
});

test("[B2] k of n: three probes may pass, two must succeed; the rest is refused with the time of the next probe", async () => {
  const { clock, breaker } = make({ halfOpenProbes: 3, halfOpenSuccesses: 2, probeLeaseMs: 5_000 });
  await fail(breaker, 20);
  await clock.advanceTo(30_000);
  const answers = Array.from({ length: 3 }, () => Promise.withResolvers<string>());
  const probes = answers.map(({ promise }) => breaker.execute(() => promise));
  const refused: unknown = await breaker.execute(down).catch((error: unknown) => error);
  assert.ok(refused instanceof BreakerOpenError);
  assert.equal(refused.retryAfterMs, 5_000, "when the first lease ends");
  answers[0]?.reject(new Error("one of three may fail"));
  await assert.rejects(probes[0] as Promise<string>);
  assert.equal(breaker.state, "half-open");
  answers[1]?.resolve("up");
  answers[2]?.resolve("up");
  await Promise.all(probes.slice(1));
  assert.equal(breaker.state, "closed");
});

test("[B3] a hung probe's lease ends: the circuit opens, and the next probe gets its chance", async () => {
  const { clock, breaker, transitions } = make({ probeLeaseMs: 2_000 });
  await fail(breaker, 20);
  await clock.advanceTo(30_000);
  void breaker.execute(() => new Promise(() => undefined));
  await clock.advanceTo(31_999);
  assert.equal(breaker.state, "half-open");
  await clock.advanceTo(32_000);
  assert.equal(breaker.state, "open");
  await clock.advanceTo(62_000);
  assert.equal(await breaker.execute(() => "up"), "up");
  assert.deepEqual(transitions.slice(2), [
    ["half-open", "open", 32_000],
    ["open", "half-open", 62_000],
    ["half-open", "closed", 62_000],
  ]);
});

test("[B3] a client without a timeout: its hung probe's lease ends all the same, after the open duration", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock, timeoutMs: Number.POSITIVE_INFINITY, retry: false });
  for (let call = 0; call < 20; call++) await assert.rejects(client.call(down), /down/);
  await clock.advanceTo(30_000);
  void client.call(() => new Promise(() => undefined));
  await clock.advanceTo(60_000);
  assert.equal(client.breaker?.state, "open");
  await clock.advanceTo(90_000);
  assert.equal(await client.call(() => "up"), "up");
});

test("[B4] results of calls from before the trip change nothing, neither while half-open nor after closing", async () => {
  const { clock, breaker } = make();
  const permits = Array.from({ length: 60 }, () => breaker.tryAcquire());
  for (const permit of permits.slice(0, 20)) breaker.noteFailure(permit);
  assert.equal(breaker.state, "open");
  await clock.advanceTo(30_000);
  const probe = breaker.tryAcquire();
  assert.notEqual(probe, REFUSED);
  for (const permit of permits.slice(20, 30)) breaker.noteSuccess(permit);
  for (const permit of permits.slice(30, 40)) breaker.noteFailure(permit);
  assert.equal(breaker.state, "half-open");
  breaker.noteSuccess(probe);
  assert.equal(breaker.state, "closed");
  for (const permit of permits.slice(40)) breaker.noteFailure(permit);
  assert.equal(breaker.state, "closed");
  assert.equal(breaker.status.calls, 0);
});

test("[B7] after an hour idle the window is empty: old failures do not help to trip it", async () => {
  const { clock, breaker } = make();
  await fail(breaker, 19);
  await clock.advanceTo(3_600_000);
  assert.equal(breaker.status.calls, 0);
  await fail(breaker, 19);
  assert.equal(breaker.state, "closed");
  await fail(breaker, 1);
  assert.equal(breaker.state, "open");
});
