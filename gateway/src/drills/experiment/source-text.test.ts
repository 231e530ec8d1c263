/**
 * Texts that want to break the reader: each is refused with a place, in bounded time and memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readExperiment } from "./read.ts";
import { MAX_NESTING, MAX_TEXT_BYTES, readSourceText } from "./source-text.ts";

const bomb = (levels: number): string =>
  ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    .concat(Array.from({ length: levels }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(9)}*a${at}]`))
    .join("\n");

/** [what, the file's name, its text, the line of the first problem]. */
const HOSTILE: readonly (readonly [string, string, string, number])[] = [
  ["ten megabytes", "x.json", `{"title": "${"x".repeat(10 * 1024 ** 2)}"}`, 1],
  ["one byte too many, of two-byte letters", "x.yaml", `# ${"é".repeat(MAX_TEXT_BYTES / 2)}`, 1],
  ["a billion laughs", "x.yaml", bomb(9), 5],
  ["more aliases than anybody needs", "x.yaml", `a: &a 1\nb: [${"*a, ".repeat(2_000)}*a]`, 2],
  ["an alias inside of itself", "x.yaml", "a: &a\n  b: *a", 2],
  ["an alias of nothing", "x.yaml", "a: 1\nb: *c", 2],
  ["brackets without end in JSON", "x.json", "[".repeat(50_000), 1],
  ["brackets without end in YAML", "x.yaml", "[".repeat(50_000), 1],
  ["deep JSON", "x.json", `{"a":${"[".repeat(25_000)}${"]".repeat(25_000)}}`, 1],
  ["deep lists of YAML", "x.yaml", `a:\n  ${"- ".repeat(25_000)}x`, 2],
  ["deep objects of YAML", "x.yaml", Array.from({ length: 100 }, (_, at) => `${" ".repeat(at)}a:`).join("\n"), 65],
  ["a name twice in JSON", "x.json", '{"title": "a",\n "title": "b"}', 2],
  ["a name twice in YAML", "x.yaml", "title: a\ndescription: b\ntitle: c", 3],
  ["__proto__ twice", "x.json", '{"__proto__": 1,\n"__proto__": 2}', 2],
  ["JSON that ends too early", "x.json", '{"title":\n', 2],
  ["JSON with a comma too many", "x.json", '{"title": 1,\n}', 2],
  ["JSON with a comment", "x.json", '{\n// no\n"title": 1}', 2],
  ["two documents", "x.yaml", "title: a\n---\ntitle: b", 2],
  ["a tag that makes an object of Python", "x.yaml", "a: 1\nb: !!python/object/apply:os.system ['true']", 2],
  ["a list as a name", "x.yaml", "a: 1\n? [a, b]\n: c", 2],
  ["a tab as indentation", "x.yaml", "a:\n\tb: 1", 2],
  ["an open quote", "x.yaml", 'a: "b\nc: d', 2],
  ["bytes that are no text", "x.yaml", "\0\u0001\ufffd: [", 1],
];

for (const [what, name, text, line] of HOSTILE)
  test(`${what} → refused at line ${line}, soon`, { timeout: 20_000 }, () => {
    const read = readExperiment(text, name);
    assert.ok("problems" in read);
    assert.equal(read.problems[0]?.line, line, JSON.stringify(read.problems[0]));
  });

/** [what, a text of as many tokens as are allowed, or a little more]. */
const LONG: readonly (readonly [string, string])[] = [
  ["names", Array.from({ length: 9_000 }, (_, at) => `name-${at}: 1`).join("\n")],
  ["anchors", "&a ".repeat(29_000)],
  ["tags", "!a ".repeat(29_000)],
  ["lists", `a: [${"[],".repeat(15_000)}1]`],
  ["keys without values", "? a\n".repeat(12_000)],
  ["documents", "---\n".repeat(29_000)],
  ["merges", `a: &a {${"b, ".repeat(900)}c}\nd: {<<: [${"*a, ".repeat(200)}*a]}`],
];

for (const [what, text] of LONG)
  test(`as many ${what} as fit → refused in a few seconds`, { timeout: 60_000 }, () => {
    assert.ok("problems" in readExperiment(text, "x.yaml"));
  });

test("a thousand mistakes → a hundred problems", () => {
  const method = Array.from({ length: 900 }, () => 3);
  const read = readExperiment(JSON.stringify({ title: "t", description: "d", method }), "x.json");
  assert.ok("problems" in read);
  assert.equal(read.problems.length, 100);
});

test("more activities than are allowed → refused once", () => {
  const probe = { type: "probe", name: "p", provider: { type: "process", path: "true" } };
  const method = Array.from({ length: 600 }, () => probe);
  const read = readExperiment(JSON.stringify({ title: "t", description: "d", method }), "x.json");
  assert.ok("problems" in read);
  assert.deepEqual(
    read.problems.map(({ where }) => where),
    ["method[500]"],
  );
});

test("fields named as what every object has → no meaning and no harm", () => {
  const text =
    '{"title": "t", "description": "d", "method": [], "__proto__": {"drill": 1}, "constructor": {"a": 1}, "toString": 1, "configuration": {"__proto__": {"type": "env", "key": "A", "default": 1}}}';
  const read = readExperiment(text, "x.json");
  assert.ok("experiment" in read, JSON.stringify(read));
  assert.equal(read.experiment.drill, undefined);
  assert.deepEqual(Object.keys(read.experiment.configuration), ["__proto__"]);
  assert.equal(({} as Record<string, unknown>)["drill"], undefined);
  const missing = readExperiment('{"__proto__": {"title": "t", "description": "d", "method": []}}', "x.json");
  assert.ok("problems" in missing);
});

test("just as deep as is allowed → read; one deeper → refused", () => {
  const nested = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`;
  for (const name of ["x.json", "x.yaml"]) {
    assert.ok("data" in readSourceText(nested(MAX_NESTING), name));
    assert.ok("problems" in readSourceText(nested(MAX_NESTING + 1), name));
  }
});

test("a byte order mark, line ends of Windows, no known ending → read by content", () => {
  for (const [name, text] of [
    ["a", '\ufeff{"title":\r\n "t"}'],
    ["b.txt", "title: t\r\n"],
    ["c.JSON", '{"title": "t"}'],
    ["d.YML", '{title: "t"}'],
    ["http://host/experiment", '{"title": "t"}'],
  ] as const) {
    const read = readSourceText(text, name);
    assert.ok("data" in read, name);
    assert.deepEqual(read.data, { title: "t" });
  }
});

test("strange but valid JSON → as JSON has it", () => {
  const text = JSON.stringify({
    long: { ["k".repeat(2_000)]: 1 },
    sign: '\ud83d\ude00 \u2028 \\ " / \b',
    "": 0,
    big: 1e300,
    "<<": { a: 1 },
    on: "yes",
    n: [-0.5, 1e-7, 123456789012],
  });
  const read = readSourceText(text, "x.json");
  assert.ok("data" in read, JSON.stringify(read));
  assert.deepEqual(read.data, JSON.parse(text));
});

test("infinity and not-a-number of YAML → texts, because JSON has none", () => {
  const read = readSourceText("a: .inf\nb: .nan", "x.yaml");
  assert.ok("data" in read);
  assert.deepEqual(read.data, { a: "Infinity", b: "NaN" });
});

const runs = { seed: 20_270_203, numRuns: 300 } as const;

test("any JSON → read as it is", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (data) => {
      const text = JSON.stringify(data);
      const read = readSourceText(text, "x.json");
      assert.ok("data" in read, JSON.stringify(read));
      assert.equal(JSON.stringify(read.data), text);
    }),
    runs,
  );
});

test("any text → data or problems, never another error", () => {
  const piece = fc.constantFrom(..."abc: \n-?&*!|>'\"%@`{}[],#0\t", "---", "<<", "...", "\r\n", "é", "\0");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), fc.constantFrom("x.yaml", "x.json", "x"), (pieces, name) => {
      const read = readExperiment(pieces.join(""), name);
      assert.ok("problems" in read && read.problems.every(({ where, message }) => where !== "" && message !== ""));
    }),
    { ...runs, numRuns: 3_000 },
  );
});
