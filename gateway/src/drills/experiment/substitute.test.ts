// biome-ignore-all lint/suspicious/noTemplateCurlyInString: such patterns are what is tested.
/** Filling values in: what becomes what, and that types, unknown names and the input are kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, Values } from "./experiment.ts";
import { substituted, unknownNames } from "./substitute.ts";

const values: Values = {
  configuration: {
    host: "localhost",
    port: 8080,
    ratio: 0.5,
    isOn: true,
    nothing: null,
    list: [1, "a"],
    object: { a: 1 },
    empty: "",
    nested: `\${host}`,
    shared: "from the configuration",
    "my-name": "hyphen",
  },
  secrets: { one: { token: "abc", shared: "from a secret" }, two: { token: "other", password: "secret" } },
};

/** [the text, what it becomes]. */
const CASES: readonly (readonly [string, Json])[] = [
  ["${port}", 8080],
  ["${ratio}", 0.5],
  ["${isOn}", true],
  ["${nothing}", null],
  ["${list}", [1, "a"]],
  ["${object}", { a: 1 }],
  ["${empty}", ""],
  [" ${port}", " 8080"],
  ["http://${host}:${port}/", "http://localhost:8080/"],
  ["${port}${port}", "80808080"],
  ["x${isOn}x${nothing}x", "xTruexNonex"],
  ["x${list}", 'x[1,"a"]'],
  ["${unknown}", "${unknown}"],
  ["a ${unknown} b ${host}", "a ${unknown} b localhost"],
  ["$host", "localhost"],
  ["$port", "8080"],
  ["$hosts", "$hosts"],
  ["$$", "$"],
  ["$${host}", "${host}"],
  ["$$${port}", "$8080"],
  ["${ host }", "${ host }"],
  ["${}", "${}"],
  ["${host", "${host"],
  ["${my-name}", "${my-name}"],
  ["${nested}", "${host}"],
  ["${${host}}", "${localhost}"],
  ["${token}", "abc"],
  ["${shared}", "from the configuration"],
  ["${password}", "secret"],
  ["${constructor} ${__proto__} $toString", "${constructor} ${__proto__} $toString"],
  ["^\\d+$", "^\\d+$"],
  ["$.items[0]", "$.items[0]"],
  ["", ""],
];

for (const [text, expected] of CASES)
  test(`${JSON.stringify(text)} → ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(substituted(text, values), expected);
  });

test("lists and objects → filled in at every depth, names of fields are not", () => {
  const given = { "${host}": ["${port}", { url: "http://${host}" }], n: 1 };
  assert.deepEqual(substituted(given, values), { "${host}": [8080, { url: "http://localhost" }], n: 1 });
  assert.deepEqual(given["${host}"], ["${port}", { url: "http://${host}" }]);
});

test("names that nothing stands for → listed once", () => {
  const given = { a: "${x} ${host} $y", b: ["${x}", "${z}", "$${w}"] };
  assert.deepEqual([...unknownNames(given, values)], ["x", "z"]);
});

test("a long value many times → refused before the memory is full", () => {
  const configuration = { long: "x".repeat(200_000) };
  assert.throws(() => substituted("${long}".repeat(30_000), { configuration, secrets: {} }), UserError);
});

test("a field named __proto__ → stays a field", () => {
  const given = JSON.parse('{"__proto__": "${port}"}') as Json;
  assert.equal(JSON.stringify(substituted(given, values)), '{"__proto__":8080}');
});

const runs = { seed: 20_270_203, numRuns: 300 } as const;
const name = fc.stringMatching(/^[_a-zA-Z][_a-zA-Z0-9]{0,10}$/);
const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;

test("any value under any name → a lone pattern keeps value and type", () => {
  fc.assert(
    fc.property(name, json, (given, value) => {
      const configuration = Object.fromEntries([[given, value]]);
      assert.deepEqual(substituted(`\${${given}}`, { configuration, secrets: {} }), value);
      assert.deepEqual(substituted(`\${${given}}`, { configuration: {}, secrets: { s: configuration } }), value);
    }),
    runs,
  );
});

test("any data without a dollar → come out equal", () => {
  fc.assert(
    fc.property(json, (given) => {
      const text = JSON.stringify(given).replaceAll("$", "");
      assert.equal(JSON.stringify(substituted(JSON.parse(text) as Json, values)), text);
    }),
    runs,
  );
});

test("any text → without known names only doubled dollars change", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const empty = { configuration: {}, secrets: {} };
      assert.equal(substituted(text, empty), text.replaceAll("$$", "$"));
    }),
    runs,
  );
});
