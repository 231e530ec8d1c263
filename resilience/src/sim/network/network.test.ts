/**
 * Datagrams and conditions: each condition does what it says, to its direction only, from a seed,
 * and leaves no trace when removed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeEnv } from "../kernel/node.ts";
import { World } from "../kernel/world.ts";
import type { LinkConditions } from "./link.ts";
import type { Payload } from "./payload.ts";

/** What came, where, and when it had been sent and arrived. */
interface Arrival {
  readonly node: string;
  readonly payload: Payload;
  readonly atMs: number;
}

interface Scene {
  readonly world: World;
  readonly arrivals: Arrival[];
  readonly env: (node: string) => NodeEnv;
  /** Sends "0", "1", … from one node to another, one every `everyMs`, beginning now. */
  readonly sendMany: (
    from: string,
    to: string,
    count: number,
    everyMs: number,
    payload?: (index: number) => Payload,
  ) => void;
}

/** A world of machines that write down what comes to port 7. */
function scene(seed: string, names: readonly string[] = ["a", "b", "c"]): Scene {
  const world = new World({ seed });
  const arrivals: Arrival[] = [];
  const envs = new Map<string, NodeEnv>();
  for (const name of names) {
    const node = world.node(name, (env) => {
      envs.set(name, env);
      env.network.onDatagram(7, (payload) => arrivals.push({ node: name, payload, atMs: world.nowMs }));
    });
    node.start();
  }
  const env = (node: string): NodeEnv => envs.get(node) as NodeEnv;
  const sendMany: Scene["sendMany"] = (from, to, count, everyMs, payload = String) => {
    for (let index = 0; index < count; index++) {
      const send = (): void => env(from).network.send({ node: to, port: 7 }, payload(index));
      world.at(world.nowMs + index * everyMs, () => world.nodeOf(from).run(send));
    }
  };
  return { world, arrivals, env, sendMany };
}

const payloads = (arrivals: readonly Arrival[]): Payload[] => arrivals.map(({ payload }) => payload);

/** 0, 1, …, `count` − 1 as text. */
const inOrder = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

/** How late each of a thousand datagrams was, one sent every second. */
async function delays(conditions: Partial<LinkConditions>): Promise<number[]> {
  const { world, arrivals, sendMany } = scene("delays");
  world.network.setLink("a", "b", conditions);
  sendMany("a", "b", 1_000, 1_000);
  await world.run(1e7);
  return arrivals.map(({ payload, atMs }) => atMs - Number(payload) * 1_000);
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

test("a datagram comes to the port it was sent to, with the address of its sender", async () => {
  const { world, env } = scene("addresses");
  const answers: unknown[] = [];
  env("b").network.onDatagram(53, (payload, from) => env("b").network.send(from, `re: ${String(payload)}`, 53));
  env("a").network.onDatagram(1000, (payload, from) => answers.push([payload, from]));
  world.nodeOf("a").run(() => env("a").network.send({ node: "b", port: 53 }, "who", 1000));
  await world.run(1_000);
  assert.deepEqual(answers, [["re: who", { node: "b", port: 53 }]]);
});

test("delays follow their distribution", async () => {
  assert.ok((await delays({ delay: { kind: "fixed", ms: 5 } })).every((ms) => Math.abs(ms - 5) < 1e-6));
  const uniform = await delays({ delay: { kind: "uniform", minMs: 10, maxMs: 30 } });
  assert.ok(uniform.every((ms) => ms > 9.999 && ms < 30) && Math.abs(mean(uniform) - 20) < 1);
  // Five deviations of the mean of 1,000 exponential waits of mean 40: 6.3. The seed is fixed: this
  // cannot flicker.
  const exponential = await delays({ delay: { kind: "exponential", minMs: 10, meanMs: 40 } });
  assert.ok(Math.min(...exponential) > 9.999 && Math.abs(mean(exponential) - 50) < 6.3, `${mean(exponential)}`);
  const pareto = await delays({ delay: { kind: "pareto", minMs: 10, shape: 1, capMs: 400 } });
  assert.ok(Math.max(...pareto) <= 400.001 && pareto.filter((ms) => ms > 100).length > 60);
});

test("bursts are calm for a while and bad for a while", async () => {
  const calm = { kind: "fixed", ms: 1 } as const;
  const burst = { kind: "fixed", ms: 200 } as const;
  const late = await delays({ delay: { kind: "bursts", calm, burst, meanCalmMs: 30_000, meanBurstMs: 10_000 } });
  const bad = late.filter((ms) => ms > 100).length;
  assert.ok(bad > 150 && bad < 350, `${bad} of 1,000 in bursts, a quarter expected`);
  const changes = late.filter((ms, index) => index > 0 && ms > 100 !== (late[index - 1] as number) > 100).length;
  assert.ok(
    changes > 20 && changes < 80,
    `${changes} changes: about 50 expected, 375 if each message were drawn alone`,
  );
});

test("loss, duplication, corruption and reordering occur at their rates", async () => {
  const rates: [Partial<LinkConditions>, "lost" | "duplicated" | "corrupted" | "reordered"][] = [
    [{ lossRate: 0.2 }, "lost"],
    [{ duplicateRate: 0.2 }, "duplicated"],
    [{ corruptRate: 0.2 }, "corrupted"],
    [{ reorderRate: 0.2, reorderMs: 50 }, "reordered"],
  ];
  for (const [conditions, count] of rates) {
    const { world, arrivals, sendMany } = scene(`rate of ${count}`);
    world.network.setLink("a", "b", { delay: { kind: "fixed", ms: 1 }, ...conditions });
    sendMany("a", "b", 2_000, 10);
    await world.run(60_000);
    // Five deviations: 5 × √(2,000 × 0.2 × 0.8) ≈ 90.
    assert.ok(Math.abs(world.network.counts[count] - 400) < 90, `${count}: ${world.network.counts[count]}`);
    const extra = count === "lost" ? -world.network.counts.lost : world.network.counts.duplicated;
    assert.equal(arrivals.length, 2_000 + extra);
    if (count !== "lost" && count !== "reordered") continue;
    const overtaken = arrivals.filter(
      ({ payload }, at) => at > 0 && Number(payload) < Number(arrivals[at - 1]?.payload),
    );
    assert.equal(overtaken.length > 100, count === "reordered", count);
  }
});

test("corruption changes one bit of bytes and one character of text, and objects are dropped", async () => {
  const { world, arrivals, sendMany } = scene("corruption");
  world.network.setLink("a", "b", { corruptRate: 1 });
  const sent = Uint8Array.from([1, 2, 3]);
  sendMany("a", "b", 3, 100, (index) => [sent, "text", { label: "object" }][index] as Payload);
  await world.run(1_000);
  assert.equal(arrivals.length, 2);
  const bits = [...((arrivals[0] as Arrival).payload as Uint8Array)].map((byte, at) => byte ^ (sent[at] as number));
  assert.equal(
    bits.reduce((sum, changed) => sum + changed.toString(2).replaceAll("0", "").length, 0),
    1,
  );
  assert.deepEqual([...sent], [1, 2, 3], "the sender's bytes are its own");
  assert.equal(
    [...((arrivals[1] as Arrival).payload as string)].filter((character, at) => character !== "text"[at]).length,
    1,
  );
  assert.equal(world.network.counts.corrupted, 3);
});

test("bandwidth spaces messages out, and what does not fit into the queue is lost", async () => {
  const { world, arrivals, sendMany } = scene("bandwidth");
  // A payload of 972 bytes and 28 of header: ten a second, and five may wait.
  world.network.setLink("a", "b", { delay: { kind: "fixed", ms: 0 }, bytesPerSecond: 10_000, queueBytes: 5_000 });
  sendMany("a", "b", 8, 0, () => new Uint8Array(972));
  await world.run(10_000);
  assert.deepEqual(
    arrivals.map(({ atMs }) => Math.round(atMs)),
    [100, 200, 300, 400, 500],
  );
  assert.equal(world.network.counts.overflowed, 3);
});

test("a one-way cut is one-way, takes what is under way, and ends when it is removed", async () => {
  const { world, arrivals, sendMany } = scene("cut");
  world.network.setDefaults({ delay: { kind: "fixed", ms: 10 } });
  sendMany("a", "b", 4, 5);
  sendMany("b", "a", 4, 5);
  let cut: Disposable | undefined;
  world.at(12, () => (cut = world.network.impose("a", "b", { cut: true })));
  world.at(100, () => cut?.[Symbol.dispose]());
  world.at(101, () => sendMany("a", "b", 1, 0, () => "after"));
  await world.run(200);
  const at = (node: string): Payload[] => payloads(arrivals.filter((arrival) => arrival.node === node));
  assert.deepEqual(at("b"), ["0", "after"]);
  assert.deepEqual(at("a"), ["0", "1", "2", "3"]);
  assert.equal(world.network.counts.cut, 3);
});

test("what is held comes at its release, in order, also where ties are drawn", async () => {
  for (const tieBreak of ["asked", "drawn"] as const) {
    const world = new World({ seed: "held", tieBreak });
    const came: Payload[] = [];
    const envs: NodeEnv[] = [];
    for (const name of ["a", "b"]) {
      world.node(name, (env) => {
        envs.push(env);
        env.network.onDatagram(7, (payload) => came.push(payload));
      });
      world.nodeOf(name).start();
    }
    const held = world.network.impose("*", "b", { held: true });
    for (let index = 0; index < 50; index++) {
      world.at(index, () => world.nodeOf("a").run(() => envs[0]?.network.send({ node: "b", port: 7 }, String(index))));
    }
    await world.run(1_000);
    assert.deepEqual(came, []);
    held[Symbol.dispose]();
    await world.run(1_000.001);
    assert.deepEqual(came, inOrder(50), tieBreak);
  }
});

test("a clog delays everything, keeps its order, and what is sent after its end waits behind it", async () => {
  const { world, arrivals, sendMany } = scene("clog");
  world.network.setLink("a", "b", { delay: { kind: "uniform", minMs: 1, maxMs: 50 } });
  const clog = world.network.impose("a", "b", { clogMs: 5_000 });
  sendMany("a", "b", 40, 10);
  world.at(200, () => clog[Symbol.dispose]());
  await world.run(20_000);
  assert.deepEqual(payloads(arrivals).slice(0, 20), inOrder(20));
  assert.ok((arrivals[0] as Arrival).atMs > 5_000 && arrivals.every(({ atMs }) => atMs < 5_250));
  assert.equal(arrivals.length, 40);
});

test("faults on one direction add up, and taking one away leaves exactly the others", async () => {
  const { world, arrivals, sendMany } = scene("stack");
  world.network.setLink("a", "b", { delay: { kind: "fixed", ms: 1 } });
  const all = world.network.impose("*", "*", { delay: { kind: "fixed", ms: 10 }, lossRate: 0.1 });
  const one = world.network.impose("a", "*", { delay: { kind: "fixed", ms: 100 }, lossRate: 1 });
  sendMany("a", "b", 1, 0);
  await world.run(1_000);
  assert.equal(arrivals.length, 0, "the worse of two rates counts");
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  const slower = world.network.impose("a", "b", { delay: { kind: "fixed", ms: 1_000 } });
  sendMany("a", "b", 1, 0);
  await world.run(3_000);
  assert.equal(Math.round((arrivals[0] as Arrival).atMs), 2_011);
  all[Symbol.dispose]();
  slower[Symbol.dispose]();
  sendMany("a", "b", 1, 0);
  await world.run(4_000);
  assert.equal(Math.round((arrivals[1] as Arrival).atMs), 3_001);
});

/**
 * Traffic between three nodes for ten seconds, with faults that `shape` imposes; arrivals of each
 * direction with their instants.
 */
async function traffic(
  seed: string,
  shape: (world: World) => void,
): Promise<{ hash: string; of: (to: string) => string }> {
  const { world, arrivals, sendMany } = scene(seed);
  world.network.setDefaults({ lossRate: 0.05, delay: { kind: "exponential", minMs: 1, meanMs: 20 } });
  shape(world);
  for (const [from, to] of [
    ["a", "b"],
    ["b", "c"],
    ["c", "a"],
  ] as const)
    sendMany(from, to, 200, 50);
  await world.run(15_000);
  return { hash: world.trace.hash, of: (to) => JSON.stringify(arrivals.filter(({ node }) => node === to)) };
}

test("[S1] the same seed gives the same hash, and another seed another", async () => {
  const shape = (world: World): void => void world.network.impose("*", "b", { duplicateRate: 0.3, reorderRate: 0.3 });
  const first = await traffic("7", shape);
  assert.equal((await traffic("7", shape)).hash, first.hash);
  assert.notEqual((await traffic("8", shape)).hash, first.hash);
});

test("a fault on one direction moves no draw of another, nor of its own after it has ended", async () => {
  const plain = await traffic("9", () => {});
  const faulty = await traffic("9", (world) => {
    const fault = world.network.impose("a", "b", {
      lossRate: 0.5,
      duplicateRate: 0.5,
      corruptRate: 0.5,
      bytesPerSecond: 1_000,
      delay: {
        kind: "bursts",
        calm: { kind: "fixed", ms: 1 },
        burst: { kind: "fixed", ms: 50 },
        meanCalmMs: 500,
        meanBurstMs: 100,
      },
    });
    world.at(5_000, () => fault[Symbol.dispose]());
  });
  assert.equal(faulty.of("c"), plain.of("c"));
  assert.equal(faulty.of("a"), plain.of("a"));
  assert.notEqual(faulty.of("b"), plain.of("b"));
  const late = (json: string): Arrival[] => (JSON.parse(json) as Arrival[]).filter(({ atMs }) => atMs > 6_000);
  assert.deepEqual(late(faulty.of("b")), late(plain.of("b")));
});

test("a machine talks to itself whatever is imposed", async () => {
  const { world, arrivals, sendMany } = scene("loopback");
  world.network.impose("*", "*", { cut: true, held: true, lossRate: 1 });
  sendMany("a", "a", 3, 10);
  await world.run(100);
  assert.deepEqual(payloads(arrivals), ["0", "1", "2"]);
});

test("datagrams go to whoever is up and bound when they arrive", async () => {
  const { world, arrivals, sendMany, env } = scene("arrive");
  world.network.setDefaults({ delay: { kind: "fixed", ms: 50 } });
  sendMany("a", "b", 1, 0, () => "sent before, comes after");
  world.at(10, () => world.nodeOf("b").crash("power"));
  world.at(20, () => world.nodeOf("b").start());
  world.at(100, () => sendMany("a", "b", 1, 0, () => "down"));
  world.at(120, () => world.nodeOf("b").crash("kill"));
  await world.run(1_000);
  assert.deepEqual(payloads(arrivals), ["sent before, comes after"]);
  assert.equal(world.network.counts.unread, 1);
  assert.deepEqual(world.violations, []);
  const gone = env("b").network;
  gone.send({ node: "a", port: 7 }, "from a process that is gone");
  world.nodeOf("b").start();
  gone.send({ node: "a", port: 7 }, "from its grave");
  gone.onDatagram(8, () => {});
  env("b").network.onDatagram(8, () => {});
  assert.equal(world.network.counts.sent, 2);
});

test("a port belongs to one reader until it is given back", async () => {
  const { world, env, arrivals, sendMany } = scene("ports");
  const { network } = env("a");
  const reader = network.onDatagram(9, () => {});
  assert.throws(() => network.onDatagram(9, () => {}), { code: "EADDRINUSE" });
  reader[Symbol.dispose]();
  network.onDatagram(9, () => {})[Symbol.dispose]();
  world.nodeOf("b").crash();
  world.nodeOf("b").start();
  sendMany("a", "b", 1, 0);
  await world.run(100);
  assert.equal(arrivals.length, 1, "a new incarnation has its ports to itself");
});

test("what cannot be meant is refused by name and value", () => {
  const { world, env } = scene("refused");
  const { network } = world;
  const wrong: [() => unknown, RegExp][] = [
    [() => network.setDefaults({ lossRate: 1.5 }), /setDefaults: lossRate is 1.5.*up to 1/],
    [() => network.impose("a", "b", { duplicateRate: Number.NaN }), /impose: duplicateRate is NaN/],
    [() => network.impose("a", "b", { delay: { kind: "fixed", ms: Number.NaN } }), /delay.ms is NaN/],
    [() => network.impose("a", "b", { delay: { kind: "gauss" } as never }), /delay.kind is gauss.*pareto, bursts/],
    [
      () => network.impose("a", "b", { delay: { kind: "uniform", minMs: 2, maxMs: 1 } }),
      /minMs is 2.*not be above maxMs/,
    ],
    [() => network.impose("a", "b", { los: 1 } as never), /no condition "los"; there are delay, lossRate/],
    [() => network.impose("a", "b", { cut: 1 } as never), /cut is 1.*true or false/],
    [() => network.impose("a", "x", {}), /no node "x".*a, b, c/],
    [() => network.impose("a", "a", { cut: true }), /both "a"/],
    [() => network.setLink("*", "a", {}), /no node "\*"/],
    [() => network.setLink("a", "b", { bytesPerSecond: 0 }), /bytesPerSecond is 0.*above 0/],
    [() => network.imposeDoor("x", "silent"), /no node "x"/],
    [() => network.imposeDoor("a", "ajar" as never), /mode is ajar/],
    [() => network.imposeDoor("a", "silent", 70_000), /port is 70000/],
    [() => env("a").network.send({ node: "x", port: 1 }, ""), /no node "x"/],
    [() => env("a").network.send({ node: "b", port: 0.5 }, ""), /to.port is 0.5/],
    [() => env("a").network.send({ node: "b", port: 1 }, 5 as never), /payload is number/],
    [() => env("a").network.listen(0, () => {}), /listen: port is 0/],
  ];
  for (const [call, message] of wrong) assert.throws(call, { message });
});
