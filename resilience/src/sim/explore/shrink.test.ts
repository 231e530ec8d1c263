import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../faults/fault.ts";
import { drawFaults } from "../faults/fault-swarm.ts";
import { inject } from "../faults/inject.ts";
import type { NodeEnv } from "../kernel/node.ts";
import { earlierEnds, earlierFaults, easierFaults, type Proposals } from "./easing.ts";
import { explore } from "./explore.ts";
import { shrink } from "./shrink.ts";
import type { Simulation } from "./simulation.ts";
import { runOnce } from "./simulation.ts";

interface Accident {
  readonly what: string;
  readonly atMs: number;
  readonly forMs: number;
}

interface Workshop {
  readonly faults: readonly Accident[];
  readonly workers: number;
  readonly untilMs: number;
}

/**
 * It burns where a spark falls while oil is on the floor, which has to soak in for 100 ms; it
 * floods where a pipe bursts. Forty small things happen, too.
 */
const workshop: Simulation<Workshop> = {
  name: "workshop",
  plan: (random) => {
    const accident = (what: string): Accident => ({
      what,
      atMs: 100 + random.next() * 700,
      forMs: 500 + random.next() * 400,
    });
    const trifles = Array.from({ length: 40 }, (_, index) => accident(`trifle ${index}`));
    const oil = { what: "oil", atMs: 123.456, forMs: 4_000 };
    const spark = { ...accident("spark"), atMs: 456.789 };
    return { faults: trifles.toSpliced(31, 0, spark).toSpliced(7, 0, oil), workers: 12, untilMs: 5_000 };
  },
  build: (world, { faults, workers }) => {
    let [soakedMs, oilUntilMs] = [0, 0];
    for (const { what, atMs, forMs } of faults) {
      world.at(atMs, () => {
        if (what === "oil") [soakedMs, oilUntilMs] = [world.nowMs + 100, world.nowMs + forMs];
        const burns = world.nowMs >= soakedMs && world.nowMs < oilUntilMs;
        if (what === "spark" && burns && workers >= 3) world.violate("no-fire", `${atMs}`);
        if (what === "burst") world.violate("no-flood", "wet");
      });
    }
  },
  untilMs: (plan) => plan.untilMs,
  *simplify(plan) {
    if (plan.workers > 1) yield { ...plan, workers: Math.floor(plan.workers / 2) };
    if (plan.workers > 1) yield { ...plan, workers: plan.workers - 1 };
  },
};

test("[S1] a failing run is shrunk to the faults that it takes, early, with short times and round numbers", async () => {
  const failed = await runOnce(workshop, { seed: 1 });
  const told: number[] = [];
  const shrunk = await shrink(workshop, failed, { onProgress: ({ faults }) => void told.push(faults) });
  assert.deepEqual(
    shrunk.plan.faults.map(({ what }) => what),
    ["oil", "spark"],
  );
  const [oil, spark] = shrunk.plan.faults as [Accident, Accident];
  assert.deepEqual([oil.atMs, spark.atMs], [0, 100], "earlier would not do");
  assert.ok(oil.forMs > 100 && oil.forMs <= 200, `${oil.forMs} ms: half as long would not do`);
  assert.equal(spark.forMs, 1, "how long a spark lasts does not matter");
  assert.equal(shrunk.plan.workers, 3);
  assert.equal(shrunk.plan.untilMs, 100);
  assert.match(shrunk.summary, /^42 → 2 faults in \d+ runs$/);
  assert.ok(shrunk.finished && shrunk.runs < 150, `${shrunk.runs} runs`);
  assert.deepEqual([told.length, told.at(-1)], [shrunk.runs, 2]);
  const again = await runOnce(workshop, { seed: 1, plan: shrunk.plan, tieBreak: shrunk.report.tieBreak });
  assert.deepEqual([again.violation, again.hash], [shrunk.report.violation, shrunk.report.hash]);
});

test("the simulation says from when on things may go wrong → no fault is moved to before that", async () => {
  const warm: Simulation<Workshop> = { ...workshop, faultsFromMs: ({ workers }) => 80 + workers };
  const { plan } = await shrink(warm, await runOnce(warm, { seed: 1 }));
  const [oil, spark] = plan.faults as [Accident, Accident];
  assert.ok(oil.atMs >= 83 && oil.atMs < 93, `${oil.atMs} ms`);
  assert.ok(spark.atMs - oil.atMs >= 100 && spark.atMs < 220, `${spark.atMs} ms`);
});

test("[S1] a fault that could come at any time is found at the beginning, in a run as short as that", async () => {
  const watched: Simulation<{ readonly faults: readonly Fault[] }> = {
    name: "watched",
    plan: (random) => ({ faults: drawFaults(random, { nodes: ["a", "b"], fromMs: 20_000, untilMs: 50_000 }) }),
    build: (world, { faults }) => {
      for (const [name, other] of [
        ["a", "b"],
        ["b", "a"],
      ] as const) {
        const program = ({ clock, network }: NodeEnv): void => {
          const beat = (): void => {
            network.send({ node: other, port: 1 }, "alive");
            clock.at(clock.nowMs() + 100, beat);
          };
          let lastMs = clock.nowMs();
          network.onDatagram(1, () => {
            if (clock.nowMs() - lastMs > 2_500) world.violate("no-gap", `${name} heard nothing`);
            lastMs = clock.nowMs();
          });
          clock.at(clock.nowMs(), beat);
        };
        world.node(name, program);
      }
      for (const node of world.nodes.values()) node.start();
      inject(world, faults);
    },
    untilMs: 60_000,
  };
  const { failures } = await explore(watched, { seeds: 50, stopAtFirst: true });
  const failed = await runOnce(watched, { seed: failures[0]?.seed as number });
  assert.equal(failed.violation?.invariant, "no-gap");
  const { plan, report, summary } = await shrink(watched, failed);
  assert.deepEqual(
    plan.faults.map(({ atMs }) => atMs),
    [0],
    summary,
  );
  assert.ok(report.steps < 200 && failed.steps > 600, `${failed.steps} → ${report.steps} steps`);
});

test("no plan is run twice", async () => {
  const plans: string[] = [];
  const recorded: Simulation<Workshop> = {
    ...workshop,
    build: (world, plan) => {
      plans.push(JSON.stringify(plan));
      workshop.build(world, plan);
    },
  };
  const { runs } = await shrink(recorded, await runOnce(workshop, { seed: 1 }));
  assert.deepEqual([plans.length, new Set(plans).size], [runs, runs]);
});

test("[S1] a failure that depends on the order within an instant is shrunk in that order", async () => {
  const race: Simulation = {
    name: "race",
    plan: () => ({ faults: ["one", "two", "three", "four"] }),
    build: (world, { faults }) => {
      const finished: unknown[] = [];
      for (const runner of faults) world.at(5, () => void finished.push(runner));
      world.atEnd("in order", () => (finished[0] === faults[0] ? undefined : `${finished[0]} came first`));
    },
    untilMs: 10,
  };
  const seed = 2;
  const failed = await runOnce(race, { seed, tieBreak: "drawn" });
  assert.equal(failed.violation?.invariant, "in order", `seed ${seed} draws an order in which another comes first`);
  assert.equal((await shrink(race, failed)).plan.faults.length, 2);
  assert.equal((await runOnce(race, { seed, tieBreak: "asked" })).violation, undefined);
});

test("the same invariant is asked for: another failure on the way does not count, another sentence does", async () => {
  const plan = (await runOnce(workshop, { seed: 1 })).plan;
  const burst = { what: "burst", atMs: 900, forMs: 1 };
  const failed = await runOnce(workshop, { seed: 1, plan: { ...plan, faults: [...plan.faults, burst] } });
  assert.equal(failed.violation?.invariant, "no-fire");
  const shrunk = await shrink(workshop, failed);
  assert.equal(shrunk.report.violation?.invariant, "no-fire");
  assert.notEqual(shrunk.report.violation?.detail, failed.violation?.detail);
  assert.equal(shrunk.faultsAfter, 2);
});

test("a bound ends it early, says so, and gives the best so far", async () => {
  const failed = await runOnce(workshop, { seed: 1 });
  const few = await shrink(workshop, failed, { maxRuns: 14 });
  assert.deepEqual([few.runs, few.finished], [14, false]);
  assert.equal(few.report.violation?.invariant, "no-fire");
  assert.ok(few.faultsAfter < 42 && few.faultsAfter > 2, few.summary);
  assert.match(few.summary, /stopped early/);
  const none = await shrink(workshop, failed, { maxCpuMs: 0 });
  assert.deepEqual([none.runs, none.finished], [1, false]);
  await assert.rejects(shrink(workshop, failed, { maxRuns: 0 }), /maxRuns is 0/);
});

test("a run that did not fail, or does not fail again, cannot be shrunk", async () => {
  const calm = await runOnce(workshop, {
    seed: 1,
    plan: { faults: [{ what: "trifle", atMs: 1, forMs: 1 }], workers: 1, untilMs: 10 },
  });
  await assert.rejects(shrink(workshop, calm), /nothing to shrink/);
  const failed = await runOnce(workshop, { seed: 1 });
  const mended: Simulation<Workshop> = { ...workshop, build: (world) => void world.at(1, () => undefined) };
  await assert.rejects(shrink(mended, failed), /did not violate "no-fire" when it was run again/);
});

test("a failure that no fault takes part in is left with none", async () => {
  const plan = (await runOnce(workshop, { seed: 1 })).plan;
  const doomed: Simulation<Workshop> = { ...workshop, build: (world) => world.atEnd("hopeless", () => "as ever") };
  const shrunk = await shrink(doomed, await runOnce(doomed, { seed: 1, plan }));
  assert.deepEqual([shrunk.plan.faults, shrunk.plan.workers, shrunk.plan.untilMs], [[], 1, 1]);
});

test("proposals go on from what was accepted, and end", () => {
  const plan = {
    faults: [{ atMs: 1_234.5, forMs: null, conditions: { lossRate: 0.123, list: [7.77] } }, "odd"],
    untilMs: 99,
  };
  assert.deepEqual(last(easierFaults(plan)).faults, [
    { atMs: 1_000, forMs: null, conditions: { lossRate: 0.1, list: [8] } },
    "odd",
  ]);
  assert.deepEqual(rejected(easierFaults(plan)), 3 + 2 + 2);
  assert.deepEqual(last(easierFaults({ faults: [{ forMs: 9 }, { forMs: 5 }] })).faults, [{ forMs: 1 }, { forMs: 1 }]);
  const instants = (faults: readonly unknown[]): unknown[] => faults.map((fault) => (fault as { atMs: unknown }).atMs);
  const spread = { faults: [{ atMs: 500 }, { atMs: 800.5 }, "odd", { atMs: 90 }] };
  assert.deepEqual(instants(last(earlierFaults(spread, 100)).faults), [100, 100, undefined, 90]);
  const together = earlierFaults(spread, 100).next().value as typeof spread;
  assert.deepEqual(instants(together.faults), [100, 400.5, undefined, 90], "what lies between them stays");
  assert.equal(rejected(earlierFaults({ faults: [{ atMs: 1_000 }] }, 0)), 5, "to 0, 500, 750, 875 and 937");
  assert.equal(rejected(earlierFaults({ faults: ["odd", { atMs: 0 }, { atMs: Number.NaN }] }, 0)), 0);
  assert.deepEqual(last(easierFaults({ faults: [{ atMs: 4_567 }] })).faults, [{ atMs: 4_000 }], "not rounded up");
  assert.equal(last(earlierEnds(plan, 40.2)).untilMs, 15);
  assert.equal(rejected(earlierEnds(plan, 99)), 3);
  assert.equal(rejected(earlierEnds({ faults: [] }, 5)), 0);
});

/** The last of what is proposed to somebody who accepts all. */
function last<Plan>(proposals: Proposals<Plan>): Plan {
  let accepted: Plan | undefined;
  for (let next = proposals.next(); next.done !== true; next = proposals.next(true)) accepted = next.value;
  assert.ok(accepted !== undefined);
  return accepted;
}

/** How much is proposed to somebody who accepts nothing. */
function rejected(proposals: Proposals<unknown>): number {
  let count = 0;
  for (let next = proposals.next(); next.done !== true; next = proposals.next(false)) count++;
  return count;
}
