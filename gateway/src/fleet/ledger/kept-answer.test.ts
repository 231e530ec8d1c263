/** Which answers are kept, and that a record is the answer that went into it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { CommandReply } from "../uplink.ts";
import { decodeAnswer, encodeAnswer, whyNotKept } from "./kept-answer.ts";

function reply(status: number, bytes = new Uint8Array()): CommandReply {
  return { status, statusText: "", headers: [], body: { kind: "bytes", bytes }, json: undefined, trailers: [] };
}

describe("[G1] which answers are kept", () => {
  for (const status of [200, 201, 202, 204, 301, 303, 400, 402, 403, 404, 410, 413, 422, 451]) {
    test(`${status} → kept`, () => assert.equal(whyNotKept(reply(status), false, 100), undefined));
  }
  for (const status of [401, 407, 408, 409, 421, 423, 425, 429, 500, 501, 502, 503, 504]) {
    test(`${status} → not kept, because a retry has to be tried`, () =>
      assert.equal(whyNotKept(reply(status), false, 100), "not-final"));
  }
  test("200 with an error in its body → not kept", () => assert.equal(whyNotKept(reply(200), true, 100), "not-final"));
  test("one byte more than the bound → not kept", () => {
    assert.equal(whyNotKept(reply(200, new Uint8Array(100)), false, 100), undefined);
    assert.equal(whyNotKept(reply(200, new Uint8Array(101)), false, 100), "too-large");
  });
});

const field = fc.tuple(fc.stringMatching(/^[!#$%&'*+.^_`|~\w-]{1,20}$/), fc.stringMatching(/^[ -~\x80-\xff]{0,40}$/));

test("[G1] any answer → the record gives it back unchanged", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 499 }),
      fc.array(field, { maxLength: 10 }),
      fc.array(field, { maxLength: 3 }),
      fc.uint8Array({ maxLength: 300 }),
      (status, headers, trailers, bytes) => {
        const body = { kind: "bytes", bytes } as const;
        const given: CommandReply = { status, statusText: "Fine", headers, body, json: undefined, trailers };
        const record = encodeAnswer({ fingerprint: "f", reply: given }, bytes);
        assert.deepEqual(decodeAnswer(record), { fingerprint: "f", reply: given });
      },
    ),
  );
});

test("[G1] a record that is cut, changed or of another layout → no answer, or a whole one, never an error", () => {
  const record = encodeAnswer({ fingerprint: "f", reply: reply(200) }, new Uint8Array([1, 2, 3]));
  for (let length = 0; length < record.length - 3; length++) {
    assert.equal(decodeAnswer(record.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(decodeAnswer(Uint8Array.from(record).fill(9, 0, 1)), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void decodeAnswer(bytes)));
});
