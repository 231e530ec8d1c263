/** A refused retry is written on what the caller gets, and changes nothing else about it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { RetryBudgetExhaustedError } from "../errors.ts";
import {
  forgetOlderRefusal,
  noteRetryRefusal,
  refusalsWritten,
  retryRefusal,
  retryRefusalOf,
} from "./retry-refusal.ts";

const BUDGET = { calls: 1, sent: 0, pending: 1, allowed: 1, refused: 3 };
const refusal = retryRefusal("north", BUDGET, undefined);

test("[R2] a refusal says the budget's numbers, and keeps the error that asked for the retry", () => {
  assert.equal(refusal.message, "north: retry refused by the budget: 1 of 1 extra attempts used for 1 calls");
  const down = new Error("down");
  assert.equal(retryRefusal("north", undefined, { error: down }).cause, down);
  assert.equal("cause" in retryRefusal("north", BUDGET, { value: 503 }), false);
});

test("[R2] a refusal is found on errors and results, and shows nowhere else", () => {
  for (const failure of [
    new Error("down"),
    { status: 503 },
    new Response(null, { status: 503 }),
    Object.create(null),
  ]) {
    const [shown, keys, json] = [inspect(failure), Object.keys(failure), JSON.stringify(failure)];
    noteRetryRefusal({ value: failure }, refusal);
    assert.equal(retryRefusalOf(failure), refusal);
    assert.deepEqual([inspect(failure), Object.keys(failure), JSON.stringify(failure)], [shown, keys, json]);
    assert.equal(retryRefusalOf({ ...failure }), undefined, "a copy carries none");
  }
});

test("[R2] the latest refusal counts, where an error is thrown again", () => {
  const again = new Error("down");
  noteRetryRefusal({ error: again }, new RetryBudgetExhaustedError("earlier"));
  noteRetryRefusal({ error: again }, refusal);
  assert.equal(retryRefusalOf(again), refusal);
});

test("[R2] an object that is handed out again → an older refusal is taken off, its own and a later one stay", () => {
  const again = new Error("down");
  noteRetryRefusal({ error: again }, refusal);
  const before = refusalsWritten();
  noteRetryRefusal({ error: new Error("another") }, refusal);
  forgetOlderRefusal(again, before - 1);
  assert.equal(retryRefusalOf(again), refusal, "written after that");
  forgetOlderRefusal(again, before);
  assert.equal(retryRefusalOf(again), undefined);
  for (const nothing of [undefined, "text", new Error("x")]) forgetOlderRefusal(nothing, before);
});

test("[R2] what takes no property is left as it is", () => {
  const hostile = new Proxy({}, { defineProperty: () => assert.fail("no") });
  for (const failure of [undefined, null, 503, "503", Symbol("x"), Object.freeze(new Error("down")), hostile]) {
    noteRetryRefusal({ value: failure }, refusal);
    assert.equal(retryRefusalOf(failure), undefined);
  }
});
