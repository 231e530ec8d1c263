/** A problem as it is written on the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal } from "../../fleet/problem.ts";
import { problemAnswer } from "./problem.ts";

test("a problem is RFC 9457 JSON, and Retry-After is whole seconds, at least one", () => {
  const { headers, body } = problemAnswer({ ...refusal(503, "X", 'a "b"'), retryAfterMs: 1_200, outcomeUnknown: true });
  assert.deepEqual(JSON.parse(body.toString()), {
    type: "about:blank",
    title: "Service Unavailable",
    status: 503,
    code: "X",
    detail: 'a "b"',
  });
  const of = (name: string): string | undefined => headers[headers.indexOf(name) + 1];
  assert.deepEqual(
    [of("content-type"), of("content-length"), of("retry-after"), of("gsf-outcome")],
    ["application/problem+json", String(body.length), "2", "unknown"],
  );
  assert.ok(problemAnswer({ ...refusal(503, "X", "x"), retryAfterMs: 0 }).headers.includes("1"));
});
