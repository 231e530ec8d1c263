/**
 * What becomes of calls that cannot all be served: a surge is ridden out by waiting, a lasting
 * overload is told at once. The station here finishes two calls every 20 ms, 100 a second, and
 * takes two at a time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import { seededRandom } from "../random.ts";
import type { Attempt, Call } from "./call.ts";

const ANSWER_MS = 20;
const SOURCE = { source: "known" };

interface Run {
  readonly calls: readonly Call[];
  /** Calls that were refused, with their age when they were. */
  readonly refused: readonly { readonly call: Call; readonly ageMs: number }[];
}

/** A world in which one station serves 100 calls a second, and its answer time is known. */
function world100(): Dispatching {
  const world = new Dispatching({ stations: [{ capacity: { maxConcurrent: 2 } }], maxWaiting: 10_000 });
  world.serve(30, SOURCE, ANSWER_MS);
  return world;
}

/** Offers calls for `forMs` at `perSecond`, evenly; callers hang up after `patienceMs`. */
function offer(world: Dispatching, forMs: number, perSecond: number, patienceMs = Number.POSITIVE_INFINITY): Run {
  const calls: Call[] = [];
  const refused: { call: Call; ageMs: number }[] = [];
  const seen = new Set<Call>();
  const startMs = world.nowMs;
  const look = (call: Call): void => {
    if (seen.has(call) || world.endOf(call) === undefined) return;
    seen.add(call);
    if (world.endOf(call) === "OVERLOADED") refused.push({ call, ageMs: world.nowMs - call.arrivedMs });
  };
  for (let atMs = 0; atMs < forMs; atMs++) {
    while (calls.length < (atMs * perSecond) / 1_000) {
      const call = world.submit({ ...SOURCE, key: `k${startMs}-${calls.length}` });
      calls.push(call);
      look(call);
    }
    world.advance(1);
    const due = (attempt: Attempt): boolean => world.nowMs - attempt.startedMs >= ANSWER_MS;
    for (const attempt of world.out.filter(due)) world.end(attempt, "served");
    for (const call of calls) {
      const isPatient = world.nowMs - call.arrivedMs < patienceMs;
      if (!isPatient && call.state.phase !== "done") world.input({ type: "cancel", call, reason: "gone" });
      look(call);
    }
  }
  return { calls, refused };
}

test("[F11] 1.4 of what the station does, for good, nobody knows the patience → from the third second on refused at once", () => {
  const world = world100();
  assert.equal(offer(world, 2_000, 140).refused.length, 0, "it could be a surge");
  offer(world, 1_000, 140);
  const { calls, refused } = offer(world, 3_000, 140);
  assert.ok(refused.length >= 0.2 * calls.length, `${refused.length} of ${calls.length}`);
  assert.deepEqual(
    refused.filter(({ ageMs }) => ageMs > 0),
    [],
  );
  assert.equal(world.dispatcher.patience.estimateMs, undefined, "nobody had to hang up for it");
  const waits = calls.map((call) => (call.waitEndsMs === undefined ? 0 : 1));
  assert.ok(waits.some((one) => one === 1) && world.dispatcher.waiting <= 5, `${world.dispatcher.waiting} wait`);
});

test("[F11] five times the load for half a second, then what the station does → nobody is refused", () => {
  const world = world100();
  const surge = offer(world, 500, 500);
  const after = offer(world, 6_000, 90);
  assert.equal(surge.refused.length + after.refused.length, 0);
});

test("[F11] a lasting overload begins with eight seconds' worth of calls in the queue → they are refused before they have waited for much longer than three, and those who come are answered at once", () => {
  const world = world100();
  const before = offer(world, 2_000, 500);
  offer(world, 3_500, 140);
  const ends = before.calls.map((call) => world.endOf(call));
  assert.ok(ends.includes("OVERLOADED") && !ends.includes(undefined), "nobody who came before waits any more");
  const { calls } = offer(world, 1_000, 140);
  const answered = calls.filter((call) => String(world.endOf(call)).endsWith("served"));
  assert.ok(answered.length >= 80, `${answered.length} of ${calls.length} who came in a second were answered in it`);
  assert.ok(world.dispatcher.waiting <= 5, `${world.dispatcher.waiting} wait`);
});

test("[F11] a lasting overload that ends → calls wait again, and are served", () => {
  const world = world100();
  offer(world, 5_000, 140);
  offer(world, 3_000, 80);
  assert.equal(offer(world, 300, 200).refused.length, 0);
});

test("[F11] the queue holds calls that will be shed → a new one that will be served in time is let in", () => {
  const world = world100();
  // Callers who wait 1 s, and two seconds' worth of calls: half of them cannot be served, a caller
  // who comes now can.
  for (let caller = 0; caller < 4; caller++) world.dispatcher.patience.noteHangUp(1_000, world.nowMs);
  offer(world, 200, 1_000, 1_000);
  const { refused } = offer(world, 1_000, 90, 1_000);
  assert.ok(refused.filter(({ ageMs }) => ageMs === 0).length <= 10, `${refused.length}`);
});

test("[F11] a likely timeout is near → the call stays in the queue until its caller left or waited longer, a younger one goes", () => {
  const world = world100();
  const [busy, other] = [world.submit(SOURCE), world.submit(SOURCE)];
  const old = world.submit({ ...SOURCE, key: "old" });
  world.advance(475);
  const young = world.submit({ ...SOURCE, key: "young" });
  world.endCall(busy, "served");
  assert.deepEqual([world.placesOf(old), world.placesOf(young)], [[], ["north"]], "500 ms: does it still wait?");
  world.advance(40);
  world.endCall(other, "served");
  assert.deepEqual(world.placesOf(old), ["north"], "it does");
});

test("[F11] [R2] refused for load and no room in the retry budget → waits for it while there is time", () => {
  const world = new Dispatching({ stations: [{ budget: { reserve: 0, ratio: 0.1 } }] });
  world.serve(4, SOURCE, ANSWER_MS);
  const [call, hurried] = [Number.POSITIVE_INFINITY, world.nowMs + 200].map((deadline) => {
    const refused = world.submit({ ...SOURCE, key: String(deadline), deadline });
    world.endCall(refused, "overloaded");
    return refused;
  }) as [Call, Call];
  assert.deepEqual([call.state.phase, hurried.state.phase], ["parked", "done"]);
  world.serve(6, SOURCE, ANSWER_MS);
  world.advance(250);
  assert.equal(call.state.phase, "running", "one in ten may be sent again");
});

test("[F11] the only station was down and is heard again → it is given what is usual at once, and no trial first", () => {
  const world = new Dispatching({ stations: [{}] });
  world.serve(30, SOURCE, ANSWER_MS);
  world.declare("north", "down");
  world.advance(3_000);
  world.north.admission.beginTrial(world.nowMs);
  const calls = Array.from({ length: 4 }, (_, place) => world.submit({ ...SOURCE, key: `k${place}` }));
  world.declare("north", "alive");
  assert.equal(world.north.admission.isTrial, false);
  assert.ok(calls.filter(({ state }) => state.phase === "running").length >= 2);
});

test("[F6] this process stood still after a promotion → the calls that were left unread do not go all at once", () => {
  const world = new Dispatching({ stations: [{}] });
  world.serve(30, SOURCE, ANSWER_MS);
  world.north.admission.begin(0, world.nowMs);
  const call = world.submit(SOURCE);
  // No tick comes meanwhile, although one was due.
  world.nowMs += 3_000;
  world.endCall(call, "served");
  for (let read = 0; read < 40; read++) world.submit(SOURCE);
  assert.equal(world.out.length, 10);
});

test("[F6] calls wait because no station is usable → the limit stays, and they do not go all at once", () => {
  const world = new Dispatching({ stations: [{}] });
  world.serve(30, SOURCE, ANSWER_MS);
  const { admission, evidence } = world.north;
  admission.begin(0, world.nowMs);
  for (let lost = 0; lost < 5; lost++) evidence.noteServedElsewhere(world.nowMs);
  world.advance(1_500);
  assert.ok(evidence.isFailing(world.nowMs));
  for (let more = 0; more < 40; more++) world.submit({ ...SOURCE, key: `waits ${more}` });
  assert.equal(world.out.length, 1, "one finds out whether it serves");
  world.advance(ANSWER_MS);
  world.end(world.out[0] as Attempt, "served");
  assert.ok(world.out.length > 0 && world.out.length <= 10, `${world.out.length} are out`);
});

/**
 * The south becomes active under `perSecond` calls of four sources, whose callers leave after 2.5
 * s. It shares a processor that works on `parallelism` calls at once, refuses nothing, and takes
 * `workMs` for one at leisure. Returns how many were out there at most in the last five of 15 s,
 * and how many were answered in them.
 */
function promoteShared(parallelism: number, workMs: number, perSecond: number): { mostOut: number; answered: number } {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }], maxWaiting: 10_000 });
  const source = (place: number): string => `caller ${place % 4}`;
  for (let call = 0; call < 60; call++) world.serve(1, { source: source(call) }, 130);
  world.submit({ source: "caller 0", key: "out" });
  world.declare("north", "down");
  const done = new Map<Attempt, number>();
  const calls: Call[] = [];
  let [mostOut, answered] = [0, 0];
  for (let ms = 0; ms < 15_000; ms++) {
    while (calls.length < (ms * perSecond) / 1_000)
      calls.push(world.submit({ source: source(calls.length), key: `k${calls.length}` }));
    world.advance(1);
    const out = world.out.filter(({ station, isAbandoned }) => station === world.south && !isAbandoned);
    for (const attempt of out) {
      const work = (done.get(attempt) ?? 0) + Math.min(1, parallelism / out.length);
      done.set(attempt, work);
      if (work < workMs) continue;
      world.end(attempt, "served");
      if (ms >= 10_000) answered++;
    }
    for (const attempt of world.out.filter(({ isAbandoned }) => isAbandoned)) world.end(attempt, "lost");
    for (const call of calls.filter(
      ({ state, arrivedMs }) => state.phase !== "done" && world.nowMs - arrivedMs > 2_500,
    ))
      world.input({ type: "cancel", call, reason: "gone" });
    if (ms >= 10_000) mostOut = Math.max(mostOut, out.length);
  }
  return { mostOut, answered };
}

test("[F6] [F11] a backup that is too small and refuses nothing → its own crowd does not let it be given more and more", () => {
  for (const [load, parallelism, times] of [
    [1.4, 8, 2],
    [2, 8, 2],
    [1.1, 16, 4.5],
  ] as const) {
    const mostPerSecond = (parallelism * 1_000) / 130;
    const { mostOut, answered } = promoteShared(parallelism, 130, load * mostPerSecond);
    assert.ok(mostOut <= times * parallelism, `${mostOut} at once, and it works on ${parallelism}`);
    assert.ok(answered >= 0.95 * 5 * mostPerSecond, `${answered} in five seconds, and it can do ${5 * mostPerSecond}`);
  }
});

test("[F6] a backup that takes eight times as long as the primary, and has room → it is given as many as come", () => {
  const { answered } = promoteShared(50, 1_040, 20);
  assert.ok(answered >= 95, `${answered} in five seconds, of 100`);
});

/**
 * 20 sources come at 60 a second altogether, and "limited" at 20; a station ends their calls as
 * `end` says.
 */
function offerSources(
  world: Dispatching,
  forMs: number,
  end: (attempt: Attempt, isLimited: boolean) => boolean,
): { others: Call[]; limited: Call[] } {
  const others: Call[] = [];
  const limited: Call[] = [];
  const startMs = world.nowMs;
  const submit = (calls: Call[], source: string): void => {
    calls.push(world.submit({ source, key: `${source} ${startMs} ${calls.length}` }));
  };
  for (let atMs = 0; atMs < forMs; atMs++) {
    while (others.length < (atMs * 60) / 1_000) submit(others, `source ${others.length % 20}`);
    while (limited.length < (atMs * 20) / 1_000) submit(limited, "limited");
    world.advance(1);
    for (let due = dueIn(world); due !== undefined; due = dueIn(world)) {
      const isRefused = end(due, due.call.terms.source === world.source("limited"));
      world.end(due, isRefused ? "overloaded" : "served", isRefused ? { retryAfterMs: 1_000 } : {});
    }
  }
  return { others, limited };
}

function dueIn(world: Dispatching): Attempt | undefined {
  return world.out.find(({ startedMs }) => world.nowMs - startedMs >= ANSWER_MS);
}

test("[F10] [F11] both stations refuse one client above its quota → all others are served, and there is no limit", () => {
  const world = new Dispatching();
  for (let source = 0; source < 20; source++) world.serve(1, { source: `source ${source}` }, ANSWER_MS);
  let tokens = 15;
  let filledMs = world.nowMs;
  const { others, limited } = offerSources(world, 15_000, (_attempt, isLimited) => {
    if (!isLimited) return false;
    tokens = Math.min(15, tokens + ((world.nowMs - filledMs) * 15) / 1_000);
    filledMs = world.nowMs;
    if (tokens < 1) return true;
    tokens--;
    return false;
  });
  const served = (calls: readonly Call[]): number =>
    calls.filter((call) => String(world.endOf(call)).endsWith("served")).length;
  assert.ok(served(others) >= others.length - 3, `${served(others)} of ${others.length}`);
  assert.ok(served(limited) >= 0.7 * limited.length, `${served(limited)} of ${limited.length}`);
  assert.equal(world.north.admission.limit, Number.POSITIVE_INFINITY);
  assert.equal(world.told("promoted").length, 0);
});

for (const [share, least] of [
  [0.02, 1],
  [0.1, 0.96],
  [0.2, 0.95],
] as const) {
  test(`[F10] [F11] the active one refuses ${share} of the calls at random, the other none → nearly all served`, () => {
    const world = new Dispatching();
    for (let source = 0; source < 20; source++) world.serve(1, { source: `source ${source}` }, ANSWER_MS);
    const random = seededRandom(`refuses ${share}`);
    const { others } = offerSources(world, 30_000, ({ station }) => station === world.north && random.next() < share);
    const ended = others.filter((call) => world.endOf(call) !== undefined);
    const served = ended.filter((call) => String(world.endOf(call)).endsWith("served"));
    assert.ok(served.length >= least * ended.length, `${served.length} of ${ended.length}`);
    const late = others.slice(others.length / 2);
    const refused = late.filter((call) => world.endOf(call) === "OVERLOADED");
    assert.ok(refused.length <= 0.02 * late.length, `${refused.length} of ${late.length} once it is known`);
  });
}

test("[F10] the active one refuses two fifths whatever the load, the other serves them → it is replaced, as a rule", () => {
  let replaced = 0;
  for (let seed = 0; seed < 20; seed++) {
    const world = new Dispatching();
    for (let source = 0; source < 20; source++) world.serve(1, { source: `source ${source}` }, ANSWER_MS);
    const random = seededRandom(`refuses two fifths ${seed}`);
    offerSources(world, 15_000, ({ station }) => station === world.north && random.next() < 0.4);
    if (world.roles.active === world.south) replaced++;
  }
  assert.ok(replaced >= 17, `within 15 s in ${replaced} of 20 seeds`);
});

test("[F6] callers of an outage leave after it, at a station that refuses some for load → its limit stays", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }], maxWaiting: 10_000 });
  world.serve(60, SOURCE, ANSWER_MS);
  const lost = Array.from({ length: 10 }, (_, call) => world.submit({ ...SOURCE, key: `lost ${call}` }));
  world.advance(3_000);
  const { admission } = world.north;
  // It serves 100 a second of 150, and refuses the others.
  let taken = 0;
  const serveFor = (forMs: number): void => {
    for (let ms = 0; ms < forMs; ms++) {
      if (ms % 20 < 3) world.submit({ ...SOURCE, key: `${world.nowMs}` });
      world.advance(1);
      for (const attempt of world.out.filter(({ startedMs }) => world.nowMs - startedMs === ANSWER_MS)) {
        world.end(attempt, taken++ % 3 === 2 ? "overloaded" : "served");
      }
    }
  };
  serveFor(2_000);
  const limit = admission.limit;
  assert.ok(admission.isLearned && limit < 10, `${limit}`);
  for (const call of lost) world.input({ type: "cancel", call, reason: "gone" });
  assert.equal(admission.limit, limit);
});

test("[F6] nobody knows how long the backup's answers take, and callers of an outage leave before they come → no sign of load", () => {
  const world = new Dispatching({ stations: [{ timeoutMs: 60_000 }, { timeoutMs: 60_000 }], maxWaiting: 10_000 });
  world.serve(60, SOURCE, 82);
  world.declare("south", "down");
  world.declare("north", "down");
  const calls = Array.from({ length: 20 }, (_, call) => world.submit({ ...SOURCE, key: `waits ${call}` }));
  world.advance(1_880);
  world.declare("south", "alive");
  const { admission, evidence } = world.south;
  const { limit } = admission;
  assert.ok(world.out.filter(({ station }) => station === world.south).length >= 4);
  // Its first connections take a moment.
  world.advance(125);
  for (const call of calls) world.input({ type: "cancel", call, reason: "gone" });
  assert.equal(admission.limit, limit);
  assert.equal(evidence.isDoubted, false, evidence.doubt);
});
