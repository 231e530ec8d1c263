/**
 * Calls that may not be sent twice, at a station that does not serve them: a new call shows whether
 * another station does. And calls that are held back while a busy station answers nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type DispatchingOptions, type Terms } from "../../../../test/worlds/dispatching.ts";
import { seededRandom } from "../random.ts";
import type { Attempt } from "./call.ts";

const SLOW: DispatchingOptions = { stations: [{ timeoutMs: 30_000 }, { timeoutMs: 30_000 }] };

interface Load {
  readonly everyMs: number;
  readonly forMs: number;
  readonly terms?: (place: number) => Terms;
  readonly patienceMs?: number;
  /** What an attempt comes to, and after how long; undefined: it never ends. */
  readonly fate: (
    attempt: Attempt,
    world: Dispatching,
  ) =>
    | { readonly result: "served" | "failed" | "overloaded"; readonly tookMs: number; readonly retryAfterMs?: number }
    | undefined;
}

/** Calls every so often, each of which ends as `fate` says; callers leave after their patience. */
function offer(world: Dispatching, { everyMs, forMs, terms, patienceMs = 60_000, fate }: Load): void {
  const untilMs = world.nowMs + forMs;
  const calls: ReturnType<Dispatching["submit"]>[] = [];
  for (let place = 0; world.nowMs < untilMs; place++) {
    if (place % everyMs === 0) calls.push(world.submit(terms?.(place / everyMs) ?? { source: "route" }));
    world.advance(1);
    for (const attempt of [...world.out]) {
      const end = fate(attempt, world);
      if (attempt.isAbandoned) world.end(attempt, "lost");
      else if (end !== undefined && world.nowMs - attempt.startedMs >= end.tookMs) {
        const { result, retryAfterMs } = end;
        world.end(attempt, result, retryAfterMs === undefined ? {} : { retryAfterMs });
      }
    }
    for (const call of calls) {
      const left = world.settled.get(call) === undefined && world.nowMs - call.arrivedMs >= patienceMs;
      if (left) world.input({ type: "cancel", call, reason: "gone" });
    }
  }
}

const served = (world: Dispatching, fromMs: number): number =>
  [...world.settled].filter(([call, end]) => call.arrivedMs >= fromMs && "value" in end).length;

const NORTH_HANGS: Load["fate"] = ({ station }) =>
  station.name === "north" ? undefined : { result: "served", tookMs: 20 };
const NORTH_FAILS: Load["fate"] = ({ station }) => ({
  result: station.name === "north" ? "failed" : "served",
  tookMs: 20,
});

for (const [what, fate] of [
  ["hangs", NORTH_HANGS],
  ["fails everything", NORTH_FAILS],
] as const) {
  for (const [how, terms] of [
    ["one route", () => ({ source: "route" })],
    ["a route each", (place: number) => ({ source: `route ${place}` })],
  ] as const) {
    for (const everyMs of [10, 50, 250]) {
      for (const patienceMs of [2_000, 60_000]) {
        test(`[F1] [F10] north ${what} from its first call on, calls without key every ${everyMs} ms of ${how}, callers wait ${patienceMs} ms → found by new calls`, () => {
          const world = new Dispatching(SLOW);
          offer(world, { everyMs, forMs: 15_000, terms, patienceMs, fate });
          assert.deepEqual(
            world.told("promoted").map(({ station }) => station),
            ["south"],
          );
          const atMs = world.told("promoted")[0]?.atMs ?? 0;
          assert.ok(atMs <= (everyMs <= 50 ? 4_000 : 6_000), `after ${atMs} ms`);
          assert.ok(served(world, 7_000) >= (8_000 / everyMs) * 0.95, `${served(world, 7_000)} served after that`);
        });
      }
    }
  }
}

test("[F10] a route that takes five seconds at both stations, beside quick ones or alone → no doubt, few go elsewhere", () => {
  for (const patienceMs of [2_000, 60_000]) {
    const world = new Dispatching(SLOW);
    const fate: Load["fate"] = () => ({ result: "served", tookMs: 5_000 });
    offer(world, { everyMs: 100, forMs: 30_000, patienceMs, fate });
    assert.deepEqual([world.told("promoted").length, world.told("doubted").length], [0, 0]);
    const sent = world.actions.filter((action) => action.type === "send");
    const elsewhere = sent.filter((action) => action.type === "send" && action.attempt.station === world.south);
    assert.ok(elsewhere.length <= 15, `${elsewhere.length} of ${sent.length} at south`);
  }
});

test("[F10] a route that takes five seconds or a moment, by chance, at few calls a second → no change of roles", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new Dispatching(SLOW);
    let state = seed;
    const slow = new Map<unknown, boolean>();
    const fate: Load["fate"] = ({ call }) => {
      if (!slow.has(call)) {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
        slow.set(call, state / 2 ** 31 < 0.5);
      }
      return { result: "served", tookMs: slow.get(call) === true ? 5_000 : 20 };
    };
    offer(world, { everyMs: 700, forMs: 60_000, fate });
    assert.equal(world.told("promoted").length, 0, `seed ${seed}`);
  }
});

test("[F10] the first calls of a route take five seconds at either station → a second attempt that began later is not blamed", () => {
  const world = new Dispatching(SLOW);
  const terms = (place: number): Terms => ({ source: "slow", key: `k${place}` });
  offer(world, { everyMs: 700, forMs: 2_100, terms, fate: () => ({ result: "served", tookMs: 5_000 }) });
  offer(world, { everyMs: 10_000, forMs: 8_000, terms, fate: () => ({ result: "served", tookMs: 5_000 }) });
  assert.ok(world.dispatcher.sent.hedge >= 3, `${world.dispatcher.sent.hedge} second attempts`);
  assert.deepEqual([world.north.isDoubted, world.south.isDoubted], [false, false]);
});

test("[F10] calls that cannot be repeated fail at both stations alike → compared once, nobody is blamed", () => {
  const world = new Dispatching(SLOW);
  offer(world, { everyMs: 33, forMs: 20_000, fate: () => ({ result: "failed", tookMs: 20 }) });
  assert.deepEqual([world.told("promoted").length, world.told("doubted").length], [0, 0]);
  const elsewhere = world.actions.filter((action) => action.type === "send" && action.attempt.station === world.south);
  assert.ok(elsewhere.length <= 2, `${elsewhere.length} at south`);
});

test("[F10] a quiet group, and one caller whose calls fail on a new route each time, at either station → no role moves, and others do not wait", () => {
  for (const [othersEveryMs, failsEveryMs] of [
    [1_500, 20],
    [5_000, 20],
    [5_000, 100],
    [5_000, 500],
  ] as const) {
    const world = new Dispatching(SLOW);
    world.serve(60, { source: "others" }, 20);
    const others: ReturnType<Dispatching["submit"]>[] = [];
    for (let ms = 0; ms < 60_000; ms++) {
      if (ms % failsEveryMs === 0) world.submit({ source: `scanner /${ms}` });
      if (ms % othersEveryMs === 0) others.push(world.submit({ source: "others", key: `k${ms}` }));
      world.advance(1);
      for (const attempt of world.out.filter(({ startedMs }) => world.nowMs - startedMs >= 10))
        world.end(attempt, others.includes(attempt.call) ? "served" : "failed");
    }
    const load = `others every ${othersEveryMs} ms, failures every ${failsEveryMs} ms`;
    assert.deepEqual([world.told("promoted").length, world.told("no-eligible-station").length], [0, 0], load);
    assert.ok(
      others.slice(0, -1).every((call) => call.attempts === 1 && world.endOf(call) === "north served"),
      load,
    );
  }
});

/** Fails every second call or so at the stations of these names. */
function failsHalf(names: readonly string[]): Load["fate"] {
  const random = seededRandom("half");
  const failing = new Map<Attempt, boolean>();
  return (attempt) => {
    if (!failing.has(attempt)) failing.set(attempt, random.next() < 0.5);
    const fails = failing.get(attempt) === true && names.includes(attempt.station.name);
    return { result: fails ? "failed" : "served", tookMs: 20 };
  };
}

test("[F10] the primary fails half of the calls that cannot be repeated, and serves the rest → new ones show that the backup serves them, and it is promoted", () => {
  for (const everyMs of [33, 100]) {
    const world = new Dispatching(SLOW);
    offer(world, { everyMs, forMs: 5_000, fate: () => ({ result: "served", tookMs: 20 }) });
    const failsFromMs = world.nowMs;
    offer(world, { everyMs, forMs: 8_000, fate: failsHalf(["north"]) });
    const [promoted, ...more] = world.told("promoted");
    assert.deepEqual([promoted?.station, more.length], ["south", 0]);
    const afterMs = (promoted?.atMs ?? Number.POSITIVE_INFINITY) - failsFromMs;
    assert.ok(afterMs < 6_000, `after ${afterMs} ms, a call every ${everyMs} ms`);
  }
});

test("[F10] half of the calls that cannot be repeated fail at either station → nobody is blamed", () => {
  const world = new Dispatching(SLOW);
  offer(world, { everyMs: 33, forMs: 60_000, fate: failsHalf(["north", "south"]) });
  assert.deepEqual([world.told("promoted").length, world.told("doubted").length], [0, 0]);
});

test("[F10] few calls of many sources fail, of which none was ever served; one that is compared fails at south, too → no change of roles", () => {
  const world = new Dispatching(SLOW);
  const fail = (source: number, at: string): void => {
    world.submit({ source: `route ${source}` });
    const attempt = world.out[0] as Attempt;
    assert.equal(attempt.station.name, at);
    world.advance(20);
    world.end(attempt, "failed");
    world.advance(2_000);
  };
  for (let source = 1; source <= 7; source++) fail(source, "north");
  fail(1, "south");
  fail(8, "north");
  fail(9, "north");
  assert.deepEqual([world.told("promoted").length, world.told("doubted").length], [0, 0]);
});

/**
 * 50 to 150 ms: the first call that is out for longer than any was is so late that others say more.
 */
const UNEVEN: Load["fate"] = ({ call }) => ({ result: "served", tookMs: 50 + ((call.id * 37) % 101) });

test("[F10] a busy station answers nothing for a moment → calls are held back, and go with its next answer", () => {
  const world = new Dispatching(SLOW);
  offer(world, { everyMs: 5, forMs: 2_000, fate: UNEVEN });
  const sentBefore = world.dispatcher.sent.first;
  offer(world, { everyMs: 5, forMs: 60, fate: () => undefined });
  const sent = world.dispatcher.sent.first - sentBefore;
  assert.ok(sent >= 4 && sent <= 6, `${sent} of 12 were sent into the silence`);
  assert.equal(world.dispatcher.waiting, 12 - sent);
  offer(world, { everyMs: 5, forMs: 1_000, fate: UNEVEN });
  assert.deepEqual([world.dispatcher.waiting, world.roles.epoch], [0, 1]);
});

test("[F10] … it has stopped → those that were held back go to the other station as soon as it is in doubt", () => {
  const world = new Dispatching(SLOW);
  offer(world, { everyMs: 5, forMs: 2_000, fate: UNEVEN });
  const atMs = world.nowMs;
  const terms = (place: number): Terms => ({ source: "route", key: `k${place}` });
  offer(world, { everyMs: 5, forMs: 500, terms, fate: NORTH_HANGS });
  const stuck = world.actions.filter(
    (action) => action.type === "send" && action.attempt.station === world.north && action.attempt.startedMs >= atMs,
  );
  assert.ok(stuck.length <= 6, `${stuck.length} were sent to a station that had stopped`);
  assert.equal(world.roles.active, world.south);
});

for (const everyMs of [5, 50, 250]) {
  for (const retryAfterMs of [undefined, 1_000, 60_000]) {
    test(`[F11] north refuses everything for load from one instant on${retryAfterMs === undefined ? "" : `, with a hint of ${retryAfterMs} ms`}, calls every ${everyMs} ms → all are served by the other station in time, and the role moves`, () => {
      const world = new Dispatching(SLOW);
      const terms = (place: number): Terms => ({ source: "route", key: `k${place}` });
      offer(world, { everyMs, forMs: 5_000, terms, fate: () => ({ result: "served", tookMs: 80 }) });
      const fromMs = world.nowMs;
      const fate: Load["fate"] = ({ station }) =>
        station.name === "south"
          ? { result: "served", tookMs: 80 }
          : { result: "overloaded", tookMs: 5, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
      offer(world, { everyMs, forMs: 10_000, terms, patienceMs: 500, fate });
      const ended = [...world.settled].filter(([call]) => call.arrivedMs >= fromMs);
      assert.deepEqual(
        ended.filter(([, end]) => !("value" in end)),
        [],
      );
      assert.equal(world.roles.active, world.south);
    });
  }
}

test("[F10] both stations refuse everything for load from the first call on → told at once, nobody waits for nothing", () => {
  const world = new Dispatching(SLOW);
  const terms = (place: number): Terms => ({
    source: `route ${place % 40}`,
    ...(place % 3 === 0 ? {} : { key: `k${place}` }),
  });
  const fate: Load["fate"] = () => ({ result: "overloaded", tookMs: 10, retryAfterMs: 60_000 });
  offer(world, { everyMs: 100, forMs: 20_000, terms, fate });
  assert.equal(world.told("promoted").length, 0);
  for (const call of world.settled.keys()) assert.equal(world.endOf(call)?.toString().includes("overloaded"), true);
  assert.ok(world.settled.size >= 199, `${world.settled.size} of 200 calls have ended`);
});

test("[F10] … and only calls come that may not run twice → once both have refused them, each gets its answer at once", () => {
  const world = new Dispatching(SLOW);
  const terms = (place: number): Terms => ({ source: `route ${place % 10}` });
  const fate: Load["fate"] = () => ({ result: "overloaded", tookMs: 10, retryAfterMs: 60_000 });
  offer(world, { everyMs: 50, forMs: 20_000, terms, fate });
  const ages: number[] = [];
  for (let place = 0; place < 100; place++) {
    const call = world.submit(terms(place));
    world.advance(10);
    for (const attempt of [...world.out]) world.end(attempt, "overloaded", { retryAfterMs: 60_000 });
    if (world.endOf(call) !== undefined) ages.push(world.nowMs - call.arrivedMs);
    world.advance(40);
  }
  assert.equal(ages.length, 100, `${ages.length} of 100 calls were answered at once`);
  assert.equal(world.told("promoted").length, 0);
});
