/**
 * Where one call goes: a table of what is known of both stations, trials, the canary, and nobody
 * left out for ever.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type DispatchingOptions } from "../../../../test/worlds/dispatching.ts";
import { Failback } from "./failback.ts";
import { Spillover } from "./overload/spillover.ts";
import { UsualDemand } from "./overload/usual-demand.ts";
import { Router } from "./router.ts";
import type { Station } from "./station.ts";

function begin(options: DispatchingOptions = {}): { readonly world: Dispatching; readonly router: Router } {
  const world = new Dispatching(options);
  return { world, router: new Router(world.roles, new Spillover(new UsualDemand())) };
}

const doubt = (one: Station): void => {
  while (!one.isDoubted) one.evidence.noteLost(0);
};
const rest = (one: Station): void => {
  one.maintenance = { reason: "antenna", untilMs: Number.POSITIVE_INFINITY };
};
const fill = (one: Station): void => {
  one.admission.beginTrial(0);
  one.admission.enter(0);
};

test("[F10] where a repeatable call goes, by what is known of the stations", () => {
  const table: [string, (north: Station, south: Station) => void, string | undefined][] = [
    ["both well", () => undefined, "north"],
    [
      "the active one in doubt, just now tried",
      (north) => [doubt(north), Object.assign(north, { nextTrialMs: 250 })],
      "south",
    ],
    ["the active one in doubt, a trial is due", (north) => doubt(north), "north"],
    ["both in doubt", (north, south) => [doubt(north), doubt(south)], "north"],
    ["the active one in maintenance", (north) => rest(north), "south"],
    ["the active one full", (north) => fill(north), undefined],
    ["the active one in maintenance, the other full", (north, south) => [rest(north), fill(south)], undefined],
    ["the active one in maintenance, the other in doubt", (north, south) => [rest(north), doubt(south)], "south"],
    ["both in maintenance: nobody can replace the active one", (north, south) => [rest(north), rest(south)], "north"],
  ];
  for (const [what, prepare, place] of table) {
    const { world, router } = begin();
    prepare(world.north, world.south);
    assert.equal(router.route(world.call({ key: "k" }), 0)?.name, place, what);
  }
});

test("[F11] the active one in doubt answers, the other is on trial with one call → the rest do not wait for that call", () => {
  const { world, router } = begin();
  doubt(world.north);
  world.south.admission.beginTrial(0);
  const call = world.call({ key: "k" });
  call.noteVisit(world.north);
  assert.equal(router.route(call, 0)?.name, "south", "it is the call that finds out");
  world.south.admission.enter(0);
  Object.assign(world.north, { nextTrialMs: 250 });
  assert.deepEqual([router.route(call, 1)?.name, router.route(world.call(), 1)?.name], ["north", "north"]);
  assert.equal(router.opensAtMs(1), 1);
  for (let late = 0; late < 2; late++) world.north.evidence.noteOverdue(0, 1);
  assert.equal(router.route(call, 1), undefined, "nothing is sent to a station that answers nothing");
  assert.equal(router.opensAtMs(1), 250);
});

test("[F10] doubt → new calls go elsewhere, one repeatable call in 250 ms finds out", () => {
  const { world, router } = begin();
  doubt(world.north);
  assert.equal(router.route(world.call(), 0)?.name, "south", "a call that cannot be repeated finds nothing out");
  assert.equal(router.route(world.call({ key: "a" }), 0)?.name, "north");
  for (let nowMs = 0; nowMs < 250; nowMs += 10)
    assert.equal(router.route(world.call({ key: "b" }), nowMs)?.name, "south");
  assert.equal(router.route(world.call({ key: "c" }), 250)?.name, "north");
});

test("[F10] a failed call → the next usable station where it has not been; nowhere twice", () => {
  const { world, router } = begin({ stations: [{}, {}, {}] });
  const call = world.call({ key: "k" });
  call.noteVisit(world.north);
  assert.deepEqual([router.hasNext(call, 0), router.next(call, 0)?.name], [true, "south"]);
  call.noteVisit(world.south);
  assert.equal(router.next(call, 0)?.name, "east");
  call.noteVisit(world.stations[2] as Station);
  assert.deepEqual([router.hasNext(call, 0), router.next(call, 0)], [false, undefined]);
});

test("[F10] the next station is full → there is one, but not now; in doubt → there is none", () => {
  const { world, router } = begin();
  const call = world.call({ key: "k" });
  call.noteVisit(world.north);
  fill(world.south);
  assert.deepEqual([router.hasNext(call, 0), router.next(call, 0)], [true, undefined]);
  const other = begin();
  doubt(other.world.south);
  call.visits = undefined;
  call.noteVisit(other.world.north);
  assert.deepEqual([other.router.hasNext(call, 0), other.router.next(call, 0)], [false, undefined]);
});

test("[F3] the lease is not held → nobody goes anywhere, and it looks again soon", () => {
  const { world, router } = begin({ roles: { leaseEndsMs: () => 100 } });
  const call = world.call({ key: "k" });
  assert.equal(router.route(call, 99)?.name, "north");
  assert.deepEqual([router.route(call, 100), router.next(call, 100)], [undefined, undefined]);
  assert.equal(router.opensAtMs(100), 110);
});

test("[F7] a failback under way → its canary goes to the station that is tried out", () => {
  const { world, router } = begin();
  world.roles.failback = new Failback(
    world.south,
    "failback",
    "proven",
    { quietMs: 2_000, usual: { inFlight: 0, perMs: 0 } },
    0,
  );
  assert.equal(router.route(world.call(), 0)?.name, "north");
  assert.equal(router.route(world.call({ key: "k" }), 0)?.name, "south");
});

test("[F7] a failback to a station whose circuit is open, or half-open with its probe out → it is given nothing", () => {
  const { world, router } = begin({ stations: [{}, { breaker: { minimumVolume: 1, openDurationMs: 1_000 } }] });
  const usual = { quietMs: 2_000, usual: { inFlight: 0, perMs: 0 } };
  world.roles.failback = new Failback(world.south, "failback", "proven", usual, 0);
  const breaker = world.south.parts.breaker;
  assert.ok(breaker !== undefined);
  const places: (string | undefined)[] = [];
  const look = (nowMs: number): void => {
    places.push(router.route(world.call({ key: `k${nowMs}` }), nowMs)?.name);
  };
  look(0);
  breaker.failure(breaker.acquire(0), 0);
  look(500);
  look(1_000);
  const probe = breaker.acquire(1_000);
  look(1_001);
  breaker.success(probe, 1_002);
  look(1_002);
  assert.deepEqual(places, ["south", "north", "south", "north", "south"]);
});

test("[F11] nobody usable → one call at a time, repeatable, at the station that is still heard, every 250 ms", () => {
  const { world, router } = begin();
  world.declare("north", "down");
  world.declare("south", "down");
  assert.equal(router.isAnyUsable(0), false);
  const active = world.roles.active.name;
  assert.equal(router.route(world.call(), 0), undefined, "it cannot be repeated");
  assert.equal(router.route(world.call({ key: "a" }), 0)?.name, active);
  const other = router.route(world.call({ key: "b" }), 0);
  assert.notEqual(other?.name, active);
  assert.equal(router.route(world.call({ key: "c" }), 0), undefined);
  assert.equal(router.opensAtMs(0), 250);
  assert.notEqual(router.route(world.call({ key: "d" }), 250), undefined);
});

test("[F11] nobody usable, one sends heartbeats and answered no commands → tried every 250 ms, without a key too", () => {
  const { world, router } = begin();
  world.declare("south", "down");
  for (let late = 0; late < 2; late++) world.north.evidence.noteOverdue(0, 0);
  assert.equal(router.isAnyUsable(1_000), false);
  assert.equal(router.route(world.call(), 1_000)?.name, "north");
  assert.equal(router.route(world.call(), 1_249), undefined);
  assert.equal(router.route(world.call(), 1_250)?.name, "north");
});

test("[F11] nobody usable, one served a moment ago → it is given as much as it takes, open circuit or not", () => {
  const { world, router } = begin({ stations: [{ breaker: { minimumVolume: 1 } }, { breaker: { minimumVolume: 1 } }] });
  world.serve();
  for (const one of world.stations) one.parts.breaker?.failure(one.parts.breaker.acquire(world.nowMs), world.nowMs);
  assert.equal(router.isAnyUsable(world.nowMs), false);
  for (let call = 0; call < 20; call++) assert.equal(router.route(world.call(), world.nowMs)?.name, "north");
});

test("[F11] nobody usable, connections are refused → tried 50 ms after each refusal, without a key too", () => {
  const { world, router } = begin();
  for (const one of world.stations) {
    one.evidence.noteRefused(0);
    one.evidence.noteRefused(0);
    router.trialFailed(one, true, 0);
  }
  assert.equal(router.route(world.call(), 49), undefined);
  assert.equal(router.opensAtMs(0), 50);
  assert.equal(router.route(world.call(), 50)?.name, "north");
});

test("[F7] an idle station in maintenance → not even tried where nobody is usable", () => {
  const { world, router } = begin();
  world.declare("south", "down");
  world.declare("north", "down");
  rest(world.south);
  for (let nowMs = 0; nowMs < 2_000; nowMs += 50) {
    assert.notEqual(router.route(world.call({ key: "k" }), nowMs)?.name, "south");
  }
});

test("[F7] the active station in maintenance, well, and nobody to replace it → it serves on, calls without a key too", () => {
  const { world, router } = begin();
  world.declare("south", "down");
  rest(world.north);
  for (let call = 0; call < 20; call++) assert.equal(router.route(world.call(), call)?.name, "north");
  assert.equal(router.opensAtMs(20), 20);
});
