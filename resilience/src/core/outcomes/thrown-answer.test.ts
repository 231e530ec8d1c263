/** Where an answer is found in what was thrown. What follows from its status: `outcome.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeLinks, statusOf, thrownAnswerOf } from "./thrown-answer.ts";

test("[C2] the status of an answer → under either name, and only a number from 100 to 999", () => {
  assert.deepEqual([statusOf({ status: 200 }), statusOf({ status: "ok", statusCode: 503 })], [200, 503]);
  for (const answer of [{ status: "200" }, { status: 99 }, { status: 1_000 }, { status: 200.5 }, {}, undefined]) {
    assert.equal(statusOf(answer), undefined);
  }
});

test("[C2] an answer and its headers → those of the place where its status stands, else the error's own", () => {
  const inner = { "retry-after": "1" };
  const outer = { "retry-after": "2" };
  const error = (details: object): Error => Object.assign(new Error("x"), details);
  assert.deepEqual(
    thrownAnswerOf(error({ response: { status: 404, headers: inner }, headers: outer, status: 500 }), true),
    {
      status: 404,
      headers: inner,
    },
  );
  assert.deepEqual(thrownAnswerOf(error({ $metadata: { httpStatusCode: 503 }, headers: outer }), true), {
    status: 503,
    headers: outer,
  });
  assert.equal(thrownAnswerOf(error({ code: 404 }), true), undefined, "a code alone is not a status");
  assert.equal(thrownAnswerOf(error({ data: { status: 404 } }), true), undefined, "a body's own words are none");
});

test("[C2] an object that was thrown and is no error → an answer where it has headers, or is a cause", () => {
  assert.equal(thrownAnswerOf({ status: 404 }, true), undefined);
  assert.equal(thrownAnswerOf({ status: 404 }, false)?.status, 404);
  assert.equal(thrownAnswerOf({ status: 404, headers: {} }, true)?.status, 404);
});

test("a chain is asked from the outside in, and members that disagree say nothing together", () => {
  const say = (name: string, cause?: unknown): Error => Object.assign(new Error("x", { cause }), { name });
  const judge = (error: unknown): unknown =>
    judgeLinks(error, ({ name }: { name?: unknown }) =>
      name === "failure" || name === "success" ? { outcome: name } : undefined,
    )?.outcome;
  assert.equal(judge(say("failure", say("success"))), "failure");
  assert.equal(judge(say("x", say("success", say("failure")))), "success");
  assert.equal(judge(new AggregateError([say("success"), say("x", say("success"))])), "success");
  assert.equal(judge(new AggregateError([say("success"), say("failure")])), undefined);
  assert.deepEqual([judge("text"), judge(undefined), judge(say("x"))], [undefined, undefined, undefined]);
});
