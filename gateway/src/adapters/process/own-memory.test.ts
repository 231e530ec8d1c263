import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryForCallers } from "./own-memory.ts";

const GIB = 1_024 ** 3;

test("a quarter of the machine, or of the container where that is smaller, and at most 512 MiB", () => {
  assert.equal(memoryForCallers(1 * GIB, 0), GIB / 4);
  assert.equal(memoryForCallers(64 * GIB, 0), GIB / 2);
  assert.equal(memoryForCallers(64 * GIB, GIB / 2), GIB / 8);
  // What Linux says without a limit.
  assert.equal(memoryForCallers(1 * GIB, 2 ** 64), GIB / 4);
});

test("this machine has some", () => assert.ok(memoryForCallers() > 1_024 ** 2));
