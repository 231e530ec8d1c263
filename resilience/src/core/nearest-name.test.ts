/**
 * What a misspelt name was meant to be: near ones are found regardless of case, far ones are not
 * guessed at.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "./nearest-name.ts";

const NAMES = ["timeoutMs", "deadlineMs", "breaker", "retry"];

test("[C5] a name that is nearly one of those → that one; else none", () => {
  for (const [given, meant] of [
    ["timeout", "timeoutMs"],
    ["timeoutms", "timeoutMs"],
    ["tiemoutMs", "timeoutMs"],
    ["braeker", "breaker"],
    ["retries", undefined],
    ["x", undefined],
    ["", undefined],
    ["timeoutMs".repeat(20), undefined],
  ] as const) {
    assert.equal(nearestName(given, NAMES), meant, given);
  }
});
