/** How long calls will have to wait by what the active station does, and how long each may. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../../test/worlds/dispatching.ts";
import { CallQueue } from "../call-queue.ts";
import { CallerPatience } from "../learned/patience.ts";
import { UsualTimes } from "../learned/usual-times.ts";
import { Router } from "../router.ts";
import { Outlook } from "./outlook.ts";
import { Spillover } from "./spillover.ts";
import { UsualDemand } from "./usual-demand.ts";

/** North takes 100 ms, four at a time; `waiting` calls wait for it, each with ten seconds. */
function queued(waiting: number, maxConcurrent = 4) {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent } }, {}] });
  world.serve(30, { source: "route" }, 100);
  const patience = new CallerPatience();
  const queue = new CallQueue();
  const usual = new UsualTimes(world.roles, patience);
  const outlook = new Outlook({
    roles: world.roles,
    router: new Router(world.roles, new Spillover(new UsualDemand())),
    queue,
    usual,
    patience,
  });
  outlook.noteQueued(true, world.nowMs);
  for (let call = 0; call < waiting; call++) {
    const own = world.call({ deadline: world.nowMs + 10_000 });
    queue.add(own, own.terms.deadline);
  }
  return { world, outlook, queue, patience };
}

test("[F11] forty calls a second go, twenty wait → half a second, as long as nobody knows better", () => {
  const { world, outlook } = queued(20);
  const waitMs = outlook.expectedWaitMs(world.nowMs);
  assert.ok(waitMs >= 450 && waitMs <= 550, `${waitMs}`);
});

test("[F11] nobody waits, no station is usable, or nobody knows how much goes → no wait is expected", () => {
  const none = queued(0);
  const down = queued(20);
  for (const { name } of down.world.stations) down.world.declare(name, "down");
  const endless = queued(20, Number.MAX_SAFE_INTEGER);
  for (const { world, outlook } of [none, down]) assert.equal(outlook.expectedWaitMs(world.nowMs), 0);
  assert.ok(endless.outlook.expectedWaitMs(endless.world.nowMs) < 1e-6);
});

test("[F11] those whose time is over before are not waited for", () => {
  const { world, outlook, queue } = queued(0);
  for (let call = 0; call < 100; call++) {
    const own = world.call({ deadline: world.nowMs + 600 });
    queue.add(own, own.terms.deadline);
  }
  const waitMs = outlook.expectedWaitMs(world.nowMs);
  assert.ok(waitMs <= 600, `${waitMs}: a hundred at forty a second would be 2,500`);
});

test("[F11] a call may wait until its deadline, or as long as callers are known to, less the time for its answer", () => {
  const { world, outlook, patience } = queued(1);
  const call = world.call({ deadline: world.nowMs + 5_000 });
  assert.deepEqual([outlook.limitMs(call) - world.nowMs, outlook.acceptedWaitMs(call, world.nowMs)], [5_000, 4_890]);
  for (let caller = 0; caller < 4; caller++) patience.noteHangUp(1_000, world.nowMs);
  assert.equal(outlook.limitMs(call) - world.nowMs, 980);
  assert.equal(outlook.acceptedWaitMs(call, world.nowMs), 870);
});

test("[F11] more comes than is answered, for two seconds and more → little wait is accepted, and no more once it is over", () => {
  const { world, outlook, patience } = queued(20);
  const run = (forMs: number, offeredEveryMs: number): void => {
    for (const untilMs = world.nowMs + forMs; world.nowMs < untilMs; world.nowMs++) {
      if (world.nowMs % offeredEveryMs === 0) outlook.noteOffered(world.nowMs);
      if (world.nowMs % 25 === 0) outlook.noteAnswered(world.nowMs);
      if (world.nowMs % 100 === 0) outlook.isOverloaded(world.nowMs);
    }
  };
  run(1_500, 10);
  assert.equal(outlook.isOverloaded(world.nowMs), false, "a surge");
  run(3_000, 10);
  assert.equal(outlook.isOverloaded(world.nowMs), true);
  const call = world.call({ deadline: world.nowMs + 5_000 });
  assert.equal(outlook.acceptedWaitMs(call, world.nowMs), 100);
  run(2_990, 10);
  assert.equal(outlook.isLeftOver(call, world.nowMs), false, "it has not waited for three seconds yet");
  run(10, 10);
  assert.equal(outlook.isLeftOver(call, world.nowMs), true, "others come, and could be answered sooner");
  call.noteVisit(world.north);
  assert.equal(outlook.isLeftOver(call, world.nowMs), false, "it has been sent, and may have run");
  const other = world.call({ deadline: world.nowMs + 10_000 });
  run(3_010, 10);
  assert.equal(outlook.isLeftOver(other, world.nowMs), true);
  for (let caller = 0; caller < 4; caller++) patience.noteHangUp(8_000, world.nowMs);
  assert.equal(outlook.isLeftOver(other, world.nowMs), false, "it is known how long callers wait");
  run(3_000, 100);
  assert.equal(outlook.isOverloaded(world.nowMs), false);
});

test("[F11] a short queue is empty for a moment now and then → the overload lasts; where nobody waits for longer, it has to last anew", () => {
  for (const [breakMs, isLasting] of [
    [100, true],
    [101, false],
  ] as const) {
    const { world, outlook } = queued(20);
    for (const untilMs = world.nowMs + 3_000; world.nowMs < untilMs; world.nowMs++) {
      if (world.nowMs % 10 === 0) outlook.noteOffered(world.nowMs);
      if (world.nowMs % 25 === 0) outlook.noteAnswered(world.nowMs);
    }
    outlook.noteQueued(false, world.nowMs);
    world.nowMs += breakMs;
    outlook.noteQueued(true, world.nowMs);
    assert.equal(outlook.isOverloaded(world.nowMs), isLasting, `${breakMs} ms`);
  }
});

test("[F11] lasting overload, and answers take four times as long as at leisure → the accepted wait does not grow with them", () => {
  const { world, outlook } = queued(20);
  world.serve(10, { source: "route" }, 400);
  for (const untilMs = world.nowMs + 6_000; world.nowMs < untilMs; world.nowMs++) {
    if (world.nowMs % 10 === 0) outlook.noteOffered(world.nowMs);
    if (world.nowMs % 25 === 0) outlook.noteAnswered(world.nowMs);
    if (world.nowMs % 100 === 0) outlook.isOverloaded(world.nowMs);
  }
  assert.equal(outlook.isOverloaded(world.nowMs), true);
  const usualMs = world.north.answerTimes.usualMs;
  assert.ok(usualMs > 200, `${usualMs}`);
  const waitMs = outlook.acceptedWaitMs(world.call({ deadline: world.nowMs + 5_000 }), world.nowMs);
  assert.ok(waitMs <= 120, `${waitMs}`);
});
