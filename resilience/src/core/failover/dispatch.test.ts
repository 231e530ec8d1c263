/**
 * What becomes of calls, as tables for each state of a call: what an input does to it, and in which
 * order the actions come. Random orders of inputs are in `dispatch.properties.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type Terms } from "../../../../test/worlds/dispatching.ts";
import { StaleEpochError } from "../errors.ts";
import type { BreakerMachine } from "../guard/breaker.ts";
import type { RetryBudgetMachine } from "../guard/retry-budget.ts";
import { retryRefusalOf } from "../guard/retry-refusal.ts";
import { Slots, Waiter } from "../guard/slots.ts";
import type { Attempt, AttemptEnd, AttemptResult, Call } from "./call.ts";
import type { DispatchAction } from "./dispatch.ts";
import { RequestCutError } from "./learned/patience.ts";

const types = (actions: readonly DispatchAction[]): string[] =>
  actions.map((action) => (action.type === "event" ? action.event.type : action.type));

/** A world in which both stations have served, so that what is usual is known. */
function served(options: ConstructorParameters<typeof Dispatching>[0] = {}, source = "known"): Dispatching {
  const world = new Dispatching(options);
  world.serve(60, { source }, 20);
  return world;
}

// ── waiting
// ─────────────────────────────────────────────────────────────────────────────────────────────────────

test("waiting: a station can take it → sent at once; none can → it waits, and goes when one can", () => {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
  const first = world.submit();
  const second = world.submit();
  assert.deepEqual([first.state.phase, second.state.phase, world.dispatcher.waiting], ["running", "waiting", 1]);
  assert.deepEqual(types(world.endCall(first, "served")), ["settle", "send"]);
  assert.equal(second.state.phase, "running");
});

test("[F5] waiting: maxWaiting calls wait → the next one is refused at once", () => {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 1 } }, {}], maxWaiting: 2 });
  const calls = Array.from({ length: 4 }, () => world.submit());
  assert.deepEqual(
    calls.map((call) => world.endOf(call)),
    [undefined, undefined, undefined, "NO_ELIGIBLE_STATION"],
  );
});

test("[F5] waiting: every station refuses connections until maxWaitMs is over → told how long it was waited, and for what", () => {
  const world = new Dispatching({ maxWaitMs: 500 });
  const call = world.submit();
  for (let ms = 0; ms < 600; ms++) {
    for (const attempt of [...world.out]) world.end(attempt, "unreachable");
    world.advance(1);
  }
  const end = world.settled.get(call);
  assert.ok(end !== undefined && "error" in end && end.error instanceof Error);
  assert.match(end.error.message, /no station could take the call within 500 ms/);
  assert.match(String(end.error.cause), /(north|south) unreachable/);
});

test("[C3] [F9] waiting: no station takes it → the cause is how its own last attempt ended; the message says what is known of the stations", () => {
  const errorOf = (world: Dispatching, call: Call): Error => {
    const end = world.settled.get(call);
    assert.ok(end !== undefined && "error" in end && end.error instanceof Error);
    return end.error;
  };
  for (const [result, text] of [
    ["unreachable", "ECONNREFUSED"],
    ["stale", "has seen"],
    ["local-shortage", "EMFILE"],
  ] as const) {
    for (const deadline of [100, undefined]) {
      const world = new Dispatching({ maxWaitMs: 200 });
      const call = world.submit(deadline === undefined ? {} : { deadline });
      for (const name of ["north", "south"]) world.declare(name, "down");
      world.endCall(call, result, { settlement: { error: new Error(text) } });
      world.advance(400);
      const error = errorOf(world, call);
      assert.equal(world.endOf(call), deadline === undefined ? "NO_ELIGIBLE_STATION" : "DEADLINE_EXCEEDED", result);
      assert.match(String(error.cause), new RegExp(text));
      assert.equal((error as { mayHaveRun?: boolean }).mayHaveRun ?? false, false);
    }
  }
  const world = new Dispatching({ maxWaitMs: 200, maxWaiting: 1 });
  for (const name of ["north", "south"]) world.declare(name, "down");
  const [waiting, refused] = [world.submit(), world.submit()];
  world.advance(200);
  for (const call of [waiting, refused]) {
    assert.match(errorOf(world, call).message, /; north: down; south: down$/);
    assert.equal("cause" in errorOf(world, call), false);
  }
});

test("[F5] [R4] waiting: its deadline or maxWaitMs is over → told that, and that it did not run", () => {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 1 } }, {}], maxWaitMs: 500 });
  world.submit();
  const dated = world.submit({ deadline: 100 });
  const open = world.submit();
  world.advance(99);
  assert.equal(world.endOf(dated), undefined);
  world.advance(1);
  assert.equal(world.endOf(dated), "DEADLINE_EXCEEDED");
  const settlement = world.settled.get(dated);
  assert.ok(
    settlement !== undefined &&
      "error" in settlement &&
      (settlement.error as { mayHaveRun?: boolean }).mayHaveRun === false,
  );
  world.advance(400);
  assert.equal(world.endOf(open), "NO_ELIGIBLE_STATION");
});

test("[F5] waiting: the one with least time left goes first", () => {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
  const first = world.submit();
  const long = world.submit({ deadline: 9_000 });
  const short = world.submit({ deadline: 300 });
  const open = world.submit();
  world.endCall(first, "served");
  assert.equal(short.state.phase, "running");
  world.endCall(short, "served");
  assert.equal(long.state.phase, "running");
  world.endCall(long, "served");
  assert.equal(open.state.phase, "running");
});

test("[R4] submitted after its deadline → refused, never sent", () => {
  const world = new Dispatching();
  world.advance(10);
  assert.deepEqual([world.endOf(world.submit({ deadline: 10 })), world.out.length], ["DEADLINE_EXCEEDED", 0]);
});

// ── running
// ─────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * How a call goes on after its attempt at north ended with `result`: where it is then, or how it
 * ended.
 */
const AFTER_FIRST: readonly [AttemptResult, { readonly keyed: string; readonly single: string }][] = [
  ["served", { keyed: "north served", single: "north served" }],
  ["ignored", { keyed: "north ignored", single: "north ignored" }],
  ["failed", { keyed: "at south", single: "north failed" }],
  ["overloaded", { keyed: "at south", single: "north overloaded" }],
  ["lost", { keyed: "at south", single: "AMBIGUOUS_OUTCOME" }],
  ["unreachable", { keyed: "at south", single: "at south" }],
  ["local-shortage", { keyed: "parked", single: "parked" }],
];

for (const [result, expected] of AFTER_FIRST) {
  test(`[F4] [F10] running: the attempt ends as ${result} → keyed: ${expected.keyed}; without key: ${expected.single}`, () => {
    for (const [kind, terms] of [
      ["keyed", { key: "k" }],
      ["single", {}],
    ] as const) {
      const world = new Dispatching();
      const call = world.submit(terms);
      world.endCall(call, result);
      const place = world.placesOf(call)[0];
      const where = world.endOf(call) ?? (place === undefined ? call.state.phase : `at ${place}`);
      assert.equal(where, expected[kind], kind);
    }
  });
}

test("[F10] running: north failed it, south serves it → delivered, and held against north", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k" });
  world.endCall(call, "failed");
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "south served");
  assert.equal(world.north.evidence.isSuspect, true);
});

test("[F10] running: both stations fail it alike → delivered in the same step, nobody is blamed", () => {
  const world = new Dispatching();
  for (let call = 0; call < 50; call++) {
    const own = world.submit({ key: `k${call}` });
    world.endCall(own, "failed");
    const value = { status: 500 };
    if (world.endOf(own) !== undefined) continue;
    assert.deepEqual(types(world.endCall(own, "failed", { settlement: { value } })), ["settle"]);
    assert.equal(world.endOf(own), value);
  }
  assert.deepEqual([world.north.evidence.isSuspect, world.south.evidence.isSuspect], [false, false]);
  assert.equal(world.told("promoted").length, 0);
});

test("[F10] calls that cannot be repeated fail at both stations → of few sources or of many, nothing follows", () => {
  for (const sources of [3, 10]) {
    const world = new Dispatching();
    for (let round = 0; round < 40; round++) {
      for (let source = 0; source < sources; source++) world.endCall(world.submit({ source: `s${source}` }), "failed");
      world.advance(250);
    }
    assert.deepEqual(
      [world.told("promoted").length, world.told("no-eligible-station").length],
      [0, 0],
      `${sources} sources`,
    );
  }
});

test("[F10] a route is refused for load at one station only, and served by the other → no sign of load, others go on", () => {
  const world = served();
  for (let round = 0; round < 100; round++) {
    const bad = world.submit({ source: "bad", key: `k${round}` });
    world.endCall(bad, "overloaded", { retryAfterMs: 60_000 });
    world.endCall(bad, "served");
    world.advance(20);
    world.serve(1, { source: "known" }, 5);
  }
  assert.deepEqual([world.dispatcher.waiting, world.north.admission.limit], [0, Number.POSITIVE_INFINITY]);
});

test("[F6] [F10] north is in doubt because it refuses for load what south serves, and south has no room → north gets what it can take", () => {
  const world = new Dispatching({ stations: [{}, { capacity: { maxConcurrent: 1 } }] });
  world.serve(20, { source: "known" }, 20);
  for (let call = 0; call < 12 && !world.north.isDoubted; call++) {
    const refused = world.submit({ source: "known", key: `r${call}` });
    world.endCall(refused, "overloaded");
    world.endCall(refused, "served");
    world.advance(100);
  }
  assert.deepEqual([world.north.isDoubted, world.north.evidence.isDoubtedForLoad], [true, true]);
  world.advance(1_000);
  const calls = [
    world.submit({ source: "known" }),
    world.submit({ source: "known" }),
    world.submit({ source: "known" }),
  ];
  world.advance(1_000);
  const stations = calls.map((call) => world.out.find((attempt) => attempt.call === call)?.station.name);
  assert.deepEqual(stations.slice(0, 2).sort(), ["north", "south"]);
});

/** Eight callers of a route that is always refused are the first that come: taken for load. */
function refusedFromTheStart(): Dispatching {
  const world = new Dispatching({ stations: [{}] });
  for (let round = 0; round < 2; round++) {
    for (let caller = 0; caller < 8; caller++) {
      const call = world.submit({ source: `busy ${caller}` });
      // It is left alone for a moment, again and again.
      while (call.state.phase === "waiting") world.advance(30);
      world.advance(30);
      world.endCall(call, "overloaded");
    }
  }
  assert.ok(world.north.admission.limit < 1);
  return world;
}

test("[F10] refusals were taken for load, and another route is served → the next one shows the mistake, and none waits", () => {
  const world = refusedFromTheStart();
  world.serve(1, { source: "slow" }, 1_700);
  world.advance(1_000);
  world.endCall(world.submit({ source: "busy 1" }), "overloaded");
  assert.equal(world.north.admission.limit, 10);
  for (let caller = 0; caller < 8; caller++) world.submit({ source: `busy ${caller}` });
  assert.equal(world.dispatcher.waiting, 0);
});

test("[F10] refusals were taken for load, and what was served is refused, too → the limit stays", () => {
  const world = refusedFromTheStart();
  world.advance(1_000);
  world.serve(1, { source: "known" }, 30);
  world.advance(1_000);
  world.endCall(world.submit({ source: "known" }), "overloaded");
  world.advance(1_000);
  world.endCall(world.submit({ source: "busy 1" }), "overloaded");
  assert.ok(world.north.admission.limit < 1);
});

test("[F10] a route that always fails, beside one that is served now and then → no change of roles", () => {
  const world = new Dispatching();
  for (let round = 0; round < 40; round++) {
    if (round % 10 === 1) world.serve(1, { source: "good" });
    for (const source of ["one", "two"]) world.endCall(world.submit({ source }), "failed");
    world.advance(250);
  }
  assert.equal(world.told("promoted").length, 0);
});

test("[B1] a failure that counts by itself, and is served elsewhere later → the circuit counts it once", () => {
  const world = served({ stations: [{ breaker: { minimumVolume: 1_000 } }, { capacity: { maxConcurrent: 1 } }] });
  world.serve(1, { source: "other" });
  world.declare("south", "down");
  world.endCall(world.submit({ source: "other" }), "failed");
  const call = world.submit({ key: "k", source: "known" });
  world.endCall(call, "failed");
  assert.equal(call.state.phase, "parked");
  const failures = () => world.north.parts.breaker?.status(world.nowMs).failures;
  const before = failures();
  world.input({ type: "maintenance", station: world.north, reason: "test", untilMs: Number.POSITIVE_INFINITY });
  world.declare("south", "alive");
  world.advance(100);
  assert.deepEqual(world.placesOf(call), ["south"]);
  world.endCall(call, "served");
  assert.deepEqual([before, failures()], [1, 1]);
});

test("[F10] one source fails alike at both → from the ninth call on the other station is asked for one in eight", () => {
  const world = new Dispatching();
  let asked = 0;
  for (let call = 0; call < 80; call++) {
    const own = world.submit({ key: `k${call}`, source: "one client" });
    world.endCall(own, "failed");
    if (world.endOf(own) !== undefined) continue;
    asked++;
    world.endCall(own, "failed");
  }
  assert.ok(asked >= 8 + 9 && asked <= 8 + 10, String(asked));
});

test("[F10] running: one usable station, the source was served lately → retried; else its failure is delivered", () => {
  for (const source of ["known", "new"]) {
    const world = served();
    world.declare("south", "down");
    const call = world.submit({ key: "k", source });
    world.endCall(call, "failed");
    assert.equal(call.state.phase, source === "known" ? "parked" : "done", source);
    if (source === "new") continue;
    world.advance(20);
    assert.deepEqual(world.placesOf(call), ["north"]);
    world.endCall(call, "served");
    assert.equal(world.endOf(call), "north served");
  }
});

test("[R2] running: retries at one station → no more than its budget, however many calls fail", () => {
  const world = served({ stations: [{ budget: { ratio: 0.1, reserve: 1 } }, {}] });
  world.declare("south", "down");
  const toNorth = (): number =>
    world.actions.filter((action) => action.type === "send" && action.attempt.station === world.north).length;
  const before = toNorth();
  for (let call = 0; call < 200; call++) {
    const own = world.submit({ key: `k${call}`, source: "known" });
    world.endCall(own, "failed");
    world.advance(5);
  }
  for (let rest = 0; rest < 10; rest++) {
    world.advance(100);
    for (const attempt of [...world.out]) world.end(attempt, "failed");
  }
  const sends = toNorth() - before;
  assert.ok(sends > 200 && sends <= 200 + 26, `${sends} attempts for 200 calls`);
});

test("[R2] running: a retry that the budget refuses → the failure itself, with the refusal on it, and an event", () => {
  const world = served({ stations: [{ budget: { reserve: 0, ratio: 0 } }, {}] });
  world.declare("south", "down");
  const call = world.submit({ key: "k", source: "known" });
  world.endCall(call, "failed");
  assert.equal(call.state.phase, "done");
  const settlement = world.settled.get(call);
  assert.ok(settlement !== undefined && "error" in settlement);
  assert.equal((settlement.error as Error).message, "north failed");
  assert.match(retryRefusalOf(settlement.error)?.message ?? "", /^north: retry refused by the budget: 0 of 0 extra/);
  const [told] = world.told("retry-refused");
  assert.deepEqual([told?.station, told?.used, told?.allowed], ["north", 0, 0]);
});

test("[R2] running: attempts that never leave, now here and now there → a call is on each station's books once", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k" });
  const books = (): unknown =>
    world.stations.map(({ parts: { budget } }) => {
      const { calls, sent, pending } = (budget as RetryBudgetMachine).status(world.nowMs);
      return [calls, sent, pending];
    });
  const sentTo: string[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    sentTo.push(world.attemptOf(call).station.name);
    world.endCall(call, "unreachable");
    world.advance(300);
  }
  assert.ok(sentTo.slice(1).includes("north") && sentTo.includes("south"), sentTo.join());
  assert.deepEqual(books(), [
    [1, 0, 0],
    [1, 0, 0],
  ]);
});

test("[R2] running: a second attempt was paid for and never left → the one in its place is free", () => {
  const world = served({ stations: [{}] });
  const call = world.submit({ key: "k", source: "known" });
  const status = () => (world.north.parts.budget as RetryBudgetMachine).status(world.nowMs);
  world.endCall(call, "lost");
  world.advance(100);
  world.endCall(call, "unreachable");
  const { calls } = status();
  world.advance(300);
  world.endCall(call, "unreachable");
  world.advance(300);
  assert.deepEqual([world.placesOf(call), status().sent, status().pending], [["north"], 1, 0]);
  assert.equal(status().calls, calls);
});

test("[F10] running: overdue → hedged at the other station; whichever answers first counts, the other is recalled", () => {
  for (const first of ["north", "south"]) {
    const world = served();
    const call = world.submit({ key: "k", source: "known" });
    world.advance(60);
    assert.deepEqual(world.placesOf(call), ["north", "south"], "20 ms are usual");
    const winner = world.out.find((attempt) => attempt.station.name === first);
    assert.ok(winner !== undefined);
    assert.deepEqual(types(world.end(winner, "served")), ["settle", "recall"]);
    assert.equal(world.endOf(call), `${first} served`);
    const loser = world.out.find((attempt) => attempt.call === call);
    assert.ok(loser?.isAbandoned === true);
    world.end(loser, "ignored");
  }
});

test("[F10] running: some hang until their time is up, long after others that were sent later were served → nothing is held against the station", () => {
  const world = served({ stations: [{ timeoutMs: 5_000 }, { timeoutMs: 5_000 }] });
  for (let each = 0; each < 5; each++) {
    world.submit({ source: "known" });
    world.advance(1);
  }
  world.serve(20, { source: "known" });
  world.advance(5_000);
  assert.equal(world.out.filter(({ isAbandoned }) => !isAbandoned).length, 0, "their time is up");
  assert.deepEqual([world.north.evidence.isSuspect, world.told("doubted").length], [false, 0]);
});

/**
 * Two calls are out for long, and given up when another one has been served; then two are sent,
 * late and alone.
 */
function lateAgain(terms: (place: number, isAgain: boolean) => Terms): Dispatching {
  const world = served({ stations: [{ timeoutMs: 5_000 }, { timeoutMs: 5_000 }] });
  const give = (isAgain: boolean): Call[] => [0, 1].map((place) => world.submit(terms(place, isAgain)));
  const leave = (calls: readonly Call[]): void => {
    for (const call of calls) world.input({ type: "cancel", call, reason: "gone" });
  };
  const first = give(false);
  world.advance(1);
  world.serve(1, { source: "known" }, 20);
  world.advance(60);
  leave(first);
  for (const attempt of [...world.out]) world.end(attempt, "ignored");
  world.serve(20, { source: "known" }, 20);
  assert.equal(world.told("doubted").length, 0, "others were served meanwhile");
  const again = give(true);
  world.advance(100);
  leave(again);
  world.advance(1_000);
  return world;
}

test("[F10] calls that are late every time, sent again by their callers when nothing else is → no doubt; other calls → a doubt", () => {
  const cases: [string, (place: number, isAgain: boolean) => Terms, boolean][] = [
    ["the same keys", (place) => ({ key: `k${place}`, source: "known" }), false],
    ["other keys", (place, isAgain) => ({ key: `k${place} ${isAgain}`, source: "known" }), true],
    ["may not be repeated", () => ({ source: "known" }), true],
  ];
  for (const [what, terms, isDoubted] of cases) {
    const world = lateAgain(terms);
    assert.deepEqual([what, world.told("doubted").some(({ station }) => station === "north")], [what, isDoubted]);
  }
});

test("[B1] a station fails a call, is heard again in a new life, and refuses the connection → what another serves then says nothing of that life", () => {
  const world = served({ stations: [{ breaker: { minimumVolume: 1 } }, {}] });
  const call = world.submit({ key: "k", source: "known" });
  world.endCall(call, "failed");
  world.declare("north", "down");
  world.declare("north", "alive");
  assert.equal(world.north.parts.breaker?.status(world.nowMs).calls, 0, "a new life");
  const places: string[] = [];
  while (world.endOf(call) === undefined) {
    const attempt = world.attemptOf(call);
    places.push(attempt.station.name);
    world.end(attempt, places.includes("north") && attempt.station !== world.north ? "served" : "unreachable");
    world.advance(500);
  }
  assert.ok(places.includes("north"), places.join());
  assert.equal(world.north.parts.breaker?.status(world.nowMs).failures, 0);
});

/**
 * North refuses connections, and south, in its cooldown, fails every so many calls: after how many
 * it takes over.
 */
function takesOverAfter(fails: number): number | undefined {
  const world = new Dispatching();
  world.south.startCooldown("it failed before", world.nowMs);
  let served = 0;
  for (let call = 1; call <= 100 && world.nowMs < 4_900; call++) {
    world.submit({ source: `caller ${call}` });
    world.advance(20);
    for (const attempt of [...world.out]) {
      if (attempt.station === world.north) world.end(attempt, "unreachable");
      else world.end(attempt, ++served % fails === 0 ? "failed" : "served");
    }
    if (world.roles.active === world.south) return served;
    world.advance(20);
  }
  return undefined;
}

test("[F1] nobody is usable, and a station in its cooldown serves what it is sent → it takes over after eight, and not while it fails some", () => {
  const after = takesOverAfter(1_000) ?? 0;
  assert.ok(after >= 8 && after <= 10, `${after}`);
  assert.equal(takesOverAfter(2), undefined);
});

test("attempts are counted by why they were sent", () => {
  const world = served({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  const before = { ...world.dispatcher.sent };
  const moved = world.submit({ key: "moved", source: "known" });
  world.endCall(moved, "failed");
  const late = world.submit({ key: "late", source: "known" });
  world.advance(60);
  assert.deepEqual(world.placesOf(late), ["north", "south"]);
  const now = Object.entries(world.dispatcher.sent).map(([why, count]) => [why, count - before[why as "first"]]);
  assert.deepEqual(Object.fromEntries(now), { first: 2, retry: 0, elsewhere: 1, hedge: 1 });
});

test("[F10] running: overdue at a station that is silent → hedged at once, not as late as a single late one", () => {
  const world = served();
  const calls = ["a", "b", "c"].map((key) => world.submit({ key, source: "known" }));
  world.advance(32);
  assert.ok(world.north.evidence.isSilent);
  assert.deepEqual(
    world.placesOf(calls[2] as Call),
    ["north", "south"],
    "overdue after 26 ms, a single one hedged after 41",
  );
});

/**
 * The second of two calls is sent `gapMs` after the first, which has just become overdue: is its
 * station in doubt?
 */
function isDoubtedAfter(gapMs: number): boolean {
  const world = served();
  const first = world.attemptOf(world.submit({ key: "first", source: "known" }));
  world.advance(gapMs);
  world.submit({ key: "second", source: "known" });
  while (!first.isOverdue) world.advance(0.5);
  return world.north.isDoubted;
}

test("[F10] running: one is overdue, and the next will be in a moment → in doubt; not where the next has more time", () => {
  assert.deepEqual([0, 4, 8].map(isDoubtedAfter), [true, true, false]);
});

test("[F10] one is overdue, and the next will be in a moment → no change of roles before it is, though silence is proof at once", () => {
  const world = served({ stations: [{ commandPath: { unansweredAfterMs: 0 } }, {}] });
  const first = world.attemptOf(world.submit({ source: "known" }));
  world.advance(4);
  const second = world.attemptOf(world.submit({ source: "known" }));
  while (!first.isOverdue) world.advance(0.5);
  assert.deepEqual([world.north.isDoubted, world.roles.active], [true, world.north]);
  while (!second.isOverdue) {
    assert.equal(world.roles.active, world.north);
    world.advance(0.5);
  }
  assert.equal(world.roles.active, world.south);
});

test("[F10] running: overdue without a key → never sent a second time", () => {
  const world = served();
  const call = world.submit({ source: "known" });
  world.advance(900);
  assert.deepEqual(world.placesOf(call), ["north"]);
});

test("[F10] running: while its body is being sent, age says nothing → no hedge, no doubt, no timeout", () => {
  const world = served();
  const calls = Array.from({ length: 6 }, () => world.submit({ key: "k", source: "known" }));
  for (const call of calls) world.input({ type: "uploading", attempt: world.attemptOf(call), isUploading: true });
  world.advance(60_000);
  assert.deepEqual([world.out.length, world.north.isDoubted, world.settled.size], [6, false, 60]);
  for (const call of calls) world.input({ type: "uploading", attempt: world.attemptOf(call), isUploading: false });
  world.advance(10);
  assert.equal(world.out.length, 6, "its age counts from the end of the upload");
  for (const call of calls) world.endCall(call, "served");
  assert.equal(world.told("promoted").length, 0);
});

test("[F11] long polls fill what a station may work on → set aside after a moment, and quick calls go; quick ones that become slow are not", () => {
  for (const source of ["polls", "known"]) {
    const world = new Dispatching({ stations: [{ capacity: { maxWorking: 4 } }, {}] });
    world.serve(60, { source: "known" });
    for (let each = 0; each < 4; each++) world.submit({ source });
    const quick = world.submit({ source: "known" });
    assert.equal(quick.state.phase, "waiting");
    world.advance(150);
    const aside = world.out.filter(({ isSetAside }) => isSetAside).length;
    assert.deepEqual([aside, quick.state.phase], [source === "polls" ? 4 : 0, "running"], source);
    assert.deepEqual(world.placesOf(quick), [source === "polls" ? "north" : "south"], "a slow station is in doubt");
  }
});

/** `count` calls begin to send long bodies. */
function upload(world: Dispatching, count: number): void {
  for (let each = 0; each < count; each++) {
    const attempt = world.attemptOf(world.submit({ source: "uploads" }));
    world.input({ type: "uploading", attempt, isUploading: true });
  }
}

test("[F10] running: a hundred bodies are being sent, and nothing is answered → new calls are not held back", () => {
  const world = served();
  upload(world, 100);
  world.serve(1, { source: "known" });
  for (let each = 0; each < 8; each++) {
    assert.equal(world.submit({ source: "known" }).state.phase, "running");
    world.advance(2);
  }
});

test("[F10] one route's uploads break while they are sent, for seconds, and nothing else is called → nobody is replaced", () => {
  const world = served();
  for (let second = 0; second < 3; second++) {
    upload(world, 10);
    world.advance(2);
    // South, which is given some of them to compare, does no better.
    for (const attempt of [...world.out]) world.end(attempt, "lost");
    assert.equal(world.north.isDoubted, false);
    world.advance(1_000);
  }
  assert.deepEqual([world.told("promoted").length, world.north.evidence.isSuspect], [0, false]);
});

test("[F10] uploads break here while they are sent, and another station takes such ones → it takes over", () => {
  const world = served();
  for (let rounds = 0; rounds < 20 && world.told("promoted").length === 0; rounds++) {
    upload(world, 2);
    world.advance(2);
    for (const attempt of [...world.out]) {
      world.input({ type: "uploading", attempt, isUploading: false });
      world.end(attempt, attempt.station === world.north ? "lost" : "served");
    }
    world.advance(300);
  }
  const why = world.told("promoted").flatMap(({ evidence }) => evidence.map(({ detail }) => detail));
  assert.match(why.join(), /5 of the last 5 commands failed here and were served/);
});

test("[F10] the same beside other calls that are served → it stays", () => {
  const world = served();
  for (let rounds = 0; rounds < 20; rounds++) {
    upload(world, 2);
    world.advance(2);
    for (const attempt of [...world.out]) world.end(attempt, attempt.station === world.north ? "lost" : "served");
    world.serve(1, { source: "known" });
    world.advance(300);
  }
  assert.equal(world.told("promoted").length, 0);
});

/**
 * North is given more than it can do for 200 ms, and then answers nothing: after how long it is in
 * doubt.
 */
function doubtedAfterMs(uploads: number): number {
  const world = served();
  upload(world, uploads);
  const fromMs = world.nowMs;
  for (let passedMs = 0; passedMs < 5_000; passedMs += 5) {
    if (passedMs % 15 === 0) world.submit({ source: "known" });
    world.advance(5);
    const oldest = world.out.find(({ isUploading, station }) => !isUploading && station === world.north);
    if (passedMs < 200 && passedMs % 20 === 0 && oldest !== undefined) world.end(oldest, "served");
    if (passedMs >= 200 && world.north.isDoubted) break;
  }
  return world.nowMs - fromMs - 200;
}

test("[F10] running: a busy station falls silent while a hundred bodies are being sent → in doubt as soon as without", () => {
  assert.ok(doubtedAfterMs(0) < 60);
  assert.equal(doubtedAfterMs(100), doubtedAfterMs(0));
});

test("[F6] a hundred bodies are being sent to a station that fails → the next one is not given a hundred", () => {
  const world = served();
  upload(world, 100);
  world.serve(200, { source: "known" }, 20);
  world.declare("north", "down");
  assert.equal(world.roles.active, world.south);
  assert.equal(world.south.admission.limit, 10);
});

test("[F10] running: while bodies are being sent, they take no place of those that a station works on; maxConcurrent counts them", () => {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 3 } }, {}] });
  world.north.admission.beginTrial(0);
  const upload = world.submit();
  assert.equal(world.submit().state.phase, "waiting", "one call at a time");
  const attempt = world.attemptOf(upload);
  const sent = types(world.input({ type: "uploading", attempt, isUploading: true }));
  assert.deepEqual(sent, ["send"]);
  world.input({ type: "uploading", attempt, isUploading: false });
  assert.equal(world.submit().state.phase, "waiting");
  world.endCall(upload, "failed");
  assert.equal(world.north.admission.inFlight, 1);
  for (const other of [...world.out]) world.input({ type: "uploading", attempt: other, isUploading: true });
  for (let call = 0; call < 5; call++) {
    world.submit();
    for (const other of world.out) world.input({ type: "uploading", attempt: other, isUploading: true });
  }
  assert.equal(world.north.admission.inFlight, 3);
});

test("[F10] running: an endpoint that takes five seconds → known by its source, not overdue", () => {
  const world = served({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  world.serve(1, { source: "slow endpoint" }, 5_000);
  world.serve(20, { source: "known" }, 20);
  const calls = Array.from({ length: 5 }, () => world.submit({ key: "k", source: "slow endpoint" }));
  world.advance(5_000);
  assert.deepEqual([world.out.length, world.north.isDoubted, world.told("doubted").length], [5, false, 0]);
  for (const call of calls) world.endCall(call, "served");
});

test("[F1] running: nobody knows what is usual, and the station answers nothing → hedged after a second; lost to the hedges, it is replaced", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  const calls = Array.from({ length: 5 }, () => world.submit({ key: "k" }));
  world.advance(999);
  assert.deepEqual(world.placesOf(calls[0] as Call), ["north"]);
  world.advance(1);
  for (const call of calls) {
    assert.deepEqual(world.placesOf(call), ["north", "south"]);
    world.endCall(call, "served");
  }
  const [promoted] = world.told("promoted");
  assert.equal(promoted?.station, "south");
  assert.match(JSON.stringify(promoted?.evidence), /5 of the last 5 commands failed here and were served by another/);
});

test("[F4] a station that answers nothing is replaced by comparison → what is out there goes elsewhere, also what no hedge was left for", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  const calls = Array.from({ length: 30 }, () => world.submit({ key: "k" }));
  world.advance(500);
  const later = world.submit({ key: "later" });
  world.advance(500);
  for (const call of calls.slice(0, 5)) world.endCall(call, "served");
  assert.equal(world.roles.active, world.south);
  world.advance(500);
  for (const call of [...calls.slice(5), later]) {
    assert.ok(world.placesOf(call).includes("south") || call.state.phase === "waiting", `${call.id}`);
  }
});

test("[F10] running: nobody knows what is usual, and both stations take five seconds → hedged, and nobody is blamed", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  const calls = Array.from({ length: 20 }, () => world.submit({ key: "k" }));
  world.advance(5_000);
  assert.equal(
    world.out.filter(({ station }) => station === world.south).length,
    5,
    "as many as hedges are in reserve",
  );
  for (const call of calls) {
    const first = world.out.find((attempt) => attempt.call === call && attempt.station === world.north);
    world.end(first as Attempt, "served");
  }
  assert.deepEqual([world.north.evidence.isSuspect, world.told("promoted").length], [false, 0]);
});

test("[F4] running: a keyed call is answered with a failure, and answers are to stand → it goes to no other station", () => {
  for (const [resendsKeyed, places] of [
    [true, ["south"]],
    [false, []],
  ] as const) {
    const world = served({ resendsKeyed });
    const call = world.submit({ key: "k", source: "known" });
    world.endCall(call, "failed");
    assert.deepEqual(world.placesOf(call), places);
  }
});

test("[F1] running: a newly active station answers nothing → overdue by what is usual elsewhere, with room to spare", () => {
  const world = new Dispatching();
  world.serve(60, { source: "known" }, 20);
  world.declare("north", "down");
  assert.equal(world.roles.active.name, "south");
  for (let call = 0; call < 3; call++) world.submit({ source: "known", key: `k${call}` });
  world.advance(35);
  assert.equal(world.roles.active.isDoubted, false);
  world.advance(50);
  assert.equal(world.roles.active.isDoubted, true);
});

test("[F1] running: deadline and timeout are the same, and the station answers nothing → each counts as lost", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 2_000 }, {}] });
  for (let call = 0; call < 5; call++) world.submit({ deadline: 1_990 });
  world.advance(1_990);
  assert.equal(world.settled.size, 5);
  world.advance(10);
  assert.equal(world.roles.active.name, "south");
});

test("[F10] running: a deadline far below the timeout is over → nothing is held against the station", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 30_000 }, {}] });
  for (let call = 0; call < 20; call++) world.submit({ deadline: 1_990 });
  world.advance(5_000);
  assert.deepEqual([world.settled.size, world.north.evidence.isSuspect], [20, false]);
});

test("[F10] running: calls of a route that was never answered run out of time → no sign of load; of one that was → it is, and one call is none", () => {
  for (const [source, calls, isSign] of [
    ["never answered", 40, false],
    ["known", 40, true],
    ["known", 1, false],
  ] as const) {
    const world = served();
    for (let call = 0; call < calls; call++) world.submit({ source });
    world.advance(1_000);
    const isLearned = world.told("capacity-learned").length > 0;
    assert.equal(isLearned, isSign, `${calls} ${source}`);
  }
});

/** Only one station is there, its circuit is open, and four calls are enough to judge it. */
function onlyWithOpenCircuit(): { world: Dispatching; circuit: BreakerMachine } {
  const world = served({ stations: [{ breaker: { minimumVolume: 4, openDurationMs: 60_000 } }, {}] });
  world.declare("south", "down", "alive");
  const circuit = world.north.parts.breaker;
  assert.ok(circuit !== undefined);
  while (circuit.isClosed) circuit.failure(circuit.generation, world.nowMs);
  return { world, circuit };
}

test("[B2] the only station serves although its circuit is open → its wait ends, and the next answer closes it", () => {
  const { world, circuit } = onlyWithOpenCircuit();
  world.serve(3);
  assert.equal(circuit.state(world.nowMs), "open");
  world.serve();
  assert.equal(circuit.state(world.nowMs), "half-open");
  world.serve();
  assert.equal(circuit.state(world.nowMs), "closed");
});

test("[B2] the only station fails although its circuit is open → its wait goes on", () => {
  const { world, circuit } = onlyWithOpenCircuit();
  for (let call = 0; call < 3; call++) {
    const lost = world.submit({ source: "route" });
    world.advance(5);
    world.endCall(lost, "lost");
    world.serve(1, { source: "route" });
  }
  assert.equal(circuit.state(world.nowMs), "open", "3 of 6");
});

test("[B1] running: attempts run out of time → they count as failures for the circuit", () => {
  const world = new Dispatching({ stations: [{ breaker: { minimumVolume: 3 } }, {}] });
  const { north } = world;
  world.submit();
  world.submit();
  world.advance(1_000);
  assert.equal(north.isCircuitOpen(world.nowMs), false);
  assert.equal(north.parts.breaker?.status(world.nowMs).failures, 2);
});

test("[F4] running: its timeout is over → recalled; keyed goes elsewhere, without key its outcome is unknown", () => {
  for (const [terms, end] of [
    [{ key: "k" }, undefined],
    [{}, "ATTEMPT_TIMEOUT"],
  ] as const) {
    const world = new Dispatching();
    const call = world.submit(terms);
    world.advance(1_000);
    assert.equal(world.endOf(call), end);
    assert.ok(world.actions.some((action) => action.type === "recall"));
    assert.equal(world.out[0]?.isAbandoned, true);
    assert.deepEqual(world.placesOf(call), end === undefined ? ["north", "south"] : ["north"]);
  }
});

test("[F4] parked, waiting or asking while its attempt at a silent station is out → that runs out of time all the same", () => {
  const budget = { ratio: 0, reserve: 0 };
  const cases: [ConstructorParameters<typeof Dispatching>[0], string][] = [
    [{ stations: [{ budget }] }, "parked"],
    [{ stations: [{ capacity: { maxConcurrent: 1 } }] }, "waiting"],
    [{ canAsk: true, resendsKeyed: false }, "asking"],
  ];
  for (const [options, phase] of cases) {
    const world = served(options);
    const call = world.submit({ key: "k" });
    world.advance(100);
    world.declare("north", "down");
    assert.equal(call.state.phase, phase);
    const attempt = world.attemptOf(call);
    world.advance(899);
    assert.equal(attempt.isAbandoned, false, phase);
    world.advance(1);
    assert.equal(attempt.isAbandoned, true, phase);
    assert.equal(call.state.phase, phase);
  }
});

test("[F4] a keyed call whose outcome is to be reported is out at a lost station → its answer is awaited, as an unkeyed one's", () => {
  for (const [waitsMs, end] of [
    [400, "north served"],
    [600, "AMBIGUOUS_OUTCOME"],
  ] as const) {
    const world = served({ resendsKeyed: false, maxWaitMs: 500 });
    const call = world.submit({ key: "k" });
    world.advance(100);
    world.declare("north", "down");
    assert.deepEqual([world.roles.active.name, world.endOf(call)], ["south", undefined]);
    world.advance(waitsMs);
    world.endCall(call, "served");
    assert.equal(world.endOf(call), end);
  }
});

/**
 * A call is out at the north, which may have it once, and for half a second every station has been
 * down.
 */
function outWhileAllAreDown(): { readonly world: Dispatching; readonly call: Call } {
  const world = served({ stations: [{ maxAttempts: 1 }, {}] });
  const call = world.submit({ key: "k" });
  world.declare("south", "down");
  world.declare("north", "down");
  world.advance(500);
  return { world, call };
}

test("[F4] every station is down, and the call may not be sent to its own again → its answer is awaited", () => {
  const { world, call } = outWhileAllAreDown();
  assert.equal(world.endOf(call), undefined);
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "north served");
});

test("[F4] every station is down, and another one than the call's is heard again → it goes there", () => {
  const { world, call } = outWhileAllAreDown();
  world.declare("south", "alive");
  assert.deepEqual([world.roles.active.name, world.placesOf(call)], ["south", ["north", "south"]]);
});

/**
 * Two calls are out at the north when it is declared down; the south takes one, the other waits for
 * it.
 */
function waitsWhileOut(): { readonly world: Dispatching; readonly call: Call } {
  const stations = [{ timeoutMs: 300 }, { timeoutMs: 300, capacity: { maxConcurrent: 1 } }];
  const world = served({ stations });
  world.submit({ key: "first", source: "known", deadline: world.nowMs + 299 });
  const call = world.submit({ key: "second", source: "known", deadline: world.nowMs + 300 });
  world.declare("north", "down");
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["waiting", ["north"]]);
  return { world, call };
}

/** … until it is too late for an attempt at the south. */
function waitsTooLongWhileOut(): ReturnType<typeof waitsWhileOut> {
  const waits = waitsWhileOut();
  waits.world.advance(290);
  waits.world.input({ type: "tick", lateByMs: 0 });
  return waits;
}

test("[F4] [F11] too late for a new attempt while one is out → its answer is awaited until the deadline", () => {
  const answered = waitsTooLongWhileOut();
  assert.equal(answered.world.endOf(answered.call), undefined, "ten ms are left");
  answered.world.endCall(answered.call, "served");
  assert.equal(answered.world.endOf(answered.call), "north served");
  const expired = waitsTooLongWhileOut();
  expired.world.advance(10);
  assert.equal(expired.world.endOf(expired.call), "DEADLINE_EXCEEDED");
});

test("[F11] too late for a new attempt, one is out, and callers are known to leave sooner → awaited until they leave", () => {
  const { world, call } = waitsWhileOut();
  for (let left = 30; left > 0; left--) world.dispatcher.patience.noteHangUp(250, world.nowMs);
  const leavesMs = world.dispatcher.patience.estimateMs ?? Number.NaN;
  assert.ok(leavesMs > 200 && leavesMs < 299, `${leavesMs}`);
  world.advance(leavesMs - 1);
  world.input({ type: "tick", lateByMs: 0 });
  assert.equal(world.endOf(call), undefined);
  world.advance(1);
  assert.equal(world.endOf(call), "DEADLINE_EXCEEDED");
});

test("[B1] waiting, its deadline is over after nearly a timeout, and an input comes before the tick → counts as lost", () => {
  const { world, call } = waitsWhileOut();
  world.nowMs = call.terms.deadline;
  world.input({ type: "epoch-seen", epoch: 0 });
  assert.equal(world.endOf(call), "DEADLINE_EXCEEDED");
  assert.equal(world.north.parts.breaker?.status(world.nowMs).failures, 1);
});

test("[F1] [F11] callers wait as long as the slowest answers took, and nothing comes by then → the station is silent, and takes less", () => {
  for (const [waitsMs, isSilent] of [
    [3_100, true],
    [100, false],
  ] as const) {
    const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
    world.serve(30, { source: "known" }, 3_000);
    world.advance(10);
    for (let call = 0; call < 3; call++) world.submit({ source: "known", deadline: world.nowMs + waitsMs });
    world.advance(waitsMs);
    assert.equal(world.north.admission.limit < Number.POSITIVE_INFINITY, isSilent, `${waitsMs} ms`);
    world.advance(250);
    assert.equal(world.roles.active, isSilent ? world.south : world.north, `${waitsMs} ms`);
  }
});

test("[R4] running: its deadline is over → told that it may have run, its attempt is recalled", () => {
  const world = new Dispatching();
  const call = world.submit({ deadline: 100 });
  world.advance(100);
  assert.equal(world.endOf(call), "DEADLINE_EXCEEDED");
  const settlement = world.settled.get(call);
  assert.ok(
    settlement !== undefined && "error" in settlement && (settlement.error as { mayHaveRun?: boolean }).mayHaveRun,
  );
  assert.equal(world.out[0]?.isAbandoned, true);
  world.end(world.attemptOf(call), "served");
  assert.equal(world.north.admission.inFlight, 0);
});

test("[C4] the caller hangs up in any state → settled at once, what is out is recalled, nothing is held against a station", () => {
  const world = served({ stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
  const running = world.submit({ key: "a", source: "known" });
  const waiting = world.submit({ key: "b", source: "known" });
  for (const call of [waiting, running]) {
    const actions = world.input({ type: "cancel", call, reason: "gone" });
    assert.equal(types(actions)[0], "settle");
    assert.equal(world.endOf(call), "CALL_ABORTED");
    assert.deepEqual(world.input({ type: "cancel", call, reason: "gone" }), [], "twice");
  }
  assert.equal(world.out[0]?.isAbandoned, true);
  world.end(world.attemptOf(running), "lost");
  assert.deepEqual(
    [world.north.evidence.isSuspect, world.north.admission.inFlight, world.dispatcher.waiting],
    [false, 0, 0],
  );
});

test("[F11] callers who break off their own requests while these wait → nothing is learned of how long callers wait", () => {
  const world = served({ stations: [{ capacity: { maxConcurrent: 1 } }, { capacity: { maxConcurrent: 1 } }] });
  const leave = (reason: unknown): number | undefined => {
    const waiting = Array.from({ length: 5 }, () => world.submit({ source: "known" }));
    world.advance(20);
    for (const call of waiting) world.input({ type: "cancel", call, reason });
    return world.dispatcher.patience.estimateMs;
  };
  world.submit({ source: "known" });
  assert.equal(leave(new RequestCutError()), undefined);
  assert.equal(leave("gone"), 20 * 0.96);
});

test("[F3] running: refused for its epoch → ours goes above it, and the call is sent again under the new one", () => {
  const world = new Dispatching();
  const call = world.submit();
  const stale: AttemptEnd["settlement"] = { error: new StaleEpochError("older", { seenEpoch: 7 }) };
  world.endCall(call, "stale", { settlement: stale });
  assert.deepEqual([world.roles.epoch, world.attemptOf(call).epoch, world.told("epoch-adopted").length], [8, 8, 1]);
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "north served");
});

test("[F3] a station has seen our epoch: nothing was sent under it → ours goes above; something was → it is ours", () => {
  const world = new Dispatching();
  world.input({ type: "epoch-seen", epoch: 1 });
  const call = world.submit();
  assert.deepEqual([world.roles.epoch, world.attemptOf(call).epoch], [2, 2]);
  world.input({ type: "epoch-seen", epoch: 2 });
  assert.deepEqual([world.roles.epoch, world.told("epoch-adopted").length], [2, 1]);
});

test("[F3] refused again and again although no newer epoch is told → delivered: another gateway is at work", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k" });
  const settlement = { error: new StaleEpochError("older") };
  world.endCall(call, "stale", { settlement });
  assert.equal(world.endOf(call), "STALE_EPOCH");
});

test("[F11] outage over, callers wait for 200 ms, an answer takes 60 ms → served again at once, whether keyed or not", () => {
  for (const key of ["k", undefined]) {
    const world = new Dispatching();
    world.declare("south", "down");
    for (let ms = 0; ms < 400; ms += 20) {
      world.submit({ ...(key && { key }), deadline: world.nowMs + 200 });
      for (const attempt of [...world.out]) world.end(attempt, "unreachable");
      world.advance(20);
    }
    assert.equal(world.north.evidence.isRefusing, true);
    let served = 0;
    for (let ms = 0; ms < 2_000; ms += 10) {
      if (ms % 20 === 0) world.submit({ ...(key && { key }), deadline: world.nowMs + 200 });
      for (const attempt of [...world.out]) {
        if (attempt.isAbandoned) world.end(attempt, "lost");
        else if (world.nowMs - attempt.startedMs >= 60) {
          world.end(attempt, "served");
          served++;
        }
      }
      world.advance(10);
    }
    assert.ok(served > 60, `${served} of 100 were served`);
  }
});

// ── parked
// ──────────────────────────────────────────────────────────────────────────────────────────────────────

test("[F10] parked: this machine lacks a resource → tried again, given up after 2 s with the reason, told once", () => {
  const world = new Dispatching();
  const shortage = Object.assign(new Error("connect EMFILE"), { code: "EMFILE", syscall: "connect" });
  const calls = Array.from({ length: 20 }, () => world.submit());
  for (let ms = 0; ms < 4_000; ms += 10) {
    for (const attempt of [...world.out]) world.end(attempt, "local-shortage", { settlement: { error: shortage } });
    world.advance(10);
  }
  assert.deepEqual([...new Set(calls.map((call) => world.endOf(call)))], ["LOCAL_SHORTAGE"]);
  assert.deepEqual(
    world.told("local-shortage").map(({ code }) => code),
    ["EMFILE"],
  );
  assert.deepEqual(
    [world.north.evidence.isSuspect, world.told("promoted").length, world.dispatcher.parked],
    [false, 0, 0],
  );
});

test("[F10] parked for a shortage that passes → sent, and served", () => {
  const world = new Dispatching();
  const call = world.submit();
  world.endCall(call, "local-shortage");
  assert.deepEqual([call.state.phase, world.dispatcher.parked], ["parked", 1]);
  world.advance(30);
  world.endCall(call, "served");
  assert.deepEqual([world.endOf(call), world.dispatcher.parked], ["north served", 0]);
});

test("[F10] a station answered, the comparison fails for want of a descriptor → the answer, not LOCAL_SHORTAGE", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k", deadline: world.nowMs + 60 });
  world.endCall(call, "failed");
  for (let ms = 0; ms < 100 && world.endOf(call) === undefined; ms += 10) {
    for (const attempt of [...world.out]) {
      world.end(attempt, attempt.station === world.north ? "failed" : "local-shortage");
    }
    world.advance(10);
  }
  assert.equal(world.endOf(call), "north failed");
});

test("parked: its deadline is over, or its caller hangs up → settled, and its charge is refunded", () => {
  for (const leave of ["deadline", "cancel"]) {
    const world = served({}, "known");
    world.declare("south", "down");
    const call = world.submit({
      key: "k",
      source: "known",
      deadline: leave === "deadline" ? world.nowMs + 200 : Infinity,
    });
    world.endCall(call, "failed", { retryAfterMs: 150 });
    assert.equal(call.state.phase, "parked");
    assert.equal(world.north.parts.budget?.status(world.nowMs).pending, 1);
    if (leave === "cancel") world.input({ type: "cancel", call, reason: "gone" });
    else {
      world.advance(150);
      world.advance(60);
    }
    assert.equal(call.state.phase, "done");
    assert.equal(world.north.parts.budget?.status(world.nowMs).pending, 0);
    assert.equal(world.dispatcher.parked, 0);
  }
});

// ── asking
// ──────────────────────────────────────────────────────────────────────────────────────────────────────

test("[F4] asking: it ran → its record is the result; it did not → sent elsewhere; unknown → sent, or reported", () => {
  for (const [answer, resendsKeyed, end] of [
    [{ ran: true, result: "record" }, false, "record"],
    [{ ran: false }, false, "at south"],
    [{ ran: false }, true, "at south"],
    ["unknown", true, "at south"],
    ["unknown", false, "AMBIGUOUS_OUTCOME"],
  ] as const) {
    const world = new Dispatching({ canAsk: true, resendsKeyed });
    const call = world.submit({ key: "k" });
    assert.deepEqual(types(world.endCall(call, "lost")), ["ask"]);
    assert.deepEqual([call.state.phase, world.dispatcher.parked], ["asking", 1]);
    world.input({ type: "answered", call, answer });
    const place = world.placesOf(call)[0];
    assert.equal(world.endOf(call) ?? `at ${place}`, end, `${JSON.stringify(answer)}, ${resendsKeyed}`);
    assert.equal(world.dispatcher.parked, 0);
    assert.deepEqual(world.input({ type: "answered", call, answer }), [], "an answer that comes twice changes nothing");
  }
});

test("[F4] asking: its deadline is over → told that it may have run", () => {
  const world = new Dispatching({ canAsk: true });
  const call = world.submit({ key: "k", deadline: 100 });
  world.endCall(call, "lost");
  world.advance(100);
  assert.deepEqual([world.endOf(call), world.dispatcher.parked], ["DEADLINE_EXCEEDED", 0]);
  assert.deepEqual(world.input({ type: "answered", call, answer: { ran: true, result: 1 } }), []);
});

test("[F4] overdue where stations can be asked → asked about, once; not sent a second time before the answer", () => {
  const world = served({ canAsk: true });
  const call = world.submit({ key: "k", source: "known" });
  world.advance(200);
  assert.equal(world.actions.filter(({ type }) => type === "ask").length, 1);
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["asking", ["north"]]);
  world.input({ type: "answered", call, answer: { ran: false } });
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["running", ["north", "south"]]);
  assert.equal(world.attemptOf(call).isAbandoned, false);
  assert.ok(world.out[0]?.isAbandoned, "north has taken it back");
});

test("[F4] asked, no answer → sent elsewhere while it can still be served within a likely timeout", () => {
  const world = served({ canAsk: true });
  const call = world.submit({ key: "k", source: "known" });
  world.advance(450);
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["asking", ["north"]]);
  world.advance(10);
  assert.deepEqual(
    [call.state.phase, world.placesOf(call)],
    ["running", ["north", "south"]],
    "490 ms less an answer's",
  );
});

test("[F4] asked, nobody knows, and no other station can take it → it waits for the attempt that is out", () => {
  const world = served({ canAsk: true });
  const call = world.submit({ key: "k", source: "known" });
  world.advance(200);
  world.declare("south", "down");
  world.input({ type: "answered", call, answer: "unknown" });
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["running", ["north"]]);
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "north served");
});

test("[C4] a call waits elsewhere, its attempt at a silent station runs out of time → recalled, and the call waits on", () => {
  const world = served({ stations: [{}, { capacity: { maxConcurrent: 1 } }] });
  const call = world.submit({ key: "k", source: "known" });
  world.south.admission.enter(world.nowMs);
  world.declare("north", "down");
  assert.deepEqual([call.state.phase, world.placesOf(call)], ["waiting", ["north"]]);
  world.advance(1_000);
  assert.deepEqual([call.state.phase, world.attemptOf(call).isAbandoned], ["waiting", true]);
});

test("[F4] a promotion while two calls are overdue for a moment → calls out at the old station may finish", () => {
  const world = served({ resendsKeyed: false, maxWaitMs: 0 });
  const calls = [1, 2, 3].map((number) => world.submit({ key: `k${number}`, source: "known" }));
  world.advance(32);
  assert.ok(world.north.evidence.isSilent && !world.north.evidence.isProvenSilent(world.nowMs));
  for (let lost = 0; lost < 5; lost++) world.north.evidence.noteServedElsewhere(world.nowMs);
  world.input({ type: "tick", lateByMs: 0 });
  assert.equal(world.roles.active.name, "south");
  for (const call of calls) world.endCall(call, "served");
  assert.deepEqual(
    calls.map((call) => world.endOf(call)),
    ["north served", "north served", "north served"],
  );
});

test("[F10] few answers of a station are known, and slow ones → in doubt by the others' times, replaced by its own", () => {
  for (const isAnswered of [true, false]) {
    const world = new Dispatching();
    world.serve(60, { source: "known" }, 20);
    world.declare("north", "down");
    world.declare("north", "alive");
    world.serve(3, { source: "slow" }, 400);
    world.serve(1, { source: "known" }, 20);
    const calls = [1, 2].map((number) => world.submit({ source: "known", deadline: world.nowMs + 5_000 + number }));
    world.advance(390);
    assert.deepEqual([world.south.isDoubted, world.roles.active.name], [true, "south"]);
    for (const call of isAnswered ? calls : []) world.endCall(call, "served");
    world.advance(300);
    assert.equal(world.roles.active.name, isAnswered ? "south" : "north");
  }
});

test("[F4] stations can be asked → a keyed attempt says until when it may be begun; others may be begun at any time", () => {
  const beginBy = (canAsk: boolean, terms: Terms, first = served({ canAsk })): number =>
    first.attemptOf(first.submit({ ...terms, source: "known" })).beginByMs - first.nowMs;
  assert.equal(beginBy(true, { key: "k" }), 1_000, "answers take 20 ms, and clocks differ");
  assert.equal(beginBy(true, {}), Number.POSITIVE_INFINITY);
  assert.equal(beginBy(false, { key: "k" }), Number.POSITIVE_INFINITY);
  const slow = new Dispatching({ canAsk: true });
  slow.serve(40, { source: "known" }, 2_000);
  const ms = beginBy(true, { key: "k" }, slow);
  assert.ok(ms > 6_000 && ms < 9_000, `${ms} for answers of 2 s`);
  assert.equal(
    beginBy(true, { key: "k" }, new Dispatching({ canAsk: true })),
    Number.POSITIVE_INFINITY,
    "nothing known",
  );
});

// ── done
// ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("done: late ends, answers, hang-ups and ticks change nothing for the caller", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k", deadline: 100 });
  world.advance(100);
  const attempt = world.attemptOf(call);
  assert.deepEqual(world.input({ type: "cancel", call, reason: "gone" }), []);
  assert.deepEqual(world.input({ type: "answered", call, answer: "unknown" }), []);
  assert.deepEqual(types(world.end(attempt, "served")), []);
  world.advance(1_000);
  assert.equal(world.settled.size, 1);
});

// ── roles
// ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("[F4] the old station is declared down → calls out there go elsewhere if repeatable, else they wait for their answer", () => {
  const world = new Dispatching({ maxWaitMs: 700 });
  const keyed = world.submit({ key: "k" });
  const single = world.submit();
  const actions = world.declare("north", "down");
  assert.deepEqual(types(actions), ["declaration", "promoted", "send"]);
  assert.deepEqual([world.placesOf(keyed), world.placesOf(single)], [["north", "south"], ["north"]]);
  world.endCall(keyed, "served");
  assert.equal(world.endOf(keyed), "south served");
  world.advance(699);
  assert.equal(world.endOf(single), undefined);
  world.advance(1);
  assert.equal(world.endOf(single), "AMBIGUOUS_OUTCOME");
});

test("[F4] nobody is left, and the silent station is tried once more → both attempts are left when another one is promoted", () => {
  const world = served();
  world.declare("south", "down");
  const call = world.submit({ key: "k" });
  world.declare("north", "down");
  assert.deepEqual(world.placesOf(call), ["north", "north"]);
  world.declare("south", "alive");
  assert.equal(world.roles.active.name, "south");
  assert.deepEqual(world.placesOf(call), ["north", "north", "south"]);
});

test("[F4] twice out at a silent station, because nobody else was there → goes elsewhere as soon as somebody is", () => {
  const world = served();
  const rest = { type: "maintenance", station: world.south, untilMs: Number.POSITIVE_INFINITY } as const;
  world.input({ ...rest, reason: "test" });
  const call = world.submit({ key: "k" });
  world.declare("north", "down");
  assert.deepEqual(world.placesOf(call), ["north", "north"]);
  world.input({ ...rest, reason: undefined });
  assert.deepEqual([world.roles.active, world.placesOf(call)], [world.south, ["north", "north", "south"]]);
});

test("[F4] a promotion because calls failed, the old station still answers → calls out there may finish", () => {
  const world = new Dispatching();
  const out = world.submit({ key: "out" });
  const calls = Array.from({ length: 5 }, (_, call) => world.submit({ key: `k${call}` }));
  for (const call of calls) {
    world.endCall(call, "failed");
    world.endCall(call, "served");
  }
  assert.equal(world.told("promoted").length, 1);
  assert.deepEqual(world.placesOf(out), ["north"]);
  world.endCall(out, "served");
  assert.equal(world.endOf(out), "north served");
});

test("[F1] in doubt while it was idle, then made active, then in doubt again → told", () => {
  const world = new Dispatching();
  world.dispatcher.switchover("south", "switchover", "drill", 0);
  const call = world.submit();
  world.endCall(call, "unreachable");
  world.endCall(call, "unreachable");
  assert.equal(world.north.isDoubted, true);
  world.dispatcher.switchover("north", "switchover", "back", 0);
  world.endCall(world.submit(), "unreachable");
  assert.deepEqual(
    world.told("doubted").map(({ station }) => station),
    ["south", "north"],
  );
});

test("[F7] a switchover → promoted at once, with its epoch; refused with a reason where it cannot be", () => {
  const world = new Dispatching();
  const out = world.submit();
  assert.equal(world.dispatcher.switchover("south", "switchover", "drill", 0), 2);
  const told = types(world.input({ type: "tick", lateByMs: 0 }));
  assert.deepEqual(told.slice(0, 2), ["handover-begun", "promoted"]);
  assert.equal(world.roles.active.name, "south");
  world.endCall(out, "served");
  assert.equal(world.endOf(out), "north served");
  assert.match(String(world.dispatcher.switchover("south", "switchover", "again", 0)), /active already/);
  world.declare("north", "down");
  assert.match(String(world.dispatcher.switchover("north", "switchover", "back", 0)), /not eligible/);
});

test("[F7] maintenance → the other one is promoted at once, and its end is told", () => {
  const world = new Dispatching();
  world.input({ type: "maintenance", station: world.north, reason: "antenna", untilMs: 1_000 });
  assert.deepEqual(
    world.told("promoted").map(({ station, cause }) => [station, cause]),
    [["south", "maintenance"]],
  );
  world.advance(1_000);
  assert.equal(world.told("maintenance").length, 1);
  assert.equal(world.north.maintenance, undefined);
});

test("[F7] failback → a canary, a growing share, the promotion; the active station serves on meanwhile", () => {
  const world = new Dispatching({ failback: { mode: "automatic", holdDownMs: 1_000 } });
  world.declare("north", "down");
  world.declare("north", "alive");
  const places: string[] = [];
  for (let call = 0; call < 400 && world.roles.active.name !== "north"; call++) {
    const own = world.submit({ key: `k${call}` });
    places.push(world.attemptOf(own).station.name);
    world.advance(10);
    world.endCall(own, "served");
  }
  assert.equal(world.roles.active.name, "north");
  const first = places.indexOf("north");
  assert.ok(first >= 100, `the canary comes after the hold-down: ${first}`);
  const shared = places.slice(first);
  assert.ok(shared.includes("south") && shared.length >= 90 && shared.length <= 130, `${shared.length}`);
  assert.equal(world.told("promoted").at(-1)?.cause, "failback");
});

test("[F7] the canary fails → the call is served by the active station, and the failback is off", () => {
  const world = new Dispatching({ failback: { mode: "automatic", holdDownMs: 1_000 } });
  world.declare("north", "down");
  world.declare("north", "alive");
  world.advance(1_000);
  const call = world.submit({ key: "k" });
  assert.deepEqual(world.placesOf(call), ["north"]);
  world.endCall(call, "failed");
  assert.deepEqual(world.placesOf(call), ["south"]);
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "south served");
  assert.equal(world.told("handover-ended").length, 1);
  assert.equal(world.roles.active.name, "south");
});

test("[F7] the canary is not answered in time, and the active station answers meanwhile → off at once, with one call spent", () => {
  const world = new Dispatching({
    failback: { mode: "automatic", holdDownMs: 1_000 },
    stations: [{ timeoutMs: 30_000 }, { timeoutMs: 30_000 }],
  });
  world.serve(80, { source: "route" }, 20);
  world.declare("north", "down");
  world.declare("north", "alive");
  // Often enough that what it served is not forgotten, and how long that takes.
  for (let call = 0; call < 50; call++) world.serve(1, { source: "route" }, 20);
  const sentBefore = world.dispatcher.sent.first;
  for (let call = 0; call < 30; call++) {
    const own = world.submit({ source: "route", key: `k${call}` });
    for (let wait = 0; wait < 20 && world.endOf(own) === undefined; wait++) {
      world.advance(10);
      const answering = world.out.find((one) => one.call === own && one.station === world.south);
      if (answering !== undefined && world.nowMs - answering.startedMs >= 20) world.end(answering, "served");
    }
    assert.equal(world.endOf(own), "south served");
  }
  const north = world.actions.filter((action) => action.type === "send" && action.attempt.station === world.north);
  assert.equal(north.length - 80, 1, "one call was sent there to find out");
  assert.equal(world.dispatcher.sent.first - sentBefore, 30);
  assert.deepEqual([world.told("handover-ended").length, world.roles.active.name], [1, "south"]);
});

test("[F2] stopped while calls are out → nothing timed out meanwhile is held against a station", () => {
  const world = served();
  const calls = Array.from({ length: 8 }, () => world.submit({ key: "k", source: "known" }));
  world.nowMs += 5_000;
  world.input({ type: "stalled", untilMs: world.nowMs + 100 });
  world.input({ type: "tick", lateByMs: 4_900 });
  assert.equal(world.north.isDoubted, false);
  for (const call of calls) if (world.endOf(call) === undefined) world.endCall(call, "served");
  world.advance(200);
  assert.equal(world.told("promoted").length, 0);
  assert.deepEqual([...new Set(calls.map((call) => world.endOf(call)))], ["north served"]);
});

test("[F2] stopped while calls are out → none of them is slow; of a station that takes as long, all are", () => {
  for (const [isStall, slow] of [
    [true, 0],
    [false, 8],
  ] as const) {
    const world = served({ stations: [{ breaker: { slowCallDurationMs: 100, minimumVolume: 50 } }, {}] });
    const calls = Array.from({ length: 8 }, () => world.submit({ source: "known" }));
    if (isStall) world.nowMs += 400;
    else world.advance(400);
    for (const call of calls) world.endCall(call, "served");
    assert.equal(world.north.parts.breaker?.status(world.nowMs).slow, slow);
  }
});

test("[F2] stopped until a wait, a timeout or a deadline is over → what waits unread is read first, once", () => {
  const cases: [ConstructorParameters<typeof Dispatching>[0], Terms, number, string][] = [
    [{ maxWaitMs: 200, stations: [{ capacity: { maxConcurrent: 1 } }, {}] }, {}, 200, "NO_ELIGIBLE_STATION"],
    [{ stations: [{ timeoutMs: 300 }, {}] }, {}, 200, "ATTEMPT_TIMEOUT"],
    [{}, { deadline: 300 }, 10, "DEADLINE_EXCEEDED"],
  ];
  for (const [options, { deadline }, againMs, end] of cases) {
    const world = served(options);
    world.submit({ source: "known" });
    const call = world.submit(deadline === undefined ? {} : { deadline: world.nowMs + deadline });
    world.nowMs += 500;
    for (let late = 0; world.endOf(call) === undefined; late++) {
      assert.ok(late < 3, "one that is always late waits for ever");
      world.input({ type: "tick", lateByMs: 200 });
      assert.equal(world.endOf(call) === undefined, late === 0, `${end}: at tick ${late}`);
      if (late === 0) assert.equal(world.dispatcher.nextWakeMs(world.nowMs) <= world.nowMs + againMs, true, end);
      world.nowMs += againMs + 100;
    }
    assert.equal(world.endOf(call), end);
  }
});

// ── load
// ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("[F11] patience is known and the queue is longer → refused early, with when to come back", () => {
  const world = served({ stations: [{ capacity: { maxConcurrent: 1 } }, {}] });
  for (let left = 0; left < 6; left++) {
    const call = world.submit({ source: "known" });
    world.advance(100);
    world.input({ type: "cancel", call, reason: "gone" });
    for (const attempt of [...world.out]) world.end(attempt, "served");
  }
  assert.ok((world.dispatcher.patience.estimateMs ?? 1e9) <= 100);
  assert.equal(world.told("patience-learned").length, 1);
  const calls = Array.from({ length: 20 }, () => world.submit({ source: "known" }));
  const refused = calls.filter((call) => world.endOf(call) === "OVERLOADED");
  assert.ok(refused.length >= 10 && refused.length < 20, `${refused.length} of 20`);
  const settlement = world.settled.get(refused[0] as (typeof refused)[0]);
  assert.ok(settlement !== undefined && "error" in settlement);
  assert.ok(((settlement.error as { retryAfterMs?: number }).retryAfterMs ?? 0) > 0);
});

test("[F11] goodput below half for a second → told with its numbers", () => {
  const world = served();
  for (let second = 0; second < 3; second++) {
    for (let call = 0; call < 20; call++) {
      const own = world.submit({ source: "known" });
      world.advance(50);
      if (call % 3 === 0) world.endCall(own, "served");
      else {
        world.input({ type: "cancel", call: own, reason: "gone" });
        world.end(world.attemptOf(own), "ignored");
      }
    }
  }
  const told = world.told("overload");
  assert.equal(told.length, 1);
  assert.ok((told[0]?.answered ?? 9) < (told[0]?.ended ?? 0) / 2);
});

test("[F6] slots that are shared, nobody waits for one → given back at once with each end", () => {
  const slots = new Slots(2, 0);
  const world = new Dispatching({ stations: [{ sharedSlots: slots }, {}] });
  const call = world.submit();
  assert.equal(slots.running, 1);
  assert.deepEqual(types(world.endCall(call, "served")), ["settle"]);
  assert.equal(slots.running, 0);
});

test("[F6] slots that are shared, somebody waits for one → left with each end, before what follows from it", () => {
  class Stranger extends Waiter {
    override granted(): void {}
  }
  const slots = new Slots(1, 1);
  const world = new Dispatching({ stations: [{ sharedSlots: slots }, {}] });
  const call = world.submit();
  assert.ok(slots.enqueue(new Stranger(0)));
  assert.deepEqual(types(world.endCall(call, "served")), ["leave-slot", "settle"]);
  assert.deepEqual([slots.running, slots.waiting], [1, 1]);
});

test("[F11] calls that were out when their station was declared down hold no place of its limit once it is heard again", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }] });
  world.serve(2);
  const dead = world.submit();
  world.declare("north", "down");
  world.declare("north", "alive");
  assert.deepEqual([world.north.admission.inFlight, world.north.admission.working], [1, 0]);
  const next = world.submit();
  assert.deepEqual([world.north.admission.inFlight, world.north.admission.working], [2, 1]);
  world.endCall(next, "served");
  world.endCall(dead, "lost");
  assert.deepEqual([world.north.admission.inFlight, world.north.admission.working], [0, 0]);
});

test("[F11] a late call of a route that was never answered holds no place of a limit that was learned from others", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }] });
  world.serve(30, { source: "quick" });
  const { admission } = world.north;
  for (let refused = 0; refused < 8; refused++) admission.note("overloaded", 5, world.nowMs);
  assert.ok(admission.isLearned);
  const slow = world.submit({ source: "new" });
  assert.equal(admission.working, 1);
  world.advance(1_100);
  assert.deepEqual([admission.inFlight, admission.working], [1, 0]);
  world.input({ type: "uploading", attempt: world.attemptOf(slow), isUploading: true });
  world.input({ type: "uploading", attempt: world.attemptOf(slow), isUploading: false });
  assert.deepEqual([admission.inFlight, admission.working], [1, 0], "an upload changes nothing");
  world.endCall(slow, "served");
  assert.deepEqual([admission.inFlight, admission.working], [0, 0]);
});

test("[F9] the only station refuses connections → a call that goes once more has been nowhere, like one that was never sent", () => {
  const world = new Dispatching({ stations: [{}] });
  const call = world.submit({ source: "route" });
  world.end(world.out[0] as Attempt, "unreachable");
  assert.deepEqual([call.attempts, call.visits], [2, undefined]);
});
