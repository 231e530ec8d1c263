/** A direction with its chain of toxics, on a virtual clock and with a recorded end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import type { Toxic } from "../toxic.ts";
import { defaultAttributes } from "../toxic-type.ts";
import { Link } from "./link.ts";
import { HeldRoom } from "./link-machine.ts";
import { TCP_TOXIC_TYPES } from "./toxic-types.ts";

function toxic(type: string, attributes: Record<string, number> = {}, more: Partial<Toxic> = {}): Toxic {
  const defaults = defaultAttributes(TCP_TOXIC_TYPES[type] ?? {});
  return {
    name: `${type}_downstream`,
    type,
    stream: "downstream",
    toxicity: 1,
    attributes: { ...defaults, ...attributes },
    ...more,
  };
}

/** A link whose end writes down what came when. */
function recorded(toxics: readonly Toxic[], { maxHeldBytes = 1_000_000, seed = 1 } = {}) {
  const clock = new VirtualClock();
  const out: Array<readonly [atMs: number, what: string]> = [];
  const sink = {
    canTake: true,
    write: (bytes: Buffer) => void out.push([clock.nowMs(), bytes.toString()]),
    end: (ending: string) => void out.push([clock.nowMs(), `<${ending}>`]),
  };
  const applied: string[] = [];
  const link = new Link({
    stream: "downstream",
    sink,
    clock,
    random: seededRandom(seed),
    toxics,
    maxHeldBytes,
    room: new HeldRoom(100_000_000),
    onRoom: () => undefined,
    onApplied: ({ name }) => applied.push(name),
  });
  return { clock, link, out, sink, applied, text: () => out.map(([, what]) => what).join("") };
}

test("no toxics → data and the end pass at once", () => {
  const { link, out } = recorded([]);
  link.data(Buffer.from("a"));
  link.end("end");
  assert.deepEqual(out, [
    [0, "a"],
    [0, "<end>"],
  ]);
});

test("latency and bandwidth in a chain → both take their time, the order stays", async () => {
  const { clock, link, out } = recorded([toxic("latency", { latency: 100 }), toxic("bandwidth", { rate: 1 })]);
  link.data(Buffer.from("x".repeat(50)));
  link.data(Buffer.from("y".repeat(50)));
  link.end("end");
  await clock.advanceBy(1_000);
  assert.deepEqual(out, [
    [150, "x".repeat(50)],
    [200, "y".repeat(50)],
    [200, "<end>"],
  ]);
  assert.equal(clock.pending, 0);
});

test("toxics of the other direction → do not apply here", () => {
  const { link, out } = recorded([toxic("latency", { latency: 100 }, { stream: "upstream" })]);
  link.data(Buffer.from("a"));
  assert.deepEqual(out, [[0, "a"]]);
});

test("a latency is removed → what it held leaves at once, before what comes later", async () => {
  const { clock, link, out } = recorded([toxic("latency", { latency: 1_000 })]);
  link.data(Buffer.from("a"));
  link.data(Buffer.from("b"));
  await clock.advanceBy(10);
  link.setToxics([]);
  link.data(Buffer.from("c"));
  assert.deepEqual(out, [
    [10, "a"],
    [10, "b"],
    [10, "c"],
  ]);
});

test("the first of two toxics is removed → what it held still passes the second", async () => {
  const slow = toxic("bandwidth", { rate: 1 });
  const { clock, link, out } = recorded([toxic("latency", { latency: 1_000 }), slow]);
  link.data(Buffer.from("x".repeat(100)));
  link.data(Buffer.from("y".repeat(100)));
  link.setToxics([slow]);
  link.data(Buffer.from("z".repeat(100)));
  await clock.advanceBy(1_000);
  assert.deepEqual(
    out.map(([atMs, what]) => [atMs, what[0], what.length]),
    [
      [100, "x", 100],
      [200, "y", 100],
      [300, "z", 100],
    ],
  );
});

test("the end does not take data, a toxic is removed → nothing is lost, nothing hangs", async () => {
  const { clock, link, sink, text } = recorded([toxic("latency", { latency: 10 })]);
  sink.canTake = false;
  for (const letter of "abc") link.data(Buffer.from(letter));
  await clock.advanceBy(100);
  link.setToxics([]);
  link.data(Buffer.from("d"));
  assert.equal(text(), "");
  assert.equal(link.wantsMore, false);
  sink.canTake = true;
  link.pump();
  assert.equal(text(), "abcd");
  assert.equal(link.wantsMore, true);
});

test("the end does not take data → the link takes no more than its bound", () => {
  const { link, sink } = recorded([toxic("latency", { latency: 10 })], { maxHeldBytes: 100_000 });
  sink.canTake = false;
  let sent = 0;
  for (; link.wantsMore; sent += 1_000) link.data(Buffer.alloc(1_000));
  assert.ok(sent <= 101_000, `${sent}`);
});

test("toxicity → drawn once for each toxic and link: the same share, whatever else changes", async () => {
  const hits = (toxics: readonly Toxic[], seed: number): boolean => recorded(toxics, { seed }).applied.length > 0;
  const seeds = Array.from({ length: 400 }, (_, place) => place);
  const half = seeds.filter((seed) => hits([toxic("latency", {}, { toxicity: 0.5 })], seed));
  assert.ok(half.length > 150 && half.length < 250, `${half.length}`);
  const more = seeds.filter((seed) => hits([toxic("latency", {}, { toxicity: 0.7 })], seed));
  assert.ok(half.every((seed) => more.includes(seed)));
  assert.equal(seeds.filter((seed) => hits([toxic("latency", {}, { toxicity: 0 })], seed)).length, 0);
  assert.equal(seeds.filter((seed) => hits([toxic("latency", {}, { toxicity: 7 })], seed)).length, 400);
});

test("toxicity is updated from 0 to 1 and back → the toxic begins, and lets go", async () => {
  const off = toxic("latency", { latency: 1_000 }, { toxicity: 0 });
  const { clock, link, out } = recorded([off]);
  link.setToxics([{ ...off, toxicity: 1 }]);
  link.data(Buffer.from("a"));
  await clock.advanceBy(10);
  assert.deepEqual(out, []);
  link.setToxics([off]);
  assert.deepEqual(out, [[10, "a"]]);
});

test("limit_data before a latency → the connection is cut behind the delayed data", async () => {
  const { clock, link, out } = recorded([toxic("limit_data", { bytes: 3 }), toxic("latency", { latency: 100 })]);
  link.data(Buffer.from("hello"));
  await clock.advanceBy(200);
  assert.deepEqual(out, [
    [100, "hel"],
    [100, "<close>"],
  ]);
  assert.equal(link.isOver, true);
});

test("a timeout is removed → the connection is cut; another one that stays is not asked", async () => {
  const { clock, link, out } = recorded([toxic("timeout", { timeout: 0 })]);
  link.data(Buffer.from("dropped"));
  link.setToxics([]);
  await clock.advanceBy(1);
  assert.deepEqual(out, [[0, "<close>"]]);
});

test("a toxic of the same name and another type → the old one leaves, the new one begins", async () => {
  const { clock, link, out } = recorded([toxic("latency", { latency: 1_000 }, { name: "a" })]);
  link.data(Buffer.from("a"));
  link.setToxics([toxic("limit_data", { bytes: 2 }, { name: "a" })]);
  link.data(Buffer.from("bc"));
  await clock.advanceBy(1);
  assert.deepEqual(
    out.map(([, what]) => what),
    ["a", "b", "<close>"],
  );
});

test("a slicer of single bytes → many small pieces do not hold the process in one turn", async () => {
  const { clock, link, out } = recorded([toxic("slicer", { average_size: 1 })]);
  link.data(Buffer.alloc(5_000, "x"));
  assert.ok(out.length < 1_000, "the first turn ends early");
  await clock.advanceBy(1);
  assert.equal(out.length, 5_000);
});

test("the link is stopped → nothing comes out, and no timer is left", async () => {
  const { clock, link, out } = recorded([toxic("latency", { latency: 100 }), toxic("timeout", { timeout: 50 })]);
  link.data(Buffer.from("a"));
  link.stop();
  assert.equal(clock.pending, 0);
  link.data(Buffer.from("b"));
  link.end("end");
  await clock.advanceBy(1_000);
  assert.deepEqual(out, []);
});
