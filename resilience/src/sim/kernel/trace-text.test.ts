/** Lines for people and lines for tools. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TraceRecord } from "./trace.ts";
import { traceJsonl, traceText } from "./trace-text.ts";

const RECORDS: readonly TraceRecord[] = [
  { step: 0, atMs: 0, kind: "start", node: "gateway", detail: "incarnation 1" },
  { step: 9, atMs: 9.5, kind: "deliver", node: "gateway", peer: "station-a", detail: "command 1" },
  { step: 1234, atMs: 12_345.678_901, kind: "resume", node: "station-a", detail: "" },
];

test("text has one aligned line for each record", () => {
  assert.equal(
    traceText(RECORDS),
    [
      " 0.000000     #0  gateway              start    incarnation 1",
      " 0.009500     #9  gateway → station-a  deliver  command 1",
      "12.345679  #1234  station-a            resume",
      "",
    ].join("\n"),
  );
  assert.equal(traceText([]), "");
});

test("what an adversary sent cannot command the terminal, nor begin a line of its own", () => {
  const detail = "before\u001b[2J\u009b31m\u202e\r\n   at line two\nafter\u0007";
  const text = traceText([{ step: 1, atMs: 1, kind: "deliver\u001b", node: "a\n", peer: "b\u0000", detail }]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  assert.doesNotMatch(text.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  assert.match(text, /before·\[2J·31m· ⏎ at line two ⏎ after·\n$/);
});

test("a line has a greatest width", () => {
  const long = "x".repeat(10_000);
  const line = traceText([{ step: 1, atMs: 1, kind: long, node: long, peer: long, detail: long }]);
  assert.ok(line.length < 500, String(line.length));
  assert.match(line, /x…\n$/);
});

test("JSON lines give the records back", () => {
  const lines = traceJsonl(RECORDS).split("\n");
  assert.equal(lines.pop(), "");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    RECORDS,
  );
});
