/**
 * A streamed body drives its source, ends only as its source ended, and does not stand still for
 * ever.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplyStream } from "./reply-stream.ts";

function source(): { resumed: number; aborted: Error[]; resume(): void; abort(reason: Error): void } {
  return {
    resumed: 0,
    aborted: [],
    resume() {
      this.resumed++;
    },
    abort(reason) {
      this.aborted.push(reason);
    },
  };
}

/** The stream's own timer does not keep a process alive; this does. */
async function closed(stream: ReplyStream): Promise<void> {
  const awake = setInterval(() => undefined, 1_000);
  await new Promise<void>((resolve) => stream.once("close", resolve));
  clearInterval(awake);
}

test("a reader that takes nothing makes the source stop, and reading makes it go on", async () => {
  const from = source();
  const stream = new ReplyStream(from);
  while (stream.arrived(Buffer.alloc(8_192)));
  assert.equal(from.resumed, 0);
  stream.read();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(from.resumed > 0);
  stream.destroy();
});

test("an error before anybody reads is told to whoever reads then", async () => {
  const stream = new ReplyStream(source());
  stream.destroy(new Error("cut off"));
  await closed(stream);
  await assert.rejects(async () => {
    for await (const _chunk of stream) assert.fail("there is nothing");
  });
});

test("a reader that goes away ends the exchange", async () => {
  const from = source();
  const stream = new ReplyStream(from);
  stream.arrived(Buffer.from("x"));
  for await (const _chunk of stream) break;
  assert.equal(from.aborted.length, 1);
});

test("a body that stands still is given up, and one that has ended is not", async () => {
  const from = source();
  const still = new ReplyStream(from, 10);
  await closed(still);
  assert.match(String(from.aborted[0]), /stood still for 10 ms/);
  const ended = new ReplyStream(source(), 10);
  ended.arrived(Buffer.from("x"));
  ended.ended([["x-sum", "1"]]);
  const again = new ReplyStream(source(), 30);
  await closed(again);
  const chunks: string[] = [];
  for await (const chunk of ended) chunks.push(String(chunk));
  assert.deepEqual([chunks, ended.trailers()], [["x"], [["x-sum", "1"]]]);
});
