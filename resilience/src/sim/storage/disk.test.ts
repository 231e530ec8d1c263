/**
 * A simulated machine's disk as its process lives with it: time, crashes, faults that come and go,
 * and what it refuses.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../../core/errors.ts";
import type { NodeEnv, SimNode } from "../kernel/node.ts";
import { World } from "../kernel/world.ts";
import type { Disk, SimDisk } from "./disk.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (found: Uint8Array | undefined): string | undefined =>
  found === undefined ? undefined : Buffer.from(found).toString("latin1");

/**
 * A world with one machine, "m", that runs `program`, which may also look at the machine from
 * outside.
 */
function machine(
  program: (env: NodeEnv, node: SimNode, world: World) => void | Promise<void>,
  seed = 1,
): { world: World; node: SimNode } {
  const world = new World({ seed });
  const node: SimNode = world.node("m", (env) => program(env, node, world));
  node.start();
  return { world, node };
}

/** What an operation ended with, in a word: the error's code, or "done". */
async function outcome(operation: Promise<unknown>): Promise<string> {
  try {
    await operation;
    return "done";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Runs `use` on a fresh disk to its end and returns what it returned. */
async function used<T>(use: (disk: Disk, env: NodeEnv, device: SimDisk) => Promise<T>, seed = 1): Promise<T> {
  const results: T[] = [];
  const { world } = machine(async (env, node) => void results.push(await use(env.disk, env, node.disk)), seed);
  await world.run(60_000);
  assert.deepEqual(world.violations, [], `seed ${seed}`);
  assert.equal(results.length, 1, "the program did not come to its end");
  return results[0] as T;
}

test("[S] every operation does what its name says, later", async () => {
  await used(async (disk, env) => {
    const beganMs = env.clock.nowMs();
    await disk.write("a", bytes("hello"));
    assert.ok(env.clock.nowMs() > beganMs);
    await disk.append("a", bytes(" world"));
    assert.equal(text(await disk.read("a")), "hello world");
    await disk.truncate("a", 4);
    await disk.truncate("a", 6);
    assert.equal(text(await disk.read("a")), "hell\0\0");
    await disk.append("b", bytes("!"));
    assert.deepEqual(await disk.list(), ["a", "b"]);
    await disk.rename("b", "a");
    assert.deepEqual(await disk.list(), ["a"]);
    assert.equal(text(await disk.read("a")), "!");
    await disk.sync("a");
    await disk.remove("a");
    assert.deepEqual(await disk.list(), []);
  });
});

test("[S] what is not there is refused as Node refuses it", async () => {
  await used(async (disk) => {
    const operations = [
      disk.read("no"),
      disk.truncate("no", 0),
      disk.rename("no", "a"),
      disk.remove("no"),
      disk.sync("no"),
    ];
    assert.deepEqual(await Promise.all(operations.map(outcome)), Array(5).fill("ENOENT"));
    const refused = {
      code: "ENOENT",
      syscall: "read",
      path: "no",
      message: /^ENOENT: no such file or directory, read 'no'$/,
    };
    await assert.rejects(disk.read("no"), refused);
  });
});

test("[S] what makes no sense is refused with a sentence", async () => {
  await used(async (disk, _env, device) => {
    await assert.rejects(disk.write("", bytes("x")), TypeError);
    await assert.rejects(disk.read(undefined as unknown as string), /a file's name is a string/);
    await assert.rejects(disk.append("a", "text" as unknown as Uint8Array), /Uint8Array, not string/);
    await assert.rejects(disk.truncate("a", -1), /truncate length is -1/);
    await assert.rejects(disk.truncate("a", 0.5), ConfigurationError);
    assert.throws(() => device.rot("a"), /nothing of "a" is durable on m/);
    assert.throws(() => device.impose({ syncErrorRate: 1.5 }), /syncErrorRate is 1.5/);
    assert.throws(() => device.impose({ freeBytes: -1 }), /freeBytes is -1/);
    assert.throws(() => device.impose({ stalled: 1 as unknown as boolean }), /stalled is 1/);
    assert.throws(
      () => device.impose({ latency: { kind: "exponential", minMs: 1, meanMs: Number.NaN } }),
      ConfigurationError,
    );
    assert.throws(() => device.impose({ erorRate: 1 } as object), /no fault "erorRate"/);
  });
});

test("[S] the bytes are the caller's again as soon as the call returns, and a read is a copy", async () => {
  await used(async (disk) => {
    const buffer = bytes("mine");
    const writing = disk.write("a", buffer);
    buffer.fill(0);
    await writing;
    (await disk.read("a")).fill(0);
    assert.equal(text(await disk.read("a")), "mine");
  });
});

test("[S] a killed process's page cache survives it, a power loss takes what was not synced", async () => {
  const kills = new Set<string | undefined>();
  const powerLosses = new Set<string | undefined>();
  for (let seed = 1; seed <= 60; seed++) {
    const { world, node } = machine(async ({ disk, incarnation }) => {
      if (incarnation > 1) return;
      await disk.write("a", bytes("SAFE"));
      await disk.sync("a");
      await disk.append("a", bytes("risk"));
    }, seed);
    await world.run(1000);
    node.crash("kill");
    kills.add(text(node.disk.contents("a")));
    node.start();
    node.crash("power");
    powerLosses.add(text(node.disk.contents("a")));
  }
  assert.deepEqual([...kills], ["SAFErisk"]);
  assert.ok(powerLosses.has("SAFE") && powerLosses.has("SAFErisk") && powerLosses.size > 3, [...powerLosses].join());
  for (const found of powerLosses) assert.match(found as string, /^SAFE/);
});

test("[S] what was in flight when the process was killed has happened, or not, or in part, and is never heard of", async () => {
  const seen = new Set<string | undefined>();
  let answered = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { world, node } = machine(({ disk, incarnation }) => {
      if (incarnation > 1) return;
      disk.append("a", bytes("abc")).finally(() => answered++);
    }, seed);
    node.crash("kill");
    const left = text(node.disk.contents("a"));
    seen.add(left);
    node.start();
    await world.run(1000);
    node.crash("kill");
    assert.equal(text(node.disk.contents("a")), left, `seed ${seed}: it landed later`);
  }
  assert.equal(answered, 0);
  assert.deepEqual([...seen].sort(), ["", "a", "ab", "abc", undefined]);
});

test("[S] an operation of a process that is gone is neither done nor answered", async () => {
  let old: Disk | undefined;
  const { world, node } = machine(({ disk, incarnation }) => {
    if (incarnation === 1) old = disk;
  });
  node.crash();
  node.start();
  let answered = false;
  (old as Disk).append("a", bytes("ghost")).finally(() => {
    answered = true;
  });
  await world.run(1000);
  assert.equal(node.disk.contents("a"), undefined);
  assert.equal(answered, false);
});

test("[S] what a stalled disk held for a process that is gone does not land on its successor", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, node } = machine(async ({ disk, incarnation }) => {
      if (incarnation === 1) await disk.append("a", bytes("old"));
    }, seed);
    const stall = node.disk.impose({ stalled: true });
    await world.run(1000);
    node.crash("kill");
    const left = text(node.disk.contents("a"));
    node.start();
    stall[Symbol.dispose]();
    await world.run(2000);
    assert.equal(text(node.disk.contents("a")), left, `seed ${seed}`);
  }
});

test("[S] a sync covers what was done when it was asked for, not what was done while it ran", async () => {
  await used(async (disk, _env, device) => {
    await disk.write("a", bytes("before"));
    const syncing = disk.sync("a");
    await disk.append("a", bytes(" and after"));
    await syncing;
    assert.equal(text(device.durable("a")), "before");
    assert.equal(text(device.contents("a")), "before and after");
  });
});

test("[S] a stopped process hears of its disk when it goes on, but the disk has done its work", async () => {
  const heardMs: number[] = [];
  const { world, node } = machine(async ({ disk }) => {
    await disk.write("a", bytes("x"));
    heardMs.push(world.nowMs);
  });
  node.pause(5000);
  await world.run(1000);
  assert.equal(text(node.disk.contents("a")), "x");
  assert.deepEqual(heardMs, []);
  await world.run(10_000);
  assert.deepEqual(heardMs, [5000]);
});

test("[S] operations begun without waiting may take effect in any order", async () => {
  const seen = new Set<string | undefined>();
  for (let seed = 1; seed <= 30; seed++) {
    await used(async (disk) => {
      await Promise.all([disk.append("a", bytes("1")), disk.append("a", bytes("2"))]);
      seen.add(text(await disk.read("a")));
    }, seed);
  }
  assert.deepEqual([...seen].sort(), ["12", "21"]);
});

test("[S] faults stack: delays add up, the highest rate and the least room rule, and lifting one leaves the others", async () => {
  await used(async (disk, env, device) => {
    const tookMs = async (): Promise<number> => {
      const beganMs = env.clock.nowMs();
      await disk.write("a", bytes("x"));
      return env.clock.nowMs() - beganMs;
    };
    const slow = device.impose({ latency: { kind: "fixed", ms: 100 } });
    const slower = device.impose({ latency: { kind: "uniform", minMs: 200, maxMs: 300 } });
    const both = await tookMs();
    assert.ok(both >= 300 && both < 405, `${both} ms`);
    slow[Symbol.dispose]();
    slow[Symbol.dispose]();
    const one = await tookMs();
    assert.ok(one >= 200 && one < 305, `${one} ms`);
    slower[Symbol.dispose]();
    assert.ok((await tookMs()) < 5);

    const failing = device.impose({ writeErrorRate: 1 });
    const mild = device.impose({ writeErrorRate: 0.0001, readErrorRate: 1 });
    assert.deepEqual(
      [await outcome(disk.rename("a", "b")), await outcome(disk.read("a")), await outcome(disk.list())],
      Array(3).fill("EIO"),
    );
    assert.equal(await outcome(disk.sync("a")), "done");
    failing[Symbol.dispose]();
    assert.equal(await outcome(disk.rename("a", "b")), "done");
    mild[Symbol.dispose]();
    assert.deepEqual(await disk.list(), ["b"]);
  });
});

test("[S] a full disk takes what fits and says so, and takes more when room is made", async () => {
  await used(async (disk, _env, device) => {
    await disk.write("a", bytes("12345678"));
    const full = device.impose({ freeBytes: 4 });
    const roomier = device.impose({ freeBytes: 1000 });
    assert.equal(await outcome(disk.append("a", bytes("abcdef"))), "ENOSPC");
    assert.equal(text(await disk.read("a")), "12345678abcd", "a partial append");
    assert.equal(await outcome(disk.truncate("a", 13)), "ENOSPC");
    assert.equal(await outcome(disk.write("a", bytes("x".repeat(12)))), "done", "its old bytes make room");
    await disk.truncate("a", 2);
    assert.equal(await outcome(disk.append("b", bytes("0123456789"))), "done");
    assert.equal(await outcome(disk.append("b", bytes("!"))), "ENOSPC");
    full[Symbol.dispose]();
    assert.equal(await outcome(disk.append("b", bytes("!"))), "done");
    roomier[Symbol.dispose]();
  });
});

test("[S] a stalled disk answers nobody until it is released, and then in order", async () => {
  const order: string[] = [];
  const { world, node } = machine(({ disk }) => {
    for (const name of ["a", "b", "c"]) disk.write(name, bytes("x")).then(() => order.push(`${name}@${world.nowMs}`));
  });
  const stalls = [node.disk.impose({ stalled: true }), node.disk.impose({ stalled: true })];
  await world.run(1000);
  stalls[0]?.[Symbol.dispose]();
  await world.run(2000);
  assert.deepEqual([order, node.disk.contents("a")], [[], undefined]);
  stalls[1]?.[Symbol.dispose]();
  await world.run(3000);
  assert.deepEqual(order.toSorted(), ["a@2000", "b@2000", "c@2000"]);
});

test("[S] a failed write leaves some first bytes, a failed sync is settled for good when it fails", async () => {
  const written = new Set<string | undefined>();
  const kept = new Set<string | undefined>();
  for (let seed = 1; seed <= 60; seed++) {
    await used(async (disk, _env, device) => {
      const failing = device.impose({ writeErrorRate: 1, syncErrorRate: 1 });
      assert.equal(await outcome(disk.append("a", bytes("abc"))), "EIO");
      written.add(text(device.contents("a")));
      failing[Symbol.dispose]();
      await disk.write("b", bytes(""));
      await disk.sync("b");
      await disk.write("b", bytes("xyz"));
      const failingSync = device.impose({ syncErrorRate: 1 });
      assert.equal(await outcome(disk.sync("b")), "EIO");
      failingSync[Symbol.dispose]();
      const settled = text(device.durable("b"));
      await disk.sync("b");
      assert.equal(text(device.durable("b")), settled, `seed ${seed}: a later sync made up for a failed one`);
      kept.add(settled);
    }, seed);
  }
  assert.deepEqual([...written].sort(), ["", "a", "ab"]);
  assert.ok(kept.has("") && kept.has("xyz") && kept.has("x"), [...kept].join());
});

test("[S] a sync that was in flight at a power loss had reached the disk, or had not", async () => {
  let whole = 0;
  const seeds = 100;
  for (let seed = 1; seed <= seeds; seed++) {
    const { world, node } = machine(async ({ disk }, node) => {
      for (let count = 0; count < 20; count++) await disk.append("a", bytes("x"));
      node.disk.impose({ latency: { kind: "fixed", ms: 10_000 } });
      await disk.sync("a");
    }, seed);
    await world.run(1000);
    node.crash("power");
    if (text(node.disk.contents("a")) === "x".repeat(20)) whole++;
  }
  // A third by the sync itself, and few by twenty kept changes in a row.
  assert.ok(whole > seeds / 5 && whole < seeds / 2, `${whole} of ${seeds}`);
});

test("[S] bit rot flips one bit of what is durable, where it is told or drawn", async () => {
  await used(async (disk, _env, device) => {
    await disk.write("a", bytes("abc"));
    await disk.sync("a");
    assert.equal(device.rot("a", { byte: 1, bit: 5 }), 1);
    assert.equal(text(await disk.read("a")), "aBc");
    const drawn = device.rot("a");
    const now = text(device.durable("a")) as string;
    assert.equal([...now].filter((letter, index) => letter !== "aBc"[index]).length, 1);
    assert.notEqual(now[drawn], "aBc"[drawn]);
    assert.throws(() => device.rot("a", { byte: 3 }), /rot byte is 3/);
  });
});

test("[S] a fault moves no draw of what comes after it", async () => {
  const ends = async (rate: number): Promise<number> => {
    let doneMs = 0;
    const { world } = machine(async ({ disk }, node, world) => {
      const fault = node.disk.impose({ syncErrorRate: rate, writeErrorRate: rate });
      await outcome(disk.append("a", bytes("abc")));
      await outcome(disk.sync("a"));
      fault[Symbol.dispose]();
      for (let count = 0; count < 5; count++) await disk.sync("a");
      doneMs = world.nowMs;
    });
    await world.run(1000);
    return doneMs;
  };
  assert.equal(await ends(0), await ends(1));
});

test("[S] same seed, same trace; syncs, errors and losses are in it", async () => {
  const trace = async (seed: number): Promise<{ hash: string; details: string }> => {
    const { world, node } = machine(async ({ disk, random }) => {
      for (let count = 0; count < 20; count++) {
        await outcome(disk.append("a", bytes(`record ${random.next()}`)));
        if (count % 3 === 0) await outcome(disk.sync("a"));
      }
    }, seed);
    node.disk.impose({ syncErrorRate: 0.5 });
    await world.run(10);
    node.crash("power");
    node.start();
    await world.run(100);
    return { hash: world.trace.hash, details: world.trace.records.map(({ detail }) => detail).join("\n") };
  };
  const first = await trace(1);
  assert.equal((await trace(1)).hash, first.hash);
  assert.notEqual((await trace(2)).hash, first.hash);
  for (const line of [/^sync a$/m, /^EIO: i\/o error, sync 'a'$/m, /^power: of the changes not synced \d+ kept/m]) {
    assert.match(first.details, line);
  }
});
