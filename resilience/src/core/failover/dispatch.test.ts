/**
 * What becomes of calls, as tables for each state of a call: what an input does to it, and in which order the actions come.
 * Random orders of inputs are in `dispatch.properties.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type Terms } from "../../../../test/worlds/dispatching.ts";
import { StaleEpochError } from "../errors.ts";
import { Slots, Waiter } from "../slots.ts";
import type { AttemptEnd, AttemptResult, Call } from "./call.ts";
import type { DispatchAction } from "./dispatch.ts";

const types = (actions: readonly DispatchAction[]): string[] =>
  actions.map((action) => (action.type === "event" ? action.event.type : action.type));

/** A world in which both stations have served, so that what is usual is known. */
function served(options: ConstructorParameters<typeof Dispatching>[0] = {}, source = "known"): Dispatching {
  const world = new Dispatching(options);
  world.serve(60, { source }, 20);
  return world;
}

// ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────

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
    [undefined, undefined, undefined, "NO_STATION_FIT"],
  );
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
  assert.equal(world.endOf(open), "NO_STATION_FIT");
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

// ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** How a call goes on after its attempt at north ended with `result`: where it is then, or how it ended. */
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

test("[F10] running: an endpoint that takes five seconds → known by its source, not overdue", () => {
  const world = served({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }] });
  world.serve(1, { source: "slow endpoint" }, 5_000);
  world.serve(20, { source: "known" }, 20);
  const calls = Array.from({ length: 5 }, () => world.submit({ key: "k", source: "slow endpoint" }));
  world.advance(5_000);
  assert.deepEqual([world.out.length, world.north.isDoubted, world.told("doubted").length], [5, false, 0]);
  for (const call of calls) world.endCall(call, "served");
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

test("[S8] running: attempts run out of time → they count as failures for the circuit", () => {
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

test("[F3] running: refused for its epoch → ours goes above it, and the call is sent again under the new one", () => {
  const world = new Dispatching();
  const call = world.submit();
  const stale: AttemptEnd["settlement"] = { error: new StaleEpochError("older", { seenEpoch: 7 }) };
  world.endCall(call, "stale", { settlement: stale });
  assert.deepEqual([world.roles.epoch, world.attemptOf(call).epoch, world.told("epoch-adopted").length], [8, 8, 1]);
  world.endCall(call, "served");
  assert.equal(world.endOf(call), "north served");
});

test("[F3] refused again and again although no newer epoch is told → delivered: another gateway is at work", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k" });
  const settlement = { error: new StaleEpochError("older") };
  world.endCall(call, "stale", { settlement });
  assert.equal(world.endOf(call), "STALE_EPOCH");
});

// ── parked ──────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

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
  world.advance(460);
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

// ── done ────────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
  assert.match(String(world.dispatcher.switchover("north", "switchover", "back", 0)), /not fit/);
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

// ── load ────────────────────────────────────────────────────────────────────────────────────────────────────────

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
