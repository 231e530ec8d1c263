/** Interim replies in every cut of the stream: the same digits change, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InterimReplies } from "./interim-replies.ts";

/** What comes out of `text`, which arrives in pieces of `size` bytes. */
function read(text: string, size: number): string {
  const replies = new InterimReplies();
  replies.begin();
  const out: Buffer[] = [];
  for (let at = 0; at < text.length; at += size) {
    const piece = Buffer.from(text.slice(at, at + size), "latin1");
    replies.take(piece);
    out.push(piece);
  }
  return Buffer.concat(out).toString("latin1");
}

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const SKIPPED = "HTTP/1.1 102 Continue\r\n\r\n";
const FINAL = `HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n${CONTINUE}`;

for (const [name, text, expected] of [
  ["one 100", CONTINUE + FINAL, SKIPPED + FINAL],
  ["100 behind 103 with fields", `HTTP/1.1 103 Hi\r\na: 1\r\nb: 2\r\n\r\n${CONTINUE}${FINAL}`, undefined],
  ["empty lines before it", `\r\n\n${CONTINUE}${FINAL}`, `\r\n\n${SKIPPED}${FINAL}`],
  ["lines that end with a line feed", `HTTP/1.1 103 Hi\na: 1\n\n${CONTINUE}`, `HTTP/1.1 103 Hi\na: 1\n\n${SKIPPED}`],
  ["101", `HTTP/1.1 101 Switching\r\n\r\n${CONTINUE}`, `HTTP/1.1 101 Switching\r\n\r\n${CONTINUE}`],
  ["no HTTP", `HTTX/1.1 100\r\n\r\n${CONTINUE}`, `HTTX/1.1 100\r\n\r\n${CONTINUE}`],
  ["a field that looks like one", `HTTP/1.1 103 Hi\r\nHTTP/1.1 100\r\n\r\n${FINAL}`, undefined],
] as const) {
  test(`[G1] ${name}`, () => {
    const whole = read(text, text.length);
    if (expected !== undefined) assert.equal(whole, expected);
    else if (name.startsWith("100")) assert.equal(whole, `HTTP/1.1 103 Hi\r\na: 1\r\nb: 2\r\n\r\n${SKIPPED}${FINAL}`);
    else assert.equal(whole, text);
    for (let size = 1; size < 30; size++) assert.equal(read(text, size), whole, `in pieces of ${size}`);
  });
}

test("[G1] a body is left as it is, until the next request begins", () => {
  const replies = new InterimReplies();
  const take = (text: string): string => {
    const piece = Buffer.from(text);
    replies.take(piece);
    return piece.toString();
  };
  assert.equal(take(CONTINUE), CONTINUE, "nothing was asked");
  replies.begin();
  assert.equal(take(FINAL), FINAL);
  assert.equal(take(CONTINUE), CONTINUE);
  replies.begin();
  assert.equal(take(CONTINUE), SKIPPED);
});
