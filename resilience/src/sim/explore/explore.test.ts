import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { World } from "../kernel/world.ts";
import { DETERMINISTIC, explore } from "./explore.ts";
import type { Simulation } from "./simulation.ts";
import { runOnce, SIMULATION_BROKEN } from "./simulation.ts";

interface Draws {
  readonly faults: readonly { readonly atMs: number }[];
  readonly unlucky: boolean;
}

/** Three things happen; one run in five is unlucky. */
const lottery: Simulation<Draws> = {
  name: "lottery",
  plan: (random) => ({
    faults: [1, 2, 3].map(() => ({ atMs: Math.floor(random.next() * 1_000) })),
    unlucky: random.next() < 0.2,
  }),
  build: (world, plan) => {
    for (const { atMs } of plan.faults) world.at(atMs, () => world.trace.note(world.nowMs, "world", "draw", `${atMs}`));
    world.at(500, () => world.sometimes("half-time"));
    if (plan.unlucky) world.at(700, () => world.violate("luck", "drew the short straw"));
  },
  untilMs: 1_000,
  sometimes: ["half-time", "sudden death"],
};

test("[S1] a seed says how a run goes: same plan, same hash, same steps; another seed, another run", async () => {
  const first = await runOnce(lottery, { seed: 7 });
  const again = await runOnce(lottery, { seed: 7 });
  const other = await runOnce(lottery, { seed: 8 });
  assert.deepEqual(again.plan, first.plan);
  assert.deepEqual([again.hash, again.steps, again.tieBreak], [first.hash, first.steps, first.tieBreak]);
  assert.notEqual(other.hash, first.hash);
});

test("[S1] a plan that is given replaces the drawn one, and is run frozen", async () => {
  const plan = { faults: [], unlucky: true };
  const report = await runOnce(lottery, { seed: 7, plan });
  assert.equal(report.violation?.invariant, "luck");
  assert.equal(report.simulatedMs, 700, "it ends where it fails");
  assert.equal((await runOnce(lottery, { seed: 7, plan: { ...plan, unlucky: false } })).simulatedMs, 1_000);
  assert.deepEqual(report.plan, plan);
  assert.ok(Object.isFrozen(report.plan) && Object.isFrozen(report.plan.faults) && !Object.isFrozen(plan));
});

test("[S2] failures are found, counted and described; what was met and what stayed dark is reported", async () => {
  const report = await explore(lottery, { seeds: 100, checkDeterminismRate: 0.1 });
  assert.equal(report.runs, 100);
  assert.ok(report.failed >= 8 && report.failed <= 35, `${report.failed} of 100 seeds failed`);
  assert.equal(report.failures.length, report.failed);
  const seeds = report.failures.map(({ seed }) => seed);
  assert.deepEqual(
    seeds,
    seeds.toSorted((left, right) => left - right),
  );
  for (const { seed, tieBreak, violation } of report.failures) {
    assert.equal(violation.invariant, "luck");
    assert.equal(violation.atMs, 700);
    const again = await runOnce(lottery, { seed });
    assert.deepEqual([again.violation, again.tieBreak], [violation, tieBreak]);
  }
  assert.equal(report.met.get("half-time"), 100);
  assert.deepEqual(report.dark, ["sudden death"]);
  assert.ok(report.ranTwice > 0 && report.ranTwice < 30, `${report.ranTwice} ran twice`);
  assert.ok(report.cpuMs > 0 && report.seedsPerCpuMinute > 0);
});

test("a batch can begin anywhere, stop at its first failure, and tells how far it is", async () => {
  const told: number[] = [];
  const onProgress = ({ seed }: { seed: number }): void => void told.push(seed);
  const report = await explore(lottery, { seeds: 500, firstSeed: 1_000, stopAtFirst: true, onProgress });
  assert.equal(report.failures.length, 1);
  assert.equal(report.failures[0]?.seed, 1_000 + report.runs - 1);
  assert.deepEqual(
    told,
    Array.from({ length: report.runs }, (_, index) => 1_000 + index),
  );
  await assert.rejects(explore(lottery, { seeds: 0 }), /explore: seeds is 0/);
  await assert.rejects(explore(lottery, { seeds: 1, checkDeterminismRate: 2 }), /checkDeterminismRate is 2/);
});

test("[S1] state of a module that survives a run is caught, and the first difference is named", async () => {
  let served = 0;
  const leaky: Simulation = {
    name: "leaky",
    plan: () => ({ faults: [] }),
    build: (world) =>
      world.at(10, () => world.trace.note(world.nowMs, "server", "served", `request number ${++served}`)),
    untilMs: 20,
  };
  const { failures } = await explore(leaky, { seeds: 1, checkDeterminismRate: 1 });
  assert.equal(failures[0]?.violation.invariant, DETERMINISTIC);
  assert.match(failures[0]?.violation.detail ?? "", /part at "10 ms server served request number 3" against .* 4"/);
  const { failed } = await explore(leaky, { seeds: 1, checkDeterminismRate: 0 });
  assert.equal(failed, 0, "only the second run can tell");
});

test("[S1] a plan that is drawn from anything but its stream is caught", async () => {
  let drawn = 0;
  const unsteady: Simulation = {
    name: "unsteady",
    plan: () => ({ faults: [drawn++] }),
    build: (world) => void world.at(0, () => undefined),
    untilMs: 1,
  };
  const { failures } = await explore(unsteady, { seeds: 1, checkDeterminismRate: 1 });
  assert.match(failures[0]?.violation.detail ?? "", /different plans/);
});

test("code that looks at the real clock fails its run, also where it swallows the error", async () => {
  const peeking: Simulation = {
    name: "peeking",
    plan: () => ({ faults: [] }),
    build: (world) =>
      world.at(5, () => {
        try {
          Date.now();
        } catch {
          // As the code under test might.
        }
      }),
    untilMs: 10,
  };
  const { violation } = await runOnce(peeking, { seed: 1 });
  assert.equal(violation?.invariant, "no-real-world");
  assert.equal(violation?.atMs, 5);
});

test("a simulation that throws is a violation with a plan; one without a plan is refused", async () => {
  const brokenBuild: Simulation = nothing(() => assert.fail("no such part"));
  const { violation } = await runOnce(brokenBuild, { seed: 1 });
  assert.equal(violation?.invariant, SIMULATION_BROKEN);
  assert.match(violation?.detail ?? "", /no such part[\s\S]*explore\.test\.ts/);

  const brokenCheck = nothing((world) =>
    world.always("sound", () => {
      throw new Error("cannot look");
    }),
  );
  assert.match((await runOnce(brokenCheck, { seed: 1 })).violation?.detail ?? "", /cannot look/);
  const brokenEnd = { ...nothing(() => undefined), untilMs: (): number => Number.NaN };
  assert.match((await runOnce(brokenEnd, { seed: 1 })).violation?.detail ?? "", /untilMs is NaN/);

  const noPlan = { ...brokenEnd, plan: () => ({ faults: [{ forMs: Number.POSITIVE_INFINITY }] }) };
  await assert.rejects(runOnce(noPlan, { seed: 3 }), /no plan for seed 3.*plan\.faults\[0\]\.forMs is Infinity/);
  const classy = { ...brokenEnd, plan: () => ({ faults: [new Map()] }) };
  await assert.rejects(runOnce(classy, { seed: 3 }), /plan\.faults\[0\] is a Map/);
});

test("an async build, or an async check → refused with what to do; its own error reaches nobody else", async () => {
  const given = { name: "async", plan: () => ({ faults: [] }), untilMs: 10 };
  for (const fails of [false, true]) {
    const build = async (world: World): Promise<void> => {
      world.at(5, () => undefined);
      await Promise.resolve();
      if (fails) throw new Error("too late");
    };
    const { violation } = await runOnce({ ...given, build: build as Simulation["build"] }, { seed: 1 });
    assert.equal(violation?.invariant, SIMULATION_BROKEN);
    assert.match(violation?.detail ?? "", /build returned a promise, and is not awaited/);
  }
  for (const when of ["always", "atEnd"] as const) {
    const check = async (): Promise<undefined> => undefined;
    const checked = nothing((world) => world[when]("sound", check as never));
    const { violation } = await runOnce(checked, { seed: 1 });
    assert.equal(violation?.invariant, SIMULATION_BROKEN);
    assert.match(violation?.detail ?? "", /the check "sound" gave a Promise: it gives a sentence, or undefined/);
  }
});

test("a world that tests nothing is not clean: nothing happens, or a machine is never started", async () => {
  const empty: Simulation = { name: "empty", plan: () => ({ faults: [] }), build: () => undefined, untilMs: 10 };
  const { failed, failures } = await explore(empty, { seeds: 3 });
  assert.equal(failed, 3);
  assert.equal(failures[0]?.violation.invariant, SIMULATION_BROKEN);
  assert.match(failures[0]?.violation.detail ?? "", /nothing happened in 10 ms but build itself/);

  const asleep = nothing((world) => {
    world.node("up", () => undefined).start();
    world.node("asleep", () => undefined);
  });
  const { violation } = await runOnce(asleep, { seed: 1 });
  assert.match(violation?.detail ?? "", /nobody ever started asleep: call start\(\)/);
  const later = nothing((world) => {
    const node = world.node("later", () => undefined);
    world.at(7, () => node.start());
  });
  assert.equal((await runOnce(later, { seed: 1 })).violation, undefined);
});

test("simulations of different plans can stand in one list", async () => {
  const short: Simulation<Draws> = {
    ...lottery,
    untilMs: ({ faults }) => 300 * faults.length,
    simplify: (plan) => [plan],
  };
  const all: readonly Simulation[] = [short, nothing(() => undefined)];
  for (const simulation of all) assert.equal((await explore(simulation, { seeds: 1 })).failed, 0);
});

test("of several things that are wrong the first is reported", async () => {
  const twice = nothing((world) => {
    world.violate("cause", "first");
    world.violate("consequence", "second");
  });
  assert.equal((await runOnce(twice, { seed: 1 })).violation?.invariant, "cause");
});

test("what holds only at the end of a run is checked there", async () => {
  const unfinished = nothing((world) => world.atEnd("all answered", () => "one question is open"));
  const { violation } = await runOnce(unfinished, { seed: 1 });
  assert.deepEqual([violation?.invariant, violation?.atMs], ["all answered", 10]);
});

test("nothing of a run stays but its failure", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  let latest: World | undefined;
  const worlds: WeakRef<World>[] = [];
  const simulation = nothing((world) => {
    latest = world;
  });
  const onProgress = (): void => {
    if (latest !== undefined) worlds.push(new WeakRef(latest));
  };
  await explore(simulation, { seeds: 50, checkDeterminismRate: 0, onProgress });
  latest = undefined;
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const alive = worlds.filter((world) => world.deref() !== undefined).length;
  assert.ok(worlds.length === 50 && alive <= 1, `${alive} of ${worlds.length} worlds are still in memory`);
});

/** A world in which one thing happens, and what `build` says. */
function nothing(build: Simulation["build"]): Simulation {
  const withOne: Simulation["build"] = (world, plan) => {
    world.at(5, () => undefined);
    build(world, plan);
  };
  return { name: "nothing", plan: () => ({ faults: [] }), build: withOne, untilMs: 10 };
}
