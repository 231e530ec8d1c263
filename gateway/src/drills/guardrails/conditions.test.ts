/** Stop conditions: what is read, what is refused and where, and when one holds. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { holds, longestWindowMs, observedBy, signalsIn } from "./condition.ts";
import { readCondition } from "./condition-parser.ts";
import { SignalHistory } from "./signal-history.ts";
import { valueIn } from "./signal-source.ts";

function columns(text: string): number[] {
  return (readCondition(text).problems ?? []).map(({ column }) => column);
}

/** Whether the condition holds with these numbers at this moment. */
function now(text: string, values: Readonly<Record<string, number>>): boolean | undefined {
  const { condition, problems } = readCondition(text);
  assert.ok(condition !== undefined, `${text}: ${JSON.stringify(problems)}`);
  const history = new SignalHistory(longestWindowMs(condition));
  history.add(0, new Map(Object.entries(values)));
  return holds(condition, history);
}

describe("reading", () => {
  test("the usual conditions → read", () => {
    for (const text of [
      "acked_loss > 0",
      "unavailable_ms > 30000",
      "unavailable_ms>30s",
      "error_ratio(10s) > 0.05",
      "budget_remaining < 20%",
      "ratio(errors, calls, 10s) >= 5% and rate(calls, 1m) > 10",
      "not (a == 1 or b != 2) and max(gsf:p99, 30s) > 1.5s",
      "0.05 < error_ratio",
      "memory > 512MiB",
    ])
      assert.ok(readCondition(text).condition !== undefined, text);
  });

  test("nothing, half a condition, a wrong word → told with its column", () => {
    assert.deepEqual(columns(""), [1]);
    assert.deepEqual(columns("acked_loss"), [11]);
    assert.deepEqual(columns("acked_loss >"), [13]);
    assert.deepEqual(columns("acked_loss > > 0"), [14]);
    assert.deepEqual(columns("a > 1 b > 2"), [7]);
    assert.deepEqual(columns("a = 1"), [3]);
    assert.deepEqual(columns("(a > 1"), [7]);
    assert.deepEqual(columns("a > 1)"), [6]);
    assert.deepEqual(columns("avrg(a, 10s) > 1"), [1]);
    assert.deepEqual(columns("avg(a) > 1"), [6]);
    assert.deepEqual(columns("avg(a, 10) > 1"), [8]);
    assert.deepEqual(columns("avg(a, 10ms) > 1"), [8]);
    assert.deepEqual(columns("a > 10xs"), [5]);
    assert.deepEqual(columns("1 > 2").length, 1);
    assert.deepEqual(columns("a > 1 and and b > 2"), [11]);
  });

  test("several mistakes → all are told in one reading", () => {
    assert.deepEqual(columns("a > and b(5) > 1 or c ! 3 and d > 2"), [5, 11, 23]);
  });

  test("too long, too deep → refused", () => {
    assert.equal(columns(`a > ${"1".repeat(1_000)}`).length, 1);
    assert.ok(columns(`${"(".repeat(40)}a > 1${")".repeat(40)}`).length > 0);
    assert.ok(columns(`${"not ".repeat(40)}a > 1`).length > 0);
  });

  test("any text → an answer, never an exception, and each column lies in the text", () => {
    const words = fc.constantFrom(
      "a",
      "and",
      "or",
      "not",
      "(",
      ")",
      ",",
      ">",
      "<=",
      "5",
      "10s",
      "20%",
      "avg",
      "ratio",
      "=",
      "é",
      " ",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words, { maxLength: 30 }).map((all) => all.join(" ")),
        ),
        (text) => {
          const read = readCondition(text);
          assert.equal(read.condition === undefined, (read.problems?.length ?? 0) > 0);
          for (const { column } of read.problems ?? []) assert.ok(column >= 1 && column <= text.length + 1);
        },
      ),
      { seed: 13, numRuns: 2_000 },
    );
  });
});

describe("holding", () => {
  test("and before or, not before both; parentheses first", () => {
    const values = { a: 1, b: 0, c: 0 };
    assert.equal(now("a == 1 or b == 1 and c == 1", values), true);
    assert.equal(now("(a == 1 or b == 1) and c == 1", values), false);
    assert.equal(now("not b == 1 and a == 1", values), true);
    assert.equal(now("not (b == 1 or a == 1)", values), false);
  });

  test("each comparison at its edge", () => {
    for (const [comparison, below, equal, above] of [
      [">", false, false, true],
      [">=", false, true, true],
      ["<", true, false, false],
      ["<=", true, true, false],
      ["==", false, true, false],
      ["!=", true, false, true],
    ] as const) {
      assert.deepEqual(
        [1, 2, 3].map((a) => now(`a ${comparison} 2`, { a })),
        [below, equal, above],
      );
    }
  });

  test("units: times in ms, shares of 1, bytes", () => {
    assert.equal(
      now("a == 1.5s and b == 5% and c == 1KiB and d == 2m", { a: 1_500, b: 0.05, c: 1_024, d: 120_000 }),
      true,
    );
  });

  test("signal missing → unknown, unless the rest decides", () => {
    assert.equal(now("gone > 0", {}), undefined);
    assert.equal(now("not gone > 0", {}), undefined);
    assert.equal(now("gone > 0 or a > 0", { a: 1 }), true);
    assert.equal(now("gone > 0 or a > 0", { a: 0 }), undefined);
    assert.equal(now("gone > 0 and a > 0", { a: 0 }), false);
  });

  test("windows forget what is older, and count what is there while they fill", () => {
    const { condition } = readCondition("max(a, 3s) >= 9");
    assert.ok(condition !== undefined);
    const history = new SignalHistory(3_000);
    const seen = [9, 1, 1, 1, 1, 1].map((value, second) => {
      history.add(second * 1_000, new Map([["a", value]]));
      return holds(condition, history);
    });
    assert.deepEqual(seen, [true, true, true, true, false, false]);
  });

  test("average, growth, pace and share over a window", () => {
    const history = new SignalHistory(10_000);
    for (let second = 0; second <= 10; second++)
      history.add(
        second * 1_000,
        new Map([
          ["level", second],
          ["calls", 100 + 20 * second],
          ["errors", second < 5 ? 0 : 2 * (second - 5)],
        ]),
      );
    assert.equal(history.over("avg", "level", 10_000), 5);
    assert.equal(history.over("min", "level", 2_000), 8);
    assert.equal(history.over("delta", "calls", 10_000), 200);
    assert.equal(history.over("rate", "calls", 5_000), 20);
    assert.equal(history.ratio("errors", "calls", 10_000), 0.05);
    assert.equal(history.ratio("errors", "calls", 2_000), 0.1);
  });

  test("counter set back by a restart → only what it grew by since counts", () => {
    const history = new SignalHistory(10_000);
    for (const [second, value] of [10, 12, 1, 4].entries()) history.add(second * 1_000, new Map([["calls", value]]));
    assert.equal(history.over("delta", "calls", 10_000), 6);
  });

  test("errors while nothing else is counted → all of it; nothing at all → none of it", () => {
    const history = new SignalHistory(10_000);
    for (let second = 0; second < 3; second++)
      history.add(
        second * 1_000,
        new Map([
          ["calls", 7],
          ["errors", second],
          ["quiet", 0],
        ]),
      );
    assert.equal(history.ratio("errors", "calls", 10_000), 1);
    assert.equal(history.ratio("quiet", "calls", 10_000), 0);
  });

  test("one hour of samples → bounded", () => {
    const history = new SignalHistory(3_600_000);
    for (let count = 0; count < 20_000; count++) history.add(count, new Map([["a", count]]));
    assert.ok((history.over("min", "a", 3_600_000) as number) >= 20_000 - 3_700);
  });

  test("what was observed → each value once", () => {
    const { condition } = readCondition("a > 1 and (a < 9 or avg(b, 10s) > 2)");
    assert.ok(condition !== undefined);
    assert.deepEqual(signalsIn(condition), ["a", "b"]);
    const history = new SignalHistory(10_000);
    history.add(0, new Map([["a", 3]]));
    assert.equal(observedBy(condition, history), "a = 3, avg(b, 10000ms) = unknown");
  });
});

describe("sources", () => {
  const json = JSON.stringify({ a: 1, deep: { "p99-ms": 2.5 }, text: "3", list: [1, 2], nothing: null });

  test("JSON: one number at the path, and nothing else", () => {
    const at = (jsonpath: string): number | undefined => valueIn(json, { url: "http://x/", jsonpath });
    assert.equal(at("$.a"), 1);
    assert.equal(at('$.deep["p99-ms"]'), 2.5);
    for (const path of ["$.text", "$.list[*]", "$.nothing", "$.gone"]) assert.equal(at(path), undefined, path);
  });

  test("Prometheus: samples of the name and the labels are added up", () => {
    const text = [
      "# HELP calls_total calls",
      "# TYPE calls_total counter",
      'calls_total{group="up",station="a"} 3',
      'calls_total{group="up",station="b",note="a \\"b\\" }"} 4 1700000000000',
      'calls_total_more{group="up"} 100',
      'calls_total{group="down"} 5',
      "level 1.5e2",
      "",
    ].join("\n");
    const sum = (metric: string, labels: Record<string, string> = {}): number | undefined =>
      valueIn(text, { url: "http://x/", metric, labels });
    assert.equal(sum("calls_total"), 12);
    assert.equal(sum("calls_total", { group: "up" }), 7);
    assert.equal(sum("calls_total", { note: 'a "b" }' }), 4);
    assert.equal(sum("level"), 150);
    assert.equal(sum("calls"), undefined);
    assert.equal(sum("calls_total", { group: "none" }), undefined);
  });
});
