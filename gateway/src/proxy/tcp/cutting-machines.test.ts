/** The toxics that lose data or end the connection, as pure machines: the test tells the time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LimitData, ResetPeer, Timeout } from "./cutting-machines.ts";
import type { Item, LinkMachine } from "./link-machine.ts";

const NEVER = Number.POSITIVE_INFINITY;
const data = (length: number): Item => ({ kind: "data", bytes: Buffer.alloc(length, 7), arrivedAtMs: 0 });

function given(machine: LinkMachine, nowMs: number): Array<number | string> {
  const out: Array<number | string> = [];
  for (let item = machine.give(nowMs); item !== undefined; item = machine.give(nowMs))
    out.push(item.kind === "data" ? item.bytes.length : item.kind);
  return out;
}

function timeout(ms: number): Timeout {
  const machine = new Timeout(0);
  machine.use({ timeout: ms }, 0, false);
  return machine;
}

test("timeout → drops data and the end, closes after the silence; data begins it anew", () => {
  const machine = timeout(100);
  machine.take(data(10), 60);
  machine.take({ kind: "end" }, 70);
  assert.equal(machine.nextAtMs, 160);
  assert.deepEqual(given(machine, 159), []);
  assert.deepEqual(given(machine, 160), ["close"]);
});

test("timeout 0 → never closes, until it is removed", () => {
  const machine = timeout(0);
  machine.take(data(10), 60);
  assert.equal(machine.nextAtMs, NEVER);
  assert.equal(machine.canTake, true);
  machine.remove();
  assert.deepEqual(given(machine, 61), ["close"]);
});

test("timeout is updated → the silence is counted anew", () => {
  const machine = timeout(100);
  machine.use({ timeout: 50 }, 90, false);
  assert.equal(machine.nextAtMs, 140);
});

test("reset_peer → nothing before the first data; then its time, then a reset", () => {
  const machine = new ResetPeer();
  machine.use({ timeout: 100 });
  assert.equal(machine.nextAtMs, NEVER);
  machine.take(data(10), 30);
  assert.equal(machine.canTake, false);
  assert.deepEqual(given(machine, 129), []);
  assert.deepEqual(given(machine, 130), ["reset"]);
});

test("reset_peer and the end as the first thing → a reset too", () => {
  const machine = new ResetPeer();
  machine.use({ timeout: 0 });
  machine.take({ kind: "end" }, 30);
  assert.deepEqual(given(machine, 30), ["reset"]);
});

test("reset_peer is removed → before data it leaves no trace, after it it resets at once", () => {
  const [unused, used] = [new ResetPeer(), new ResetPeer()];
  for (const machine of [unused, used]) machine.use({ timeout: 5_000 });
  used.take(data(1), 0);
  for (const machine of [unused, used]) machine.remove();
  assert.equal(unused.isEmpty, true);
  assert.deepEqual(given(unused, 1), []);
  assert.deepEqual(given(used, 1), ["reset"]);
});

function limit(bytes: number): LimitData {
  const machine = new LimitData();
  machine.use({ bytes });
  return machine;
}

test("limit_data → exactly so many bytes, then the end of the connection", () => {
  const machine = limit(100);
  machine.take(data(60), 0);
  assert.deepEqual(given(machine, 0), [60]);
  machine.take(data(60), 1);
  assert.deepEqual(given(machine, 1), [40, "close"]);
  assert.equal(machine.canTake, false);
});

test("limit_data met exactly → closes without waiting for more", () => {
  const machine = limit(60);
  machine.take(data(60), 0);
  assert.deepEqual(given(machine, 0), [60, "close"]);
});

test("limit_data 0 → closes at the first data, and passes none", () => {
  const machine = limit(0);
  machine.take(data(60), 0);
  assert.deepEqual(given(machine, 0), ["close"]);
});

test("limit_data is updated → what has passed counts on", () => {
  const machine = limit(100);
  machine.take(data(60), 0);
  given(machine, 0);
  machine.use({ bytes: 80 });
  machine.take(data(60), 1);
  assert.deepEqual(given(machine, 1), [20, "close"]);
});

test("limit_data, the sender ends first → the end passes", () => {
  const machine = limit(100);
  machine.take({ kind: "end" }, 0);
  assert.deepEqual(given(machine, 0), ["end"]);
});
