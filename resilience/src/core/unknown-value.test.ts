/** Reading what refuses to be read: nothing throws, and it is told from what is not there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UNREADABLE_ERRORS } from "../../../test/unreadable.ts";
import { ResilienceError } from "./errors.ts";
import { shown } from "./options.ts";
import { hasProperty, itemsOf, propertyOf, readOf, textOf, UNREADABLE } from "./unknown-value.ts";

const secret = {
  get code(): string {
    throw new Error("do not ask");
  },
};

test("what is there is read, what is not is undefined, what cannot be read is neither", () => {
  assert.deepEqual(
    [propertyOf({ code: 5 }, "code"), propertyOf({}, "code"), propertyOf(null, "code")],
    [5, undefined, undefined],
  );
  assert.deepEqual([propertyOf("text", "length"), propertyOf(undefined, "x")], [undefined, undefined]);
  assert.deepEqual([propertyOf(secret, "code"), textOf(secret, "code")], [UNREADABLE, undefined]);
  assert.deepEqual([textOf({ code: "A" }, "code"), textOf({ code: 5 }, "code")], ["A", undefined]);
  assert.deepEqual(
    [hasProperty(secret, "code"), hasProperty({}, "code"), hasProperty(7, "code")],
    [true, false, false],
  );
  assert.equal(
    readOf(() => secret.code),
    UNREADABLE,
  );
});

test("the first items of an array are read; what is no array, or has an item that cannot be read, has none", () => {
  assert.deepEqual([itemsOf([1, 2, 3], 2), itemsOf([], 2), itemsOf({ length: 2 }, 2)], [[1, 2], [], undefined]);
  const list = Object.defineProperty([1, 2], 1, { get: () => secret.code });
  assert.deepEqual([itemsOf(list, 1), itemsOf(list, 2)], [[1], undefined]);
});

test("every unreadable error can be asked for anything, shown, and compared with a class", () => {
  for (const [what, make] of UNREADABLE_ERRORS) {
    const error = make();
    for (const name of ["code", "message", "errors", Symbol.toStringTag]) propertyOf(error, name);
    assert.deepEqual([hasProperty(error, "anything"), error instanceof ResilienceError], [false, false], what);
    assert.match(shown(error), /^an (object|Error)$/, what);
  }
});
