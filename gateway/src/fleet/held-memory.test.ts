import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldMemory } from "./held-memory.ts";

test("rooms of several kinds → counted by kind, and gone with their release", () => {
  const memory = new HeldMemory({ maxBytes: 1_000 });
  const one = memory.roomFor("10.0.0.1");
  const other = memory.roomFor("10.0.0.2");
  assert.equal(one.take("requests", 300), undefined);
  assert.equal(one.take("replies", 100), undefined);
  assert.equal(other.take("requests", 50), undefined);
  assert.deepEqual(memory.status.held, { requests: 350, replies: 100, events: 0, recordings: 0, control: 0 });
  assert.deepEqual(memory.status.largest, { caller: "10.0.0.1", heldBytes: 400 });
  one.giveBack("requests", 200);
  assert.equal(memory.status.heldBytes, 250);
  one.release();
  one.release();
  assert.deepEqual([memory.status.heldBytes, memory.status.largest?.caller], [50, "10.0.0.2"]);
});

test("no room → refused by why, and counted", () => {
  const memory = new HeldMemory({ maxBytes: 1_000, callerRatio: 0.75 });
  assert.equal(memory.roomFor("a").take("requests", 751), "too-large");
  assert.equal(memory.roomFor("a").take("requests", 600), undefined);
  assert.equal(memory.roomFor("a").take("requests", 200), "caller");
  assert.equal(memory.roomFor("b").take("requests", 500), "total");
  assert.deepEqual(memory.status.refused, { "too-large": 1, total: 1, caller: 1 });
});

test("what is there already → counted beyond the bound, and the next one is refused", () => {
  const memory = new HeldMemory({ maxBytes: 1_000 });
  const room = memory.roomFor("a");
  room.takeAnyway("replies", 2_000);
  assert.equal(memory.status.heldBytes, 2_000);
  assert.equal(memory.roomFor("b").take("requests", 1), "total");
  room.release();
  assert.equal(memory.status.heldBytes, 0);
});

test("a room that is released → counts nothing any more", () => {
  const memory = new HeldMemory({ maxBytes: 1_000 });
  const room = memory.roomFor("a");
  room.release();
  assert.equal(room.take("replies", 5_000), undefined);
  room.takeAnyway("replies", 5_000);
  room.giveBack("replies", 10_000);
  assert.equal(memory.status.heldBytes, 0);
});

test("no bound by default", () => {
  assert.equal(new HeldMemory().roomFor("a").take("requests", 1e12), undefined);
});
