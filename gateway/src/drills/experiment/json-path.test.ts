/** Paths of tolerances in the dialects that experiments are written in, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "./experiment.ts";
import { compiledPath } from "./json-path.ts";

const document: Json = {
  foo: [
    { baz: 1, n: "a", tags: ["x"] },
    { baz: 2, n: "bc", tags: [] },
  ],
  one: { baz: "hello" },
  labels: { "app-name": "shop", "a.b": 1 },
  limit: 2,
  result: [{ metric: { alertname: "High" } }, { metric: { alertname: "Low" } }],
};

/** [the path, what it finds]. */
const FINDS: readonly (readonly [string, readonly Json[]])[] = [
  ["$.limit", [2]],
  ["$", [document]],
  ["$.foo[*].baz", [1, 2]],
  ["foo[*].baz", [1, 2]],
  ["$.foo.*.baz", [1, 2]],
  ['$["foo"][1]["n"]', ["bc"]],
  ["$['foo'][-1]['n']", ["bc"]],
  ["$.foo[0:1].n", ["a"]],
  ["$.foo[::-1].n", ["bc", "a"]],
  ["$.foo[1,0].n", ["bc", "a"]],
  ["$..baz", [1, 2, "hello"]],
  ["$.labels.app-name", ["shop"]],
  ['$.labels["a.b"]', [1]],
  ["$.foo.[0].n", ["a"]],
  ["$.nothing", []],
  ["$.constructor", []],
  ["$.__proto__", []],
  // A filter of jsonpath2 looks at the value itself.
  ['$.one[?(@.baz = "hello")]', [{ baz: "hello" }]],
  ['$.one[?(@.baz = "other")]', []],
  ["$.one[?(@.baz)].baz", ["hello"]],
  ["$.foo.*[?(@.baz = 2)].n", ["bc"]],
  ["$.foo[*][?(@.baz >= 1 and @.baz < 2)].n", ["a"]],
  // Every other dialect looks at the items.
  ["$.foo[?(@.baz == 2)].n", ["bc"]],
  ["$.foo[?@.n=='a'].baz", [1]],
  ["$.foo[?(@.n=='a' || @.n=='bc')].baz", [1, 2]],
  ["$.foo[?(!@.baz)].n", []],
  ["$.foo[?(not @.baz = 1)].n", ["bc"]],
  ["$.result[?metric.alertname=='High'].metric.alertname", ["High"]],
  // In jsonpath2 `or` binds more than `and`.
  ["$.foo[?(@.baz = 1 or @.baz = 2 and @.n = 'bc')].n", ["bc"]],
  ["$.foo[?(@.baz == 1 || @.baz == 2 && @.n == 'bc')].n", ["a", "bc"]],
  // What is not there is not compared.
  ["$.foo[?(@.none != 1)]", []],
  ["$.foo[?(@.none == @.nothing)]", []],
  ["$.foo[?(@.baz = $.limit)].n", ["bc"]],
  ["$.foo[?(@.n contains 'c')].n", ["bc"]],
  ["$.foo[?(@.tags contains 'x')].n", ["a"]],
  ["$.foo[?(@.tags.length() = 0)].n", ["bc"]],
  ["$.foo[?(length(@.n) == 1)].n", ["a"]],
  ["$.foo[?search(@.n, 'b.')].n", ["bc"]],
  ["$.foo.length()", [2]],
  ["$.foo[0].n[length()]", [1]],
  ["$.one.keys()", [["baz"]]],
  ["$.one.values()", [["hello"]]],
  ["$.one.entries()", [[["baz", "hello"]]]],
  ["$.limit.length()", []],
  [`$.foo[?(@.n == "it's")]`, []],
];

for (const [path, expected] of FINDS)
  test(`path ${path} → ${JSON.stringify(expected).slice(0, 60)}`, () => {
    const compiled = compiledPath(path);
    assert.ok("find" in compiled, JSON.stringify(compiled));
    assert.deepEqual(compiled.find(document), expected);
  });

const REFUSED = [
  "",
  " ",
  "@.a",
  "$.",
  "$[",
  "$.a]",
  "$[a]",
  "$[$.a]",
  "$.a.charAt(1)",
  "$.a.substring(1, 2)",
  "$.a[?(@.n =~ /x/)]",
  "$.a[?(@.b and @.c || @.d)]",
  "$.a[?(@.b[?(@.c)])]",
  "$.a[?(@.keys() = 1)]",
  "$.a[?()]",
  "$.a[?(@.b = )]",
  "$.a[?(nofunction(@.b))]",
  "$..a..b..c",
  `$${".a".repeat(600)}`,
  "$.a[99999999999999999999]",
];

for (const path of REFUSED)
  test(`path ${JSON.stringify(path.slice(0, 30))} → refused`, () => {
    assert.ok("problem" in compiledPath(path));
  });

test("any text as a path → compiled or refused, and then it finds something or nothing", () => {
  const piece = fc.constantFrom(
    "$",
    "@",
    ".",
    "..",
    "[",
    "]",
    "*",
    "?(",
    ")",
    "a",
    "'b'",
    '"c"',
    "1",
    ":",
    ",",
    "=",
    " and ",
    "!",
    "==",
    "length()",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const compiled = compiledPath(`$${pieces.join("")}`);
      if ("find" in compiled) assert.ok(Array.isArray(compiled.find(document)));
    }),
    { seed: 20_270_203, numRuns: 3_000 },
  );
});

test("any names → found by their quoted path", () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), (name, value) => {
      const compiled = compiledPath(`$[${JSON.stringify(name)}]`);
      assert.ok("find" in compiled, JSON.stringify(compiled));
      assert.deepEqual(compiled.find(Object.fromEntries([[name, value as Json]])), [value]);
    }),
    { seed: 20_270_203, numRuns: 300 },
  );
});
