/** What classifiers say of answers and errors as services, Node and undici really give them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AmbiguousOutcomeError, AttemptTimeoutError, BulkheadFullError, ConfigurationError } from "./errors.ts";
import {
  grpcStatus,
  httpErrorBody,
  httpStatus,
  isProgrammingError,
  judgeError,
  judgementOf,
  problemJson,
  reportsError,
  wasConnectionLost,
  wasLocalShortage,
  wasNeverSent,
} from "./outcome.ts";

function nodeError(code: string, syscall?: string): Error {
  return Object.assign(new Error(code), syscall === undefined ? { code } : { code, syscall });
}

test("[C2] [F11] HTTP status → 5xx and 408 fail, 503 and 429 are overloaded, the rest proves life", () => {
  for (const status of [200, 204, 302, 400, 404, 409, 422]) {
    assert.deepEqual(httpStatus.result?.({ status }), { outcome: "success" });
  }
  for (const status of [408, 500, 502, 504]) {
    assert.deepEqual(httpStatus.result?.({ status }), { outcome: "failure", retry: true });
  }
  for (const status of [429, 503]) {
    assert.deepEqual(httpStatus.result?.({ status }), { outcome: "overloaded", retry: true });
  }
  for (const status of [501, 505])
    assert.deepEqual(httpStatus.result?.({ status }), { outcome: "failure", retry: false });
});

test("[C2] [R1] Retry-After is read from any kind of headers, in any spelling; what is no number of seconds is no hint", () => {
  const hintOf = (headers: unknown): unknown => {
    const judged = httpStatus.result?.({ status: 503, headers });
    return typeof judged === "object" ? judged.retryAfterMs : judged;
  };
  assert.equal(hintOf(new Map([["retry-after", "2"]])), 2_000);
  assert.equal(hintOf({ "retry-after": "120" }), 120_000);
  assert.equal(hintOf({ "Retry-After": 3 }), 3_000);
  for (const value of ["", "-1", "1.5", "soon", "NaN", "9".repeat(30), "Wed, 21 Oct 2015 07:28:00 GMT", ["1"], null]) {
    assert.equal(hintOf({ "retry-after": value }), undefined);
  }
  assert.equal(hintOf(undefined), undefined);
});

test("[C2] HTTP 200 with an error in the body is a failure; without a parsed body nothing is presumed", () => {
  const judge = (body: unknown, status = 200): unknown => {
    const judged = httpErrorBody.result?.({ status, body });
    return typeof judged === "object" ? judged.outcome : judged;
  };
  for (const body of [
    { error: "no contact" },
    { error: { code: 17 } },
    { errors: [{ message: "x" }] },
    { success: false },
    { ok: false, data: 1 },
    { status: "error" },
  ]) {
    assert.equal(judge(body), "failure", JSON.stringify(body));
  }
  for (const body of [{ error: null }, { error: 0 }, { errors: [] }, { ok: true }, "error", null, undefined, [], 7]) {
    assert.equal(judge(body), "success", JSON.stringify(body));
  }
  assert.equal(judge({ error: "unknown satellite" }, 404), "success", "the status already says whose fault it is");
  assert.equal(judge({}, 503), "overloaded");
  assert.equal(judge({ error: "too many" }, 429), "overloaded");
  assert.equal(judge({}, 500), "failure");
  assert.equal(reportsError({ errors: { field: "x" } }), true);
});

test("[C2] problem+json is judged by the status in its body, other types as before", () => {
  const headers = { "content-type": "application/problem+json; charset=utf-8" };
  assert.deepEqual(problemJson.result?.({ status: 200, headers, body: { status: 503 } }), {
    outcome: "overloaded",
    retry: true,
  });
  assert.deepEqual(problemJson.result?.({ status: 200, headers, body: { status: 500 } }), {
    outcome: "failure",
    retry: true,
  });
  assert.deepEqual(problemJson.result?.({ status: 200, headers, body: { status: 404 } }), { outcome: "success" });
  assert.deepEqual(problemJson.result?.({ status: 200, body: { ok: false } }), { outcome: "failure" });
});

test("[C2] gRPC: UNAVAILABLE and its like are failures, NOT_FOUND proves life, CANCELLED counts as nothing", () => {
  const outcomeOf = (error: unknown): unknown => {
    const judged = grpcStatus.error?.(error);
    return typeof judged === "object" ? judged.outcome : judged;
  };
  for (const code of [2, 4, 8, 13, 14, 15]) assert.equal(outcomeOf({ code }), "failure");
  for (const code of [3, 5, 6, 7, 9, 12, 16]) assert.equal(outcomeOf({ code }), "success");
  assert.equal(outcomeOf({ code: 1 }), "ignored");
  assert.equal(outcomeOf(nodeError("ECONNREFUSED")), "never-sent");
  assert.equal(outcomeOf(new Error("no code")), "failure");
  assert.deepEqual(grpcStatus.error?.({ code: 15 }), { outcome: "failure", retry: false });
});

test("[R3] never sent is what provably was not: refused or failed while connecting, however wrapped", () => {
  for (const error of [
    nodeError("ECONNREFUSED", "connect"),
    nodeError("EHOSTUNREACH", "connect"),
    nodeError("ETIMEDOUT", "connect"),
    nodeError("UND_ERR_CONNECT_TIMEOUT"),
    new TypeError("fetch failed", { cause: nodeError("ECONNREFUSED", "connect") }),
    new AggregateError([nodeError("ECONNREFUSED"), nodeError("ENETUNREACH", "connect")]),
  ]) {
    assert.ok(wasNeverSent(error), `${error.message}: ${String(error.cause)}`);
    assert.equal(judgeError(error), "never-sent");
  }
});

test("[R3] a lost connection, an unreachable host seen by a read, and our own errors prove nothing", () => {
  const cyclic = new Error("a");
  cyclic.cause = cyclic;
  const nested = new AggregateError([]);
  nested.errors.push(nested);
  for (const error of [
    nodeError("ECONNRESET", "read"),
    nodeError("EHOSTUNREACH", "read"),
    nodeError("ETIMEDOUT", "write"),
    new AggregateError([nodeError("ECONNREFUSED"), nodeError("ECONNRESET")]),
    new AggregateError([]),
    new AmbiguousOutcomeError("lost", { cause: nodeError("ECONNREFUSED", "connect") }),
    cyclic,
    nested,
    "ECONNREFUSED",
    null,
  ]) {
    assert.equal(wasNeverSent(error), false, String(error));
  }
});

test("[F4] a lost connection is known however wrapped, and so is an attempt that timed out", () => {
  assert.ok(wasConnectionLost(new TypeError("fetch failed", { cause: nodeError("ECONNRESET", "read") })));
  assert.ok(wasConnectionLost(new AttemptTimeoutError("late")));
  // As an attempt is told that is given up at the end of its call: it is no answer of its station.
  assert.ok(wasConnectionLost(new AmbiguousOutcomeError("it may have run or not")));
  assert.equal(wasConnectionLost(new Error("no")), false);
});

test("[B5] our own refusals count as nothing", () => {
  assert.equal(judgeError(new BulkheadFullError("full")), "ignored");
  assert.equal(judgeError(new Error("theirs")), "failure");
});

test("a word or a judgement is taken as it is, anything else is refused by name", () => {
  const judged = { outcome: "failure", retryAfterMs: 5 } as const;
  assert.equal(judgementOf(judged), judged);
  for (const outcome of ["success", "failure", "overloaded", "ignored", "never-sent", "local-shortage"] as const) {
    assert.deepEqual(judgementOf(outcome), { outcome });
  }
  for (const said of ["succes", "toString", {}, Promise.resolve("success"), 7]) {
    assert.throws(
      () => judgementOf(said as "success"),
      (error) => error instanceof ConfigurationError && error.hazard === "unknown-outcome",
    );
  }
});

const SHORTAGES: readonly [string, string?][] = [
  ["EMFILE", "connect"],
  ["EMFILE", "open"],
  ["ENFILE", "socket"],
  ["ENOBUFS", "connect"],
  ["ENOMEM", "connect"],
  ["EADDRNOTAVAIL", "connect"],
  ["EAI_AGAIN", "getaddrinfo"],
  ["EAI_FAIL", "getaddrinfo"],
  ["EAI_MEMORY", "getaddrinfo"],
  ["ENOTFOUND", "getaddrinfo"],
  ["ESERVFAIL", "queryA"],
  ["ETIMEOUT", "queryA"],
  ["EMFILE"],
];

test("[F10] no descriptor, port, memory or name of this machine → local shortage, however wrapped", () => {
  for (const [code, syscall] of SHORTAGES) {
    const error = nodeError(code, syscall);
    for (const wrapped of [
      error,
      new TypeError("fetch failed", { cause: error }),
      new AggregateError([error, nodeError("EADDRNOTAVAIL", "connect")]),
      new Error("outer", { cause: new AggregateError([error]) }),
    ]) {
      assert.ok(wasLocalShortage(wrapped), `${code} of ${syscall}: ${wrapped.message}`);
      assert.equal(judgeError(wrapped), "local-shortage", `${code} of ${syscall}`);
    }
  }
});

test("[F10] refused, reset, a shortage on an open connection, our own errors → no local shortage", () => {
  const cyclic = new Error("a");
  cyclic.cause = cyclic;
  for (const error of [
    nodeError("ECONNREFUSED", "connect"),
    nodeError("ETIMEDOUT", "connect"),
    nodeError("ECONNRESET", "read"),
    nodeError("ENOBUFS", "write"),
    nodeError("ENOMEM", "read"),
    nodeError("ENOMEM", "writev"),
    new AggregateError([nodeError("EMFILE", "connect"), nodeError("ECONNREFUSED", "connect")]),
    new AggregateError([]),
    new AmbiguousOutcomeError("lost", { cause: nodeError("EMFILE", "connect") }),
    cyclic,
    "EMFILE",
    null,
    undefined,
  ]) {
    assert.equal(wasLocalShortage(error), false, String(error));
  }
  assert.equal(judgeError(nodeError("ENOBUFS", "write")), "failure", "the request may be out by then");
});

test("[F10] an error of the operation's own code, which nothing caused → counts as nothing", () => {
  for (const error of [
    new TypeError("Cannot read properties of undefined (reading 'id')"),
    new ReferenceError("station is not defined"),
    new RangeError("Invalid array length"),
    new SyntaxError("Unexpected token < in JSON"),
    new EvalError("no"),
    Object.assign(new TypeError("The argument must be a string"), { code: "ERR_INVALID_ARG_TYPE" }),
  ]) {
    assert.ok(isProgrammingError(error), error.message);
    assert.equal(judgeError(error), "ignored");
  }
});

test("[F10] fetch's TypeError for a lost connection, with or without a cause → no bug", () => {
  for (const error of [
    new TypeError("fetch failed", { cause: nodeError("ECONNRESET", "read") }),
    new TypeError("terminated", { cause: nodeError("UND_ERR_SOCKET") }),
    new TypeError("fetch failed"),
    new TypeError("Failed to fetch"),
    new TypeError("NetworkError when attempting to fetch resource."),
    new TypeError("Load failed"),
    new TypeError("The network connection was lost."),
    Object.assign(new TypeError("closed"), { code: "ECONNRESET" }),
    new Error("no contact"),
    "TypeError",
    undefined,
  ]) {
    assert.equal(isProgrammingError(error), false, String(error));
    assert.equal(judgeError(error), "failure", String(error));
  }
});
