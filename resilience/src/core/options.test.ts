/** Range checks: both ends, whole numbers, and everything that is no number at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "./errors.ts";
import {
  COUNT,
  checkBoolean,
  checked,
  checkFunction,
  checkMethods,
  checkName,
  checkNames,
  DURATION_MS,
  PRIORITY,
  RATE,
  shown,
  WAIT_MS,
} from "./options.ts";

test("[C3] values in range come back, the ends as documented", () => {
  assert.equal(checked("x", "y", 1, RATE), 1);
  assert.equal(checked("x", "y", 2 ** 31 - 1, DURATION_MS), 2 ** 31 - 1);
  assert.equal(checked("x", "y", 0, WAIT_MS), 0);
  assert.equal(checked("x", "y", Number.POSITIVE_INFINITY, WAIT_MS), Number.POSITIVE_INFINITY);
  assert.equal(checked("x", "y", 1, COUNT), 1);
  assert.equal(checked("x", "y", Number.NEGATIVE_INFINITY, PRIORITY), Number.NEGATIVE_INFINITY);
});

test("[C3] a refusal names part, option, value and what is allowed", () => {
  assert.throws(
    () => checked("Bulkhead", "maxConcurrent", 2.5, COUNT),
    (error) =>
      error instanceof ConfigurationError &&
      error.code === "INVALID_CONFIGURATION" &&
      error.hazard === "out-of-range" &&
      error.message === "Bulkhead: maxConcurrent is 2.5; it must be a whole number from 1 up to 2147483647.",
  );
  assert.throws(() => checked("x", "y", 0, RATE), /it must be a number above 0 up to 1/);
});

test("[C3] NaN, text, objects and nothing are out of every range", () => {
  for (const range of [RATE, DURATION_MS, WAIT_MS, COUNT, PRIORITY]) {
    for (const value of [Number.NaN, "5", null, undefined, {}, [1], true]) {
      assert.throws(() => checked("x", "y", value as number, range), ConfigurationError);
    }
  }
});

test("[C3] text that looks like a number is shown in quotes, so that the message says what is wrong", () => {
  assert.throws(
    () => checked("x", "timeoutMs", "1000" as never, DURATION_MS),
    /^ConfigurationError: x: timeoutMs is "1000"; it must be a number above 0/,
  );
  assert.throws(() => checked("x", "timeoutMs", undefined as never, DURATION_MS), /timeoutMs is missing; it must be/);
});

test("[C3] whatever a value is, it can be shown", () => {
  const bare: unknown = Object.create(null);
  for (const [value, text] of [
    ["1000", '"1000"'],
    [1000, "1000"],
    [Number.NaN, "NaN"],
    [10n, "10n"],
    [null, "null"],
    [undefined, "undefined"],
    [Symbol("x"), "Symbol(x)"],
    [[1], "an array"],
    [bare, "an object"],
    [() => 1, "a function"],
    [true, "true"],
  ] as const) {
    assert.equal(shown(value), text);
  }
  assert.equal(shown("x".repeat(1_000)).length, 61);
});

test("[C5] a name that is no option is refused, with the one that was meant, or with all there are", () => {
  const names = { timeoutMs: true, retry: true } as const;
  checkNames("x", { timeoutMs: 1, retry: undefined }, names);
  checkNames("x", {}, names);
  assert.throws(
    () => checkNames("x", { timeout: 1 }, names),
    (error) =>
      error instanceof ConfigurationError &&
      error.hazard === "unknown-option" &&
      error.message === "x: there is no option timeout; did you mean timeoutMs?",
  );
  assert.throws(
    () => checkNames("x", { wait: 1 }, names, "retry"),
    /x: there is no option retry\.wait; there are timeoutMs, retry\./,
  );
  for (const given of [undefined, null, 3, "text", [], () => 1]) {
    assert.throws(
      () => checkNames("x", given, names),
      /x: its options object is .*; it must be an object with any of timeoutMs, retry/,
    );
  }
});

test("[C5] functions, booleans, texts and objects with methods: what is given must be one", () => {
  for (const check of [checkFunction, checkBoolean]) {
    check("x", "y", undefined);
    for (const given of [null, 1, "text", {}]) assert.throws(() => check("x", "y", given), ConfigurationError);
  }
  checkFunction("x", "y", () => 1);
  checkBoolean("x", "y", false);
  checkName("x", "name", "north");
  for (const given of [undefined, "", 5])
    assert.throws(() => checkName("x", "name", given), /a text that is not empty/);
  checkMethods("x", "clock", { nowMs: () => 1 }, ["nowMs"], "a clock");
  checkMethods("x", "clock", undefined, ["nowMs"], "a clock");
  for (const given of [null, {}, 5, { nowMs: 5 }]) {
    assert.throws(
      () => checkMethods("x", "clock", given, ["nowMs"], "a clock"),
      /x: clock is .*; it must be a clock\./,
    );
  }
});
