/** What classifiers say of answers and errors as services, Node and undici really give them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BulkheadFullError, ConfigurationError } from "../errors.ts";
import {
  type Calendar,
  classificationOf,
  grpcStatus,
  httpErrorBody,
  httpStatus,
  judgeError,
  problemJson,
  reportsError,
} from "./outcome.ts";

function nodeError(code: string): Error {
  return Object.assign(new Error(code), { code });
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
  assert.equal(hintOf({ "retry-after": ["2", "3"] }), 3_000, "sent twice, as Node and undici tell it");
  assert.equal(hintOf({ "retry-after": [4] }), 4_000);
  assert.equal(
    hintOf(
      new Headers([
        ["retry-after", "5"],
        ["retry-after", "3"],
      ]),
    ),
    5_000,
    "as fetch tells it",
  );
  for (const value of ["", "-1", "1.5", "soon", "NaN", ["soon"], null]) {
    assert.equal(hintOf({ "retry-after": value }), undefined);
  }
  assert.equal(hintOf(undefined), undefined);
});

test("[R1] Retry-After as a date → counted from the answer's own Date, or by the caller's calendar", () => {
  const hintOf = (headers: object, calendar?: Calendar): unknown =>
    classificationOf(httpStatus.result?.({ status: 503, headers }, calendar) ?? "success").retryAfterMs;
  const later = { "Retry-After": "Wed, 21 Oct 2015 07:28:02 GMT " };
  assert.equal(hintOf({ ...later, Date: "Wed, 21 Oct 2015 07:28:00 GMT" }), 2_000);
  assert.equal(hintOf(new Headers({ ...later, Date: "Wednesday, 21-Oct-15 07:27:00 GMT" })), 62_000);
  assert.equal(hintOf(later, { wallMs: () => Date.UTC(2015, 9, 21, 7, 28) }), 2_000);
  assert.deepEqual([hintOf(later), hintOf(later, {})], [undefined, undefined]);
});

test("[C2] statusCode, as undici's request and Node have it → judged as status is", () => {
  assert.deepEqual(httpStatus.result?.({ statusCode: 200 }), { outcome: "success" });
  assert.deepEqual(httpErrorBody.result?.({ statusCode: 200, body: { error: "x" } }), { outcome: "failure" });
  const headers = { "retry-after": "3", "content-type": "application/problem+json" };
  const overloaded = { outcome: "overloaded", retry: true, retryAfterMs: 3_000 };
  assert.deepEqual(httpStatus.result?.({ statusCode: 503, headers }), overloaded);
  assert.deepEqual(problemJson.result?.({ statusCode: 200, headers, body: { status: 503 } }), overloaded);
});

test("[C2] a result without a status → refused by name, with the line to write", () => {
  const results = [
    { id: 7 },
    {},
    [],
    "text",
    "",
    undefined,
    null,
    200,
    { status: "200" },
    { status: 0 },
    { status: 99 },
  ];
  for (const { result } of [httpStatus, httpErrorBody, problemJson]) {
    for (const value of [...results, { status: 1_000 }, { status: Number.NaN }, { status: 200.5 }, Promise.resolve()]) {
      assert.throws(
        () => result?.(value as never),
        (error) =>
          error instanceof ConfigurationError &&
          error.hazard === "nothing-to-judge" &&
          error.message.includes("status: response.status, headers: response.headers, body: await response.json()"),
        String(value),
      );
    }
  }
  assert.throws(() => httpStatus.result?.({ id: 7, name: "x" } as never), /the result is an object with id, name;/);
});

/** As axios 1.x, got 14, ky 1.x, superagent 10, and SDKs throw for a status; recorded. */
const THROWN: readonly [string, (status: number, headers: object) => object][] = [
  [
    "axios",
    (status, headers) => ({
      code: "ERR_BAD_REQUEST",
      status,
      response: { status, headers: new Headers(headers as never) },
    }),
  ],
  [
    "got",
    (statusCode, headers) => ({ code: "ERR_NON_2XX_3XX_RESPONSE", cause: {}, response: { statusCode, headers } }),
  ],
  ["ky", (status, headers) => ({ response: new Response(null, { status, headers: headers as never }) })],
  ["superagent", (status, headers) => ({ status, response: { status, statusCode: status, headers } })],
  ["an SDK", (status, headers) => ({ status, headers })],
  ["http-errors", (status, headers) => ({ statusCode: status, headers })],
  ["the AWS SDK v3", (httpStatusCode, headers) => ({ $metadata: { httpStatusCode }, $response: { headers }, headers })],
  ["its raw answer", (statusCode, headers) => ({ $fault: "client", $response: { statusCode, headers } })],
  ["Elasticsearch", (statusCode, headers) => ({ meta: { statusCode, headers } })],
  ["Boom", (statusCode, headers) => ({ isBoom: true, output: { statusCode, headers } })],
  ["tRPC", (httpStatus, headers) => ({ data: { httpStatus, code: "X" }, headers })],
  ["Kubernetes", (code, headers) => ({ code, headers, body: {} })],
  ["the text of a status line", (status, headers) => ({ status: String(status), headers })],
  ["Apollo", (statusCode, headers) => ({ networkError: Object.assign(new Error("x"), { statusCode, headers }) })],
];

test("[C2] clients that throw for a status → judged by it, wrapped or not, as answers are", () => {
  for (const [name, detailsOf] of THROWN) {
    for (const { error: judge } of [httpStatus, httpErrorBody, problemJson]) {
      const judged = (status: number, wrap = (error: Error) => error): unknown =>
        judge?.(wrap(Object.assign(new Error(name), detailsOf(status, { "retry-after": "7" }))));
      for (const status of [302, 400, 401, 404, 409, 422]) {
        assert.deepEqual(judged(status), { outcome: "success" }, `${name} ${status}`);
        assert.deepEqual(
          judged(status, (cause) => new Error("no pass", { cause })),
          { outcome: "success" },
        );
      }
      for (const status of [408, 500, 502, 504]) {
        assert.deepEqual(judged(status), { outcome: "failure", retry: true, retryAfterMs: 7_000 }, `${name} ${status}`);
      }
      for (const status of [429, 503]) {
        assert.deepEqual(judged(status), { outcome: "overloaded", retry: true, retryAfterMs: 7_000 }, name);
      }
      assert.deepEqual(judged(501), { outcome: "failure", retry: false, retryAfterMs: 7_000 });
    }
  }
});

test("[C2] a Response that is thrown, or the cause of an error → judged as the answer it is", () => {
  const answers = (status: number): readonly unknown[] => {
    const response = new Response(null, { status, headers: { "retry-after": "7" } });
    return [
      response,
      new Error("HTTP", { cause: response }),
      new Error("a", { cause: new Error("b", { cause: response }) }),
    ];
  };
  for (const { error: judge } of [httpStatus, httpErrorBody, problemJson]) {
    for (const error of answers(404)) assert.deepEqual(judge?.(error), { outcome: "success" });
    for (const error of answers(503)) {
      assert.deepEqual(judge?.(error), { outcome: "overloaded", retry: true, retryAfterMs: 7_000 });
    }
    for (const error of answers(200)) assert.equal(judge?.(error), "failure", "thrown for something else");
  }
  assert.deepEqual(httpStatus.error?.(new Error("HTTP", { cause: { status: 404 } })), { outcome: "success" });
});

test("[C2] an AggregateError of errors with a status → judged by it where they agree, else as any error", () => {
  const thrown = (status: number): Error => Object.assign(new Error("x"), { status });
  const refused = nodeError("ECONNREFUSED");
  for (const [errors, judged] of [
    [[thrown(404), thrown(410)], { outcome: "success" }],
    [[thrown(501), thrown(500)], { outcome: "failure", retry: true }],
    [[thrown(503), thrown(429)], { outcome: "overloaded", retry: true }],
    [[new AggregateError([thrown(404)]), new Error("w", { cause: thrown(404) })], { outcome: "success" }],
    [[thrown(404), thrown(500)], "failure"],
    [[thrown(404), refused], "failure"],
    [[thrown(404), new Error("x")], "failure"],
    [[refused, refused], "never-sent"],
  ] as const) {
    const error = new AggregateError(errors);
    assert.deepEqual(httpStatus.error?.(error), judged);
    assert.deepEqual(httpStatus.error?.(new Error("wrapped", { cause: error })), judged);
  }
});

test("[C2] errors in rings, or a million of them in each other → an answer at once", () => {
  const ring = new Error("ring");
  ring.cause = ring;
  let deep: Error = nodeError("ECONNREFUSED");
  for (let depth = 0; depth < 4; depth++) deep = new AggregateError(new Array(60).fill(deep));
  for (const { error: judge } of [httpStatus, grpcStatus]) {
    assert.equal(judge?.(ring), "failure");
    const startedMs = performance.now();
    judge?.(deep);
    assert.ok(performance.now() - startedMs < 1_000);
  }
});

test("[C2] thrown with a status below 300, or with none → for something else: judged as any error", () => {
  const thrown = (details: object): Error => Object.assign(new Error("x"), details);
  for (const [details, outcome] of [
    [{ code: "ERR_BAD_RESPONSE", status: 200, response: { status: 200 } }, "failure"],
    [{ code: "ECONNREFUSED" }, "never-sent"],
    [{ code: "EMFILE", status: undefined }, "local-shortage"],
    [{ status: 137 }, "failure"],
    [{ status: "40" }, "failure"],
    [{ response: "404" }, "failure"],
  ] as const) {
    assert.equal(httpStatus.error?.(thrown(details)), outcome, JSON.stringify(details));
  }
  assert.equal(httpStatus.error?.({ status: 404 }), "failure", "no error: a body that was thrown");
  assert.equal(httpStatus.error?.(new BulkheadFullError("full")), "ignored");
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
  assert.deepEqual(
    httpErrorBody.result?.({ status: 200, data: { error: "no contact" } }),
    { outcome: "failure" },
    "axios",
  );
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

test("[C2] gRPC: numbers that are none of its codes, as of a DOMException → judged as any error", () => {
  assert.equal(grpcStatus.error?.(new DOMException("aborted", "AbortError")), "failure");
  for (const code of [-1, 17, 20, Number.NaN]) assert.equal(grpcStatus.error?.({ code }), "failure");
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
  const notFound = Object.assign(new Error("5 NOT_FOUND"), { code: 5 });
  const unavailable = Object.assign(new Error("14 UNAVAILABLE"), { code: 14 });
  for (const wrap of [
    (cause: Error) => new Error("wrapped", { cause }),
    (cause: Error) => Object.assign(new Error("wrapped", { cause }), { code: "E_STATION" }),
    (error: Error) => new AggregateError([error, error]),
  ]) {
    assert.deepEqual([outcomeOf(wrap(notFound)), outcomeOf(wrap(unavailable))], ["success", "failure"]);
  }
  assert.equal(outcomeOf(new AggregateError([notFound, unavailable])), "failure");
});

test("[B5] our own refusals count as nothing", () => {
  assert.equal(judgeError(new BulkheadFullError("full")), "ignored");
  assert.equal(judgeError(new Error("theirs")), "failure");
});

test("a word or a judgement is taken as it is, anything else is refused by name", () => {
  for (const details of [{ retryAfterMs: 5 }, { retry: false }, { retry: true, retryAfterMs: 0 }, {}]) {
    assert.deepEqual(classificationOf({ outcome: "failure", ...details }), { outcome: "failure", ...details });
  }
  for (const retryAfterMs of [Number.NaN, -1, undefined, null as never]) {
    assert.deepEqual(
      classificationOf({ outcome: "overloaded", retryAfterMs } as never),
      { outcome: "overloaded" },
      "no hint",
    );
  }
  for (const outcome of ["success", "failure", "overloaded", "ignored", "never-sent", "local-shortage"] as const) {
    assert.deepEqual(classificationOf(outcome), { outcome });
  }
  for (const said of ["succes", "toString", {}, Promise.resolve("success"), 7]) {
    assert.throws(
      () => classificationOf(said as "success"),
      (error) => error instanceof ConfigurationError && error.hazard === "unknown-outcome",
    );
  }
});
