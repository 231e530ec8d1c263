/** What calls say about a station: enough failures for long enough, refusals at once, one success clears. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandPathMachine } from "./command-path.ts";
import { ConfigurationError } from "./errors.ts";

function failures(path: CommandPathMachine, count: number, fromMs: number, gapMs: number): number {
  for (let call = 0; call < count; call++) path.note("failure", fromMs + call * gapMs, fromMs + call * gapMs + 10);
  return fromMs + (count - 1) * gapMs + 10;
}

test("[F1] five failures in a second with no success are proof, and the sentence has the numbers", () => {
  const path = new CommandPathMachine();
  failures(path, 5, 100, 250);
  assert.equal(path.isFailing(1_099), false);
  assert.equal(path.nextWakeMs, 1_100);
  assert.equal(path.isFailing(1_100), true);
  assert.equal(path.failing(1_100), "all of the last 5 attempts failed, for 1000 ms");
});

test("[F1] failures that come all at once are no proof until the time is over", () => {
  const path = new CommandPathMachine();
  failures(path, 500, 100, 0);
  assert.equal(path.failing(600), undefined);
  assert.notEqual(path.failing(1_100), undefined);
});

test("[F1] a few failures are no proof however long they are ago", () => {
  const path = new CommandPathMachine();
  failures(path, 4, 0, 100);
  assert.equal(path.isFailing(3_600_000), false);
  assert.equal(path.nextWakeMs, Number.POSITIVE_INFINITY);
});

test("[F1] one success clears everything", () => {
  const path = new CommandPathMachine();
  failures(path, 50, 0, 100);
  assert.equal(path.isFailing(5_000), true);
  path.note("success", 4_990, 5_000);
  assert.deepEqual([path.isFailing(5_000), path.inDoubt, path.lastSuccessMs], [false, false, 5_000]);
});

test("[F1] an attempt that began before the last success proves nothing about the time before it", () => {
  const path = new CommandPathMachine();
  path.note("success", 990, 1_000);
  for (let call = 0; call < 5; call++) path.note("failure", 0, 1_100);
  assert.equal(path.isFailing(1_999), false);
  assert.equal(path.isFailing(2_000), true);
});

test("[F1] two refused connections in a row are proof at once; another failure between them begins anew", () => {
  const path = new CommandPathMachine();
  path.note("never-sent", 0, 1);
  path.note("failure", 1, 2);
  path.note("never-sent", 2, 3);
  assert.equal(path.isFailing(3), false);
  path.note("never-sent", 3, 4);
  assert.equal(path.failing(4), "2 connections refused in a row");
});

test("[F1] an attempt without an answer counts once it was out for long enough; what is ignored never does", () => {
  const path = new CommandPathMachine({ minimumFailures: 1, failingForMs: 0 });
  path.noteUnanswered(0, 249);
  path.note("ignored", 0, 10_000);
  assert.equal(path.inDoubt, false);
  path.noteUnanswered(0, 250);
  assert.equal(path.isFailing(250), true);
});

test("[F4] an outage is remembered by its time, a stray failure is none", () => {
  const path = new CommandPathMachine();
  path.note("success", 0, 50);
  failures(path, 20, 100, 100);
  path.note("success", 2_300, 2_400);
  assert.deepEqual(
    [99, 100, 1_500, 2_400, 2_401].map((atMs) => path.wasOut(atMs)),
    [false, true, true, true, false],
  );
  path.note("failure", 3_000, 3_010);
  path.note("success", 3_100, 3_110);
  assert.equal(path.wasOut(3_010), false, "others succeeded around it");
});

test("options out of range are refused", () => {
  for (const options of [
    { minimumFailures: 0 },
    { refusalsToDeclare: 0 },
    { failingForMs: -1 },
    { unansweredAfterMs: Number.NaN },
  ]) {
    assert.throws(() => new CommandPathMachine(options), ConfigurationError);
  }
});

test("an attempt that began before the station started afresh says nothing about it when it fails", () => {
  const path = new CommandPathMachine();
  path.startAfresh(1_000);
  for (let attempt = 0; attempt < 50; attempt++) path.note("failure", 999, 1_200 + attempt * 100);
  path.note("never-sent", 999, 5_000);
  path.note("never-sent", 999, 5_000);
  assert.equal(path.isFailing(60_000), false);
  assert.equal(path.nextWakeMs, Number.POSITIVE_INFINITY);
  for (let attempt = 0; attempt < 5; attempt++) path.note("failure", 1_000, 1_200 + attempt * 300);
  assert.equal(path.isFailing(2_400), true, "from then on everything counts");
});

test("it knows about how long an answer takes, and whether the last word was a success", () => {
  const path = new CommandPathMachine();
  assert.deepEqual([path.answerMs, path.unproven], [0, true]);
  path.note("success", 100, 180);
  assert.deepEqual([path.answerMs, path.unproven], [80, false]);
  path.note("success", 200, 440);
  assert.deepEqual([path.answerMs, path.unproven], [100, false], "80 + (240 - 80) / 8");
  path.note("failure", 500, 900);
  assert.deepEqual([path.answerMs, path.unproven], [100, true], "a failure says nothing about how long answers take");
});
