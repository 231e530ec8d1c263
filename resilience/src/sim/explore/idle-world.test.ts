/** Runs that tested nothing, or less than they were asked to, and those that only look like it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSeeds } from "../explore/assert-seeds.ts";
import { explore } from "../explore/explore.ts";
import { shrink } from "../explore/shrink.ts";
import type { Fault } from "../faults/fault.ts";
import { drawFaults } from "../faults/fault-swarm.ts";
import { healAll, inject } from "../faults/inject.ts";
import { World } from "../kernel/world.ts";
import { type FaultPlan, runOnce, SIMULATION_BROKEN, type Simulation } from "./simulation.ts";

const PAUSE: Fault = { kind: "pause", node: "a", atMs: 10, forMs: 10 };

/** A node that is busy all the time, for 1,000 ms. */
function busy(faults: FaultPlan["faults"], build: Simulation["build"] = () => undefined): Simulation {
  return {
    name: "busy",
    untilMs: 1_000,
    plan: () => ({ faults }),
    build(world, plan) {
      const program = world.node("a", ({ clock }) => {
        const tick = (): void => void clock.at(clock.nowMs() + 100, tick);
        tick();
      });
      program.start();
      build(world, plan);
    },
  };
}

/** Why a run of `simulation` is broken; undefined where it is not. */
async function brokenOf(simulation: Simulation): Promise<string | undefined> {
  const { violation } = await runOnce(simulation, { seed: 1 });
  if (violation === undefined) return undefined;
  assert.equal(violation.invariant, SIMULATION_BROKEN, violation.detail);
  return violation.detail;
}

test("faults are drawn and never injected → broken; injected, carried out by hand, or of a kind of one's own → fine", async () => {
  const drawn: Simulation = {
    ...busy([]),
    plan: (random) => ({ faults: drawFaults(random, { nodes: ["a"], fromMs: 0, untilMs: 500 }) }),
  };
  const { failures } = await explore(drawn, { seeds: 3 });
  assert.equal(failures.length, 3);
  assert.match(
    failures[0]?.violation.detail ?? "",
    /the plan has \d+ fault\(s\), and build injected none: call inject/,
  );
  const injects: Simulation["build"] = (world, plan) => inject(world, plan.faults as Fault[]);
  assert.equal(await brokenOf(busy([PAUSE], injects)), undefined);
  const byHand: Simulation["build"] = (world) => void world.at(10, () => world.nodeOf("a").pause(10));
  assert.equal(await brokenOf(busy([PAUSE], byHand)), undefined);
  assert.equal(await brokenOf(busy([PAUSE], (world) => healAll(world))), undefined);
  assert.equal(await brokenOf(busy([{ kind: "shortage", atMs: 10 }, "fire", { kind: "pause", atMs: 1 }])), undefined);
});

test("a machine whose program does nothing, and a fault → nothing happened", async () => {
  for (const kind of ["pause", "crash"] as const) {
    const fault: Fault = kind === "pause" ? PAUSE : { kind, node: "a", how: "kill", atMs: 10, forMs: 5 };
    const idle: Simulation = {
      ...busy([fault]),
      build(world, plan) {
        world.node("a", () => undefined).start();
        inject(world, plan.faults as Fault[]);
        world.atEnd("is-well", () => undefined);
      },
    };
    assert.match((await brokenOf(idle)) ?? "", /nothing happened in 1000 ms but build itself and faults/, kind);
  }
});

test("`within` had not held when the run ended before its time → broken; it had, or others of its name → fine", async () => {
  const late = (forMs: number, holds: boolean): Simulation =>
    busy([], (world) => world.at(600, () => world.within("serves-again", forMs, () => (holds ? undefined : "no"))));
  assert.match(
    (await brokenOf(late(5_000, false))) ?? "",
    /within "serves-again" had not held when the run ended at 1000 ms, and was to be judged at 5600 ms: let the run/,
  );
  assert.equal(await brokenOf(late(5_000, true)), undefined);
  assert.equal((await runOnce(late(300, false), { seed: 1 })).violation?.invariant, "serves-again");
  // What is asked for again and again is under way at the end of every run.
  const often = busy([], (world) => {
    const ask = (): void => {
      const askedMs = world.nowMs;
      world.within("answered", 250, () => (world.nowMs > askedMs + 100 ? undefined : "not yet"));
      world.at(askedMs + 95, ask);
    };
    ask();
  });
  assert.equal(await brokenOf(often), undefined);
});

test("a fault, or what build asks world.at for, after the end → broken; at the end, never, or ended early → fine", async () => {
  const at = (atMs: number): Simulation =>
    busy([{ ...PAUSE, atMs }], (world, plan) => inject(world, plan.faults as Fault[]));
  assert.match(
    (await brokenOf(at(1_001))) ?? "",
    /a fault \(pause\) begins at 1001 ms, after the end of the run at 1000 ms/,
  );
  assert.equal(await brokenOf(at(1_000)), undefined);
  const asking = (atMs: number): Simulation => busy([], (world) => void world.at(atMs, () => undefined));
  assert.match((await brokenOf(asking(5_000))) ?? "", /world\.at\(5000\) was asked for in build, after the end/);
  assert.equal(await brokenOf(asking(1_000)), undefined);
  assert.equal(await brokenOf(asking(Number.POSITIVE_INFINITY)), undefined);
  const withdrawn = busy([], (world) => {
    const timeout = world.at(5_000, () => undefined);
    world.at(10, () => timeout[Symbol.dispose]());
    const tick = (): void => void world.at(world.nowMs + 300, tick);
    tick();
  });
  assert.equal(await brokenOf(withdrawn), undefined);
  const stops = busy([], (world) => {
    world.at(5_000, () => undefined);
    world.at(500, () => world.stop());
  });
  assert.equal(await brokenOf(stops), undefined);
});

test("a field of a fault that is misspelt → refused with the name that was meant", () => {
  const world = new World({ seed: 1 });
  world.node("a", () => undefined).start();
  const refused = (fault: object, message: RegExp): void =>
    assert.throws(() => inject(world, [fault as Fault]), message);
  refused(
    { kind: "pause", node: "a", atMs: 10, forms: 100 },
    /faults\[0\]: there is no option forms; did you mean forMs/,
  );
  refused({ kind: "wall-step", node: "a", atMs: 10, byM: 1 }, /no option byM; did you mean byMs/);
  inject(world, [{ kind: "wall-step", node: "a", atMs: 10, byMs: 1, forMs: 1 } as Fault]);
  refused(
    { kind: "disk", node: "a", atMs: 1, conditions: { stuck: true } },
    /disk: there is no fault "stuck"; there are/,
  );
  refused({ kind: "disk", node: "a", atMs: 1, conditions: { staled: true } }, /did you mean stalled\?/);
});

test("a name that is none in what the tools are given → refused with the one that was meant", async () => {
  const simulation = busy([]);
  const given = (value: object): never => value as never;
  const unknown = /no option (\w+); did you mean (\w+)\?/;
  await assert.rejects(explore(simulation, given({ seeds: 2, stopAtfirst: true })), unknown);
  await assert.rejects(assertSeeds(simulation, given({ seeds: 2, shrinkruns: 5 })), unknown);
  await assert.rejects(explore(given({ ...simulation, sometime: ["lost"] }), { seeds: 1 }), /did you mean sometimes\?/);
  await assert.rejects(runOnce(simulation, given({ seed: 1, tiebreak: "asked" })), unknown);
  const failed = await runOnce(
    busy([], (world) => world.violate("v", "d")),
    { seed: 1 },
  );
  await assert.rejects(shrink(simulation, failed, given({ maxRun: 5 })), unknown);
  const world = new World({ seed: 1 });
  assert.throws(() => drawFaults(world.random, given({ nodes: ["a"], fromMs: 0, untilMs: 9, familes: [] })), unknown);
  assert.throws(
    () => drawFaults(world.random, given({ nodes: ["a"], fromMs: 0, untilMs: 9, families: ["kil"] })),
    /no family "kil"; did you mean "kill"\?/,
  );
  assert.throws(() => world.node("b", () => undefined, given({ clockBeginAtBoot: true })), unknown);
  assert.throws(() => new World(given({ seed: 1, tiebreak: "drawn" })), unknown);
  // A simulation may have fields of its own, and what is run again may be a whole failure.
  assert.equal(await brokenOf({ ...simulation, story: "busy", plans: 3 } as Simulation), undefined);
  assert.equal((await runOnce(simulation, { ...failed })).violation, undefined);
});

test("nothing, or the wrong thing, is given → refused by name, not with an error of ours", async () => {
  const none = undefined as never;
  await assert.rejects(explore(none, none), /explore: simulation is missing; it must be an object/);
  await assert.rejects(explore(busy([]), none), /explore: its options object is missing/);
  await assert.rejects(assertSeeds(busy([]), none), /assertSeeds: its options object is missing/);
  await assert.rejects(assertSeeds(none, { seeds: 1 }), /assertSeeds: simulation is missing/);
  await assert.rejects(runOnce(busy([]), none), /runOnce: its options object is missing/);
  await assert.rejects(runOnce(busy([]), {} as never), /runOnce: seed is missing; it must be a number or a text/);
  await assert.rejects(shrink(busy([]), none), /shrink: failed is missing/);
  for (const [field, value] of Object.entries({
    plan: 1,
    build: none,
    untilMs: "5",
    sometimes: "lost",
    simplify: 1,
    name: "",
  }))
    await assert.rejects(
      explore({ ...busy([]), [field]: value }, { seeds: 1 }),
      new RegExp(`explore: simulation.${field} is .*; it must be`),
    );
  for (const plan of [{}, { faults: "none" }, null])
    await assert.rejects(runOnce({ ...busy([]), plan: () => plan as never }, { seed: 1 }), /plan: faults is .* a list/);
  assert.throws(() => new World(none), /World: its options object is missing/);
  assert.throws(() => new World({} as never), /World: seed is missing; it must be a number or a text/);
  const world = new World({ seed: 1 });
  assert.throws(() => inject(world, none), /inject: faults is missing; it must be a list of faults/);
  assert.throws(() => drawFaults(none, none), /drawFaults: random is missing/);
  assert.throws(() => drawFaults(world.random, { fromMs: 0, untilMs: 1 } as never), /drawFaults: nodes is missing/);
  assert.throws(() => world.node("a", none), /world\.node: program is missing; it must be a function/);
  assert.throws(() => world.at("5" as never, () => undefined), /world\.at: atMs is "5"; it must be a number/);
  assert.throws(() => world.at(5, none), /world\.at: run is missing/);
  for (const when of ["always", "atEnd"] as const)
    assert.throws(
      () => world[when]("sound", none),
      new RegExp(`world.${when}: check is missing; it must be a function`),
    );
  assert.throws(() => world.within("sound", 5, none), /world\.within: check is missing/);
});

test("violate without a name or a detail → written down nevertheless, and says what it takes", () => {
  const world = new World({ seed: 1 });
  world.violate(...([] as never as [string, string]));
  world.violate("v", new Error("it broke") as never);
  world.violate("v", { a: 1 } as never);
  assert.deepEqual(
    world.violations.map(({ invariant, detail }) => [invariant, detail.split("\n", 1)[0]]),
    [
      ["unnamed", "world.violate was given no detail: it takes the name of the invariant and a sentence"],
      ["v", "Error: it broke"],
      ["v", "an object"],
    ],
  );
});
