/** Bytes of any realm are bytes; what only looks like them is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { corrupted, labelOf } from "../network/payload.ts";
import { isBytes } from "./bytes.ts";

const foreign = runInContext("new Uint8Array([1, 2, 3])", createContext()) as Uint8Array;

test("a Uint8Array of another realm, and a Buffer → bytes, named and corrupted as such", () => {
  assert.equal(foreign instanceof Uint8Array, false, "else this proves nothing");
  for (const bytes of [foreign, Buffer.from([1, 2, 3]), new Uint8Array([1, 2, 3])]) {
    assert.ok(isBytes(bytes));
    assert.equal(labelOf(bytes), labelOf(new Uint8Array([1, 2, 3])));
    assert.notDeepEqual([...(corrupted(bytes, 0.5) as Uint8Array)], [1, 2, 3]);
  }
});

test("other views, buffers and look-alikes → none", () => {
  const lookAlike = { [Symbol.toStringTag]: "Uint8Array", length: 3 };
  for (const value of [
    new Uint16Array(3),
    new DataView(new ArrayBuffer(3)),
    new ArrayBuffer(3),
    [1],
    "x",
    null,
    lookAlike,
  ]) {
    assert.equal(isBytes(value), false);
  }
});
