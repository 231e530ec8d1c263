/**
 * When a station is slow beside its own quiet times, who wins a race, and what becomes of both in
 * the dispatcher.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type DispatchingOptions, type Terms } from "../../../../../test/worlds/dispatching.ts";
import { beginEra } from "../admission/crowding.ts";
import type { Attempt } from "../call.ts";
import { CallSource } from "./call-sources.ts";
import { Race, Slowness, timesSlower } from "./slowness.ts";

/** Looks every 100 ms for `forMs`, at so many calls a second; returns when it is over. */
function looked(slowness: Slowness, times: number, perSecond: number, fromMs: number, forMs: number): number {
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 100) {
    sent += perSecond / 10;
    slowness.look(times, sent, nowMs);
  }
  return fromMs + forMs;
}
let sent = 0;
const FIRST = beginEra(0, false);

test("three times as slow as in quiet times for two seconds, with no more calls than then → a race is due, and again after half a minute", () => {
  const slowness = new Slowness();
  let nowMs = looked(slowness, 1, 100, 0, 10_000);
  nowMs = looked(slowness, 2.9, 100, nowMs, 60_000);
  assert.equal(slowness.isRaceDue(nowMs), false);
  nowMs = looked(slowness, 4, 100, nowMs, 1_000);
  assert.equal(slowness.isRaceDue(nowMs), false, "not yet");
  nowMs = looked(slowness, 4, 100, nowMs, 3_000);
  assert.equal(slowness.isRaceDue(nowMs), true);
  slowness.noteRace(nowMs);
  assert.deepEqual([slowness.isRaceDue(nowMs + 29_999), slowness.isRaceDue(nowMs + 30_000)], [false, true]);
  slowness.noteRace(nowMs + 30_000);
  assert.deepEqual([slowness.isRaceDue(nowMs + 89_999), slowness.isRaceDue(nowMs + 90_000)], [false, true]);
});

test("… with a third more calls than it had while it was quick → that is load", () => {
  const slowness = new Slowness();
  let nowMs = looked(slowness, 1, 100, 0, 10_000);
  nowMs = looked(slowness, 4, 133, nowMs, 60_000);
  assert.equal(slowness.isRaceDue(nowMs), false);
  nowMs = looked(slowness, 4, 110, nowMs, 10_000);
  assert.equal(slowness.isRaceDue(nowMs), true, "… and with hardly more it is not");
});

function took(source: CallSource, tookMs: number, nowMs: number, quietSinceMs: number): void {
  source.noteTook(0, tookMs, nowMs, source.noteSent(0, FIRST, nowMs), "idle");
  source.noteQuiet(0, nowMs, quietSinceMs);
}

test("in quiet times: the quickest mean of late, which is unknown at first, doubles in ten minutes, and is kept by source", () => {
  const source = new CallSource(2);
  for (let nowMs = 0; nowMs < 3_100; nowMs += 100) took(source, 80, nowMs, 0);
  assert.equal(source.quietMs(0), Number.POSITIVE_INFINITY);
  took(source, 80, 3_100, 0);
  assert.deepEqual([source.quietMs(0), source.quietMs(1)], [80, Number.POSITIVE_INFINITY]);
  for (let nowMs = 4_000; nowMs <= 603_000; nowMs += 1_000) took(source, 800, nowMs, 0);
  assert.ok(Math.abs(source.quietMs(0) - 160) < 2, `${source.quietMs(0)} ms`);
  took(source, 800, 604_000, 603_500);
  assert.ok(source.quietMs(0) > 790, "what was learned before a person made it active no longer counts");
  assert.deepEqual([timesSlower(400, 80), timesSlower(19, 1)], [5, 1]);
});

/** One stage: how slow the slow one and the other one are. */
function lap(race: Race, slow: number, other: number, nowMs: number, isLast = false): string | undefined {
  for (let count = 0; count < 5; count++) {
    race.noteServed(false, slow, nowMs - 100);
    race.noteServed(true, other, nowMs - 100);
  }
  return race.endLap(isLast, nowMs);
}

test("a race is lost by a station that is hardly quicker, or slow with more calls, or where the slow one recovers with fewer", () => {
  assert.equal(lap(new Race(0), 6, 2.9, 1_000), undefined);
  assert.match(lap(new Race(0), 6, 3.1, 1_000) ?? "", /hardly quicker/);
  assert.match(lap(new Race(0), 2.9, 1, 1_000) ?? "", /quick again/);
  const loaded = new Race(0);
  assert.equal(lap(loaded, 8, 1.2, 1_000), undefined);
  assert.equal(lap(loaded, 8, 1.7, 2_000), undefined);
  assert.match(lap(loaded, 8, 2, 3_000) ?? "", /slow with more calls/);
});

test("a race with few calls: answers of several stages are taken together, and the last one waits for them, half a minute at most", () => {
  const race = new Race(0);
  race.noteServed(true, 1, 10);
  assert.deepEqual([race.endLap(false, 1_000), race.isOpen(29_999), race.isOpen(30_000)], [undefined, true, false]);
  assert.match(race.endLap(true, 30_000) ?? "", /too few/);
  for (let count = 0; count < 4; count++) race.noteServed(true, 1, 1_100);
  assert.deepEqual([race.isOpen(2_000), race.endLap(true, 2_000)], [false, undefined]);
  race.noteServed(true, 9, 1_999);
  assert.equal(race.isOpen(3_000), true, "what was sent in an earlier stage says nothing of this one");
});

// ── in the dispatcher
// ───────────────────────────────────────────────────────────────────────────────────────────────

/** How long an attempt takes. */
type Takes = (attempt: Attempt, nowMs: number) => number;

const ROUTES = (place: number): Terms => ({ source: `route ${place % 5}`, key: `k${place}` });

/**
 * Calls at a steady pace that are all served, each after as long as `takes` says when it is sent.
 */
class Steady extends Dispatching {
  readonly #due: Map<number, Attempt[]> = new Map();
  #looked = 0;
  #place = 0;

  constructor(options: DispatchingOptions = {}) {
    super({ stations: [{ timeoutMs: 30_000 }, { timeoutMs: 30_000 }], ...options });
  }

  offer(forMs: number, perSecond: number, takes: Takes, terms: (place: number) => Terms = ROUTES): void {
    const fromMs = this.nowMs;
    let sent = 0;
    for (let ms = 0; ms < forMs; ms++) {
      for (; sent < (ms * perSecond) / 1_000; sent++) this.submit(terms(this.#place++));
      this.advance(fromMs + ms + 1 - this.nowMs);
      for (; this.#looked < this.actions.length; this.#looked++) this.#follow(takes);
      for (const attempt of this.#due.get(this.nowMs) ?? [])
        if (this.out.includes(attempt)) this.end(attempt, "served");
      this.#due.delete(this.nowMs);
    }
  }

  #follow(takes: Takes): void {
    const action = this.actions[this.#looked];
    if (action?.type === "recall" && this.out.includes(action.attempt)) this.end(action.attempt, "lost");
    if (action?.type !== "send") return;
    const { attempt } = action;
    // Even answers make the first that is a little late a silence.
    const jitter = 0.8 + ((attempt.call.id * 37) % 101) / 250;
    const atMs = this.nowMs + Math.round(takes(attempt, this.nowMs) * jitter);
    this.#due.set(atMs, [...(this.#due.get(atMs) ?? []), attempt]);
  }

  get errors(): number {
    return [...this.settled.values()].filter((end) => "error" in end).length;
  }

  get moves(): string[] {
    return this.told("promoted").map(({ station, cause }) => `${station} (${cause})`);
  }

  /** Calls that went to a station that was not active. */
  get elsewhere(): number {
    let active = "north";
    let count = 0;
    for (const action of this.actions) {
      if (action.type === "event" && action.event.type === "promoted") active = action.event.station;
      if (action.type === "send" && action.attempt.station.name !== active) count++;
    }
    return count;
  }
}

const QUIET_MS = 10_000;

/** From 80 ms to `toMs` within `overMs`. */
function ramp(toMs: number, overMs: number): (nowMs: number) => number {
  return (nowMs) => 80 + (toMs - 80) * Math.min(1, Math.max(0, (nowMs - QUIET_MS) / overMs));
}

for (const [overMs, perSecond, withinMs] of [
  [20_000, 200, 15_000],
  [60_000, 100, 30_000],
  [300_000, 20, 120_000],
] as const) {
  test(`[F2] a primary becomes ten times as slow within ${overMs / 1_000} s, and the backup is idle → within ${withinMs / 1_000} s that one is active, and nobody goes back`, () => {
    for (const mode of ["manual", "automatic"] as const) {
      const world = new Steady({ failback: { mode }, roles: { automatic: mode === "automatic" } });
      const north = ramp(800, overMs);
      const takes: Takes = ({ station }, nowMs) => (station === world.north ? north(nowMs) : 80);
      world.offer(QUIET_MS + withinMs, perSecond, takes);
      assert.deepEqual([mode, world.moves], [mode, ["south (slowness)"]]);
      world.offer(120_000, perSecond, takes);
      assert.deepEqual([mode, world.moves, world.errors], [mode, ["south (slowness)"], 0]);
    }
  });
}

test("[F2] … and is quick again later → failback returns to it as ever", () => {
  const world = new Steady({ failback: { mode: "automatic" }, roles: { automatic: true } });
  const north = ramp(800, 20_000);
  world.offer(QUIET_MS + 20_000, 100, ({ station }, nowMs) => (station === world.north ? north(nowMs) : 80));
  world.offer(100_000, 100, () => 80);
  assert.deepEqual([world.moves, world.errors], [["south (slowness)", "north (failback)"], 0]);
});

test("[F2] a primary becomes twice as slow → nothing happens", () => {
  const world = new Steady();
  const north = ramp(160, 20_000);
  world.offer(120_000, 100, ({ station }, nowMs) => (station === world.north ? north(nowMs) : 80));
  assert.deepEqual([world.moves, world.told("handover-begun").length, world.elsewhere], [[], 0, 0]);
});

test("[F2] both become ten times as slow → found out with a few calls, each time later, and the role stays", () => {
  const world = new Steady();
  const both = ramp(800, 20_000);
  world.offer(160_000, 100, (_, nowMs) => both(nowMs));
  assert.deepEqual([world.moves, world.errors], [[], 0]);
  const races = world.told("handover-begun").length;
  assert.ok(races >= 2 && races <= 3, `${races} races`);
  assert.ok(world.elsewhere <= 250, `${world.elsewhere} of 16,000 calls at south`);
});

test("[F2] more calls make the primary slow, as they would the backup → no race; with no more calls the race shows it", () => {
  const world = new Steady();
  const crowd: Takes = ({ station }) => 80 * Math.max(1, (station.inFlight / 20) ** 0.8);
  world.offer(QUIET_MS, 100, crowd);
  world.offer(30_000, 350, crowd);
  assert.ok(world.north.slowness.times > 3, `${world.north.slowness.times} times as slow`);
  assert.deepEqual([world.moves, world.told("handover-begun").length], [[], 0]);
  const heavier = new Steady();
  const work = ramp(80 * 2.2, 20_000);
  const takes: Takes = ({ station }, nowMs) => work(nowMs) * Math.max(1, (station.inFlight / 20) ** 0.5);
  heavier.offer(QUIET_MS + 60_000, 200, takes);
  assert.ok(heavier.told("handover-begun").length >= 1, "it is slow, and nobody asked for more");
  assert.deepEqual(heavier.moves, []);
});

test("[F2] callers change from quick routes to slow ones → no race", () => {
  const world = new Steady();
  const takes: Takes = ({ call }) => (call.source === world.source("long") ? 900 : 60);
  const mix =
    (every: number) =>
    (place: number): Terms => ({
      source: place % every === 0 ? "long" : `route ${place % 5}`,
      key: `k${place}`,
    });
  world.offer(30_000, 100, takes, mix(20));
  world.offer(30_000, 100, takes, mix(1));
  world.offer(30_000, 100, takes, mix(20));
  assert.deepEqual([world.moves, world.told("handover-begun").length, world.errors], [[], 0, 0]);
});

test("[F2] a person makes the slow station active again → it stays, as slow as it is now", () => {
  const world = new Steady();
  const north = ramp(800, 20_000);
  const takes: Takes = ({ station }, nowMs) => (station === world.north ? north(nowMs) : 80);
  world.offer(QUIET_MS + 30_000, 100, takes);
  world.dispatcher.switchover("north", "switchover", "a test", world.nowMs);
  world.offer(60_000, 100, takes);
  assert.deepEqual(world.moves, ["south (slowness)", "north (switchover)"]);
});

test("[F2] the other station fails what the slow one serves → it is off, and the idle station is not set aside for it", () => {
  const world = new Steady();
  const north = ramp(800, 20_000);
  world.offer(QUIET_MS + 6_000, 100, ({ station }, nowMs) => (station === world.north ? north(nowMs) : 80));
  for (let waited = 0; world.roles.failback === undefined && waited < 10_000; waited += 10)
    world.offer(10, 100, (_, nowMs) => north(nowMs));
  assert.ok(world.roles.failback !== undefined);
  const call = world.submit({ source: "route 0", key: "canary" });
  assert.deepEqual(world.placesOf(call), ["south"]);
  world.endCall(call, "failed");
  assert.deepEqual(world.placesOf(call), ["north"]);
  world.endCall(call, "served");
  assert.equal(world.roles.failback, undefined);
  assert.equal(world.roles.isUsable(world.south, world.nowMs), true);
});
