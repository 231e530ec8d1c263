/**
 * Secrets in what is written down: every usual form is found, and short ones blank nothing else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "./experiment.ts";
import { redacted, redactor } from "./redact.ts";

const secrets = { group: { token: "hunter2-é/x y", pin: 123456, short: "ab", deep: { list: ["in-a-list"] } } };
const token = secrets.group.token;

/** [what, the text, what it becomes]. */
const CASES: readonly (readonly [string, Json, Json])[] = [
  ["the secret alone", token, "*****"],
  ["inside of a text", `Bearer ${token}!`, "Bearer *****!"],
  ["twice", `${token}${token}`, "**********"],
  ["percent-encoded", `?t=${encodeURIComponent(token)}&a=1`, "?t=*****&a=1"],
  ["in lower case", `?t=${encodeURIComponent(token).replaceAll(/%../g, (code) => code.toLowerCase())}`, "?t=*****"],
  ["of a form", `t=${new URLSearchParams([["", token]]).toString().slice(1)}`, "t=*****"],
  ["in base64", Buffer.from(token).toString("base64"), "*****"],
  ["in base64 without its end", Buffer.from(token).toString("base64").replace(/=+$/, ""), "*****"],
  ["in base64 for URLs", Buffer.from(token).toString("base64url"), "*****"],
  ["in hexadecimal", Buffer.from(token).toString("hex").toUpperCase(), "*****"],
  ["as JSON in a text", JSON.stringify({ t: 'quote " back' }), '{"t":"quote \\" back"}'],
  ["a number", 123456, "*****"],
  ["a number in a text", "pin=123456", "pin=*****"],
  ["a short secret alone", "ab", "*****"],
  ["a short secret in a text", "about", "about"],
  ["from a list", ["x", "in-a-list"], ["x", "*****"]],
  ["in the name of a field", { "x-in-a-list": 1 }, { "x-*****": 1 }],
  ["another number", 1234567, 1234567],
  ["nothing secret", { a: [true, null, 1.5, "text"] }, { a: [true, null, 1.5, "text"] }],
];

for (const [what, given, expected] of CASES)
  test(`${what} → ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(redacted(given, secrets), expected);
  });

test("user and password in base64 → the password's part is gone", () => {
  for (const user of ["a", "ab", "abc", "somebody"]) {
    const password = "correct horse battery";
    const header = Buffer.from(`${user}:${password}`).toString("base64");
    const shown = redacted(`Basic ${header}`, { g: { password } }) as string;
    assert.ok(shown.includes("*****"));
    // What is left of it cannot hold more than the characters at its two ends.
    const rest = Buffer.from(shown.replace("Basic ", "").replaceAll("*", ""), "base64").toString("latin1");
    for (let at = 0; at + 4 <= password.length; at++) assert.ok(!rest.includes(password.slice(at, at + 4)));
  }
});

test("a private key → each of its lines is a secret", () => {
  const key = `-----BEGIN KEY-----\n${"A1b2".repeat(16)}\n${"C3d4".repeat(16)}\n-----END KEY-----`;
  const shown = redacted(`log: ${"C3d4".repeat(16)}`, { g: { key } });
  assert.equal(shown, "log: *****");
});

test("no secrets, or empty ones → nothing changes", () => {
  assert.deepEqual(redacted({ a: "" }, {}), { a: "" });
  assert.deepEqual(redacted({ a: "", b: "*****" }, { g: { empty: "", stars: "*****", no: null, yes: true } }), {
    a: "",
    b: "*****",
  });
});

test("a field named __proto__ → stays a field", () => {
  const given = JSON.parse('{"__proto__": {"a": "in-a-list"}}') as Json;
  assert.equal(JSON.stringify(redacted(given, secrets)), '{"__proto__":{"a":"*****"}}');
});

const runs = { seed: 20_270_203, numRuns: 500 } as const;

/** All texts and numbers in a value. */
function leaves(value: Json): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  return typeof value === "string" ? [value] : [];
}

test("any secret anywhere in any output → no form of it is left", () => {
  const secret = fc.string({ minLength: 4, maxLength: 40, unit: "grapheme" }).filter((text) => !/^\*+$/.test(text));
  const around = fc.string({ maxLength: 10 });
  const forms = (text: string): string[] => [
    text,
    encodeURIComponent(text),
    Buffer.from(text).toString("base64"),
    Buffer.from(text).toString("base64url"),
    Buffer.from(text).toString("hex"),
  ];
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 3 }), around, around, (all, before, behind) => {
      const redact = redactor({ group: Object.fromEntries(all.map((text, at) => [`s${at}`, text])) });
      const texts = all.flatMap((text) => forms(text).map((form) => `${before}${form}${behind}`));
      const shown = leaves(redact([texts, { texts }, texts.join("")] as Json));
      for (const text of shown) for (const one of all) for (const form of forms(one)) assert.ok(!text.includes(form));
    }),
    runs,
  );
});

test("any secrets → what was redacted stays as it is", () => {
  const object = fc.dictionary(fc.string(), fc.string()) as fc.Arbitrary<JsonObject>;
  fc.assert(
    fc.property(object, fc.jsonValue() as fc.Arbitrary<Json>, (group, output) => {
      const redact = redactor({ group });
      const once = redact(output);
      assert.deepEqual(redact(once), once);
    }),
    runs,
  );
});
