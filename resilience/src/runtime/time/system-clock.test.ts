/**
 * The real clock. Nothing here measures how long anything took: only what must be true whatever the
 * machine does.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { systemClock } from "./system-clock.ts";

test("[C4] a wait never ends before its instant, and waits end in the order of their instants", async () => {
  const startMs = systemClock.nowMs();
  const order: number[] = [];
  const wait = async (ms: number): Promise<void> => {
    await systemClock.sleepUntil(startMs + ms);
    assert.ok(systemClock.nowMs() >= startMs + ms);
    order.push(ms);
  };
  await Promise.all([wait(5.25), wait(1.5), wait(3), wait(0), wait(-100)]);
  assert.deepEqual(order, [-100, 0, 1.5, 3, 5.25]);
});

test("a run that asks for the past again and again lets the event loop turn", async () => {
  let runs = 0;
  let stopped = false;
  const again = (): void => {
    runs++;
    if (!stopped) systemClock.at(0, again);
  };
  again();
  await new Promise<void>((resolve) => setTimeout(resolve, 5));
  stopped = true;
  assert.ok(runs > 1);
});

test("waiting longer than setTimeout can, or for ever, holds nothing up and can be cancelled", async () => {
  const wait = systemClock.at(systemClock.nowMs() + 2 ** 33, () => assert.fail("a hundred days already?"));
  const never = systemClock.at(Number.POSITIVE_INFINITY, () => assert.fail("for ever is over?"));
  await systemClock.sleepUntil(systemClock.nowMs() + 1);
  wait[Symbol.dispose]();
  never[Symbol.dispose]();
});

test("a run that throws surfaces as an uncaught exception, and those behind it still run", async () => {
  const seen: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.once("uncaughtException", (error) => seen.push(error.message));
  try {
    const atMs = systemClock.nowMs() + 1;
    systemClock.at(atMs, () => {
      throw new Error("mine");
    });
    await systemClock.sleepUntil(atMs);
  } finally {
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
  assert.deepEqual(seen, ["mine"]);
});

test("[R4] a run is nobody's: it does not see the async context of whoever armed the shared timer", async () => {
  const tenant = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  tenant.run("first", () => systemClock.at(systemClock.nowMs() + 1, () => seen.push(tenant.getStore())));
  tenant.run("second", () =>
    systemClock.at(systemClock.nowMs() + 2, () => {
      seen.push(tenant.getStore());
      resolve();
    }),
  );
  await promise;
  assert.deepEqual(seen, [undefined, undefined]);
});

test("[R4] no instant of the system's clock is a whole number, so that a duration is known for what it is", () => {
  for (let turn = 0; turn < 100_000; turn++) {
    const nowMs = systemClock.nowMs();
    assert.ok(!Number.isInteger(nowMs), String(nowMs));
    assert.ok(!Number.isInteger(nowMs + 5_000));
  }
});
