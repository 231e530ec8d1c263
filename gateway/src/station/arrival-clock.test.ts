import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { ArrivalClock } from "./arrival-clock.ts";

/** A loop whose turns are taken by hand. */
function handTurned(): { readonly nextTurn: (run: () => void) => void; turn(): void } {
  const due: Array<() => void> = [];
  return {
    nextTurn: (run) => void due.push(run),
    turn: () => due.shift()?.(),
  };
}

test("[F4] while the loop runs, what is read now arrived at most one look ago", async () => {
  const clock = new VirtualClock();
  using arrivals = new ArrivalClock(clock, (run) => run());
  await clock.advanceBy(1_000);
  assert.ok(clock.nowMs() - arrivals.earliestMs() <= 10);
});

test("[F4] after a stall, what is read first may have arrived before it, until the sockets have been read", async () => {
  const clock = new VirtualClock();
  const loop = handTurned();
  using arrivals = new ArrivalClock(clock, loop.nextTurn);
  await clock.advanceBy(10);
  for (let turn = 0; turn < 3; turn++) loop.turn();
  assert.equal(arrivals.earliestMs(), 10);
  // Stopped right after the look at 20 ms, woken at 5,000 ms: the backlog is read in the turns that
  // follow.
  await clock.advanceBy(10);
  await clock.advanceBy(4_980);
  loop.turn();
  assert.equal(arrivals.earliestMs(), 10);
  loop.turn();
  assert.equal(arrivals.earliestMs(), 10);
  loop.turn();
  assert.equal(arrivals.earliestMs(), 20, "everything that had come by the look itself has been read now");
});

test("disposed of, it holds no timer", async () => {
  const clock = new VirtualClock();
  const arrivals = new ArrivalClock(clock, (run) => run());
  await clock.advanceBy(25);
  arrivals[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});
