/** What a request says about itself, and what a reply means. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RequestRefusal } from "./command.ts";
import { MAX_KEY_LENGTH, MAX_TIME_LEFT_MS, replyClassifier, termsOf } from "./command.ts";
import type { CommandReply, CommandRequest, HeaderList, RequestBody } from "./uplink.ts";

const streamed: RequestBody = {
  kind: "stream",
  stream: { [Symbol.asyncIterator]: () => assert.fail("nobody reads it here") },
  started: () => false,
};

function asked(method: string, headers: HeaderList = [], body: RequestBody = { kind: "none" }): CommandRequest {
  return { method, target: "/", headers, body };
}

function replied(status: number, json?: unknown, headers: HeaderList = []): CommandReply {
  return { status, statusText: "", headers, body: { kind: "bytes", bytes: new Uint8Array() }, json, trailers: [] };
}

describe("[R3] [R4] the terms of a request", () => {
  test("safe methods may be repeated, keyed ones under their key, streamed ones never", () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
      assert.deepEqual(termsOf(asked(method)), { idempotencyKey: undefined, idempotent: true, timeLeftMs: undefined });
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "get"]) {
      assert.deepEqual(termsOf(asked(method)), { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined });
    }
    const keyed = termsOf(asked("POST", [["Idempotency-Key", '"8e03978e"']]));
    assert.deepEqual(keyed, { idempotencyKey: '"8e03978e"', idempotent: false, timeLeftMs: undefined });
    for (const method of ["GET", "POST"]) {
      const once = termsOf(asked(method, [["idempotency-key", "k"]], streamed));
      assert.deepEqual(once, { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined });
    }
  });

  test("the time left is read from either field, and the shorter one holds; a day is the most", () => {
    const left = (...headers: [string, string][]): number | undefined => {
      const terms = termsOf(asked("GET", headers));
      return "field" in terms ? assert.fail(terms.detail) : terms.timeLeftMs;
    };
    assert.equal(left(["X-Time-Left-Ms", "0"]), 0);
    assert.equal(left(["grpc-timeout", "2S"]), 2_000);
    assert.equal(left(["x-time-left-ms", "1500"], ["grpc-timeout", "2S"]), 1_500);
    assert.equal(left(["x-time-left-ms", "2500"], ["grpc-timeout", "2S"]), 2_000);
    assert.equal(left(["x-time-left-ms", "999999999999999"]), MAX_TIME_LEFT_MS);
    assert.equal(left(["grpc-timeout", "99999999H"]), MAX_TIME_LEFT_MS);
  });

  test("[G6] what is wrong is said with its field and with what is allowed", () => {
    const cases: [HeaderList, string, RegExp][] = [
      [[["Idempotency-Key", ""]], "Idempotency-Key", /1 to 256 visible/],
      [[["Idempotency-Key", "x".repeat(MAX_KEY_LENGTH + 1)]], "Idempotency-Key", /it has 257/],
      [[["Idempotency-Key", "caf\xe9"]], "Idempotency-Key", /ASCII/],
      [[["Idempotency-Key", " padded"]], "Idempotency-Key", /visible/],
      [
        [
          ["Idempotency-Key", "a"],
          ["idempotency-key", "a"],
        ],
        "Idempotency-Key",
        /2 of it/,
      ],
      [[["x-time-left-ms", "-1"]], "x-time-left-ms", /"-1" is not allowed.*whole number/],
      [[["x-time-left-ms", "1e3"]], "x-time-left-ms", /whole number/],
      [
        [
          ["x-time-left-ms", "1"],
          ["x-time-left-ms", "2"],
        ],
        "x-time-left-ms",
        /2 of it/,
      ],
      [[["grpc-timeout", "123456789S"]], "grpc-timeout", /1 to 8 digits/],
      [[["grpc-timeout", "5s"]], "grpc-timeout", /H M S m u n/],
    ];
    for (const [headers, field, sentence] of cases) {
      const refusal = termsOf(asked("POST", headers)) as RequestRefusal;
      assert.equal(refusal.field, field);
      assert.match(refusal.detail, sentence);
    }
    const long = termsOf(asked("GET", [["x-time-left-ms", "9".repeat(10_000)]])) as RequestRefusal;
    assert.ok(long.detail.length < 200, "what was sent is not repeated at length");
  });
});

test("[R4] a deadline that its sender gave as an instant counts like the others: the earliest holds", () => {
  const left = (timeLeftMs: number, headers: HeaderList = []): unknown => {
    const terms = termsOf({ ...asked("GET", headers), timeLeftMs });
    return "field" in terms ? terms : terms.timeLeftMs;
  };
  assert.equal(left(0), 0);
  assert.equal(left(700), 700);
  assert.equal(left(700, [["x-time-left-ms", "500"]]), 500);
  assert.equal(left(700, [["x-time-left-ms", "900"]]), 700);
  assert.equal(left(1e15), MAX_TIME_LEFT_MS);
});

test("a command's source is its sender, method and route: without the query and the names of single things, and of bounded length", () => {
  const source = (target: string): unknown => {
    const terms = termsOf({ ...asked("POST"), target, caller: "10.0.0.9" });
    return "field" in terms ? terms : terms.source;
  };
  assert.equal(source("/commands/7?token=secret"), "10.0.0.9 POST /commands/*");
  assert.equal(source("/v2/things/0b5fc4d2-9f41-4e0e-a2a7-c0ffee15bad0/parts"), "10.0.0.9 POST /v2/things/*/parts");
  assert.equal(source("/v2/hand-over/feedback"), "10.0.0.9 POST /v2/hand-over/feedback");
  assert.ok(String(source(`/${"x".repeat(5_000)}`)).length < 200);
  assert.equal("source" in termsOf(asked("POST")), false);
});

describe("[C2] what a reply means", () => {
  const outcome = (reply: CommandReply, errorBody = true): string => {
    const judged = replyClassifier(errorBody).result?.(reply);
    return typeof judged === "object" ? judged.outcome : (judged ?? "nothing");
  };

  test("by status; a hint of when to come back is kept", () => {
    for (const status of [200, 204, 304, 400, 404, 409, 412])
      assert.equal(outcome(replied(status)), "success", `${status}`);
    for (const status of [408, 500, 501, 502, 504]) assert.equal(outcome(replied(status)), "failure", `${status}`);
    for (const status of [429, 503]) assert.equal(outcome(replied(status)), "overloaded", `${status}`);
    const judged = replyClassifier(true).result?.(replied(503, undefined, [["Retry-After", "2"]]));
    assert.deepEqual(judged, { outcome: "overloaded", retry: true, retryAfterMs: 2_000 });
    const dated: HeaderList = [
      ["Retry-After", "Wed, 21 Oct 2015 07:28:02 GMT"],
      ["Date", "Wed, 21 Oct 2015 07:28:00 GMT"],
    ];
    assert.deepEqual(replyClassifier(true).result?.(replied(503, undefined, dated)), judged);
    const wallMs = (): number => Date.UTC(2015, 9, 21, 7, 28);
    assert.deepEqual(replyClassifier(true).result?.(replied(503, undefined, dated.slice(0, 1)), { wallMs }), judged);
    assert.equal(outcome(replied(999)), "failure", "a status that is none is a 5xx (RFC 9110, 15)");
  });

  test("a 2xx whose JSON reports an error is a failure, where the group says so", () => {
    const lie = replied(200, { error: "uplink lost" });
    assert.equal(outcome(lie), "failure");
    assert.equal(outcome(lie, false), "success");
    assert.equal(outcome(replied(200, { ok: true })), "success");
    assert.equal(outcome(replied(404, { error: "no such command" })), "success", "a 404 proves life whatever it says");
  });
});
