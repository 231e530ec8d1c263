/** Hedged calls in virtual time: who wins, who pays, what is counted, and what is left behind. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { CallAbortedError, ConfigurationError, DeadlineExceededError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { deadlineAfter } from "../time/ambient-deadline.ts";
import type { AttemptContext } from "./attempt.ts";
import { type ClientOptions, ResilientClient } from "./client.ts";
import { HedgedClient, type HedgeEvent, type HedgeOptions } from "./hedge.ts";
import { RetryBudget } from "./retry-budget.ts";

const READ = { idempotent: true } as const;

/** Sends operations that end as `plan` says: after a time, with a value or an error. */
function rig(hedge: Partial<HedgeOptions> = {}, options: Partial<ClientOptions> = {}) {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "north", clock, retry: { baseMs: 10 }, ...options });
  const hedged = new HedgedClient({ client, delayMs: 50, ...hedge });
  const events: HedgeEvent[] = [];
  hedged.onHedge((event) => events.push(event));
  const sent: { readonly atMs: number; readonly context: AttemptContext }[] = [];
  const plan: (readonly [afterMs: number, end: unknown])[] = [];
  const operation = async (context: AttemptContext): Promise<unknown> => {
    const [afterMs, end] = plan[sent.length] ?? [Number.POSITIVE_INFINITY, ""];
    sent.push({ atMs: clock.nowMs(), context });
    await clock.sleepUntil(clock.nowMs() + afterMs, context.signal);
    if (end instanceof Error) throw end;
    return end;
  };
  const call = (more = {}): Promise<unknown> => hedged.call(operation, { ...READ, ...more });
  return { clock, client, hedged, events, sent, plan, call, operation };
}

test("[R5] the first attempt is quick → no hedge, and no timer stays", async () => {
  const { clock, plan, call, sent } = rig();
  plan.push([49, "first"]);
  const answer = call();
  await clock.advanceBy(1_000);
  assert.equal(await answer, "first");
  assert.deepEqual([sent.length, clock.pending], [1, 0]);
});

test("[R5] it takes longer → a hedge; the first good answer wins, the other is cancelled and not counted", async () => {
  const { clock, client, plan, call, sent, events, hedged } = rig();
  plan.push([10_000, "first"], [20, "hedge"]);
  const answer = call();
  await clock.advanceBy(70);
  assert.equal(await answer, "hedge");
  assert.deepEqual(
    sent.map(({ atMs, context }) => [atMs, context.signal.aborted]),
    [
      [0, true],
      [50, false],
    ],
  );
  assert.deepEqual(events, [{ type: "hedge", hedge: 1, afterMs: 50 }]);
  const { calls, hedges, won, refused } = hedged.status;
  assert.deepEqual([calls, hedges, won, refused], [1, 1, 1, 0]);
  assert.deepEqual([client.breaker?.status.calls, client.breaker?.status.failures], [1, 0]);
  await clock.advanceBy(60_000);
  assert.equal(clock.pending, 0);
});

test("[R5] the first attempt answers although a hedge is out → its answer, the hedge is cancelled", async () => {
  const { clock, plan, call, sent, hedged } = rig();
  plan.push([60, "first"], [20, "hedge"]);
  const answer = call();
  await clock.advanceBy(60);
  assert.equal(await answer, "first");
  assert.deepEqual([sent[1]?.context.signal.aborted, hedged.status.won], [true, 0]);
});

test("[R5] the hedge fails → the first attempt is waited for; both fail → how the first one ended", async () => {
  const first = rig({}, { retry: false });
  first.plan.push([100, "first"], [10, new Error("hedge")]);
  const answer = first.call();
  await first.clock.advanceBy(100);
  assert.equal(await answer, "first");
  const both = rig({}, { retry: false });
  both.plan.push([100, new Error("first")], [10, new Error("hedge")]);
  const fails = both.call();
  fails.catch(() => undefined);
  await both.clock.advanceBy(100);
  await assert.rejects(fails, /first/);
});

test("[R5] the first attempt fails and the hedge answers → the hedge's answer", async () => {
  const { clock, plan, call } = rig({}, { retry: false });
  plan.push([60, new Error("first")], [100, "hedge"]);
  const answer = call();
  await clock.advanceBy(150);
  assert.equal(await answer, "hedge");
});

test("[R5] a result that is classified as a failure does not win", async () => {
  const classify = { result: (value: unknown) => (value === "bad" ? ("failure" as const) : ("success" as const)) };
  const { clock, plan, call } = rig({}, { retry: false, classify });
  plan.push([100, "good"], [10, "bad"]);
  const answer = call();
  await clock.advanceBy(100);
  assert.equal(await answer, "good");
});

test("[R5] hedges and retries share one budget: it is spent → no hedge, and the event says so", async () => {
  const budget = new RetryBudget({ ratio: 0.1, reserve: 1, clock: new VirtualClock() });
  const clock = budget.clock as VirtualClock;
  const client = new ResilientClient({ name: "north", clock, retry: { budget } });
  const hedged = new HedgedClient({ client, delayMs: 50 });
  const events: string[] = [];
  hedged.onHedge(({ type }) => events.push(type));
  const slow = (): Promise<void> => clock.sleepUntil(clock.nowMs() + 500);
  const calls = [hedged.call(slow, READ), hedged.call(slow, READ), hedged.call(slow, READ)];
  await clock.advanceBy(1_000);
  await Promise.all(calls);
  assert.deepEqual(events, ["hedge", "hedge-refused", "hedge-refused"]);
  assert.deepEqual([budget.status.calls, budget.status.sent], [3, 1]);
});

test("[R5] a client without retries has no budget → the hedged client has one of its own", async () => {
  const { clock, call, hedged } = rig({}, { retry: false });
  const calls = Array.from({ length: 40 }, () => call());
  for (const one of calls) one.catch(() => undefined);
  await clock.advanceBy(60);
  assert.equal(hedged.budget.status.calls, 40);
  assert.ok(hedged.status.hedges > 0 && hedged.status.hedges <= 10, `${hedged.status.hedges}`);
  assert.equal(hedged.status.hedges + hedged.status.refused, 40);
});

test("[R5] the caller aborts → both are told, and nothing stays", async () => {
  const { clock, sent, call } = rig();
  const caller = new AbortController();
  const answer = call({ signal: caller.signal });
  await clock.advanceBy(60);
  caller.abort(new Error("gone"));
  await assert.rejects(answer, CallAbortedError);
  assert.deepEqual(
    sent.map(({ context }) => context.signal.aborted),
    [true, true],
  );
  assert.equal(clock.pending, 0);
});

test("[R5] the deadline ends both; a hedge that could only come after it is not sent", async () => {
  const { clock, sent, call } = rig();
  const late = call({ deadline: deadlineAfter(80, clock) });
  late.catch(() => undefined);
  await clock.advanceBy(80);
  await assert.rejects(late, DeadlineExceededError);
  const soon = call({ deadline: deadlineAfter(50, clock) });
  soon.catch(() => undefined);
  await clock.advanceBy(50);
  await assert.rejects(soon, DeadlineExceededError);
  assert.equal(sent.length, 3);
});

test("[R5] a hedge runs in its caller's async context", async () => {
  const { clock, hedged } = rig();
  const trace = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const answer = trace.run("caller 7", () =>
    hedged.call(() => {
      seen.push(trace.getStore());
      return seen.length === 1 ? new Promise(() => {}) : "hedge";
    }, READ),
  );
  await clock.advanceBy(50);
  assert.equal(await answer, "hedge");
  assert.deepEqual(seen, ["caller 7", "caller 7"]);
});

test("[R5] several hedges, a delay after each other", async () => {
  const { clock, sent, plan, call } = rig({ maxHedges: 3 });
  plan.push([1_000, ""], [1_000, ""], [1_000, ""], [5, "third hedge"]);
  const answer = call();
  await clock.advanceBy(200);
  assert.equal(await answer, "third hedge");
  assert.deepEqual(
    sent.map(({ atMs }) => atMs),
    [0, 50, 100, 150],
  );
});

test("[R5] without a delay of its own it learns one, and hedges nothing before it knows enough", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "north", clock });
  const hedged = new HedgedClient({ client });
  assert.equal(hedged.delayMs, Number.POSITIVE_INFINITY);
  for (let number = 0; number < 100; number++) {
    const answer = hedged.call(() => clock.sleepUntil(clock.nowMs() + 20), READ);
    await clock.advanceBy(20);
    await answer;
  }
  assert.ok(Math.abs(hedged.delayMs - 20) < 0.01, `${hedged.delayMs}`);
});

test("[R5] what may not run twice is not hedged, and neither is a wrong option taken", async () => {
  const { hedged, client, sent, operation } = rig();
  await assert.rejects(hedged.call(operation, {}), { hazard: "hedge-not-repeatable" });
  await assert.rejects(hedged.call("x" as never, READ), ConfigurationError);
  assert.equal(sent.length, 0);
  assert.throws(() => new HedgedClient({ client: {} as never }), /a ResilientClient/);
  assert.throws(() => new HedgedClient({ client, maxHedges: 0 }), /maxHedges/);
  assert.throws(() => new HedgedClient({ client, delay: 5 } as never), /did you mean delayMs/);
});
