/** Each error of the library, as a caller is told of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AmbiguousOutcomeError,
  AttemptTimeoutError,
  CallAbortedError,
  DeadlineExceededError,
  LocalShortageError,
  NoEligibleStationError,
  OverloadedError,
  StaleEpochError,
} from "ground-station-failover";
import { problemOf, RefusedRequest, refusal } from "./problem.ts";

test("[C3] every error has its status and keeps its code; unknown outcomes say so", () => {
  const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const timedOut = Object.assign(new Error("timed out"), { code: "ETIMEDOUT", syscall: "connect" });
  const cases: [Error, number, string, boolean][] = [
    [new NoEligibleStationError("x"), 503, "NO_ELIGIBLE_STATION", false],
    [new NoEligibleStationError("x", { cause: reset }), 503, "NO_ELIGIBLE_STATION", true],
    [new NoEligibleStationError("x", { cause: timedOut }), 503, "NO_ELIGIBLE_STATION", false],
    [new OverloadedError("x"), 503, "OVERLOADED", false],
    [new LocalShortageError("x"), 503, "LOCAL_SHORTAGE", false],
    [new StaleEpochError("x"), 503, "STALE_EPOCH", false],
    [new DeadlineExceededError("x"), 504, "DEADLINE_EXCEEDED", false],
    [new DeadlineExceededError("x", { mayHaveRun: true }), 504, "DEADLINE_EXCEEDED", true],
    [new AttemptTimeoutError("x"), 504, "ATTEMPT_TIMEOUT", true],
    [new AmbiguousOutcomeError("x", { cause: refused }), 502, "AMBIGUOUS_OUTCOME", true],
    [reset, 502, "STATION_UNREACHABLE", true],
    [refused, 503, "NO_ELIGIBLE_STATION", false],
    [new TypeError("ours"), 500, "INTERNAL_ERROR", true],
    [Object.assign(new TypeError("ours"), { code: "ERR_INVALID_ARG_TYPE" }), 500, "INTERNAL_ERROR", true],
    [Object.assign(new RangeError("ours"), { code: "ERR_OUT_OF_RANGE" }), 500, "INTERNAL_ERROR", true],
  ];
  for (const [error, status, code, unknown] of cases) {
    const problem = problemOf(error);
    assert.deepEqual(
      [problem?.status, problem?.code, problem?.outcomeUnknown ?? false],
      [status, code, unknown],
      error.name,
    );
    if (code === "INTERNAL_ERROR") assert.doesNotMatch(problem?.detail ?? "", /ours/);
    assert.equal(problem?.status === 503, problem?.retryAfterMs !== undefined, `${code}: 503 says when to come back`);
  }
});

test("[C3] where nothing was sent its caller is told how the last try ended, and no address of ours", () => {
  const system = (syscall: string, code: string): Error =>
    Object.assign(new Error(`${syscall} ${code} 10.1.2.3:8080`), { code, syscall });
  const within = "no station could take the call within 15000 ms (maxWaitMs); north: down";
  const cases: [Error, string][] = [
    [
      new NoEligibleStationError(within, { cause: system("connect", "ECONNREFUSED") }),
      `${within}; the last try: connection refused`,
    ],
    [new NoEligibleStationError(within, { cause: system("connect", "EACCES") }), within],
    [new NoEligibleStationError(within), within],
    [
      new DeadlineExceededError("by its deadline", { cause: system("connect", "ETIMEDOUT") }),
      "by its deadline; the last try: no connection in time",
    ],
    [new DeadlineExceededError("no answer", { cause: system("read", "ECONNRESET"), mayHaveRun: true }), "no answer"],
    [system("connect", "ECONNREFUSED"), "connection refused"],
    [system("connect", "EACCES"), "connect EACCES"],
    [system("read", "ECONNRESET"), "connection reset"],
  ];
  for (const [error, detail] of cases) assert.equal(problemOf(error)?.detail, detail);
});

test("a caller that is gone is told nothing; a request that was refused on the way says why", () => {
  assert.equal(problemOf(new CallAbortedError(new Error("hung up"))), undefined);
  const tooLong = new RefusedRequest(refusal(413, "REQUEST_TOO_LARGE", "too long"));
  assert.equal(problemOf(new CallAbortedError(tooLong))?.status, 413);
});
