import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Timeline, wrapped } from "./timeline.ts";

function written(environment: NodeJS.ProcessEnv, isTTY: boolean, tell: (timeline: Timeline) => void): string {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  stream.isTTY = isTTY;
  tell(new Timeline(stream, () => 1_000, environment));
  return String((stream as unknown as PassThrough).read());
}

test("lines are broken between words and fit their columns", () => {
  assert.deepEqual(wrapped("one two three four", 9), ["one two", "three", "four"]);
  assert.deepEqual(wrapped("a-word-longer-than-that x", 9), ["a-word-longer-than-that", "x"]);
});

test("an event carries its instant relative to the fault and fits 80 columns", () => {
  const text = written({}, false, (timeline) => {
    timeline.originAt(900);
    timeline.event("word ".repeat(40).trim(), 1_234);
  });
  assert.match(text, /^ +\+334 ms {2}word/);
  assert.ok(text.split("\n").every((line) => line.length <= 80));
});

test("colour is for terminals whose user does not mind", () => {
  const tell = (timeline: Timeline): void => timeline.note("fine", "green");
  assert.equal(written({}, false, tell), "fine\n");
  assert.equal(written({ NO_COLOR: "1" }, true, tell), "fine\n");
  assert.notEqual(written({}, true, tell), "fine\n");
});
