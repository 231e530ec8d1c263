/**
 * Machines and the processes on them: stopped, slow, dead, started again, with clocks that are off.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import type { CrashKind } from "./kernel.ts";
import type { NodeEnv, NodeOptions, Program, SimNode } from "./node.ts";
import { World } from "./world.ts";

/** A world in which `program` is up as "a", on a machine whose clocks are right. */
function worldOf(program: Program, options: NodeOptions = { clockOffsetMs: 0 }): { world: World; node: SimNode } {
  const world = new World({ seed: "node" });
  const node = world.node("a", program, options);
  node.start();
  return { world, node };
}

/** Runs to `untilMs`; nothing may be found wrong. */
async function runTo(world: World, untilMs: number): Promise<void> {
  await world.run(untilMs);
  assert.deepEqual(world.violations, []);
}

test("a stopped process does nothing; then its overdue timers run first, and what arrived after them, in order", async () => {
  const seen: string[] = [];
  const { world, node } = worldOf((env) => {
    const say = (what: string) => (): void => void seen.push(`${what} at ${env.clock.nowMs()}`);
    for (const atMs of [30, 20, 5, 60, 45]) env.clock.at(atMs, say(`timer ${atMs}`));
  });
  for (const atMs of [15, 25, 40]) {
    world.at(atMs, () => node.run(() => void seen.push(`arrival ${atMs} at ${world.nowMs}`)));
  }
  world.at(10, () => node.pause(40));
  world.at(49, () => assert.deepEqual([node.paused, seen], [true, ["timer 5 at 5"]]));
  await runTo(world, 100);
  assert.deepEqual(seen, [
    "timer 5 at 5",
    ...["timer 20 at 50", "timer 30 at 50", "timer 45 at 50"],
    ...["arrival 15 at 50", "arrival 25 at 50", "arrival 40 at 50"],
    "timer 60 at 60",
  ]);
  assert.equal(node.paused, false);
});

test("what arrives at the very end of a stop comes after the timers that it made late", async () => {
  const seen: string[] = [];
  const { world, node } = worldOf((env) => void env.clock.at(20, () => void seen.push("timer")));
  world.at(50, () => node.run(() => void seen.push("arrival")));
  world.at(10, () => node.pause(40));
  await runTo(world, 100);
  assert.deepEqual(seen, ["timer", "arrival"]);
});

test("a stop can be ended early, overlapping ones last until the later end, and one without an end lasts", async () => {
  type Trouble = readonly [atMs: number, trouble: (node: SimNode) => void];
  const stop = (atMs: number, forMs: number): Trouble => [atMs, (node) => node.pause(forMs)];
  const goOn = (atMs: number): Trouble => [atMs, (node) => node.resume()];
  const cases: [name: string, troubles: Trouble[], expectedMs: number | undefined][] = [
    ["ended early", [stop(10, 500), goOn(30)], 30],
    ["a shorter one within", [stop(10, 60), stop(20, 10)], 70],
    ["a later one", [stop(10, 20), stop(15, 50)], 65],
    ["nothing to end", [goOn(5)], 20],
    ["without an end", [stop(10, Number.POSITIVE_INFINITY)], undefined],
    ["without an end, ended", [stop(10, Number.POSITIVE_INFINITY), goOn(90)], 90],
  ];
  for (const [name, troubles, expectedMs] of cases) {
    const ranAtMs: number[] = [];
    const { world, node } = worldOf((env) => void env.clock.at(20, () => void ranAtMs.push(env.clock.nowMs())));
    for (const [atMs, trouble] of troubles) world.at(atMs, () => trouble(node));
    await runTo(world, 1_000);
    assert.deepEqual(ranAtMs, expectedMs === undefined ? [] : [expectedMs], name);
  }
});

test("a process that is down cannot be stopped: the next one runs", async () => {
  const { world, node } = worldOf((env) => void env.clock.at(env.clock.nowMs() + 10, () => env.note("alive")));
  node.crash();
  node.pause(1_000);
  assert.equal(node.paused, false);
  node.start();
  await runTo(world, 50);
  assert.equal(world.trace.records.at(-1)?.kind, "alive");
});

test("each event of a slow process takes its time, and the others wait for it", async () => {
  const seen: string[] = [];
  const { world, node } = worldOf((env) => {
    for (const atMs of [100, 101]) env.clock.at(atMs, () => void seen.push(`timer ${atMs} at ${env.clock.nowMs()}`));
  });
  node.slow(10);
  assert.equal(node.costMs, 10);
  for (const name of ["one", "two"]) {
    world.at(100, () => node.run(() => void seen.push(`${name} at ${world.nowMs}`)));
  }
  world.at(135, () => node.slow(0));
  for (const name of ["three", "four"]) {
    world.at(150, () => node.run(() => void seen.push(`${name} at ${world.nowMs}`)));
  }
  await runTo(world, 1_000);
  assert.deepEqual(seen, [
    "timer 100 at 100",
    "timer 101 at 110",
    "one at 120",
    "two at 130",
    "three at 150",
    "four at 150",
  ]);
});

test("in a process that cannot keep up with its timers, what arrives is still looked at, and the other way round", async () => {
  let beats = 0;
  let arrivals = 0;
  const { world, node } = worldOf((env) => {
    const beat = (): void => {
      beats++;
      for (let again = 0; again < 2; again++)
        env.clock.at(env.clock.nowMs() + 1, again === 0 ? beat : () => void beats++);
    };
    beat();
  });
  node.slow(5);
  for (let atMs = 0; atMs < 2_000; atMs += 8) world.at(atMs, () => node.run(() => void arrivals++));
  await runTo(world, 2_000);
  assert.ok(beats > 100, `${beats} of its timers`);
  assert.ok(arrivals > 50, `${arrivals} of 250 arrivals`);
});

test("what is before a process has a bound", async () => {
  const { world, node } = worldOf(() => undefined);
  node.pause(Number.POSITIVE_INFINITY);
  const event = (): void => undefined;
  world.at(1, () => {
    for (let count = 0; count <= 1_000_000; count++) node.run(event);
  });
  await world.run(10);
  assert.deepEqual(
    world.violations.map(({ invariant, detail, atMs }) => [invariant, detail, atMs]),
    [["bounded-backlog", "a has 1000000 events before it", 1]],
  );
});

test("a long backlog is worked off without copying it for each event", async () => {
  const world = new World({ seed: 1, maxStepsPerInstant: 1_000_000 });
  const node = world.node("a", () => undefined);
  node.start();
  let worked = 0;
  node.pause(10);
  for (let count = 0; count < 300_000; count++) node.run(() => void worked++);
  await runTo(world, 20);
  assert.equal(worked, 300_000);
});

for (const kind of ["kill", "power"] as const) {
  test(`a crash (${kind}) ends a process: no timer, no message, no promise of it ever goes on`, async () => {
    const seen: string[] = [];
    const world = new World({ seed: 1 });
    const crashed = world.node("a", async (env) => {
      if (env.incarnation > 1) return;
      env.clock.at(env.clock.nowMs() + 100, () => void seen.push("timer"));
      env.network.onDatagram(7, () => void seen.push("message"));
      const asleep = env.clock.sleepUntil(env.clock.nowMs() + 100);
      const onDisk = env.disk.write("file", new Uint8Array(1)).then(() => env.disk.sync("file"));
      asleep.finally(() => void seen.push("asleep"));
      onDisk.finally(() => void seen.push("on disk"));
      env.network.connect({ node: "b", port: 1 }).finally(() => void seen.push("connecting"));
    });
    const sender = world.node("b", (env) => env.network.send({ node: "a", port: 7 }, "too late"));
    crashed.start();
    world.at(0.001, () => {
      sender.start();
      crashed.run(() => void seen.push("before"));
      crashed.pause(10);
      crashed.run(() => void seen.push("waiting"));
      crashed.crash(kind);
      crashed.run(() => void seen.push("after"));
      assert.deepEqual([crashed.up, crashed.paused, crashed.incarnation], [false, false, 1]);
    });
    world.at(50, () => crashed.start());
    await runTo(world, 300_000);
    assert.deepEqual([seen, crashed.up, crashed.incarnation], [["before"], true, 2]);
  });
}

test("whoever still holds what a dead process was given does nothing with it", async () => {
  const held: NodeEnv[] = [];
  const world = new World({ seed: 1 });
  const dead = world.node("a", (env) => void held.push(env));
  const heard: unknown[] = [];
  world.node("b", (env) => void env.network.onDatagram(7, (payload) => void heard.push(payload))).start();
  for (const again of ["never", "again"]) {
    dead.start();
    dead.crash();
    if (again === "again") dead.start();
    const records = world.trace.records.length;
    const happened: string[] = [];
    const env = held[0] as NodeEnv;
    env.clock.at(env.clock.nowMs() + 1, () => happened.push("timer"))[Symbol.dispose]();
    env.clock.at(env.clock.nowMs() + 1, () => happened.push("timer"));
    for (const promise of [env.clock.sleepUntil(0), env.disk.write("file", new Uint8Array(1)), env.disk.list()]) {
      promise.finally(() => happened.push("settled"));
    }
    env.network.send({ node: "b", port: 7 }, "from beyond");
    env.network.onDatagram(9, () => happened.push("datagram"))[Symbol.dispose]();
    env.network.listen(9, () => happened.push("connection"));
    env.network.connect({ node: "b", port: 9 }).finally(() => happened.push("connected"));
    env.note("a word");
    assert.equal(world.trace.records.length, records);
    await runTo(world, world.nowMs + 200_000);
    assert.deepEqual([happened, heard, dead.disk.contents("file")], [[], [], undefined]);
  }
});

test("a start is a new incarnation: other chance, nothing kept but the disk; a second one does nothing", async () => {
  const found: [number, number, string[]][] = [];
  const world = new World({ seed: 1 });
  const node = world.node("a", async (env) => {
    found.push([env.incarnation, env.random.next(), await env.disk.list()]);
    await env.disk.write(`of ${env.incarnation}`, new Uint8Array(1));
    await env.disk.sync(`of ${env.incarnation}`);
  });
  assert.deepEqual([node.up, node.incarnation, node.powered], [false, 0, false]);
  for (const atMs of [0, 100, 200]) {
    world.at(atMs, () => {
      node.crash("power");
      assert.equal(node.powered, false);
      node.start();
      node.start();
      assert.deepEqual([node.up, node.powered], [true, true]);
    });
  }
  await runTo(world, 300);
  assert.deepEqual(
    found.map(([incarnation, , files]) => [incarnation, files]),
    [
      [1, []],
      [2, ["of 1"]],
      [3, ["of 1", "of 2"]],
    ],
  );
  assert.equal(new Set(found.map(([, drawn]) => drawn)).size, 3, "a stream of its own for each");
});

test("crashes of what is not there: none without a process, but a machine can lose its power once more", async () => {
  const crashes = (world: World) =>
    world.trace.records.filter(({ kind }) => kind === "crash").map(({ detail }) => detail);
  const world = new World({ seed: 1 });
  const node = world.node("a", () => undefined);
  const after = (kind: CrashKind): [boolean, string[]] => {
    node.crash(kind);
    return [node.powered, crashes(world)];
  };
  assert.deepEqual(after("power"), [false, []], "never started");
  node.start();
  assert.deepEqual(after("kill"), [true, ["kill"]]);
  assert.deepEqual(after("kill"), [true, ["kill"]], "dead already");
  assert.deepEqual(after("power"), [false, ["kill", "power"]]);
  assert.deepEqual(after("power"), [false, ["kill", "power"]], "without power already");
  assert.deepEqual(after("kill"), [false, ["kill", "power"]]);
});

test("a power loss takes from disk and network what the machine of a dead process held", async () => {
  let kept = 0;
  for (let seed = 0; seed < 20; seed++) {
    const world = new World({ seed });
    const writer = world.node("a", (env) => env.disk.append("log", new Uint8Array(10)));
    const told: string[] = [];
    world
      .node("b", (env) => {
        env.clock.at(env.clock.nowMs() + 100, () => {
          env.network.connect({ node: "a", port: 1 }).catch((error) => void told.push(error.code));
        });
      })
      .start();
    writer.start();
    world.at(50, () => writer.crash("kill"));
    world.at(60, () => seed % 2 === 0 && writer.crash("power"));
    await runTo(world, 200_000);
    assert.deepEqual(told, [seed % 2 === 0 ? "ETIMEDOUT" : "ECONNREFUSED"], "who has power answers");
    if (writer.disk.contents("log")?.length === 10) kept++;
    else assert.equal(seed % 2, 0, "a killed process's writes are kept");
  }
  assert.ok(kept < 20, "kept in all of twenty seeds");
});

test("a process may end itself, and be started again in the same event", async () => {
  const seen: string[] = [];
  const { world, node } = worldOf((env) => {
    if (env.incarnation > 1) return void env.clock.at(env.clock.nowMs() + 1, () => void seen.push("second"));
    env.clock.at(10, () => {
      node.crash();
      env.clock.at(11, () => void seen.push("first"));
      node.start();
    });
    env.clock.at(10, () => void seen.push("first"));
  });
  await runTo(world, 100);
  assert.deepEqual(seen, ["second"]);
});

test("clocks: where they stand and how they run can be chosen; otherwise machines booted at different times", async () => {
  const { world, node } = worldOf(() => undefined, { clockOffsetMs: 5_000, clockRate: 2 });
  const readings: number[] = [];
  for (const atMs of [0, 100]) world.at(atMs, () => node.run(() => void readings.push(node.clock.nowMs())));
  await runTo(world, 200);
  assert.deepEqual(readings, [5_000, 5_200]);
  const offsets = ["b", "c"].map((name) => world.node(name, () => undefined).clock.nowMs() - world.nowMs);
  assert.ok(offsets.every((offsetMs) => offsetMs >= 0 && offsetMs < 1e6));
  assert.notEqual(offsets[0], offsets[1]);
  assert.equal(new World({ seed: "node" }).node("b", () => undefined).clock.nowMs(), offsets[0], "as the seed has it");
});

test("when a clock's rate changes in the middle of a wait, the timer still goes by that clock", async () => {
  const { world, node } = worldOf((env) => {
    for (const atMs of [1_000, 2_000]) {
      env.clock.at(atMs, () => env.note("timer", `${atMs}: true ${world.nowMs}, own ${env.clock.nowMs()}`));
    }
  });
  world.at(500, () => node.drift(2));
  world.at(1_000, () => node.drift(0.5));
  await runTo(world, 5_000);
  const seen = world.trace.records.filter(({ kind }) => kind === "timer").map(({ detail }) => detail);
  assert.deepEqual(seen, ["1000: true 750, own 1000", "2000: true 2000, own 2000"]);
});

test("whatever its clocks and its troubles are, no timer is early and no clock goes back", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const again = `seed ${seed} of node.test.ts`;
    const random = seededRandom(`drift/${seed}`);
    const world = new World({ seed });
    let fired = 0;
    // Rounding matters most where the clock stands near 0.
    const options = seed % 2 === 0 ? {} : { clockOffsetMs: -1_000 * random.next() };
    const node = world.node(
      "a",
      (env) => {
        let lastMs = env.clock.nowMs();
        const look = (askedMs: number): void => {
          const nowMs = env.clock.nowMs();
          assert.ok(nowMs >= askedMs, `${again}: ${nowMs} is before ${askedMs}`);
          assert.ok(nowMs >= lastMs, `${again}: ${nowMs} is before ${lastMs}`);
          lastMs = nowMs;
          fired++;
          const nextMs = nowMs + random.next() * 10 ** Math.floor(random.next() * 5 - 2);
          env.clock.at(nextMs, look, nextMs);
        };
        for (let timers = 0; timers < 3; timers++) env.clock.at(lastMs, look, lastMs);
      },
      options,
    );
    node.start();
    for (let trouble = 0; trouble < 30; trouble++) {
      world.at(random.next() * 1_000, () => {
        const draw = random.next();
        if (draw < 0.6) node.drift(0.5 + random.next());
        else if (draw < 0.8) node.pause(random.next() * 50);
        else node.slow(random.next());
      });
    }
    await runTo(world, 1_000);
    assert.ok(fired > 30, `${again}: ${fired} timers`);
  }
});

test("[B7] the calendar can be set; neither the monotonic clock nor a timer notices", async () => {
  const { world, node } = worldOf((env) => {
    const wallMs = env.wallMs();
    assert.ok(wallMs > 1.7e12);
    for (const atMs of [10, 30]) {
      env.clock.at(atMs, () => env.note("calendar", `${env.wallMs() - wallMs} at ${env.clock.nowMs()}`));
    }
  });
  world.at(20, () => node.stepWall(-60_000));
  await runTo(world, 100);
  const seen = world.trace.records.filter(({ kind }) => kind === "calendar").map(({ detail }) => detail);
  assert.deepEqual(seen, ["10 at 10", "-59970 at 30"]);
});

test("an operator's event runs in the process: at once, in its turn, or never", async () => {
  const seen: string[] = [];
  const { world, node } = worldOf(
    (env) => void env.network.onDatagram(7, (payload) => void seen.push(String(payload))),
  );
  const env = new Promise<NodeEnv>((resolve) => world.node("b", resolve, { clockOffsetMs: 0 }).start());
  node.run(() => void seen.push("at once"));
  assert.deepEqual(seen, ["at once"]);
  node.run(() => {
    throw new Error("pressed the wrong button");
  });
  await world.run(10);
  assert.match(world.violations[0]?.detail ?? "", /^a: Error: pressed the wrong button/);
  assert.equal((await env).name, "b");
});

test("settings that are none are refused with the value, and nothing changes", () => {
  const { world, node } = worldOf(() => undefined);
  const refused = (run: () => void, value: string) => assert.throws(run, (error) => String(error).includes(value));
  for (const value of [Number.NaN, -1]) refused(() => node.pause(value), `pause is ${value}`);
  for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY]) refused(() => node.slow(value), `slow is ${value}`);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    refused(() => node.stepWall(value), `stepWall is ${value}`);
    refused(
      () => world.node(`offset ${value}`, () => undefined, { clockOffsetMs: value }),
      `clockOffsetMs is ${value}`,
    );
  }
  for (const value of [0, Number.NaN]) {
    refused(() => node.drift(value), `not ${value}`);
    refused(() => world.node(`rate ${value}`, () => undefined, { clockRate: value }), `not ${value}`);
  }
  assert.deepEqual([node.paused, node.costMs, node.clock.rate], [false, 0, 1]);
  assert.deepEqual([...world.nodes.keys()], ["a"]);
});

test("a power loss, and its clock begins at boot → 0 again, with the calendar where it was; a killed process finds it as it was", async () => {
  const seen: [incarnation: number, nowMs: number, wallMs: number][] = [];
  const { world, node } = worldOf(
    (env) => {
      seen.push([env.incarnation, env.clock.nowMs(), env.wallMs()]);
      env.clock.at(env.clock.nowMs() + 10, () => seen.push([env.incarnation, env.clock.nowMs(), env.wallMs()]));
    },
    { clockOffsetMs: 5_000, clockBeginsAtBoot: true },
  );
  const wallMs = node.clock.wallMs();
  world.at(100, () => node.crash("kill"));
  world.at(200, () => node.start());
  world.at(300, () => node.crash("power"));
  world.at(400, () => node.start());
  await runTo(world, 500);
  assert.deepEqual(seen, [
    [1, 5_000, wallMs],
    [1, 5_010, wallMs + 10],
    [2, 5_200, wallMs + 200],
    [2, 5_210, wallMs + 210],
    [3, 0, wallMs + 400],
    [3, 10, wallMs + 410],
  ]);
});

test("a power loss, and nothing is said of its clock → it goes on", async () => {
  const bootedAtMs: number[] = [];
  const { world, node } = worldOf((env) => void bootedAtMs.push(env.clock.nowMs()));
  world.at(300, () => node.crash("power"));
  world.at(400, () => node.start());
  await runTo(world, 500);
  assert.deepEqual(bootedAtMs, [0, 400]);
});
