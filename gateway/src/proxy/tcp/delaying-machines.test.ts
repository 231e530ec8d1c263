/** The toxics that only delay, as pure machines: the test tells them the time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { Bandwidth, Latency, Slicer, SlowClose } from "./delaying-machines.ts";
import { HeldRoom, type Item, type LinkMachine } from "./link-machine.ts";

const data = (length: number, arrivedAtMs = 0): Item => ({ kind: "data", bytes: Buffer.alloc(length, 7), arrivedAtMs });

/** All that the machine gives at `nowMs`: lengths of data, and endings. */
function given(machine: LinkMachine, nowMs: number): Array<number | string> {
  const out: Array<number | string> = [];
  for (let item = machine.give(nowMs); item !== undefined; item = machine.give(nowMs))
    out.push(item.kind === "data" ? item.bytes.length : item.kind);
  return out;
}

/** Gives the machine time until it has nothing more: what came when. */
function played(machine: LinkMachine, limitMs = 1_000_000): Array<readonly [atMs: number, what: number | string]> {
  const out: Array<readonly [number, number | string]> = [];
  for (let atMs = 0; machine.nextAtMs <= limitMs && !machine.isEmpty; ) {
    atMs = Math.max(atMs, machine.nextAtMs);
    for (const what of given(machine, atMs)) out.push([atMs, what]);
  }
  return out;
}

function latency(
  attributes: Record<string, number | string>,
  maxHeldBytes = 1_000_000,
  room = new HeldRoom(1_000_000),
): Latency {
  const machine = new Latency(seededRandom(1), maxHeldBytes, room);
  machine.use({ latency: 0, jitter: 0, ...attributes }, 0, false);
  return machine;
}

test("latency → twenty pieces cost one latency, in their order", () => {
  const machine = latency({ latency: 100 });
  for (let piece = 1; piece <= 20; piece++) machine.take(data(piece, piece), piece);
  assert.deepEqual(given(machine, 100), []);
  assert.deepEqual(given(machine, 101), [1]);
  assert.deepEqual(
    given(machine, 120),
    Array.from({ length: 19 }, (_, place) => place + 2),
  );
});

test("latency with jitter above it → no piece overtakes, none is late by more than both", () => {
  const machine = latency({ latency: 10, jitter: 50 });
  for (let piece = 1; piece <= 200; piece++) machine.take(data(piece, piece), piece);
  const out = played(machine);
  assert.deepEqual(
    out.map(([, length]) => length),
    Array.from({ length: 200 }, (_, place) => place + 1),
  );
  assert.ok(out.every(([atMs, length]) => atMs < Number(length) + 60.1 + 60));
});

test("two latencies → their delays add up", () => {
  const [first, second] = [latency({ latency: 100 }), latency({ latency: 30 })];
  first.take(data(1, 0), 0);
  second.take(first.give(100) as Item, 100);
  assert.equal(second.nextAtMs, 130);
});

test("latency, then the end → the end comes right behind the data", () => {
  const machine = latency({ latency: 100 });
  machine.take(data(1, 0), 0);
  machine.take({ kind: "end" }, 5);
  assert.deepEqual(given(machine, 99), []);
  assert.deepEqual(given(machine, 100), [1, "end"]);
});

test("latency is updated → what waits leaves at once, what comes later waits the new time", () => {
  const machine = latency({ latency: 1_000 });
  machine.take(data(1, 0), 0);
  machine.take(data(2, 0), 0);
  machine.use({ latency: 50, jitter: 0 }, 10, false);
  machine.take(data(3, 10), 10);
  assert.deepEqual(given(machine, 10), [1, 2]);
  assert.deepEqual(given(machine, 59), []);
  assert.deepEqual(given(machine, 60), [3]);
});

test("latency moves by a ramp → what waits keeps its time", () => {
  const machine = latency({ latency: 100 });
  machine.take(data(1, 0), 0);
  machine.use({ latency: 200, jitter: 0 }, 10, true);
  assert.equal(machine.nextAtMs, 100);
});

test("latency holds its bound in bytes → it takes no more until some has left", () => {
  const machine = latency({ latency: 100 }, 10_000);
  let taken = 0;
  for (; machine.canTake; taken++) machine.take(data(1_000, 0), 0);
  assert.ok(taken >= 7 && taken <= 10, `${taken}`);
  machine.give(100);
  machine.give(100);
  assert.equal(machine.canTake, true);
});

test("latency holds single bytes → they count as more than a byte each", () => {
  const machine = latency({ latency: 100 }, 10_000);
  let taken = 0;
  for (; machine.canTake; taken++) machine.take(data(1, 0), 0);
  assert.ok(taken <= 100, `${taken}`);
});

test("the room of all connections is full → each holds one piece; what is over gives its room back", () => {
  const room = new HeldRoom(5_000);
  const [first, second] = [latency({ latency: 100 }, 1_000_000, room), latency({ latency: 100 }, 1_000_000, room)];
  while (first.canTake) first.take(data(1_000), 0);
  assert.ok(room.isFull);
  assert.equal(second.canTake, true);
  second.take(data(1_000), 0);
  assert.equal(second.canTake, false);
  first.drop();
  given(second, 100);
  assert.equal(room.bytes, 0);
});

function bandwidth(rate: number): Bandwidth {
  const machine = new Bandwidth();
  machine.use({ rate }, 0, false);
  return machine;
}

test("bandwidth of 10 KB/s → 1000 bytes take 100 ms, 5000 come in five pieces", () => {
  const machine = bandwidth(10);
  machine.take(data(1_000), 0);
  assert.equal(machine.nextAtMs, 100);
  assert.deepEqual(given(machine, 100), [1_000]);
  machine.take(data(5_000), 100);
  assert.deepEqual(played(machine), [
    [200, 1_000],
    [300, 1_000],
    [400, 1_000],
    [500, 1_000],
    [600, 1_000],
  ]);
});

test("bandwidth, timers fire 3 ms late → the rate holds over the whole", () => {
  const machine = bandwidth(100);
  let atMs = 0;
  for (let piece = 0; piece < 50; piece++) {
    machine.take(data(1_000), atMs);
    atMs = machine.nextAtMs + 3;
    assert.deepEqual(given(machine, atMs), [1_000]);
  }
  assert.ok(Math.abs(atMs - 503) < 1, `${atMs}`);
});

test("bandwidth, an idle hour → the next piece gains nothing by it", () => {
  const machine = bandwidth(10);
  machine.take(data(100), 0);
  given(machine, 10);
  machine.take(data(1_000), 3_600_000);
  assert.equal(machine.nextAtMs, 3_600_100);
});

test("bandwidth takes one piece at a time → the sender waits, as on a slow line", () => {
  const machine = bandwidth(10);
  machine.take(data(1_000), 0);
  assert.equal(machine.canTake, false);
  given(machine, 100);
  assert.equal(machine.canTake, true);
});

test("bandwidth 0 → stalls for ever; updated, it lets go of what it held", () => {
  const machine = bandwidth(0);
  machine.take(data(1_000), 0);
  assert.equal(machine.nextAtMs, Number.POSITIVE_INFINITY);
  machine.use({ rate: 10 }, 50, false);
  assert.deepEqual(given(machine, 50), [1_000]);
});

test("bandwidth is removed → what it held leaves at once, then nothing is taken", () => {
  const machine = bandwidth(1);
  machine.take(data(5_000), 0);
  assert.deepEqual(given(machine, 100), [100]);
  machine.remove();
  assert.deepEqual(given(machine, 100), [4_900]);
  assert.equal(machine.canTake, false);
  assert.equal(machine.isEmpty, true);
});

test("bandwidth moves by a ramp in mid-piece → the rest of the piece takes the new time", () => {
  const machine = bandwidth(10);
  machine.take(data(1_000), 0);
  machine.use({ rate: 20 }, 50, true);
  assert.equal(machine.nextAtMs, 75);
  machine.use({ rate: 0 }, 60, true);
  assert.equal(machine.nextAtMs, Number.POSITIVE_INFINITY);
});

test("slow_close → data passes at once, the end later", () => {
  const machine = new SlowClose();
  machine.use({ delay: 500 }, 0, false);
  machine.take(data(10), 1);
  assert.deepEqual(given(machine, 1), [10]);
  machine.take({ kind: "end" }, 2);
  assert.equal(machine.canTake, false);
  assert.deepEqual(given(machine, 501), []);
  assert.deepEqual(given(machine, 502), ["end"]);
});

test("slow_close is removed while it waits → the end comes at once", () => {
  const machine = new SlowClose();
  machine.use({ delay: 500 }, 0, false);
  machine.take({ kind: "close" }, 0);
  machine.remove();
  assert.deepEqual(given(machine, 1), ["close"]);
});

function slicer(attributes: Record<string, number>): Slicer {
  const machine = new Slicer(seededRandom(3));
  machine.use({ average_size: 0, size_variation: 0, delay: 0, ...attributes }, 0, false);
  return machine;
}

test("slicer → every piece is at most average and variation, and nothing is lost", () => {
  const machine = slicer({ average_size: 64, size_variation: 16 });
  machine.take(data(10_000), 0);
  const lengths = given(machine, 0).map(Number);
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    10_000,
  );
  assert.ok(Math.max(...lengths) <= 80 && Math.min(...lengths) >= 1);
  assert.ok(new Set(lengths).size > 5, "the sizes vary");
});

test("slicer with a pause of 1000 µs → one piece each ms", () => {
  const machine = slicer({ average_size: 100, delay: 1_000 });
  machine.take(data(400), 0);
  assert.deepEqual(played(machine), [
    [0, 100],
    [1, 100],
    [2, 100],
    [3, 100],
  ]);
});

test("slicer without sizes → single bytes, not an endless loop", () => {
  const machine = slicer({});
  machine.take(data(50), 0);
  assert.deepEqual(
    given(machine, 0),
    Array.from({ length: 50 }, () => 1),
  );
});

test("slicer, variation far above the size → still ends, and loses nothing", () => {
  const machine = slicer({ average_size: 1, size_variation: 9_000 });
  machine.take(data(65_536), 0);
  const lengths = given(machine, 0).map(Number);
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    65_536,
  );
});

test("slicer is updated or removed in mid-piece → the rest leaves in one piece", () => {
  for (const change of ["update", "remove"] as const) {
    const machine = slicer({ average_size: 10, delay: 1_000 });
    machine.take(data(100), 0);
    const [first] = given(machine, 0).map(Number);
    if (change === "update") machine.use({ average_size: 10, size_variation: 0, delay: 1_000 }, 0.5, false);
    else machine.remove();
    assert.deepEqual(given(machine, 0.5), [100 - Number(first)]);
  }
});
