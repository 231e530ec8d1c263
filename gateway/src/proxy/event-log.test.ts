/** The log of events keeps the last ones, counts all of them, and writes each as a line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog } from "./event-log.ts";

test("events → each a line of JSON with its number, its time and its proxy", () => {
  const lines: string[] = [];
  const log = new EventLog({ write: (line) => lines.push(line), now: () => new Date(0) });
  log.note("web", { type: "connection-opened", connection: 1 });
  const expected = {
    number: 1,
    at: "1970-01-01T00:00:00.000Z",
    proxy: "web",
    type: "connection-opened",
    connection: 1,
  };
  assert.deepEqual(lines, [`${JSON.stringify(expected)}\n`]);
  assert.deepEqual(log.since(0), [expected]);
  assert.deepEqual(log.since(1), []);
});

test("more events than are kept → the oldest are gone, and their numbers say so", () => {
  const log = new EventLog();
  for (let event = 0; event < 25_000; event++) log.note("web", { type: "toxic-applied" });
  const kept = log.since(0);
  assert.equal(kept.length, 5_000);
  assert.deepEqual([kept[0]?.number, kept.at(-1)?.number], [20_001, 25_000]);
  assert.equal(log.since(24_990).length, 10);
});
