/**
 * What attempts leave on the books: from which instant they count, what this process's own standing
 * still excuses, and whether what was taken for an attempt (a permit, a charge, a place) comes back
 * once, whatever becomes of it.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Dispatching, type Terms } from "../../../../test/worlds/dispatching.ts";
import { DeadlineExceededError, StaleEpochError } from "../errors.ts";
import type { AttemptResult } from "./call.ts";
import { RequestCutError } from "./learned/patience.ts";

/** A world in which both stations have served, so that what is usual is known. */
function served(options: ConstructorParameters<typeof Dispatching>[0] = {}): Dispatching {
  const world = new Dispatching(options);
  world.serve(60, { source: "known" }, 20);
  return world;
}

/** What is held against north, and what its circuit has counted as failed. */
function heldAgainstNorth({ north, nowMs }: Dispatching): readonly [isQuestioned: boolean, failures: number] {
  return [north.evidence.isQuestioned, north.parts.breaker?.status(nowMs).failures ?? 0];
}

describe("[F10] what failed counts from when it was sent, not from when it ended", () => {
  for (const result of ["lost", "unreachable", "failed"] as const) {
    test(`${result}, and a call that was sent after it is served → nothing is held against the station`, () => {
      const world = served({ stations: [{}, {}] });
      world.declare("south", "down");
      const older = world.submit({ source: "known" });
      world.advance(5);
      const newer = world.submit({ source: "known" });
      world.advance(5);
      world.endCall(older, result);
      world.advance(5);
      world.endCall(newer, "served");
      assert.equal(world.north.evidence.isQuestioned, false);
    });

    test(`${result}, and a call that was sent before it is served → it still is`, () => {
      const world = served({ stations: [{}, {}] });
      world.declare("south", "down");
      const older = world.submit({ source: "known" });
      world.advance(5);
      const newer = world.submit({ source: "known" });
      world.advance(5);
      world.endCall(newer, result);
      world.advance(5);
      world.endCall(older, "served");
      assert.equal(world.north.evidence.isQuestioned, true);
    });
  }

  test("its time was up, and one that was sent long after it is served → nothing is held against the station", () => {
    const world = served();
    world.declare("south", "down");
    const older = world.submit({ source: "other" });
    world.advance(900);
    const newer = world.submit({ source: "known" });
    world.advance(100);
    assert.equal(world.endOf(older), "ATTEMPT_TIMEOUT");
    assert.equal(world.north.evidence.isQuestioned, true);
    world.endCall(newer, "served");
    assert.equal(world.north.evidence.isQuestioned, false);
  });

  test("it becomes overdue after one that was sent later was served → it only takes long", () => {
    const world = served();
    world.submit({ source: "known" });
    world.advance(2);
    world.serve(1, { source: "known" }, 2);
    world.advance(300);
    assert.equal(world.north.evidence.isQuestioned, false);
  });

  test("sent before the station was down and heard again, it is late, lost or swallowed → not held against its new life", () => {
    const back = (world: Dispatching): void => {
      world.declare("north", "down");
      world.declare("north", "alive");
    };
    // By when its caller's time is up: before it could be overdue, after that, and long after.
    for (const afterMs of [25, 400, 2_000])
      for (const source of ["known", "never answered"]) {
        const world = served({ stations: [{ timeoutMs: 5_000 }, {}] });
        world.declare("south", "down");
        const call = world.submit({ source, deadline: world.nowMs + afterMs });
        world.advance(5);
        back(world);
        world.advance(afterMs);
        assert.equal(world.endOf(call), "DEADLINE_EXCEEDED");
        const { isQuestioned, hasUncompared, awaitsOvertaking } = world.north.evidence;
        assert.deepEqual(
          [isQuestioned, hasUncompared, awaitsOvertaking],
          [false, false, false],
          `${source}, ${afterMs}`,
        );
      }
  });
});

describe("[F10] what ends while this process stood still says nothing of a station", () => {
  /**
   * A call that is out at north while this process stands still, which is known until 100 ms later.
   */
  function stalled(terms: Terms = {}, options: ConstructorParameters<typeof Dispatching>[0] = {}): Dispatching {
    const world = served(options);
    world.submit({ source: "known", ...terms });
    world.advance(5);
    world.input({ type: "stalled", untilMs: world.nowMs + 100 });
    return world;
  }

  for (const result of ["lost", "unreachable"] as const) {
    test(`${result} → neither held against it nor counted by its circuit; after that it is`, () => {
      const world = stalled();
      world.declare("south", "down");
      const [attempt] = world.out;
      assert.ok(attempt !== undefined);
      world.end(attempt, result);
      assert.deepEqual(heldAgainstNorth(world), [false, 0]);
      world.advance(101);
      const [later] = world.out.length > 0 ? world.out : [world.attemptOf(world.submit({ source: "known" }))];
      assert.ok(later !== undefined);
      world.end(later, result);
      assert.equal(world.north.evidence.isQuestioned, true);
    });
  }

  test("its time is up → neither held against it nor counted by its circuit", () => {
    const world = served();
    world.declare("south", "down");
    const call = world.submit({ source: "known" });
    world.advance(980);
    world.input({ type: "stalled", untilMs: world.nowMs + 100 });
    const before = heldAgainstNorth(world);
    world.advance(50);
    assert.equal(world.endOf(call), "ATTEMPT_TIMEOUT");
    assert.deepEqual(heldAgainstNorth(world), before);
  });

  test("lost, and served elsewhere → no comparison that speaks against it; one that was sent after that is one", () => {
    const world = stalled({ key: "k" });
    const [attempt] = world.out;
    assert.ok(attempt !== undefined);
    world.end(attempt, "lost");
    world.end(world.out[0] as never, "served");
    assert.equal(world.north.evidence.isSuspect, false);
    world.advance(200);
    const later = world.submit({ key: "later", source: "known" });
    world.endCall(later, "lost");
    world.endCall(later, "served");
    assert.equal(world.north.evidence.isSuspect, true);
  });

  test("callers who hang up → nothing is learned of how long callers wait; after that it is", () => {
    const world = new Dispatching({
      stations: [{ capacity: { maxConcurrent: 1 } }, { capacity: { maxConcurrent: 1 } }],
    });
    const leave = (): number | undefined => {
      const calls = Array.from({ length: 5 }, () => world.submit());
      world.advance(20);
      for (const call of calls) world.input({ type: "cancel", call, reason: new Error("gone") });
      return world.dispatcher.patience.estimateMs;
    };
    world.submit();
    world.input({ type: "stalled", untilMs: world.nowMs + 100 });
    assert.equal(leave(), undefined);
    world.advance(101);
    assert.notEqual(leave(), undefined);
  });
});

describe("[B3] a probe's permit", () => {
  const AFTER: readonly [AttemptResult, string][] = [
    ["ignored", "half-open"],
    ["overloaded", "half-open"],
    ["unreachable", "half-open"],
    ["local-shortage", "half-open"],
    ["stale", "half-open"],
    ["lost", "open"],
    ["failed", "open"],
    ["served", "closed"],
  ];

  for (const [result, state] of AFTER) {
    test(`its attempt ends as ${result} → ${state}${state === "half-open" ? ", and its place is free" : ""}`, () => {
      const world = new Dispatching({
        stations: [{ breaker: { minimumVolume: 1, openDurationMs: 500 }, budget: { ratio: 0, reserve: 0 } }, {}],
      });
      world.serve(20, { source: "known" });
      world.declare("south", "down");
      const { breaker } = world.north.parts;
      assert.ok(breaker !== undefined);
      while (breaker.state(world.nowMs) === "closed") breaker.failure(breaker.acquire(world.nowMs), world.nowMs);
      world.advance(500);
      const call = world.submit({ source: "known", key: "k", deadline: world.nowMs + 200 });
      const attempt = world.attemptOf(call);
      assert.equal(breaker.isProbe(attempt.permit ?? 0), true);
      assert.equal(breaker.peek(world.nowMs), false, "one probe at a time");
      world.end(attempt, result);
      assert.equal(breaker.state(world.nowMs), state);
      const isTakenAgain = world.out.some((one) => breaker.isProbe(one.permit ?? 0) === true);
      if (state === "half-open")
        assert.ok(isTakenAgain || breaker.peek(world.nowMs), "its place is free, or taken again");
    });
  }
});

describe("[R2] what is charged and booked", () => {
  test("an attempt that did no work is on the books → the one in its place is free, and the one after that is not", () => {
    const world = new Dispatching({ stations: [{ budget: { ratio: 0, reserve: 1 } }, {}] });
    world.declare("south", "down");
    const calls = (): number => world.north.parts.budget?.status(world.nowMs).calls ?? -1;
    const call = world.submit({ key: "k", source: "known" });
    assert.equal(calls(), 1);
    for (let round = 0; round < 3; round++) {
      world.endCall(call, "local-shortage");
      world.advance(100);
      assert.equal(world.placesOf(call)[0], "north");
      assert.equal(calls(), 1, "each takes the place of the one before it");
    }
    assert.equal(call.takeBooked(world.north), false, "nothing is left to take the place of");
  });

  test("the first attempt of each call is counted at the station that it is sent to", () => {
    const world = new Dispatching();
    world.serve(7);
    assert.equal(world.north.parts.budget?.status(world.nowMs).calls, 7);
    assert.equal(world.south.parts.budget?.status(world.nowMs).calls, 0);
  });

  test("a second attempt elsewhere is a call there, and gives back what was planned for another try here", () => {
    const world = served();
    world.declare("south", "down");
    const call = world.submit({ key: "k", source: "known" });
    world.endCall(call, "failed");
    assert.equal(call.state.phase, "parked");
    assert.equal(world.north.parts.budget?.status(world.nowMs).pending, 1);
    world.declare("south", "alive");
    world.declare("north", "down");
    world.advance(50);
    assert.deepEqual(world.placesOf(call), ["south"]);
    assert.deepEqual(
      [world.north, world.south].map(({ parts }) => parts.budget?.status(world.nowMs).pending),
      [0, 0],
    );
    assert.equal(world.south.parts.budget?.status(world.nowMs).calls, 1);
  });
});

describe("[R1] how often one call goes to one station that is alone", () => {
  for (const result of ["failed", "overloaded", "lost"] as const) {
    test(`${result} each time, and no budget bounds it → as often as maxAttempts says, and its last failure is told at once`, () => {
      const world = served({ stations: [{ budget: false, maxAttempts: 3 }, {}] });
      world.declare("south", "down");
      const call = world.submit({ key: "k", source: "known" });
      let attempts = 0;
      for (let ms = 0; ms < 5_000 && world.endOf(call) === undefined; ms++) {
        if (world.placesOf(call).length > 0) {
          attempts++;
          world.endCall(call, result);
          assert.equal(world.endOf(call) !== undefined, attempts === 3, `attempt ${attempts}`);
        }
        world.advance(1);
      }
      assert.equal(attempts, 3);
    });
  }

  test("a station's answer is told, and not that a later try was refused a connection", () => {
    const world = served();
    world.declare("south", "down");
    const call = world.submit({ key: "k", source: "known", deadline: world.nowMs + 400 });
    world.endCall(call, "failed");
    world.advance(20);
    world.endCall(call, "unreachable");
    for (let ms = 0; ms < 400; ms++) {
      world.advance(1);
      for (const attempt of [...world.out]) world.end(attempt, "unreachable");
    }
    const end = world.settled.get(call);
    assert.ok(end !== undefined && "error" in end && end.error instanceof Error);
    assert.match(`${end.error.message} ${String(end.error.cause)}`, /north failed/);
  });
});

describe("[R3] [F4] a call went on without an attempt that turns out never to have arrived", () => {
  for (const result of ["unreachable", "stale", "local-shortage"] as const) {
    test(`${result} in the end, and nobody else took it → its caller is told that it did not run`, () => {
      const world = served();
      const call = world.submit({ key: "k", source: "known", deadline: world.nowMs + 300 });
      world.advance(5);
      const first = world.attemptOf(call);
      world.declare("north", "down");
      assert.deepEqual(world.placesOf(call), ["north", "south"]);
      world.endCall(call, "unreachable");
      world.declare("south", "down");
      world.advance(5);
      for (const attempt of world.out.filter((one) => one !== first)) world.end(attempt, "unreachable");
      const isCountedLost = (): boolean => call.visits?.some(({ last }) => last === "lost") === true;
      assert.equal(isCountedLost(), true);
      world.end(first, result);
      assert.equal(isCountedLost(), false);
      for (let ms = 0; ms < 300; ms++) {
        for (const attempt of [...world.out]) world.end(attempt, "unreachable");
        world.advance(1);
      }
      const end = world.settled.get(call);
      assert.ok(end !== undefined && "error" in end && end.error instanceof DeadlineExceededError);
      assert.equal(end.error.mayHaveRun, false);
    });
  }

  test("another attempt there was lost → it may have run all the same", () => {
    const world = served();
    world.declare("south", "down");
    const call = world.submit({ key: "k", source: "known", deadline: world.nowMs + 2_000 });
    world.endCall(call, "lost");
    world.advance(50);
    const second = world.attemptOf(call);
    world.declare("north", "down");
    world.end(second, "unreachable");
    assert.equal(call.mayHaveRun, true);
  });

  test("its station was asked about it, and it turns out never to have arrived before the answer comes → as the answer says", () => {
    const world = served({ canAsk: true });
    const call = world.submit({ key: "k", source: "known" });
    world.advance(5);
    const first = world.attemptOf(call);
    world.declare("north", "down");
    assert.equal(call.state.phase, "asking");
    world.end(first, "unreachable");
    world.input({ type: "answered", call, answer: { ran: false } });
    assert.deepEqual(world.placesOf(call), ["south"]);
    assert.equal(call.visitAt(world.north)?.attempts, 0);
    world.endCall(call, "served");
    assert.equal(world.endOf(call), "south served");
  });
});

describe("[F3] the epoch of an attempt is that of the instant at which it is sent", () => {
  test("adopted while the call waits, or between two attempts of it → it goes under the new one", () => {
    const world = new Dispatching({
      stations: [{ capacity: { maxConcurrent: 1 } }, { capacity: { maxConcurrent: 1 } }],
    });
    const first = world.submit();
    const waiting = world.submit();
    world.input({ type: "epoch-seen", epoch: 7 });
    world.endCall(first, "served");
    assert.equal(world.attemptOf(waiting).epoch, 8);
    world.input({ type: "epoch-seen", epoch: 20 });
    world.endCall(waiting, "unreachable");
    assert.equal(world.attemptOf(waiting).epoch, 21);
  });
});

describe("[R4] nothing is sent at its deadline or after it", () => {
  test("a place becomes free at the deadline of the call that waits for it, before the tick → settled, not sent", () => {
    const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
    world.declare("south", "down");
    const first = world.submit();
    const waiting = world.submit({ deadline: world.nowMs + 100 });
    world.nowMs += 100;
    world.endCall(first, "served");
    assert.deepEqual([world.endOf(waiting), world.out.length], ["DEADLINE_EXCEEDED", 0]);
  });
});

describe("[F5] maxWaitMs counts from the first wait", () => {
  test("it waits, is sent, is refused a connection, and waits again → no longer than maxWaitMs in all", () => {
    const world = new Dispatching({ maxWaitMs: 1_000, stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
    world.declare("south", "down");
    const hanging = world.submit();
    const call = world.submit({ key: "k" });
    world.advance(700);
    world.endCall(hanging, "served");
    assert.equal(call.state.phase, "running");
    world.endCall(call, "unreachable");
    for (let ms = 0; ms < 320 && world.endOf(call) === undefined; ms++) {
      world.advance(1);
      for (const attempt of [...world.out]) world.end(attempt, "unreachable");
    }
    assert.equal(world.endOf(call), "NO_ELIGIBLE_STATION");
    assert.ok(world.nowMs <= 1_001, `at ${world.nowMs}`);
  });

  test("a caller that breaks off while its body goes out → its wait says nothing", () => {
    const world = new Dispatching();
    for (let times = 0; times < 5; times++) {
      const call = world.submit();
      world.advance(10);
      world.input({ type: "cancel", call, reason: new RequestCutError() });
    }
    assert.equal(world.dispatcher.patience.estimateMs, undefined);
  });
});

describe("[R1] [R4] a hint to come back", () => {
  /**
   * What becomes of a call that its only station answers with a failure and this hint; its deadline
   * is 500 ms off.
   */
  function hinted(retryAfterMs: number, maxRetryAfterMs = 60_000): unknown {
    const world = served({ stations: [{ maxRetryAfterMs }, {}] });
    world.declare("south", "down");
    const call = world.submit({ key: "k", source: "known", deadline: world.nowMs + 500 });
    world.endCall(call, "failed", { retryAfterMs });
    return world.endOf(call) ?? call.state.phase;
  }

  test("in time, and not longer than it is waited for → it is waited for", () => {
    assert.equal(hinted(100), "parked");
  });

  test("after the deadline, or longer than it is waited for → the failure is delivered at once", () => {
    assert.equal(hinted(499), "north failed");
    assert.equal(hinted(100, 99), "north failed");
  });
});

describe("what is counted, and for how long", () => {
  test("[F3] refused for its epoch again and again, a newer one each time → given up after three more: another gateway is at work", () => {
    const world = new Dispatching();
    const call = world.submit({ key: "k" });
    let attempts = 0;
    while (world.endOf(call) === undefined && attempts < 50) {
      attempts++;
      const seenEpoch = world.attemptOf(call).epoch + 1;
      world.endCall(call, "stale", { settlement: { error: new StaleEpochError("older", { seenEpoch }) } });
    }
    assert.deepEqual([world.endOf(call), attempts], ["STALE_EPOCH", 4]);
  });

  test("[F7] a failback whose canary fails → counts as a failure of that station: its hold-down doubles", () => {
    const world = new Dispatching({ failback: { mode: "automatic", holdDownMs: 1_000 } });
    world.declare("north", "down");
    world.declare("north", "alive");
    assert.equal(world.roles.active, world.south);
    assert.equal(world.roles.machine.holdDownMs("north", world.nowMs), 1_000);
    world.advance(1_000);
    assert.equal(world.roles.failback?.to, world.north);
    const canary = world.submit({ key: "k" });
    assert.deepEqual(world.placesOf(canary), ["north"]);
    world.endCall(canary, "lost");
    assert.equal(world.roles.failback, undefined);
    assert.equal(world.roles.machine.holdDownMs("north", world.nowMs), 2_000);
  });

  test("an answer that says nothing of the station is an answer all the same", () => {
    const world = new Dispatching();
    const before = { ...world.dispatcher.goodput.totals };
    world.endCall(world.submit(), "ignored");
    const { totals } = world.dispatcher.goodput;
    assert.deepEqual([totals.answered - before.answered, totals.failed - before.failed], [1, 0]);
  });
});
