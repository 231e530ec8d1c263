/** Datagrams in a chain of toxics, on a virtual clock: what leaves when, and what changes do. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import type { Toxic } from "../toxic.ts";
import { defaultAttributes } from "../toxic-type.ts";
import { DatagramChain, HeldMemory } from "./datagram-chain.ts";
import { UDP_TOXIC_TYPES } from "./toxic-types.ts";

function toxic(type: string, attributes: Record<string, number | string>, more: Partial<Toxic> = {}): Toxic {
  const all = { ...defaultAttributes(UDP_TOXIC_TYPES[type] ?? {}), ...attributes };
  return { name: type, type, stream: "upstream", toxicity: 1, attributes: all, ...more };
}

function started(toxics: readonly Toxic[], maxHeldBytes = 1_000_000, seed = "chain") {
  const clock = new VirtualClock();
  const held = new HeldMemory(maxHeldBytes);
  const left: [text: string, atMs: number][] = [];
  const effects: string[] = [];
  const chain = new DatagramChain({
    clock,
    random: seededRandom(seed),
    held,
    deliver: (datagram) => left.push([datagram.toString(), clock.nowMs()]),
    onEffect: (effect, name) => effects.push(`${effect} by ${name}`),
  });
  chain.setToxics(toxics, false);
  const send = (...texts: string[]): void => {
    for (const text of texts) chain.accept(Buffer.from(text));
  };
  return { clock, held, left, effects, chain, send };
}

describe("a chain of toxics", () => {
  test("no toxic → a datagram leaves at once", () => {
    const { left, send } = started([]);
    send("a", "");
    assert.deepEqual(left, [
      ["a", 0],
      ["", 0],
    ]);
  });

  test("latencies → they add, and what is sent together stays together", async () => {
    const { clock, left, send, held, chain } = started([
      toxic("latency", { latency: 30 }, { name: "one" }),
      toxic("latency", { latency: 12 }, { name: "two" }),
    ]);
    send("a", "b");
    await clock.advanceBy(10);
    send("c");
    assert.ok(chain.isWaiting && held.bytes > 0);
    await clock.advanceBy(100);
    assert.deepEqual(left, [
      ["a", 42],
      ["b", 42],
      ["c", 52],
    ]);
    assert.ok(!chain.isWaiting);
    assert.deepEqual([held.bytes, clock.pending], [0, 0]);
  });

  test("jitter → a datagram with a shorter delay overtakes", async () => {
    const { clock, left, send } = started([toxic("latency", { latency: 100, jitter: 100 })]);
    const texts = Array.from({ length: 50 }, (_none, number) => `${number}`);
    send(...texts);
    await clock.advanceBy(300);
    const order = left.map(([text]) => text);
    assert.notDeepEqual(order, texts);
    assert.deepEqual(order.toSorted(), texts.toSorted());
  });

  test("reorder with gap 1 → neighbours change places; the last waits for its delay", async () => {
    const { clock, left, send } = started([toxic("reorder", { rate: 1, gap: 1, delay: 40 })]);
    send("a", "b", "c", "d", "e");
    await clock.advanceBy(100);
    assert.deepEqual(left, [
      ["b", 0],
      ["a", 0],
      ["d", 0],
      ["c", 0],
      ["e", 40],
    ]);
    assert.equal(clock.pending, 0);
  });

  test("bandwidth behind duplicate → the copies take their time on the link too", async () => {
    const { clock, left, send } = started([
      toxic("duplicate", { rate: 1, copies: 2 }),
      toxic("bandwidth", { rate: 0.1 }),
    ]);
    send("x");
    await clock.advanceBy(100);
    assert.deepEqual(left, [
      ["x", 10],
      ["x", 20],
      ["x", 30],
    ]);
  });

  test("toxicity → drawn once for each session; a higher one adds sessions and takes none away", () => {
    const hit = (toxicity: number): number[] =>
      Array.from({ length: 2_000 }, (_none, number) => number).filter((number) => {
        const { left, send } = started([toxic("loss", { rate: 1 }, { toxicity })], 1_000, `session ${number}`);
        send("a", "b", "c");
        assert.ok(left.length === 0 || left.length === 3, "all or nothing");
        return left.length === 0;
      });
    const [few, many] = [hit(0.3), hit(0.5)];
    assert.deepEqual([hit(0).length, hit(1).length], [0, 2_000]);
    // Five standard errors: 5 × √(0.3 × 0.7 / 2,000) = 0.051.
    assert.ok(Math.abs(few.length / 2_000 - 0.3) < 0.052, `${few.length}`);
    assert.ok(few.every((number) => many.includes(number)));
  });

  test("one toxic more → the draws of the others stay the same", () => {
    const lost = (toxics: readonly Toxic[]): string[] => {
      const { send, effects } = started(toxics);
      for (let sent = 0; sent < 200; sent++) send("x");
      return effects.map((effect, place) => `${place} ${effect}`);
    };
    const loss = toxic("loss", { rate: 0.5 });
    assert.deepEqual(
      lost([loss, toxic("noop", {}, { name: "other" })]).filter((line) => line.includes("lost")).length,
      lost([loss]).filter((line) => line.includes("lost")).length,
    );
  });
});

describe("toxics that change while datagrams wait", () => {
  test("removed → what waits goes on to the toxics behind, the oldest first", async () => {
    const slow = toxic("latency", { latency: 1_000 }, { name: "slow" });
    const slower = toxic("latency", { latency: 5_000 }, { name: "slower" });
    const last = toxic("latency", { latency: 10 }, { name: "last" });
    const { clock, left, send, chain, held } = started([slow, slower, last]);
    send("a");
    await clock.advanceTo(1_500);
    send("b");
    chain.setToxics([last], false);
    await clock.advanceBy(100);
    assert.deepEqual(left, [
      ["a", 1_510],
      ["b", 1_510],
    ]);
    assert.deepEqual([held.bytes, clock.pending], [0, 0]);
  });

  test("updated → what waits is released; by a ramp → it keeps its instant", async () => {
    for (const [isRamp, leftAtMs] of [
      [false, 100],
      [true, 1_000],
    ] as const) {
      const { clock, left, send, chain } = started([toxic("latency", { latency: 1_000 })]);
      send("a");
      await clock.advanceTo(100);
      chain.setToxics([toxic("latency", { latency: 1_100 })], isRamp);
      await clock.advanceTo(5_000);
      assert.deepEqual(left, [["a", leftAtMs]]);
    }
  });

  test("a ramp of a bandwidth → what waits goes at the new rate", async () => {
    const { clock, left, send, chain } = started([toxic("bandwidth", { rate: 0 })]);
    send("0123456789", "0123456789");
    await clock.advanceTo(100);
    assert.ok(!chain.isWaiting, "nothing leaves by itself");
    chain.setToxics([toxic("bandwidth", { rate: 1 })], true);
    await clock.advanceTo(1_000);
    assert.deepEqual(left, [
      ["0123456789", 110],
      ["0123456789", 120],
    ]);
  });

  test("put in force again unchanged → nothing is released, and no toxic is applied twice", async () => {
    const latency = toxic("latency", { latency: 1_000 });
    const { clock, left, send, chain, effects } = started([latency]);
    send("a");
    await clock.advanceTo(100);
    chain.setToxics([{ ...latency, attributes: { ...latency.attributes } }], false);
    await clock.advanceTo(5_000);
    assert.deepEqual(left, [["a", 1_000]]);
    assert.deepEqual(effects, ["applied by latency"]);
  });

  test("a name that comes back as another type → the new type is in force", () => {
    const { left, send, chain } = started([toxic("latency", { latency: 1_000 }, { name: "it" })]);
    send("a");
    chain.setToxics([toxic("loss", { rate: 1 }, { name: "it" })], false);
    assert.deepEqual(left, [["a", 0]], "released");
    send("b");
    assert.equal(left.length, 1, "lost");
  });

  test("toxicity goes to 0 → what waits is released", () => {
    const { left, send, chain } = started([toxic("latency", { latency: 1_000 })]);
    send("a");
    chain.setToxics([toxic("latency", { latency: 1_000 }, { toxicity: 0 })], false);
    assert.deepEqual(left, [["a", 0]]);
  });
});

describe("the bounds of a chain", () => {
  test("the held bytes are full → later datagrams are dropped, with an event", async () => {
    const { clock, left, send, effects, held } = started([toxic("latency", { latency: 10 })], 2_000);
    send("a", "b", "c", "d", "e");
    assert.ok(held.bytes <= 2_000);
    await clock.advanceBy(20);
    assert.deepEqual(
      left.map(([text]) => text),
      ["a", "b", "c"],
    );
    assert.deepEqual(effects.slice(1), ["dropped by latency", "dropped by latency"]);
    send("f");
    await clock.advanceBy(20);
    assert.equal(left.length, 4);
  });

  test("ten toxics that copy ten times → the work for one datagram ends", () => {
    const toxics = Array.from({ length: 10 }, (_none, number) =>
      toxic("duplicate", { rate: 1, copies: 10 }, { name: `copy ${number}` }),
    );
    const { left, send } = started(toxics);
    send("a");
    assert.ok(left.length <= 1_000, `${left.length}`);
    const before = left.length;
    send("b");
    assert.equal(left.length, 2 * before, "the next datagram has its own bound");
  });

  test("disposed with datagrams that wait → no timer and no byte is left", () => {
    const { clock, held, send, chain, left } = started([
      toxic("reorder", { rate: 1 }),
      toxic("latency", { latency: 10 }),
      toxic("bandwidth", { rate: 0 }),
    ]);
    send("a", "b", "c");
    assert.equal(chain.dispose(), 3);
    assert.deepEqual([held.bytes, clock.pending, left.length], [0, 0, 0]);
  });
});
