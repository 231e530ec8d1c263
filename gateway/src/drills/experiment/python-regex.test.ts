/** Patterns of Python: what each finds, as Python finds it, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compiledPattern } from "./python-regex.ts";

/** [the pattern, a text in which it is, a text in which it is not]. Checked with Python 3. */
const FINDS: readonly (readonly [string, string, string])[] = [
  ["^ok$", "ok\n", "ok\n\n"],
  ["\\Aok\\Z", "ok", "ok\n"],
  ["(?m)^b$", "a\nb\nc", "a\rb"],
  ["a.b", "a\rb", "a\nb"],
  ["(?s)a.b", "a\nb", "ab"],
  ["(?i)É", "é", "e"],
  ["(?i:a)B", "AB", "Ab"],
  ["(?P<x>a|b)-(?P=x)", "a-a", "a-b"],
  ["(a)\\1", "aa", "ab"],
  ["\\d+", "٣", "x"],
  ["(?a)^\\w$", "a", "é"],
  ["^\\w+$", "é_9", "a b"],
  ["\\bok\\b", "is ok.", "okay"],
  ["\\Bk", "ok", "k"],
  ["a\\sb", "a\u00a0b", "a\ufeffb"],
  ["[]a]x", "]x", "bx"],
  ["[^]]", "a", "]"],
  ["[a-]", "-", "b"],
  ["[\\w.-]+@", "a.b-c@", "@"],
  ["[^\\W\\d]", "a", "1 "],
  ["[[:x]", "[", "y"],
  ["[a&&b]", "&", "c"],
  ["[\\]\\\\]", "\\", "["],
  ["^a{2}$", "aa", "a"],
  ["^a{,2}$", "", "aaa"],
  ["a{2", "a{2", "aa"],
  ["^{x}$", "{x}", "x"],
  ["a+?b", "aab", "b"],
  ["(?x) a b  # comment\n [ ]c", "ab c", "a b c"],
  ["x(?#comment)y", "xy", "x y"],
  ["(?<=a)b(?!c)", "ab", "abc"],
  ["\\x41\\u00e9\\t\\.\\/", "A\u00e9\t./", "A"],
  ["\\012\\0", "\n\0", "n"],
  ["[\\b]", "\b", "b"],
  ['"status": ?"up"', '{"status": "up"}', '{"status": "down"}'],
  ["😀{2}", "😀😀", "😀"],
  ["", "", "\0never"],
];

for (const [pattern, inside, outside] of FINDS)
  test(`pattern ${JSON.stringify(pattern)} → found as in Python`, () => {
    const compiled = compiledPattern(pattern);
    assert.ok("isFound" in compiled, JSON.stringify(compiled));
    assert.equal(compiled.isFound(inside), true);
    if (outside !== "\0never") assert.equal(compiled.isFound(outside), false);
  });

const REFUSED = [
  "(",
  ")",
  "[a",
  "[",
  "*a",
  "a|+",
  "a**",
  "a{1}{2}",
  "a++",
  "(?>a)",
  "(?(1)a|b)",
  "(?<x>a)",
  "(?P<1>a)",
  "(?P<x>a)(?P<x>b)",
  "(?P=x)",
  "(?L)a",
  "\\q",
  "\\",
  "\\1",
  "[b-a]",
  "[a-\\d]",
  "\\u00",
  "\\N{BULLET}",
  "(?#",
  "x".repeat(10_001),
];

for (const pattern of REFUSED)
  test(`pattern ${JSON.stringify(pattern.slice(0, 20))} → refused`, () => {
    assert.ok("problem" in compiledPattern(pattern));
  });

test("a pattern that takes exponential time → a problem after a bounded time", () => {
  const compiled = compiledPattern("^(\\w+\\s?)*$");
  assert.ok("isFound" in compiled);
  assert.notEqual(typeof compiled.isFound(`${"a".repeat(60)}!`), "boolean");
  assert.equal(compiled.isFound("still works"), true);
});

test("any text as a pattern → compiled or refused, never another error", () => {
  const piece = fc.constantFrom(..."abc09.*+?()[]{}|^$\\-&,:=!<>P#\n dwsSWDbBAZ😀é");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      assert.ok(Object.hasOwn(compiledPattern(pieces.join("")), "problem") !== undefined);
    }),
    { seed: 20_270_203, numRuns: 3_000 },
  );
});

test("any text with every sign escaped → finds itself", () => {
  const escaped = (text: string): string => text.replaceAll(/[^\p{L}\p{N}_]/gu, "\\$&");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
      const compiled = compiledPattern(`^${escaped(text)}\\Z`);
      assert.ok("isFound" in compiled, JSON.stringify(compiled));
      assert.equal(compiled.isFound(text), true);
    }),
    { seed: 20_270_203, numRuns: 500 },
  );
});
