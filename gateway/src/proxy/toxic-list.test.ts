/** What changes by itself: ramps, schedules and ends, on a virtual clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { FaultProxyError } from "./fault-proxy-error.ts";
import { TCP_TOXIC_TYPES } from "./tcp/toxic-types.ts";
import type { Toxic } from "./toxic.ts";
import { ToxicList } from "./toxic-list.ts";
import { newToxicsOf, shownToxic, toxicChangeOf } from "./toxic-request.ts";

function listed() {
  const clock = new VirtualClock();
  const changes: Array<{ readonly atMs: number; readonly toxics: readonly Toxic[]; readonly change?: "ramp" }> = [];
  const expired: string[] = [];
  const list = new ToxicList({
    types: TCP_TOXIC_TYPES,
    clock,
    onChange: (toxics, change) =>
      void changes.push({ atMs: clock.nowMs(), toxics, ...(change === undefined ? {} : { change }) }),
    onExpired: ({ name }) => expired.push(name),
  });
  const add = (body: object) => list.add(newToxicsOf(body, TCP_TOXIC_TYPES, (name) => list.has(name)));
  const update = (name: string, body: object) => list.update(name, toxicChangeOf(body, list.get(name)));
  return { clock, list, add, update, changes, expired };
}

test("expiresAfter → the toxic removes itself, and says so", async () => {
  const { clock, list, add, changes, expired } = listed();
  await add({ type: "latency", expiresAfter: 1_000 });
  await clock.advanceBy(999);
  assert.equal(list.size, 1);
  await clock.advanceBy(1);
  assert.equal(list.size, 0);
  assert.deepEqual(expired, ["latency_downstream"]);
  assert.deepEqual(changes.at(-1), { atMs: 1_000, toxics: [], change: "ramp" });
  assert.equal(clock.pending, 0);
});

test("expiresAfter is sent again → it counts from then; null → it stays", async () => {
  const { clock, list, add, update } = listed();
  await add({ type: "latency", expiresAfter: 1_000 });
  await clock.advanceBy(900);
  await update("latency_downstream", { expiresAfter: 1_000 });
  await clock.advanceBy(900);
  assert.equal(list.size, 1);
  await update("latency_downstream", { attributes: { latency: 5 } });
  assert.equal(list.get("latency_downstream").settings.expiresAfter, 1_000);
  await update("latency_downstream", { expiresAfter: null });
  await clock.advanceBy(1_000_000);
  assert.equal(list.size, 1);
});

test("ramp → the attribute moves evenly and stays at its end", async () => {
  const { clock, list, add } = listed();
  await add({ type: "latency", attributes: { latency: 100 }, ramp: { attribute: "latency", to: 300, over: 1_000 } });
  const latencyNow = (): unknown => list.inForce()[0]?.attributes["latency"];
  assert.equal(latencyNow(), 100);
  await clock.advanceBy(500);
  assert.equal(latencyNow(), 200);
  await clock.advanceBy(10_000);
  assert.equal(latencyNow(), 300);
  assert.equal(clock.pending, 0);
});

test("ramp → connections hear of its steps as such", async () => {
  const { clock, add, changes } = listed();
  await add({ type: "bandwidth", ramp: { attribute: "rate", from: 0, to: 100, over: 1_000 } });
  await clock.advanceBy(1_000);
  const steps = changes.slice(1);
  assert.equal(steps.length, 10);
  assert.ok(steps.every(({ change }) => change === "ramp"));
  assert.equal(steps.at(-1)?.toxics[0]?.attributes["rate"], 100);
});

test("the ramped attribute is written during the ramp → the ramp is over", async () => {
  const { clock, list, add, update } = listed();
  await add({ type: "latency", ramp: { attribute: "latency", from: 0, to: 300, over: 1_000 } });
  await clock.advanceBy(100);
  await update("latency_downstream", { attributes: { latency: 7 } });
  await clock.advanceBy(1_000);
  assert.equal(list.inForce()[0]?.attributes["latency"], 7);
  assert.equal(list.get("latency_downstream").settings.ramp, undefined);
});

test("ramp of the toxicity → moves it", async () => {
  const { clock, list, add } = listed();
  await add({ type: "latency", toxicity: 0, ramp: { attribute: "toxicity", to: 1, over: 1_000 } });
  await clock.advanceBy(500);
  assert.equal(list.inForce()[0]?.toxicity, 0.5);
});

test("schedule → on and off by turns, beginning on; the toxic stays in the list", async () => {
  const { clock, list, add, changes } = listed();
  await add({ type: "latency", schedule: { on: 100, off: 300 } });
  await clock.advanceBy(1_000);
  const turns = changes.map(({ atMs, toxics }) => [atMs, toxics.length]);
  assert.deepEqual(turns, [
    [0, 1],
    [100, 0],
    [400, 1],
    [500, 0],
    [800, 1],
    [900, 0],
  ]);
  assert.equal(list.size, 1);
});

test("two toxics change by themselves → each at its time, in chain order", async () => {
  const { clock, list, add } = listed();
  await add({ type: "latency", schedule: { on: 100, off: 100 } });
  await add({ type: "bandwidth", attributes: { rate: 5 }, expiresAfter: 250 });
  await clock.advanceBy(150);
  assert.deepEqual(
    list.inForce().map(({ type }) => type),
    ["bandwidth"],
  );
  await clock.advanceBy(50);
  assert.deepEqual(
    list.inForce().map(({ type }) => type),
    ["latency", "bandwidth"],
  );
  await clock.advanceBy(50);
  assert.deepEqual(
    list.all.map(({ settings }) => settings.type),
    ["latency"],
  );
});

test("the list is cleared or disposed → no timer is left", async () => {
  for (const end of ["clear", "dispose"] as const) {
    const { clock, list, add } = listed();
    await add({ type: "latency", schedule: { on: 100, off: 100 }, expiresAfter: 500 });
    if (end === "clear") await list.clear();
    else list[Symbol.dispose]();
    assert.equal(clock.pending, 0);
  }
});

test("both directions → listed with upstream first, each in the order of adding", async () => {
  const { list, add } = listed();
  await add({ type: "latency" });
  await add({ type: "bandwidth", stream: "upstream" });
  await add({ type: "slicer", stream: "both" });
  assert.deepEqual(
    list.all.map(({ settings }) => settings.name),
    ["bandwidth_upstream", "slicer_upstream", "latency_downstream", "slicer_downstream"],
  );
});

test("our own members → are shown only where they are set", async () => {
  const { clock, add } = listed();
  const [plain] = await add({ type: "latency" });
  const [ours] = await add({ type: "latency", name: "x", attributes: { distribution: "pareto" }, expiresAfter: 9 });
  assert.ok(plain !== undefined && ours !== undefined);
  assert.deepEqual(Object.keys(shownToxic(plain, clock.nowMs())), ["attributes", "name", "type", "stream", "toxicity"]);
  assert.deepEqual(shownToxic(ours, clock.nowMs())["attributes"], { latency: 0, jitter: 0, distribution: "pareto" });
  assert.equal(shownToxic(ours, clock.nowMs())["expiresAfter"], 9);
});

test("a member of ours is wrong → refused with status 400, and nothing is added", async () => {
  const { list, add } = listed();
  for (const wrong of [
    { ramp: { attribute: "latncy", to: 1, over: 1 } },
    { ramp: { attribute: "distribution", to: 1, over: 1 } },
    { ramp: { attribute: "latency", to: -1, over: 1 } },
    { ramp: { attribute: "latency", to: 1 } },
    { ramp: { attribute: "latency", to: 1, over: 0 } },
    { ramp: 5 },
    { schedule: { on: 1, off: 100 } },
    { schedule: { on: 100 } },
    { schedule: [] },
    { expiresAfter: 0 },
    { expiresAfter: 1.5 },
    { expiresAfter: "1s" },
    { attributes: { distribution: "gaussian" } },
  ]) {
    assert.throws(
      () => void add({ type: "latency", ...wrong }),
      (error) => error instanceof FaultProxyError && error.status === 400,
      JSON.stringify(wrong),
    );
  }
  assert.equal(list.size, 0);
});
