/**
 * When a service asks to be tried again, as RFC 9110 lets it say so; what it does not let it say is
 * no hint.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { httpDateMs, retryAfterMs } from "./retry-after.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
/** The instant of RFC 9110's own examples. */
const EXAMPLE_MS = Date.UTC(1994, 10, 6, 8, 49, 37);
const EXAMPLES = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];

test("the three forms of an HTTP date → one instant, in any case", () => {
  for (const form of EXAMPLES) {
    assert.equal(httpDateMs(form), EXAMPLE_MS, form);
    assert.equal(httpDateMs(form.toLowerCase()), EXAMPLE_MS, form);
  }
});

test("every instant to the second, written in each form → read back", () => {
  const property = fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
    const atMs = seconds * 1_000;
    const fixed = new Date(atMs).toUTCString();
    const [, day, month, year, time] = fixed.split(/,? /) as [string, string, string, string, string];
    const weekday = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: "UTC" }).format(atMs);
    assert.equal(httpDateMs(fixed), atMs);
    assert.equal(
      httpDateMs(`${weekday}, ${day}-${month}-${year.slice(2)} ${time} GMT`, () => atMs),
      atMs,
    );
    assert.equal(httpDateMs(`${fixed.slice(0, 3)} ${month} ${day.replace(/^0/, " ")} ${time} ${year}`), atMs);
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test("a year of two digits → the one nearest to now, at most 50 years ahead", () => {
  const yearOf = (digits: string, now: number): number | undefined => {
    const atMs = httpDateMs(`Sunday, 06-Nov-${digits} 08:49:37 GMT`, () => Date.UTC(now, 0));
    return atMs && new Date(atMs).getUTCFullYear();
  };
  assert.deepEqual(
    [yearOf("94", 2026), yearOf("26", 2026), yearOf("76", 2026), yearOf("77", 2026)],
    [1994, 2026, 2076, 1977],
  );
  assert.deepEqual([yearOf("01", 1999), yearOf("99", 2001)], [2001, 1999]);
});

test("a date beside the answer's own Date → the difference, whatever our calendar says", () => {
  const wrong = (): number => Date.UTC(2031, 0);
  for (const date of EXAMPLES) {
    assert.equal(retryAfterMs("Sun, 06 Nov 1994 08:49:39 GMT", date, wrong), 2_000);
    assert.equal(retryAfterMs(" Sunday, 06-Nov-94 08:50:37 GMT\t", date, undefined), 60_000);
    assert.equal(retryAfterMs("Sun Nov  6 08:49:36 1994", date, undefined), 0, "it has passed: at once");
  }
});

test("a date without the answer's own, or beside nonsense → our calendar; without one, no hint", () => {
  for (const date of [undefined, "", "yesterday"]) {
    assert.equal(
      retryAfterMs("Sunday, 06-Nov-94 08:49:39 GMT", date, () => EXAMPLE_MS),
      2_000,
    );
    assert.equal(retryAfterMs("Sun, 06 Nov 1994 08:49:39 GMT", date, undefined), undefined);
    assert.equal(
      retryAfterMs("Sun, 06 Nov 1994 08:49:39 GMT", date, () => undefined),
      undefined,
    );
  }
});

test("seconds, with blanks round them → that long; our calendar is not asked", () => {
  const never = (): number => assert.fail("asked");
  for (const value of ["2", " 2", "2 ", "\t2 "]) assert.equal(retryAfterMs(value, "yesterday", never), 2_000);
  assert.equal(retryAfterMs("0", undefined, never), 0);
});

test("seconds of any number of digits → that long; what is too large means 2³¹ seconds", () => {
  const hint = (text: string): unknown => retryAfterMs(text, undefined, undefined);
  assert.equal(hint("0000000000002"), 2_000);
  assert.equal(hint("1796040000"), 1_796_040_000_000);
  for (const text of ["9999999999", "9".repeat(30), "9".repeat(400), "9".repeat(8_000)]) {
    assert.equal(hint(text), 2 ** 31 * 1_000, `${text.length} digits`);
  }
});

test("several, as a service and a proxy before it say them → the longest that is one", () => {
  const now = (): number => EXAMPLE_MS;
  const inTenSeconds = "Sun, 06 Nov 1994 08:49:47 GMT";
  for (const [text, ms] of [
    ["2, 3", 3_000],
    ["3,2", 3_000],
    ["2, soon", 2_000],
    [", 2,", 2_000],
    ["0, 0", 0],
    [`2, ${inTenSeconds}`, 10_000],
    [`${inTenSeconds}, 20`, 20_000],
    [`${inTenSeconds}, Sunday, 06-Nov-94 08:49:57 GMT, Sun Nov  6 08:49:40 1994`, 20_000],
  ] as const) {
    assert.equal(retryAfterMs(text, undefined, now), ms, text);
  }
});

test("what is neither → no hint", () => {
  const now = (): number => EXAMPLE_MS;
  for (const value of [
    undefined,
    "",
    " ",
    "-1",
    "1.5",
    "+2",
    "0x10",
    "1e3",
    "soon",
    "NaN",
    "soon, later",
    ",",
    ",".repeat(20),
    `${"soon, ".repeat(100)}2`,
    "1994-11-06T08:49:37Z",
    "06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Foo, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    `Sun, 06 Nov 1994 08:49:37 GMT${" ".repeat(10_000)}x`,
  ]) {
    assert.equal(retryAfterMs(value, undefined, now), undefined, value);
    assert.equal(retryAfterMs(value, EXAMPLES[0], now), undefined, value);
  }
});
