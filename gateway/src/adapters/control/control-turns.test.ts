/**
 * The pace of the control listener: a burst is begun over time, in its order, and what has hung up
 * meanwhile never.
 */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { ControlTurns } from "./control-turns.ts";

test("[G6] 500 requests at once → ten are begun each 10 ms, in their order; those that hung up are left out", async () => {
  const clock = new VirtualClock();
  const turns = new ControlTurns(clock);
  const begun: { readonly place: number; readonly atMs: number }[] = [];
  const responses = Array.from({ length: 500 }, () => new EventEmitter() as ServerResponse);
  for (const [place, response] of responses.entries())
    turns.take(response, () => begun.push({ place, atMs: clock.nowMs() }));
  assert.equal(begun.length, 10);
  for (const response of responses.slice(20, 400)) response.emit("close");
  await clock.advanceBy(1_000);
  const expected = [...responses.keys()].filter((place) => place < 20 || place >= 400);
  assert.deepEqual(
    begun.map(({ place }) => place),
    expected,
  );
  for (const [order, { atMs }] of begun.entries()) assert.equal(atMs, 10 * Math.floor(order / 10));
});

test("an ordinary pace is not held up", async () => {
  const clock = new VirtualClock();
  const turns = new ControlTurns(clock);
  for (let round = 0; round < 200; round++) {
    let isBegun = false;
    turns.take(new EventEmitter() as ServerResponse, () => {
      isBegun = true;
    });
    assert.ok(isBegun);
    await clock.advanceBy(5);
  }
});
