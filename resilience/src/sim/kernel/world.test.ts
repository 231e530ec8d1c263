/**
 * Time that moves from event to event, in an order that the seed decides, and checks that no code
 * can swallow.
 */
import assert from "node:assert/strict";
import { executionAsyncId } from "node:async_hooks";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { NodeEnv } from "./node.ts";
import type { WorldOptions } from "./world.ts";
import { World } from "./world.ts";

test("events run at their instants, those of one instant in the order of asking, and withdrawn ones not", async () => {
  const world = new World({ seed: 1 });
  const seen: string[] = [];
  const say = (what: string): void => void seen.push(`${what} at ${world.nowMs}`);
  world.at(20, () => world.at(5, say, "of the past"));
  world.at(20, say, "third");
  world.at(10, say, "first");
  world.at(20, say, "fourth");
  world.at(10, say, "second");
  world.at(15, say, "withdrawn")[Symbol.dispose]();
  world.at(100.5, say, "too late");
  await world.run(100);
  assert.deepEqual(seen, ["first at 10", "second at 10", "third at 20", "fourth at 20", "of the past at 20"]);
  assert.deepEqual([world.nowMs, world.steps, world.violations], [100, 6, []]);
});

/**
 * Three nodes that do everything at whole milliseconds, so that there are ties; what each saw, and
 * the hash.
 */
async function tiesOf(
  options: WorldOptions,
): Promise<{ readonly seen: Record<string, string[]>; readonly order: string; readonly hash: string }> {
  const world = new World(options);
  world.network.setDefaults({ delay: { kind: "fixed", ms: 3 } });
  const seen: Record<string, string[]> = { a: [], b: [], c: [] };
  const order: string[] = [];
  const program = (env: NodeEnv): void => {
    const say = (what: string): void => {
      seen[env.name]?.push(what);
      order.push(env.name);
    };
    for (let timer = 0; timer < 5; timer++) env.clock.at(50, () => say(`timer ${timer}`));
    env.network.listen(80, (connection) => connection.onMessage((payload) => say(String(payload))));
    env.clock.at(10, async () => {
      if (env.name === "c") return;
      const connection = await env.network.connect({ node: "c", port: 80 });
      for (let count = 0; count < 10; count++) connection.send(`${env.name}${count}`);
    });
  };
  for (const name of ["a", "b", "c"]) world.node(name, program, { clockOffsetMs: 0 }).start();
  await world.run(1_000);
  assert.deepEqual(world.violations, []);
  return { seen, order: order.join(""), hash: world.trace.hash };
}

test("[S1] drawn ties differ from seed to seed, not from run to run; a process and a stream keep their order", async () => {
  const asked = await tiesOf({ seed: 1 });
  const orders = new Set<string>();
  for (let seed = 0; seed < 10; seed++) {
    const drawn = await tiesOf({ seed, tieBreak: "drawn" });
    assert.deepEqual(await tiesOf({ seed, tieBreak: "drawn" }), drawn, `seed ${seed}`);
    orders.add(drawn.order);
    for (const name of ["a", "b", "c"]) {
      const timers = drawn.seen[name]?.filter((what) => what.startsWith("timer"));
      assert.deepEqual(
        timers,
        asked.seen[name]?.filter((what) => what.startsWith("timer")),
        `seed ${seed}`,
      );
      const stream = drawn.seen["c"]?.filter((what) => what.startsWith(name));
      assert.deepEqual(
        stream,
        asked.seen["c"]?.filter((what) => what.startsWith(name)),
        `seed ${seed}`,
      );
    }
  }
  assert.equal(asked.seen["c"]?.length, 25);
  assert.ok(orders.size > 5, `${orders.size} orders in ten seeds`);
});

test("[S1] whatever an event causes in promises and next ticks is done before the next event of the same instant", async () => {
  const world = new World({ seed: 1 });
  const seen: string[] = [];
  world.node("a", async (env) => {
    for (let link = 0; link < 1_000; link++) await undefined;
    await new Promise<void>((resolve) => process.nextTick(resolve));
    for (let link = 0; link < 1_000; link++) await undefined;
    seen.push(`program at ${world.nowMs}, step ${world.steps}`);
    env.clock.at(env.clock.nowMs(), () => void seen.push(`timer, step ${world.steps}`));
  });
  world.at(5, () => world.nodeOf("a").start());
  world.at(5, () => void seen.push(`next, step ${world.steps}`));
  await world.run(10);
  assert.deepEqual(seen, ["program at 5, step 1", "next, step 2", "timer, step 3"]);
});

test("[S1] what does not hold is written down whoever swallows it, and the run stops at that step, for good", async () => {
  const world = new World({ seed: 1 });
  const deaf = async (run: () => void): Promise<void> => {
    try {
      run();
      await undefined;
      run();
    } catch {}
  };
  let balance = 2;
  world.always("solvent", () => (balance < 0 ? `the balance is ${balance}` : undefined));
  world
    .node("a", (env) => {
      const spend = (): void => {
        env.clock.at(env.clock.nowMs() + 10, spend);
        void deaf(() => balance--).catch(() => undefined);
      };
      env.clock.at(env.clock.nowMs() + 10, spend);
    })
    .start();
  world.atEnd("never asked", () => "although something was wrong already");
  await world.run(1_000);
  world.verify();
  const { nowMs, steps } = world;
  assert.deepEqual(world.violations, [{ invariant: "solvent", detail: "the balance is -2", atMs: 20, step: 2 }]);
  assert.deepEqual([nowMs, steps, world.trace.records.at(-1)?.kind], [20, 2, "violation"]);
  await world.run(2_000);
  assert.deepEqual([world.nowMs, world.steps, balance], [nowMs, steps, -2]);
});

test("[S1] violations have a bound, and the trace has only the first line of each", async () => {
  const world = new World({ seed: 1 });
  world.at(1, () => {
    for (let count = 0; count < 5_000; count++) world.violate("tidy", `number ${count}\nand a stack`);
  });
  await world.run(10);
  assert.equal(world.violations.length, 1_000);
  assert.equal(world.violations[7]?.detail, "number 7\nand a stack");
  assert.equal(world.trace.records.at(-1)?.detail, "tidy: number 999");
});

test("checks at the end are made by verify, once each", async () => {
  const world = new World({ seed: 1 });
  const asked: string[] = [];
  const check = (invariant: string, detail: string | undefined): void =>
    world.atEnd(invariant, () => {
      asked.push(invariant);
      return detail;
    });
  check("holds", undefined);
  check("does not", "because of this");
  await world.run(10);
  assert.deepEqual(asked, []);
  world.verify();
  assert.deepEqual(asked, ["holds", "does not"]);
  assert.deepEqual(world.violations, [{ invariant: "does not", detail: "because of this", atMs: 10, step: 0 }]);
  world.verify();
  assert.equal(asked.length, 2);
});

test("rare situations are counted", async () => {
  const world = new World({ seed: 1 });
  for (const atMs of [1, 2, 3]) world.at(atMs, () => world.sometimes(atMs === 2 ? "even" : "odd"));
  await world.run(10);
  assert.deepEqual(
    [...world.met],
    [
      ["odd", 2],
      ["even", 1],
    ],
  );
});

test("a check that throws is the simulation's own error: the run rejects", async () => {
  for (const taskPerStep of [false, true]) {
    const world = new World({ seed: 1, taskPerStep });
    world.at(1, () => undefined);
    world.always("broken", () => {
      throw new Error("a typing mistake");
    });
    await assert.rejects(world.run(10), /a typing mistake/);
    assert.ok(Date["now"]() > 0, "no traps are left behind");
  }
});

test("a run can be gone on with, is the same in pieces, and can be stopped", async () => {
  const hashOf = async (run: (world: World) => Promise<void>): Promise<[string, number]> => {
    const world = new World({ seed: 5 });
    world
      .node("a", (env) => {
        const beat = (): void => {
          env.note("beat", String(env.random.next()));
          env.clock.at(env.clock.nowMs() + 7, beat);
        };
        beat();
      })
      .start();
    await run(world);
    assert.deepEqual(world.violations, []);
    return [world.trace.hash, world.nowMs];
  };
  const whole = await hashOf((world) => world.run(1_000));
  assert.equal(whole[1], 1_000);
  const inPieces = await hashOf(async (world) => {
    for (const untilMs of [0, 333, 333, 20, 1_000]) await world.run(untilMs);
  });
  assert.deepEqual(inPieces, whole);
  const stopped = await hashOf(async (world) => {
    world.clock.at(500, () => undefined);
    const stop = world.at(499, () => world.stop());
    await world.run(1_000);
    assert.equal(world.nowMs, 499);
    stop[Symbol.dispose]();
    await world.run(1_000);
  });
  assert.equal(stopped[1], 1_000);
});

test("where nothing is left to happen a run ends, also one without an end", async () => {
  const world = new World({ seed: 1 });
  world.at(70, () => undefined);
  await world.run(Number.POSITIVE_INFINITY);
  assert.deepEqual([world.nowMs, world.steps], [70, 1]);
});

test("one run at a time: a second one of the same world is refused, also from within", async () => {
  const world = new World({ seed: 1 });
  let within: Promise<void> | undefined;
  world.at(1, () => {
    within = world.run(5);
    within.catch(() => undefined);
  });
  const first = world.run(10);
  await assert.rejects(world.run(10), /running already/);
  await first;
  await assert.rejects(within as Promise<void>, /running already/);
  assert.deepEqual([world.nowMs, world.violations], [10, []]);
});

test("settings that are none are refused", async () => {
  for (const maxStepsPerInstant of [0, Number.NaN]) {
    assert.throws(
      () => new World({ seed: 1, maxStepsPerInstant }),
      new RegExp(`maxStepsPerInstant is ${maxStepsPerInstant}`),
    );
  }
  const world = new World({ seed: 1 });
  for (const untilMs of [Number.NaN, -1]) await assert.rejects(world.run(untilMs), new RegExp(`untilMs is ${untilMs}`));
  assert.throws(() => world.at(Number.NaN, () => undefined));
  world.node("a", () => undefined);
  assert.throws(() => world.node("a", () => undefined), /there is a node "a" already/);
  assert.throws(() => world.nodeOf("b"), /no node "b" in this world; there are a/);
});

/**
 * A small cluster with chance, disks, connections and troubles in it; the digest of all that
 * happens.
 */
async function clusterHash(options: WorldOptions): Promise<string> {
  const world = new World(options);
  world.network.setDefaults({ delay: { kind: "exponential", minMs: 1, meanMs: 5 }, lossRate: 0.1, duplicateRate: 0.1 });
  const names = ["a", "b", "c"];
  for (const name of names) {
    const program = async (env: NodeEnv): Promise<void> => {
      env.network.onDatagram(7, async (payload, from) => {
        await env.disk.append("log", new TextEncoder().encode(String(payload)));
        await env.disk.sync("log");
        env.network.send(from, `${payload}!`, 7);
      });
      for (let round = 0; ; round++) {
        await env.clock.sleepUntil(env.clock.nowMs() + env.random.next() * 20);
        const to = names[Math.floor(env.random.next() * 3)] as string;
        if (round % 3 === 0) env.network.send({ node: to, port: 7 }, "hello", 7);
      }
    };
    const node = world.node(name, program);
    node.start();
    world.at(world.random.fork(name).next() * 300, () => node.crash("power"));
    world.at(350, () => node.start());
    world.at(100, () => node.pause(50));
    world.at(200, () => node.slow(0.5));
  }
  await world.run(600);
  assert.deepEqual(world.violations, []);
  assert.ok(world.steps > 200, `${world.steps} steps`);
  return world.trace.hash;
}

test("[S1] two worlds side by side do not touch each other, whichever way they are driven", async () => {
  const alone = [await clusterHash({ seed: 1 }), await clusterHash({ seed: 2, tieBreak: "drawn" })];
  assert.notEqual(alone[0], alone[1]);
  for (const ways of [
    [false, false],
    [true, true],
    [true, false],
  ] as const) {
    const together = await Promise.all([
      clusterHash({ seed: 1, taskPerStep: ways[0] }),
      clusterHash({ seed: 2, tieBreak: "drawn", taskPerStep: ways[1] }),
    ]);
    assert.deepEqual(together, alone, `a task for each step: ${ways.join(", ")}`);
  }
});

test("steps share a task of the event loop, unless each is to have its own", async () => {
  for (const taskPerStep of [false, true]) {
    const world = new World({ seed: 1, taskPerStep });
    const tasks = new Set<number>();
    for (const atMs of [1, 2, 3]) world.at(atMs, () => void tasks.add(executionAsyncId()));
    await world.run(10);
    assert.equal(tasks.size, taskPerStep ? 3 : 1);
  }
});

test("[S1] the host goes about its business while a world runs, and is not mistaken for it", async () => {
  for (const taskPerStep of [false, true]) {
    let turns = 0;
    const timer = setInterval(() => {
      turns += Date["now"]() > 0 && Math["random"]() >= 0 ? 1 : 0;
    }, 1);
    const world = new World({ seed: 1, taskPerStep });
    const reached = (): boolean => turns >= 3;
    const beat = (): void => void (reached() || world.at(world.nowMs + 1, beat));
    world.at(0, beat);
    await world.run(Number.POSITIVE_INFINITY);
    clearInterval(timer);
    assert.deepEqual([world.violations, reached()], [[], true]);
  }
});

test("[S1] a world in a worker thread is the same world", async () => {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData).then(async ({ World }) => {
      const world = new World({ seed: "thread" });
      world.node("a", async (env) => {
        for (let round = 0; round < 20; round++) {
          await env.clock.sleepUntil(env.clock.nowMs() + env.random.next());
          env.note("round", String(round));
        }
        Date.now();
      }).start();
      await world.run(1000);
      parentPort.postMessage({ hash: world.trace.hash, violations: world.violations.map(({ invariant }) => invariant) });
    });`;
  const worker = new Worker(source, { eval: true, workerData: new URL("./world.ts", import.meta.url).href });
  const there = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await worker.terminate();
  const world = new World({ seed: "thread" });
  const program = async (env: NodeEnv): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      await env.clock.sleepUntil(env.clock.nowMs() + env.random.next());
      env.note("round", String(round));
    }
    Date["now"]();
  };
  world.node("a", program).start();
  await world.run(1_000);
  assert.deepEqual(there, { hash: world.trace.hash, violations: ["no-real-world", "uncaught-error"] });
});

test("`within`: it holds in time, if only for one event → fine; never, or too late → violated when the time is over", async () => {
  for (const [holdsFromMs, holdsUntilMs, found] of [
    [0, 1_000, undefined],
    [300, 301, undefined],
    [500, 1_000, undefined],
    [501, 1_000, "it is off, 400 ms after 100 ms"],
    [0, 50, "it is off, 400 ms after 100 ms"],
  ] as const) {
    const world = new World({ seed: 1 });
    let isOn = false;
    let looks = 0;
    for (let atMs = 0; atMs < 1_000; atMs++) {
      world.at(atMs, () => {
        isOn = atMs >= holdsFromMs && atMs < holdsUntilMs;
      });
    }
    world.at(100, () =>
      world.within("is-on", 400, () => {
        looks++;
        return isOn ? undefined : "it is off";
      }),
    );
    await world.run(900);
    const [violation] = world.violations;
    assert.equal(violation?.detail, found);
    if (violation !== undefined) assert.equal(violation.atMs, 500);
    assert.ok(looks <= 402, `${looks} looks: it is not asked once it has held`);
  }
});

test("`within`: the run ends before its time is over → nothing is said; a check that is none → refused", async () => {
  const world = new World({ seed: 1 });
  world.at(0, () => world.within("is-on", 400, () => "it is off"));
  await world.run(399);
  assert.deepEqual(world.violations, []);
  const broken = new World({ seed: 1 });
  broken.at(0, () => broken.within("is-on", 400, (() => false) as never));
  await assert.rejects(broken.run(10), /the check "is-on" gave false: it gives a sentence, or undefined/);
  assert.throws(() => broken.within("is-on", -1, () => undefined), /forMs is -1/);
});
