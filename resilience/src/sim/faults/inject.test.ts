import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeEnv, Program } from "../kernel/node.ts";
import { World } from "../kernel/world.ts";
import type { Fault } from "./fault.ts";
import { healAll, inject } from "./inject.ts";

/** A world of idle nodes a, b and c. */
function worldOf(program: Program = () => undefined): World {
  const world = new World({ seed: "faults", traceRecords: Number.POSITIVE_INFINITY });
  for (const name of ["a", "b", "c"]) world.node(name, program, { clockOffsetMs: 0 });
  for (const node of world.nodes.values()) node.start();
  return world;
}

/** What `look` sees at each of these instants. */
async function seenAt<T>(world: World, instants: readonly number[], look: () => T): Promise<T[]> {
  const seen: T[] = [];
  for (const atMs of instants) world.at(atMs, () => void seen.push(look()));
  await world.run(Math.max(...instants) + 1);
  assert.deepEqual(world.violations, []);
  return seen;
}

test("a crash ends when it is over, and lasts for ever where it has no end", async () => {
  const world = worldOf();
  inject(world, [
    { kind: "crash", node: "a", how: "kill", atMs: 10, forMs: 20 },
    { kind: "crash", node: "b", how: "power", atMs: 10, forMs: null },
    { kind: "crash", node: "c", how: "power", atMs: 10 },
  ]);
  const up = await seenAt(world, [5, 15, 35, 9_999], () => [...world.nodes.values()].map((node) => node.up));
  assert.deepEqual(up, [
    [true, true, true],
    [false, false, false],
    [true, false, false],
    [true, false, false],
  ]);
  assert.equal(world.nodeOf("a").incarnation, 2);
});

test("a node with two crashes is up again when both are over, whichever came first", async () => {
  const world = worldOf();
  inject(world, [
    { kind: "crash", node: "a", how: "kill", atMs: 10, forMs: 20 },
    { kind: "crash", node: "a", how: "kill", atMs: 20, forMs: 30 },
    { kind: "crash", node: "b", how: "kill", atMs: 10, forMs: 50 },
    { kind: "crash", node: "b", how: "kill", atMs: 20, forMs: 10 },
  ]);
  const up = await seenAt(world, [15, 35, 55, 65], () => [world.nodeOf("a").up, world.nodeOf("b").up]);
  assert.deepEqual(up, [
    [false, false],
    [false, false],
    [true, false],
    [true, true],
  ]);
  assert.deepEqual([world.nodeOf("a").incarnation, world.nodeOf("b").incarnation], [2, 2]);
});

test("a power loss takes what was not synced, also where the process was dead already", async () => {
  let kept = 0;
  for (let seed = 0; seed < 20; seed++) {
    const world = new World({ seed });
    const program = async (env: NodeEnv): Promise<void> => {
      if (env.incarnation === 1) await env.disk.append("log", new Uint8Array(10));
    };
    world.node("a", program).start();
    inject(world, [
      { kind: "crash", node: "a", how: "kill", atMs: 100, forMs: 200 },
      { kind: "crash", node: "a", how: "power", atMs: 150, forMs: 10 },
    ]);
    await world.run(1_000);
    if (world.nodeOf("a").disk.contents("log")?.length === 10) kept++;
  }
  assert.ok(kept < 20, "kept in all of twenty seeds");
});

test("costs of overlapping loads add up, clock rates multiply, and each end leaves the other", async () => {
  const world = new World({ seed: 1 });
  const node = world.node("a", () => undefined, { clockOffsetMs: 0, clockRate: 1.0002 });
  node.start();
  inject(world, [
    { kind: "drift", node: "a", rate: 2, atMs: 1_000, forMs: 2_000 },
    { kind: "drift", node: "a", rate: 0.5, atMs: 2_000, forMs: 2_000 },
  ]);
  const readings = await seenAt(world, [0, 1_000, 2_000, 3_000, 4_000, 5_000], () => node.clock.nowMs());
  const passed = readings
    .slice(1)
    .map((reading, index) => Math.round((reading - (readings[index] as number)) * 1e6) / 1e6);
  assert.deepEqual(passed, [1_000.2, 2_000.4, 1_000.2, 500.1, 1_000.2]);

  const busy = worldOf();
  inject(busy, [
    { kind: "slow", node: "a", costMs: 5, atMs: 10, forMs: 990 },
    { kind: "slow", node: "a", costMs: 2, atMs: 10, forMs: 490 },
  ]);
  const finished: number[] = [];
  for (const atMs of [100, 600, 1_100]) {
    const work = (): void => busy.nodeOf("a").run(() => void finished.push(busy.nowMs - atMs));
    busy.at(atMs, work);
    busy.at(atMs, work);
  }
  await busy.run(2_000);
  assert.deepEqual(finished, [0, 7, 0, 5, 0, 0], "the second waits for the first");
});

test("a pause holds events back; overlapping ones last until the later end; a crash in it ends it", async () => {
  const world = worldOf();
  inject(world, [
    { kind: "pause", node: "a", atMs: 10, forMs: 20 },
    { kind: "pause", node: "a", atMs: 15, forMs: 25 },
    { kind: "pause", node: "b", atMs: 10, forMs: null },
    { kind: "crash", node: "b", how: "kill", atMs: 50, forMs: 10 },
    { kind: "crash", node: "c", how: "kill", atMs: 5, forMs: 10 },
    { kind: "pause", node: "c", atMs: 10, forMs: 1_000 },
  ]);
  const ranAt: [string, number, number][] = [];
  for (const name of ["a", "b", "c"]) {
    for (const askedMs of [20, 70]) {
      world.at(askedMs, () => world.nodeOf(name).run(() => void ranAt.push([name, askedMs, world.nowMs])));
    }
  }
  await world.run(2_000);
  assert.deepEqual(ranAt.sort(), [
    ["a", 20, 40],
    ["a", 70, 70],
    ["b", 70, 70],
    ["c", 20, 20],
    ["c", 70, 70],
  ]);
});

test("a calendar is set and stays set; the monotonic clock does not notice", async () => {
  const envs: NodeEnv[] = [];
  const world = worldOf((env) => void envs.push(env));
  inject(world, [{ kind: "wall-step", node: "c", byMs: -3_600_000, atMs: 10 }]);
  const seen = await seenAt(world, [0, 20], () => [envs[2]?.wallMs() ?? 0, envs[2]?.clock.nowMs() ?? 0]);
  const [before, after] = seen as [number[], number[]];
  assert.equal((after[0] as number) - (before[0] as number), 20 - 3_600_000);
  assert.equal((after[1] as number) - (before[1] as number), 20);
});

/**
 * Each node sends its name to the next one every 10 ms; the answer is who was heard in the last 30
 * ms.
 */
function ring(): { world: World; heard: () => string[] } {
  const lastHeardMs = new Map<string, number>();
  const next: Readonly<Record<string, string>> = { a: "b", b: "c", c: "a" };
  const world = worldOf((env) => {
    env.network.onDatagram(1, (from) => void lastHeardMs.set(`${from} by ${env.name}`, world.nowMs));
    const beat = (): void => {
      env.network.send({ node: next[env.name] as string, port: 1 }, env.name);
      env.clock.at(env.clock.nowMs() + 10, beat);
    };
    beat();
  });
  const heard = (): string[] =>
    [...lastHeardMs]
      .filter(([, atMs]) => atMs > world.nowMs - 30)
      .map(([pair]) => pair)
      .sort();
  return { world, heard };
}

const ALL = ["a by b", "b by c", "c by a"];

test("a link is cut in one direction until the last cut is over", async () => {
  const { world, heard } = ring();
  const cut = { kind: "link", from: "a", to: "b", conditions: { cut: true } } as const;
  inject(world, [
    { ...cut, atMs: 100, forMs: 100 },
    { ...cut, from: "*", atMs: 150, forMs: 100 },
  ]);
  assert.deepEqual(await seenAt(world, [90, 190, 240, 300], heard), [
    ALL,
    ["b by c", "c by a"],
    ["b by c", "c by a"],
    ALL,
  ]);
});

test("doors and disks get their faults and are rid of them", async () => {
  const outcomes: string[] = [];
  const world = worldOf(async (env) => {
    if (env.name === "b") env.network.listen(1, () => undefined);
    if (env.name !== "a") return;
    for (const atMs of [10, 110]) {
      await env.clock.sleepUntil(atMs);
      const connected = env.network.connect({ node: "b", port: 1 }).then(
        () => "open",
        (error) => error.code,
      );
      const written = env.disk.write("file", new Uint8Array(8)).then(
        () => "written",
        (error) => error.code,
      );
      outcomes.push(await connected, await written);
    }
  });
  inject(world, [
    { kind: "door", node: "b", mode: "refuses", port: 1, atMs: 5, forMs: 50 },
    { kind: "disk", node: "a", conditions: { freeBytes: 4 }, atMs: 5, forMs: 50 },
  ]);
  await world.run(1_000);
  assert.deepEqual(world.violations, []);
  assert.deepEqual(outcomes, ["ECONNREFUSED", "ENOSPC", "open", "written"]);
});

test("healing ends all that is wrong with all nodes, and what has not begun never does", async () => {
  const { world, heard } = ring();
  const forEver: Fault[] = [
    { kind: "crash", node: "a", how: "power", atMs: 50 },
    { kind: "pause", node: "b", atMs: 50 },
    { kind: "slow", node: "c", costMs: 100, atMs: 50 },
    { kind: "drift", node: "c", rate: 0.001, atMs: 50 },
    { kind: "link", from: "*", to: "*", conditions: { cut: true }, atMs: 50 },
  ];
  inject(world, [...forEver, ...forEver, { kind: "crash", node: "b", how: "kill", atMs: 350, forMs: 10_000 }]);
  world.at(300, () => healAll(world));
  assert.deepEqual(await seenAt(world, [40, 200, 600, 1_000, 9_000], heard), [ALL, [], ALL, ALL, ALL]);
  assert.equal(world.nodeOf("a").incarnation, 2, "started once, although two crashes ended");
});

test("healing starts what is down for another reason than a fault, but nothing that was never started", async () => {
  const world = worldOf();
  world.node("spare", () => undefined);
  world.nodeOf("a").crash("kill");
  world.at(10, () => healAll(world));
  assert.deepEqual(await seenAt(world, [5, 15], () => [world.nodeOf("a").up, world.nodeOf("spare").up]), [
    [false, false],
    [true, false],
  ]);
});

test("healing a core leaves what is outside as it is, and the links between in- and outside", async () => {
  const { world, heard } = ring();
  inject(world, [
    { kind: "crash", node: "c", how: "kill", atMs: 50 },
    { kind: "pause", node: "a", atMs: 50 },
    { kind: "link", from: "a", to: "b", conditions: { cut: true }, atMs: 50 },
    { kind: "link", from: "b", to: "c", conditions: { cut: true }, atMs: 50 },
    { kind: "crash", node: "c", how: "kill", atMs: 400, forMs: 10 },
  ]);
  world.at(300, () => healAll(world, ["a", "b"]));
  const [before, after] = await seenAt(world, [200, 900], heard);
  assert.deepEqual([before, after], [[], ["a by b"]]);
  assert.equal(world.nodeOf("c").up, false, "its second crash ended, its first did not");
  const over = world.trace.records
    .filter(({ kind }) => kind === "fault-over")
    .map(({ atMs, detail }) => [atMs, detail]);
  assert.deepEqual(over, [
    [300, "pause"],
    [300, 'link from "a" to "b" conditions {"cut":true}'],
    [410, 'crash how "kill" forMs 10'],
  ]);
  assert.throws(() => healAll(world, ["d"]), /there is no node "d"/);
});

test("begin and end of each fault are in the trace, in words", async () => {
  const world = worldOf();
  inject(world, [{ kind: "link", from: "a", to: "*", conditions: { lossRate: 0.5 }, atMs: 10, forMs: 20 }]);
  await world.run(100);
  const notes = world.trace.records.filter(({ kind }) => kind.startsWith("fault"));
  assert.deepEqual(
    notes.map(({ atMs, kind, detail }) => [atMs, kind, detail]),
    [
      [10, "fault", 'link from "a" to "*" conditions {"lossRate":0.5} forMs 20'],
      [30, "fault-over", 'link from "a" to "*" conditions {"lossRate":0.5} forMs 20'],
    ],
  );
});

test("a list with something in it that makes no sense is refused whole, before the run", async () => {
  const world = worldOf();
  const sound = { kind: "crash", node: "a", how: "kill", atMs: 1 };
  const refused = (fault: unknown, message: RegExp): void =>
    assert.throws(() => inject(world, [sound, fault] as Fault[]), message);
  refused(null, /faults\[1\]: it is null; it must be an object/);
  refused({ kind: "flood", node: "a", atMs: 1 }, /faults\[1\]: kind is "flood"; it must be one of crash, pause/);
  refused({ ...sound, atMs: -1 }, /faults\[1\]: atMs is -1/);
  refused({ ...sound, atMs: undefined }, /faults\[1\]: atMs is missing/);
  refused({ ...sound, forMs: Number.NaN }, /faults\[1\]: forMs is NaN/);
  refused({ ...sound, node: "z" }, /there is no node "z" in this world; there are a, b, c/);
  refused({ ...sound, how: "softly" }, /faults\[1\]: how is "softly"; it must be one of kill, power/);
  refused({ kind: "slow", node: "a", costMs: -1, atMs: 1 }, /costMs is -1/);
  refused({ kind: "drift", node: "a", rate: 0, atMs: 1 }, /rate is 0/);
  refused({ kind: "wall-step", node: "a", byMs: "far", atMs: 1 }, /byMs is "far"/);
  refused({ kind: "door", node: "a", mode: "ajar", atMs: 1 }, /mode is "ajar"/);
  refused({ kind: "door", node: "a", mode: "silent", port: 0, atMs: 1 }, /port is 0/);
  refused({ kind: "link", from: "a", to: "z", conditions: {}, atMs: 1 }, /there is no node "z"/);
  refused({ kind: "link", from: "a", to: "a", conditions: {}, atMs: 1 }, /another node/);
  refused({ kind: "link", from: "a", to: "b", atMs: 1 }, /conditions is missing; it must be an object/);
  refused({ kind: "link", from: "a", to: "b", conditions: { lossRate: 2 }, atMs: 1 }, /faults\[1\]: lossRate is 2/);
  refused({ kind: "link", from: "a", to: "b", conditions: { lost: 1 }, atMs: 1 }, /there is no condition "lost"/);
  refused({ kind: "disk", node: "a", conditions: { freeBytes: -1 }, atMs: 1 }, /freeBytes is -1/);
  refused({ kind: "disk", node: "a", conditions: null, atMs: 1 }, /conditions is null/);
  await world.run(100);
  assert.equal(world.nodeOf("a").incarnation, 1, "not even the sound one was scheduled");
  assert.equal(world.nodeOf("a").up, true);
});
