/** Deadlines on one axis, and their two forms on the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  checkedDeadline,
  deadlineIn,
  fromGrpcTimeout,
  fromTimeLeftHeader,
  NO_DEADLINE,
  timeLeftMs,
  toGrpcTimeout,
  tooLate,
  toTimeLeftHeader,
} from "./deadline.ts";
import { ConfigurationError, DeadlineExceededError } from "./errors.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/deadline.test.ts`;
const CALENDAR_MS = 1_800_000_000_000;

test("[R4] calendar time and NaN are refused by name; the past, the future and none are instants", () => {
  for (const deadline of [CALENDAR_MS, Number.NaN, 2e11]) {
    assert.throws(
      () => checkedDeadline(deadline, 1_000, true),
      (error) => error instanceof ConfigurationError && error.hazard === "deadline-not-on-this-clock",
    );
  }
  for (const deadline of [-5, 0, 5_000, Number.NEGATIVE_INFINITY, NO_DEADLINE]) {
    assert.equal(checkedDeadline(deadline, 1_000, true), deadline);
  }
  assert.equal(checkedDeadline(CALENDAR_MS + 5, CALENDAR_MS, true), CALENDAR_MS + 5, "a clock that counts from 1970");
});

test("[R4] the time left is never below zero, and what could not finish is refused with its numbers", () => {
  assert.equal(timeLeftMs(1_500, 1_000), 500);
  assert.equal(timeLeftMs(500, 1_000), 0);
  assert.equal(timeLeftMs(NO_DEADLINE, 0), NO_DEADLINE);
  assert.equal(tooLate("uplink", 1_001, 0, 1_000), undefined);
  const refusal = tooLate("uplink", 1_030, 50, 1_000);
  assert.ok(refusal instanceof DeadlineExceededError);
  assert.match(refusal.message, /uplink: the deadline leaves 30 ms of the 50 ms an attempt needs; not started/);
  assert.match(tooLate("uplink", 900, 0, 1_000)?.message ?? "", /leaves 0 ms; not started/);
});

test("[R4] grpc-timeout: the finest unit that fits eight digits", () => {
  assert.equal(toGrpcTimeout(5), "5000000n");
  assert.equal(toGrpcTimeout(100), "100000u");
  assert.equal(toGrpcTimeout(0), "0n");
  assert.equal(toGrpcTimeout(-3), "0n");
  assert.equal(toGrpcTimeout(NO_DEADLINE), "99999999H");
  assert.equal(fromGrpcTimeout("250m"), 250);
  assert.equal(fromGrpcTimeout("2H"), 7_200_000);
  for (const text of ["", "5", "m", "-1m", "123456789m", "1.5S", "1 S", "1x"]) {
    assert.equal(fromGrpcTimeout(text), undefined, text);
  }
});

test("[R4] on the wire the time left never grows, and loses at most one in its last digit", () => {
  const property = fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (leftMs) => {
    const grpc = fromGrpcTimeout(toGrpcTimeout(leftMs)) ?? Number.NaN;
    assert.ok(grpc <= leftMs + 1e-6 && grpc >= leftMs * (1 - 1.1e-5) - 1e-6, `${leftMs} became ${grpc}; ${REPLAY}`);
    const plain = fromTimeLeftHeader(toTimeLeftHeader(leftMs)) ?? Number.NaN;
    assert.ok(plain <= leftMs && plain > leftMs - 1, `${leftMs} became ${plain}; ${REPLAY}`);
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test("[R4] our own words for no deadline come back as none, and so does whatever lies beyond all clocks", () => {
  const grpc = fromGrpcTimeout(toGrpcTimeout(NO_DEADLINE)) as number;
  const plain = fromTimeLeftHeader(toTimeLeftHeader(NO_DEADLINE)) as number;
  for (const ms of [grpc, plain, NO_DEADLINE, 1e11, 999_999_999_999, 999_999_999_999_999]) {
    assert.equal(deadlineIn(ms, 1_000), NO_DEADLINE, String(ms));
  }
  assert.equal(deadlineIn(99_999_999_999, 0), 99_999_999_999);
  assert.equal(deadlineIn(-5, 1_000), 995);
});

test("[R4] a time left that is no number is refused, not written on the wire", () => {
  for (const [write, part] of [
    [toGrpcTimeout, "toGrpcTimeout"],
    [toTimeLeftHeader, "toTimeLeftHeader"],
  ] as const) {
    for (const leftMs of [Number.NaN, "x", "5000", 5n, undefined, null, {}]) {
      assert.throws(
        () => write(leftMs as number),
        (error) =>
          error instanceof ConfigurationError &&
          error.message.includes(`${part}: the time left `) &&
          /a number of milli/.test(error.message),
      );
    }
  }
});

test("[R4] on a clock without whole instants, what has passed and is whole microseconds is a duration; a rounded instant too", () => {
  const nowMs = 9_000 + 1e-4 + 2 ** -12;
  for (const deadline of [1_500.5, 0.001, 8_999.999, -1_500.5, 1_500, 14_000, 0]) {
    assert.throws(
      () => checkedDeadline(deadline, nowMs, false),
      /not a duration nor a rounded instant/,
      String(deadline),
    );
    assert.equal(checkedDeadline(deadline, nowMs, true), deadline);
  }
  for (const deadline of [nowMs - 1_500.5, nowMs, nowMs + 5_000, 9_500.25, Number.NEGATIVE_INFINITY, NO_DEADLINE]) {
    assert.equal(checkedDeadline(deadline, nowMs, false), deadline);
  }
});

test("[R4] a header that is no whole number of milliseconds is none", () => {
  for (const text of ["", "1e3", "-5", "1.5", " 5", "9".repeat(16), "Infinity"]) {
    assert.equal(fromTimeLeftHeader(text), undefined, text);
  }
  assert.equal(toTimeLeftHeader(-1), "0");
  assert.equal(toTimeLeftHeader(NO_DEADLINE), String(Number.MAX_SAFE_INTEGER));
});
