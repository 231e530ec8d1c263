/** What a sender that waits no longer tells the one who has its request in hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HangUp, signalOf } from "./hang-up.ts";

test("whoever listens is told once, with the first reason", () => {
  const hangUp = new HangUp();
  const heard: unknown[] = [];
  hangUp.addEventListener("abort", () => heard.push(hangUp.reason));
  hangUp.abort("enough");
  hangUp.abort("more than enough");
  assert.deepEqual([heard, hangUp.aborted, hangUp.reason], [["enough"], true, "enough"]);
});

test("who has stopped listening is told nothing, and the next may listen", () => {
  const hangUp = new HangUp();
  const heard: string[] = [];
  const first = (): void => void heard.push("first");
  hangUp.addEventListener("abort", first);
  assert.throws(() => hangUp.addEventListener("abort", () => undefined), /in hand/);
  hangUp.removeEventListener("abort", first);
  hangUp.addEventListener("abort", { handleEvent: () => void heard.push("second") });
  hangUp.abort("enough");
  assert.deepEqual(heard, ["second"]);
});

test("code that ships is told through a real signal", () => {
  const hangUp = new HangUp();
  const signal = signalOf(hangUp);
  assert.equal(signal.aborted, false);
  hangUp.abort("enough");
  assert.deepEqual([signal.aborted, signal.reason], [true, "enough"]);
});
