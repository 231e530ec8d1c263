/**
 * One answer for all who ask before it is made: never older than the question, and made at most a
 * tenth of the time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { SharedAnswer } from "./shared-answer.ts";

test("[G6] many ask at once → it is made once; the next is made later, and knows what happened meanwhile", async () => {
  const clock = new VirtualClock();
  let state = "before";
  let made = 0;
  const answer = new SharedAnswer(() => `${state} ${++made}`, clock);
  const first = Array.from({ length: 1_000 }, () => answer.get());
  assert.deepEqual(new Set((await Promise.all(first)).map(String)), new Set(["before 1"]));
  const second = answer.get();
  state = "after";
  await clock.advanceBy(10);
  assert.equal(String(await second), "after 2");
});

test("[G6] asked without a pause → making takes at most a tenth of the time, also where it waits", async () => {
  const clock = new VirtualClock();
  let made = 0;
  const answer = new SharedAnswer(async () => {
    made++;
    await clock.sleepUntil(clock.nowMs() + 20);
    return "x";
  }, clock);
  let given = 0;
  const ask = async (): Promise<void> => {
    while (clock.nowMs() < 9_900) {
      await answer.get();
      given++;
    }
  };
  for (let asker = 0; asker < 50; asker++) ask();
  await clock.advanceBy(10_000);
  // 20 ms of every 200.
  assert.equal(made, 51);
  assert.equal(given, 50 * 50);
});

test("an answer that cannot be made is told to those who asked, and tried again for the next", async () => {
  const clock = new VirtualClock();
  let fails = true;
  const answer = new SharedAnswer(() => {
    if (fails) throw new Error("broken");
    return "whole";
  }, clock);
  await assert.rejects(answer.get(), /broken/);
  fails = false;
  const next = answer.get();
  await clock.advanceBy(10);
  assert.equal(String(await next), "whole");
});

test("this machine stood still while it was made → nobody waits longer than a second for the next", async () => {
  const clock = new VirtualClock();
  const answer = new SharedAnswer(async () => {
    await clock.sleepUntil(clock.nowMs() + 30_000);
    return "x";
  }, clock);
  const first = answer.get();
  await clock.advanceBy(30_000);
  await first;
  const second = answer.get();
  await clock.advanceBy(31_000);
  assert.equal(String(await second), "x");
});
