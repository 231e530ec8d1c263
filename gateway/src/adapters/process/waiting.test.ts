import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { Interrupted, PhaseFailure, waitingOn } from "./waiting.ts";

const never = new AbortController().signal;

test("a phase that does not end in time fails with what it waited for and what it saw last", async () => {
  const clock = new VirtualClock();
  const wait = waitingOn(clock, () => undefined, never);
  const waiting = wait.until(
    "rain",
    2_000,
    () => undefined,
    () => "3 clouds",
  );
  await assert.rejects(clock.runUntilSettled(waiting), (error: Error) => {
    assert.ok(error instanceof PhaseFailure);
    assert.equal(error.message, "gave up after 2 s of waiting for rain (3 clouds)");
    return true;
  });
});

test("a wait ends with what it finds, at once where it is there already", async () => {
  const clock = new VirtualClock();
  const wait = waitingOn(clock, () => undefined, never);
  assert.equal(await wait.until("seven", 10, () => 7), 7);
  const later = wait.until("noon", 1_000, () => (clock.nowMs() >= 500 ? "noon" : undefined));
  assert.equal(await clock.runUntilSettled(later), "noon");
});

test("a wait for something that cannot come any more ends at once", async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const interrupted = waitingOn(clock, () => undefined, stop.signal).pass(1e6);
  stop.abort();
  await assert.rejects(clock.runUntilSettled(interrupted), Interrupted);
  const death = new Error("it died");
  const refusing = waitingOn(
    clock,
    () => {
      throw death;
    },
    never,
  );
  await assert.rejects(clock.runUntilSettled(refusing.until("news", 1e6, () => undefined)), death);
});
