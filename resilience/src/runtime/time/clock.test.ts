/**
 * Sleeping on a clock: ends in time or at once on an abort, and leaves neither timer nor listener.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { CallAbortedError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";

test("[C4] an abort ends a sleep within a tick, with the reason as cause", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const sleep = clock.sleepUntil(1_000, controller.signal);
  controller.abort("enough");
  await assert.rejects(sleep, (error) => error instanceof CallAbortedError && error.cause === "enough");
  assert.equal(clock.nowMs(), 0);
  assert.equal(clock.pending, 0);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("[C4] a sleep that is over leaves no listener, one under an aborted signal does not begin", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  await clock.runUntilSettled(clock.sleepUntil(1_000, controller.signal));
  assert.equal(clock.nowMs(), 1_000);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  controller.abort();
  await assert.rejects(clock.sleepUntil(2_000, controller.signal), CallAbortedError);
  assert.equal(clock.pending, 0);
});
