/** Deadlines that travel by themselves: they only ever shrink, and what is none is refused. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { endOf } from "../../../../test/calls.ts";
import {
  type Deadline,
  deadlineAt,
  fromGrpcTimeout,
  fromTimeLeftHeader,
  NO_DEADLINE,
  toGrpcTimeout,
} from "../../core/deadline.ts";
import { ConfigurationError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "../detection/detectors.ts";
import { PrimaryBackupFailover } from "../failover/failover.ts";
import { Bulkhead } from "../guard/bulkhead.ts";
import type { CallOptions } from "../guard/call-options.ts";
import { ResilientClient } from "../guard/client.ts";
import { ambientDeadline, deadlineAfter, withDeadline, withoutDeadline } from "./ambient-deadline.ts";
import { systemClock } from "./system-clock.ts";

test("[R4] the ambient deadline is the earliest one entered, across awaits, and gone outside", async () => {
  const clock = new VirtualClock();
  assert.equal(ambientDeadline(), Number.POSITIVE_INFINITY);
  const seen = await withDeadline(
    deadlineAt(500),
    async () => {
      await Promise.resolve();
      return [
        ambientDeadline(),
        withDeadline(deadlineAt(900), ambientDeadline, clock),
        withDeadline(deadlineAt(100), ambientDeadline, clock),
      ];
    },
    clock,
  );
  assert.deepEqual(seen, [500, 500, 100]);
  assert.equal(ambientDeadline(), Number.POSITIVE_INFINITY);
});

test("[R4] NaN and calendar time are refused: taken at face value they would mean no deadline", () => {
  assert.throws(() => withDeadline(deadlineAt(Number.NaN), () => assert.fail("ran")), ConfigurationError);
  assert.throws(() => withDeadline(deadlineAt(1.8e12), () => assert.fail("ran")), ConfigurationError);
});

test("[R4] an instant so many milliseconds from now, on the clock that is meant", async () => {
  const clock = new VirtualClock(40);
  assert.equal(deadlineAfter(60, clock), 100);
  assert.ok(deadlineAfter(1_000) > deadlineAfter(0));
});

test("[R4] withoutDeadline: what begins inside a request and outlives it is under no deadline, across awaits and timers", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock });
  const polled: unknown[] = [];
  const poll = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      polled.push(await endOf(client.call(() => "fresh")));
      await clock.sleepUntil(clock.nowMs() + 100);
    }
  };
  const request = withDeadline(deadlineAt(50), () => [poll(), withoutDeadline(poll), ambientDeadline()], clock);
  await clock.runUntilSettled(Promise.all(request));
  assert.equal(request[2], 50, "the request itself stays under its own");
  const [late, fresh] = ["DEADLINE_EXCEEDED", "fresh"].map((end) => polled.filter((one) => one === end).length);
  assert.deepEqual([late, fresh], [2, 4], "without it, a poller of the first request fails for ever");
});

test("[R4] a deadline of its own counts alone for a call, also where it is later than the ambient one, and inside it", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient({ name: "uplink", clock, deadlineMs: 10_000, retry: false });
  const bulkhead = new Bulkhead({ clock, maxConcurrent: 5 });
  const detector = new PhiAccrualDetector({ clock });
  const failover = new PrimaryBackupFailover({ primary: { name: "a" }, backup: { name: "b" }, detector });
  const inside = async (): Promise<unknown> => {
    await clock.sleepUntil(clock.nowMs() + 60);
    return ambientDeadline();
  };
  for (const call of [
    (options?: CallOptions) => client.call(inside, options),
    (options?: CallOptions) => failover.call(inside, options),
    (options?: { deadline: Deadline }) => bulkhead.execute(inside, options),
  ]) {
    const startMs = clock.nowMs();
    const own = deadlineAt(startMs + 5_000);
    const ends = withDeadline(deadlineAt(startMs + 50), () => [endOf(call({ deadline: own })), endOf(call())], clock);
    const [explicit, inherited] = await clock.runUntilSettled(Promise.all(ends));
    assert.equal(explicit, own);
    // A bulkhead's operation is not ended when its deadline passes: it has begun.
    assert.ok(inherited === "DEADLINE_EXCEEDED" || inherited === startMs + 50, String(inherited));
  }
  const earlier = withDeadline(
    deadlineAt(clock.nowMs() + 500),
    () => endOf(client.call(inside, { deadline: deadlineAt(clock.nowMs() + 5) })),
    clock,
  );
  assert.equal(await clock.runUntilSettled(earlier), "DEADLINE_EXCEEDED", "earlier counts, too");
});

test("[R4] a duration in place of an instant is refused on the system's clock, and what to write is said", async () => {
  const detector = new PhiAccrualDetector();
  const client = new ResilientClient({ name: "uplink" });
  const bulkhead = new Bulkhead({ maxConcurrent: 1 });
  const failover = new PrimaryBackupFailover({ primary: { name: "a" }, backup: { name: "b" }, detector });
  const said = {
    code: "INVALID_CONFIGURATION",
    message: /deadline is 5000; .* for 5000 ms from now write deadlineAfter\(5000\)\.$/,
  };
  const never = (): never => assert.fail("started");
  for (const deadline of [5_000 as Deadline, deadlineAt(5_000)]) {
    await assert.rejects(client.call(never, { deadline }), said);
    await assert.rejects(failover.call(never, { deadline }), said);
    await assert.rejects(bulkhead.execute(never, { deadline }), said);
    assert.throws(() => withDeadline(deadline, never), said);
  }
  // @ts-expect-error a number is no deadline
  await assert.rejects(client.call(never, { deadline: 5_000 }), said);
  for (const deadline of [NO_DEADLINE, deadlineAfter(60_000), deadlineAt(systemClock.nowMs() + 60_000)]) {
    assert.equal(await client.call(() => "ran", { deadline }), "ran");
  }
  for (const deadline of [0.5, -1_500.5]) {
    await assert.rejects(client.call(never, { deadline: deadline as Deadline }), { code: "INVALID_CONFIGURATION" });
  }
  for (const ms of [-60_000, -0.5]) {
    await assert.rejects(client.call(never, { deadline: deadlineAfter(ms) }), { code: "DEADLINE_EXCEEDED" });
  }
  for (const ms of [fromGrpcTimeout(toGrpcTimeout(NO_DEADLINE)), fromTimeLeftHeader("9".repeat(15)), 1e11]) {
    const deadline = deadlineAfter(ms as number);
    assert.equal(await client.call((context) => context.deadline, { deadline }), NO_DEADLINE);
  }
  assert.throws(() => deadlineAt("5000" as never), { code: "INVALID_CONFIGURATION" });
});

test("[R4] functions may be taken out of an attempt's context", async () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ clock });
  const client = new ResilientClient({ name: "uplink", clock });
  const failover = new PrimaryBackupFailover({ primary: { name: "a" }, backup: { name: "b" }, detector });
  const deadline = deadlineAt(clock.nowMs() + 500);
  assert.equal(await client.call(({ timeLeftMs }) => timeLeftMs(), { deadline }), 500);
  const inFailover = failover.call(
    ({ timeLeftMs, beginWithinMs, noteUploading }) => {
      noteUploading(true);
      noteUploading(false);
      return [timeLeftMs(), beginWithinMs()];
    },
    { deadline },
  );
  assert.deepEqual(await inFailover, [500, 500]);
});

test("[R4] work that yields would not be done under any deadline → refused", () => {
  function* yields(): Generator<number> {
    yield 1;
  }
  async function* yieldsLater(): AsyncGenerator<number> {
    yield 1;
  }
  for (const work of [yields, yieldsLater]) {
    const said = {
      code: "INVALID_CONFIGURATION",
      message: /the work is a function; it must be a function that does it/,
    };
    assert.throws(() => withoutDeadline<unknown>(work), said);
    assert.throws(() => withDeadline<unknown>(deadlineAfter(50), work), said);
  }
});
