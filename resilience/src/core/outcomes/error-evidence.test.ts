/**
 * What errors prove, as Node, undici, Deno, Bun, browsers, and clients on top of them really throw
 * them, in any realm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { AmbiguousOutcomeError, AttemptTimeoutError, BulkheadFullError, StaleEpochError } from "../errors.ts";
import {
  codeIn,
  isError,
  isProgrammingError,
  staleEpochIn,
  wasConnectionLost,
  wasLocalShortage,
  wasNeverSent,
  wasRefusedLocally,
} from "./error-evidence.ts";
import { judgeError } from "./outcome.ts";

function nodeError(code: string, syscall?: string): Error {
  return Object.assign(new Error(code), syscall === undefined ? { code } : { code, syscall });
}

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
    new TypeError("Failed to parse URL from http://", {
      cause: Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL" }),
    }),
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

test("[F9] the code of an error, or of what caused it; unknown where there is none, or no end", () => {
  const coded = Object.assign(new Error("x"), { code: "EMFILE" });
  assert.deepEqual([codeIn(coded), codeIn(new TypeError("fetch failed", { cause: coded }))], ["EMFILE", "EMFILE"]);
  assert.equal(codeIn(new AggregateError([coded])), "EMFILE");
  const cyclic = new Error("a");
  cyclic.cause = cyclic;
  assert.deepEqual([codeIn(cyclic), codeIn("EMFILE"), codeIn(undefined)], ["UNKNOWN", "UNKNOWN", "UNKNOWN"]);
});

/**
 * As `Error`, `TypeError` and `AggregateError` are in Jest's environment, or in a frame: classes of
 * another realm.
 */
const realm = runInContext("({ Error, TypeError, ReferenceError, AggregateError, Object })", createContext()) as {
  Error: ErrorConstructor;
  TypeError: TypeErrorConstructor;
  ReferenceError: ReferenceErrorConstructor;
  AggregateError: AggregateErrorConstructor;
  Object: ObjectConstructor;
};

function foreign(code: string, syscall?: string): Error {
  return Object.assign(new realm.Error(code), syscall === undefined ? { code } : { code, syscall });
}

test("errors of another realm → judged as our own realm's, however wrapped", () => {
  assert.equal(foreign("X") instanceof Error, false, "else this proves nothing");
  for (const wrap of [
    (error: Error) => error,
    (error: Error) => new realm.TypeError("fetch failed", { cause: error }),
    (error: Error) => new TypeError("fetch failed", { cause: new realm.Error("x", { cause: error }) }),
    (error: Error) => new realm.AggregateError([error, error]),
    (error: Error) => new Error("no", { cause: new realm.AggregateError([error]) }),
  ]) {
    assert.equal(judgeError(wrap(foreign("ECONNREFUSED", "connect"))), "never-sent");
    assert.equal(judgeError(wrap(foreign("EMFILE", "connect"))), "local-shortage");
    assert.equal(judgeError(wrap(foreign("ECONNRESET", "read"))), "failure");
    assert.ok(wasConnectionLost(wrap(foreign("ECONNRESET", "read"))));
    assert.equal(codeIn(wrap(foreign("ECONNRESET"))), "ECONNRESET");
  }
  assert.equal(wasNeverSent(new realm.AggregateError([foreign("ECONNREFUSED"), foreign("ECONNRESET")])), false);
});

test("a bug in code of another realm, or of a class of its own → a bug; a foreign lost connection is none", () => {
  class Mistake extends TypeError {
    override readonly name = "Mistake";
  }
  for (const error of [new realm.TypeError("x is not a function"), new realm.ReferenceError("y"), new Mistake("z")]) {
    assert.equal(judgeError(error), "ignored", String(error));
  }
  assert.equal(judgeError(new realm.TypeError("fetch failed", { cause: foreign("ECONNRESET", "read") })), "failure");
  assert.equal(isProgrammingError(new realm.Error("no contact")), false);
});

/**
 * Recorded with Deno 2.9.6 on Linux; the first three as versions before 2.6 give them, without a
 * cause.
 */
const DENO: readonly [string, string][] = [
  [
    "never-sent",
    "error sending request for url (http://[::1]/): client error (Connect): tcp connect error: Connection refused (os error 111)",
  ],
  [
    "never-sent",
    "error sending request for url (http://a/): error trying to connect: tcp connect error: Connection refused (os error 61)",
  ],
  [
    "lost",
    "error sending request for url (http://a/): client error (SendRequest): connection error: connection reset by peer (os error 104)",
  ],
  ["never-sent", "error sending request for url (https://a/): client error (Connect): tls handshake eof"],
  [
    "local-shortage",
    "error sending request for url (http://a/): client error (Connect): dns error: failed to lookup address information: Name or service not known",
  ],
  [
    "local-shortage",
    "error sending request for url (http://a/): client error (Connect): tcp open error: Too many open files (os error 24)",
  ],
  ["lost", "Connection reset by peer (os error 104)"],
  [
    "lost",
    "error sending request from 127.0.0.1:56736 for http://a/ (127.0.0.1:46135): client error (SendRequest): connection closed before message completed",
  ],
  ["lost", "error reading a body from connection"],
];

test("Deno's fetch errors: refused → never sent, reset → lost, no name or descriptor → local shortage", () => {
  for (const [meaning, sentence] of DENO) {
    for (const error of [new TypeError(sentence), new TypeError("fetch failed", { cause: new Error(sentence) })]) {
      const outcome = meaning === "lost" ? "failure" : meaning;
      assert.equal(judgeError(error), outcome, sentence);
      assert.equal(wasConnectionLost(error), meaning === "lost", sentence);
    }
  }
});

test("Deno's own classes are known by name, and a URL that says such things says nothing", () => {
  const named = (name: string): Error => Object.assign(new Error("x"), { name });
  assert.equal(judgeError(named("ConnectionRefused")), "never-sent");
  assert.equal(judgeError(named("AddrNotAvailable")), "local-shortage");
  for (const name of ["ConnectionReset", "ConnectionAborted", "BrokenPipe", "TimedOut"]) {
    assert.equal(judgeError(named(name)), "failure");
    assert.ok(wasConnectionLost(named(name)), name);
  }
  // An engine writes the blanks of a URL as %20.
  const url = new URL("http://a/client error (Connect)/dns error/(os error 111)").href;
  const error = new TypeError(`error sending request for url (${url}): client error (SendRequest): http2 error`);
  assert.equal(judgeError(error), "failure");
  assert.ok(wasConnectionLost(error));
});

test("Bun's fetch errors, by the codes of 1.4 and the names of before → never sent, lost, local shortage", () => {
  const bun = (code: string): Error => Object.assign(new TypeError(`${code}: Unable to connect.`), { code, errno: 0 });
  for (const code of ["ECONNREFUSED", "ConnectionRefused", "FailedToOpenSocket"]) {
    assert.equal(judgeError(bun(code)), "never-sent", code);
  }
  for (const code of ["ECONNRESET", "ConnectionReset", "ConnectionClosed"]) {
    assert.equal(judgeError(bun(code)), "failure", code);
    assert.ok(wasConnectionLost(bun(code)), code);
  }
  assert.equal(judgeError(bun("ENOTFOUND")), "local-shortage");
  assert.equal(judgeError(bun("ERR_INVALID_URL")), "ignored");
});

test("[R3] what a service reports in a body is no error of ours: it was reached", () => {
  const body = { code: "ECONNREFUSED", message: "connect ECONNREFUSED 10.0.0.7:80", syscall: "connect" };
  for (const thrown of [
    body,
    new Error("no", { cause: body }),
    new AggregateError([body]),
    { errors: [nodeError("X")] },
  ]) {
    assert.equal(isError(body), false);
    assert.equal(judgeError(thrown), "failure");
  }
  assert.equal(
    wasNeverSent({ ...body, stack: "Error: …" }),
    true,
    "an error that a client copied property by property",
  );
});

test("lists of mistakes named errors, as validators have them, are no aggregate: the cause is read", () => {
  const error = Object.assign(new Error("invalid", { cause: nodeError("ECONNREFUSED") }), { errors: [{ field: "x" }] });
  assert.ok(wasNeverSent(error));
});

test("errors in rings, or too many in one: an answer at once, and no proof", () => {
  const ring = new AggregateError([]);
  for (let i = 0; i < 60; i++) ring.errors.push(ring);
  ring.cause = ring;
  for (const judge of [wasNeverSent, wasLocalShortage, wasConnectionLost, wasRefusedLocally]) {
    assert.equal(judge(ring), false);
  }
  const many = new AggregateError(Array(1_000).fill(nodeError("ECONNREFUSED")));
  assert.equal(wasNeverSent(many), false);
});

test("[B5] a refusal of ours that an operation wrapped → counts as nothing; beside a real failure it does not", () => {
  const full = new BulkheadFullError("full");
  for (const error of [
    full,
    new Error("no telemetry", { cause: full }),
    new AggregateError([full, new Error("x", { cause: full })]),
  ]) {
    assert.ok(wasRefusedLocally(error));
    assert.equal(judgeError(error), "ignored");
  }
  for (const error of [
    new AggregateError([full, nodeError("ECONNRESET")]),
    new AttemptTimeoutError("late", { cause: full }),
    new Error("x"),
    full.message,
  ]) {
    assert.equal(wasRefusedLocally(error), false);
  }
});

test("[F3] a station's refusal of an old epoch is found in what an operation wrapped it in", () => {
  const stale = new StaleEpochError("old", { seenEpoch: 7 });
  assert.equal(staleEpochIn(new Error("not sent", { cause: stale })), stale);
  assert.equal(staleEpochIn(new AggregateError([new Error("x"), stale])), stale);
  assert.equal(staleEpochIn(new Error("x")), undefined);
});
