/**
 * The family of errors: codes, origins and names are a contract, and the table in the source is
 * true.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  AmbiguousOutcomeError,
  AttemptTimeoutError,
  BreakerOpenError,
  BulkheadFullError,
  BulkheadTimeoutError,
  CallAbortedError,
  ConfigurationError,
  DeadlineExceededError,
  DownstreamError,
  FaultInjectedError,
  LocalRejection,
  LocalShortageError,
  NoEligibleStationError,
  OverloadedError,
  RateLimitedError,
  ResilienceError,
  RetryBudgetExhaustedError,
  StaleEpochError,
} from "./errors.ts";

const details = { cause: new Error("why"), retryAfterMs: 250 };
const ALL: readonly ResilienceError[] = [
  new ConfigurationError("some-hazard", "x"),
  new BreakerOpenError("x", () => 250),
  new BulkheadFullError("x", details),
  new BulkheadTimeoutError("x", details),
  new RateLimitedError("x", details),
  new DeadlineExceededError("x", details),
  new CallAbortedError("reason"),
  new NoEligibleStationError("x", details),
  new OverloadedError("x", details),
  new LocalShortageError("x", details),
  new AttemptTimeoutError("x", details),
  new RetryBudgetExhaustedError("x", details),
  new AmbiguousOutcomeError("x", details),
  new StaleEpochError("x", details),
  new FaultInjectedError("x", details),
];

test("[C3] the documented table lists every code with its origin, and nothing else", () => {
  const source = readFileSync(new URL("./errors.ts", import.meta.url), "utf8");
  const table = [...source.matchAll(/^ \* \| ([A-Z_]+) +\| (local|downstream) +\|/gm)].map(([, code, origin]) => [
    code,
    origin,
  ]);
  assert.deepEqual(
    ALL.map((error) => [error.code, error.origin]),
    table,
  );
});

test("[C3] one root; local and downstream are types, and no error is of both", () => {
  for (const error of ALL) {
    assert.ok(error instanceof ResilienceError && error instanceof Error);
    assert.equal(error instanceof LocalRejection, error.origin === "local");
    assert.equal(error instanceof DownstreamError, error.origin === "downstream");
    assert.match(error.stack ?? "", /x|aborted/);
  }
});

test("[C3] names are the class's own, except an abort's, which is the platform's", () => {
  assert.equal(new BulkheadFullError("x").name, "BulkheadFullError");
  const aborted = new CallAbortedError("reason");
  assert.equal(aborted.name, "AbortError");
  assert.equal(aborted.cause, "reason");
});

test("[C3] cause and hint are carried where they are known, and absent where not", () => {
  const error = new AttemptTimeoutError("x", details);
  assert.equal(error.cause, details.cause);
  assert.equal(error.retryAfterMs, 250);
  assert.equal(new AttemptTimeoutError("x").retryAfterMs, undefined);
  assert.equal("cause" in new AttemptTimeoutError("x"), false);
});

test("[B2] an open breaker's error works out its hint when it is read: one error serves a whole open period", () => {
  let leftMs = 30_000;
  const error = new BreakerOpenError("x", () => leftMs);
  assert.equal(error.retryAfterMs, 30_000);
  leftMs = 10;
  assert.equal(error.retryAfterMs, 10);
});
