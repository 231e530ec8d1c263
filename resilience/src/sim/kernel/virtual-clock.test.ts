/** Time that moves only when told, and in which order things then happen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "./virtual-clock.ts";

test("each run happens at its own instant, ties in the order of asking, promises before the next one", async () => {
  const clock = new VirtualClock(100);
  const seen: string[] = [];
  const note = (what: string): void => void seen.push(`${what}@${clock.nowMs()}`);
  clock.at(300, () => note("late"));
  clock.at(200, () => {
    note("first");
    Promise.resolve()
      .then(() => undefined)
      .then(() => note("its promise"));
  });
  clock.at(200, () => note("second"));
  clock.at(50, () => note("past"));
  await clock.advanceBy(150);
  assert.deepEqual(seen, ["past@100", "first@200", "its promise@200", "second@200"]);
  assert.equal(clock.nowMs(), 250);
  assert.equal(clock.pending, 1);
  assert.equal(clock.nextAtMs, 300);
});

test("a promise that would hang says so instead", async () => {
  const clock = new VirtualClock();
  await assert.rejects(clock.runUntilSettled(new Promise(() => undefined)), /nothing settled by/);
  clock.at(Number.POSITIVE_INFINITY, () => undefined);
  await assert.rejects(
    clock.runUntilSettled(new Promise(() => undefined), Number.POSITIVE_INFINITY),
    /nothing settled/,
  );
  await assert.rejects(clock.runUntilSettled(clock.sleepUntil(7_200_000)), /nothing settled by 3600000 ms/);
});

test("advancing for ever runs what there is and stops", async () => {
  const clock = new VirtualClock();
  clock.at(5, () => undefined);
  await clock.advanceTo(Number.POSITIVE_INFINITY);
  assert.equal(clock.nowMs(), 5);
  await clock.advanceTo(3);
  assert.equal(clock.nowMs(), 5, "it never goes back");
});

test("outcomes are handed on as they are", async () => {
  const clock = new VirtualClock();
  assert.equal(await clock.runUntilSettled(clock.sleepUntil(10).then(() => "done")), "done");
  await assert.rejects(clock.runUntilSettled(Promise.reject(new Error("no"))), /no/);
});
