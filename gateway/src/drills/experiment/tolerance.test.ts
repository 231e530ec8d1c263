// biome-ignore-all lint/suspicious/noTemplateCurlyInString: patterns of experiments.
/** Whether an output is within a tolerance: the rules of Chaos Toolkit, one table for each kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Activity, Json } from "./experiment.ts";
import { meetsTolerance, type RunProbe, UndecidedTolerance } from "./tolerance.ts";

const items = {
  items: [
    { n: "a", ready: true },
    { n: "b", ready: false },
  ],
};
const text = JSON.stringify(items);

/** [the tolerance, the output, is it met?]. */
const CASES: readonly (readonly [Json, Json, boolean])[] = [
  [true, true, true],
  [true, false, false],
  [true, 1, false],
  [true, "true", false],
  [false, false, true],
  [false, null, false],
  ["ok", "ok", true],
  ["ok", "ok\n", false],
  ["200", 200, false],
  [200, 200, true],
  [200, "200", false],
  [200, { status: 200, body: "" }, true],
  [200, { status: 503 }, false],
  [0, { status: 0, stdout: "", stderr: "" }, true],
  [0, false, false],
  [0, null, false],
  [[200, 204], { status: 204 }, true],
  [[200, 204], { status: 202 }, false],
  [[200], { status: 200 }, true],
  [[1, 5], 3, true],
  [[1, 5], 1, true],
  [[1, 5], 5, true],
  [[1, 5], 5.1, false],
  [[1, 5], "3", false],
  [["a", "c"], "b", true],
  [["a", "c"], "d", false],
  [[true, false], true, false],
  [[1, 3, 5], 3, true],
  [[1, 3, 5], 2, false],
  [[1], 1, true],
  [[], 1, false],
  [["x", "y", { a: [1] }], { a: [1] }, true],
  [{ type: "regex", pattern: "[0-9]{2}" }, "number 42 it is", true],
  [{ type: "regex", pattern: "^[0-9]{2}$" }, "number 42", false],
  [{ type: "regex", pattern: "^ok$", target: "stdout" }, { status: 0, stdout: "ok\n" }, true],
  [{ type: "regex", pattern: "ok", target: "stderr" }, { status: 0, stdout: "ok" }, false],
  [{ type: "regex", pattern: "ok" }, { body: "ok" }, false],
  [{ type: "regex", pattern: "4" }, 42, false],
  [{ type: "regex", pattern: "a", target: "body" }, "a", false],
  [{ type: "jsonpath", path: "$.a", target: "body", count: 0 }, [], false],
  [{ type: "jsonpath", path: "$.items[*].n" }, items, true],
  [{ type: "jsonpath", path: "$.none" }, items, false],
  [{ type: "jsonpath", path: "$.none", count: 0 }, items, true],
  [{ type: "jsonpath", path: "$.items[*]", count: 2 }, items, true],
  [{ type: "jsonpath", path: "$.items[*]", count: 3 }, items, false],
  [{ type: "jsonpath", path: "$.items[*].n", expect: ["a", "b"] }, items, true],
  [{ type: "jsonpath", path: "$.items[*].n", expect: ["b", "a"] }, items, false],
  [{ type: "jsonpath", path: "$.items[0].n", expect: "a" }, items, true],
  [{ type: "jsonpath", path: "$.items[*].n", expect: "a" }, items, false],
  [{ type: "jsonpath", path: "$.items[0].n", expect: ["a"], count: 7 }, items, true],
  [{ type: "jsonpath", path: "$.none", expect: [] }, items, true],
  [{ type: "jsonpath", path: "$.none", expect: null }, items, false],
  [{ type: "jsonpath", path: "$.items[0]", expect: { ready: true, n: "a" } }, items, true],
  [{ type: "jsonpath", path: "$.items[*]", count: 2 }, text, true],
  [{ type: "jsonpath", path: "$.items[*]", target: "body" }, { status: 200, body: text }, true],
  [{ type: "jsonpath", path: "$.items[*]", target: "body" }, { status: 200, body: "no JSON" }, false],
  [{ type: "range", range: [0.1, 0.5] }, 0.1, true],
  [{ type: "range", range: [0.1, 0.5] }, "0.25", true],
  [{ type: "range", range: [0.1, 0.5] }, " 0.5\n", true],
  [{ type: "range", range: [0, 1] }, "", false],
  [{ type: "range", range: [0, 1] }, "0x1", false],
  [{ type: "range", range: [0, 1] }, null, false],
  [{ type: "range", range: [0, 1] }, [], false],
  [{ type: "range", range: [0, 1] }, "one", false],
  [{ type: "range", range: [1, 1e3], target: "stdout" }, { status: 0, stdout: "2.5e2" }, true],
  [{ type: "range", range: [1, 3], target: "load" }, { load: 3.01 }, false],
  [null, null, false],
  [{ type: "other" }, 1, false],
];

for (const [tolerance, output, expected] of CASES)
  test(`${JSON.stringify(tolerance)} and ${JSON.stringify(output).slice(0, 60)} → ${expected}`, () => {
    assert.equal(meetsTolerance(tolerance, output), expected);
  });

const judge: Json = {
  type: "probe",
  name: "judge",
  provider: { type: "process", path: "grep", arguments: { "-q": "ok" } },
};

test("a tolerance that is a probe → it gets the output as value, and its answer decides", async () => {
  const played: Activity[] = [];
  const answering =
    (output: Json, status: "succeeded" | "failed" = "succeeded"): RunProbe =>
    (probe) => {
      played.push(probe);
      return Promise.resolve({ status, output });
    };
  const output = { status: 0, stdout: "ok" };
  for (const yes of [true, 1, "x", { status: 0 }, [0]])
    assert.equal(await meetsTolerance(judge, output, answering(yes)), true);
  for (const no of [false, 0, "", null, {}, []])
    assert.equal(await meetsTolerance(judge, output, answering(no)), false);
  assert.equal(await meetsTolerance(judge, output, answering(true, "failed")), false);
  assert.deepEqual(played[0]?.provider, {
    type: "process",
    path: "grep",
    arguments: { "-q": "ok", value: { status: 0, stdout: "ok" } },
  });
});

/** [what, the tolerance, the output]. */
const UNDECIDED: readonly (readonly [string, Json, Json])[] = [
  ["a pattern that takes for ever", { type: "regex", pattern: "(a+)+$" }, `${"a".repeat(40)}b`],
  ["a pattern that was filled in and is none", { type: "regex", pattern: "(" }, "a"],
  ["a path that was filled in and is none", { type: "jsonpath", path: "$[" }, {}],
  ["more text than is searched", { type: "regex", pattern: "b" }, "a".repeat(5_000_000)],
  ["a path that finds too much", { type: "jsonpath", path: "$..*..*" }, nested(14)],
];

/** A tree of two branches. */
function nested(depth: number): Json {
  return depth === 0 ? 1 : { a: nested(depth - 1), b: nested(depth - 1) };
}

for (const [what, tolerance, output] of UNDECIDED)
  test(`${what} → undecided, in bounded time`, () => {
    assert.throws(() => meetsTolerance(tolerance, output), UndecidedTolerance);
  });

test("a document deeper than is searched → undecided, not a crash", () => {
  let deep: Json = 1;
  for (let level = 0; level < 20_000; level++) deep = [deep];
  assert.throws(() => meetsTolerance({ type: "jsonpath", path: "$..a" }, deep), UndecidedTolerance);
});
