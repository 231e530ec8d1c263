/**
 * The tools together, on somebody's small system: a register with a primary that copies each value
 * to its backup before it says "kept". The planted bug is one that real databases have had: when
 * the backup does not answer in time, the primary gives up on it and says "kept" alone. That is
 * harmless until the primary dies as well.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Fault } from "../faults/fault.ts";
import { drawFaults } from "../faults/fault-swarm.ts";
import { inject } from "../faults/inject.ts";
import type { NodeEnv } from "../kernel/node.ts";
import type { World } from "../kernel/world.ts";
import { explore } from "./explore.ts";
import { parseReplay, replay, writeReplay } from "./replay.ts";
import { shrink } from "./shrink.ts";
import { type RunReport, runOnce, type Simulation } from "./simulation.ts";

interface Plan {
  readonly faults: readonly Fault[];
}

const PORT = 1;

function register(givesUpOnBackup: boolean): Simulation<Plan> {
  return {
    name: "register",
    plan: (random) => ({
      faults: drawFaults(random, {
        nodes: ["primary"],
        links: [
          { from: "primary", to: "backup" },
          { from: "client", to: "primary" },
        ],
        fromMs: 1_000,
        untilMs: 15_000,
        families: ["kill", "pause", "drift", "delay", "loss", "cut", "hold"],
      }),
    }),
    build: (world, { faults }) => {
      build(world, givesUpOnBackup);
      inject(world, faults);
    },
    untilMs: 20_000,
    sometimes: ["the backup was slow", "the moon fell"],
  };
}

/**
 * `value` is what a node holds in memory; what the client was told is kept must be in one of them.
 */
function build(world: World, givesUpOnBackup: boolean): void {
  const held = { primary: 0, backup: 0 };
  let kept = 0;
  const primary = ({ network, clock }: NodeEnv): void => {
    held.primary = 0;
    const waiting = new Map<number, () => void>();
    network.onDatagram(PORT, (payload, from) => {
      const [what, value] = JSON.parse(payload as string) as [string, number];
      if (what === "copied") return waiting.get(value)?.();
      held.primary = Math.max(held.primary, value);
      const say = (): void => network.send(from, JSON.stringify(["kept", value]));
      waiting.set(value, say);
      network.send({ node: "backup", port: PORT }, JSON.stringify(["copy", value]), PORT);
      clock.at(clock.nowMs() + 300, () => {
        world.sometimes("the backup was slow");
        if (givesUpOnBackup && waiting.delete(value)) say();
      });
    });
  };
  const backup = ({ network }: NodeEnv): void => {
    network.onDatagram(PORT, (payload, from) => {
      const [, value] = JSON.parse(payload as string) as [string, number];
      held.backup = Math.max(held.backup, value);
      network.send(from, JSON.stringify(["copied", value]));
    });
  };
  const client = ({ network, clock }: NodeEnv): void => {
    network.onDatagram(PORT, (payload) => {
      kept = Math.max(kept, (JSON.parse(payload as string) as [string, number])[1]);
    });
    const put = (value: number): void => {
      network.send({ node: "primary", port: PORT }, JSON.stringify(["put", value]), PORT);
      clock.at(clock.nowMs() + 100, () => put(value + 1));
    };
    put(1);
  };
  for (const [name, program] of Object.entries({ primary, backup, client })) world.node(name, program);
  for (const node of world.nodes.values()) node.start();
  world.always("what was kept is somewhere", () => {
    const inMemory = Math.max(world.nodeOf("primary").up ? held.primary : 0, held.backup);
    return inMemory >= kept ? undefined : `${kept} was kept, ${inMemory} is the newest there is`;
  });
}

const SEEDS = 60;
let failed: RunReport<Plan>;
let replayFile: string;

before(async () => {
  const { failures } = await explore(register(true), { seeds: SEEDS, stopAtFirst: true });
  assert.equal(failures.length, 1, `nothing found in seeds 1 to ${SEEDS}`);
  failed = await runOnce(register(true), { seed: failures[0]?.seed ?? 0 });
});

test("[S3] the planted bug is found, by the invariant that names it", () => {
  assert.equal(failed.violation?.invariant, "what was kept is somewhere");
});

test("[S1] it is shrunk to the faults that it takes, none of which can be left out", async () => {
  const { plan, summary, report, runs } = await shrink(register(true), failed);
  assert.ok(plan.faults.length >= 2 && plan.faults.length <= 3, `seed ${failed.seed}: ${summary}`);
  assert.ok(plan.faults.some(({ kind }) => kind === "crash"));
  assert.ok(failed.plan.faults.length > 5 && runs < 200, summary);
  for (const [index] of plan.faults.entries()) {
    const without = { faults: plan.faults.toSpliced(index, 1) };
    const { violation } = await runOnce(register(true), {
      seed: failed.seed,
      tieBreak: failed.tieBreak,
      plan: without,
    });
    assert.equal(violation, undefined);
  }
  replayFile = writeReplay(report);
});

test("[S1] the text of the replay file repeats it to the bit; in the mended system it no longer fails", async () => {
  const file = parseReplay(replayFile, "register.json");
  const again = await replay(register(true), file);
  assert.equal(again.verdict, "exact");
  assert.equal(again.run.violation?.detail, file.detail);
  assert.equal((await replay(register(false), file)).verdict, "fixed");
});

test("[S2] the mended system is clean on the same seeds; a situation that never came up is reported", async () => {
  const report = await explore(register(false), { seeds: SEEDS, checkDeterminismRate: 0.1 });
  assert.deepEqual(report.failures, []);
  assert.ok((report.met.get("the backup was slow") ?? 0) > 0);
  assert.deepEqual(report.dark, ["the moon fell"]);
  assert.ok(report.ranTwice > 0);
});
