/**
 * [S2] A fixed sample of the swarm's seeds and of the narrow swarm's, which differ where stations
 * may break, and every failure that was ever mended: nothing may be violated. The whole batch is
 * `npm run sim -- --seeds 2000`.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import type { Failure } from "ground-station-failover/sim";
import { explore, parseReplay, replay } from "ground-station-failover/sim";
import { scenarioOf } from "./index.ts";
import { runBatch } from "./run/batch.ts";
import { narrowSwarm, swarm } from "./swarm.ts";

const SEEDS = 200;
/** Share of the seeds that run twice, and must be the same. */
const TWICE_RATE = 0.05;
/** The other cores are for other files. */
const JOBS = Math.max(1, Math.floor(availableParallelism() / 2));

test(`[S1] [S2] seeds 1 to ${SEEDS} of the swarm violate nothing, and a twentieth of them repeats to the bit`, async () => {
  const report = await runBatch({
    scenario: "swarm",
    seeds: SEEDS,
    firstSeed: 1,
    jobs: JOBS,
    until: "any",
    checkDeterminismRate: TWICE_RATE,
    onProgress: () => undefined,
  });
  assertNone("swarm", report.failures);
  assert.equal(report.runs, SEEDS);
  assert.ok(report.ranTwice > 0);
});

test(`[S1] [S2] so do those of the narrow swarm that are not the same in both`, async () => {
  let [runs, ranTwice] = [0, 0];
  for (let seed = 1; seed <= SEEDS; seed++) {
    if (isInSwarm(seed)) continue;
    const options = { seeds: 1, firstSeed: seed, checkDeterminismRate: TWICE_RATE };
    const report = await explore(scenarioOf("narrow-swarm"), options);
    assertNone("narrow-swarm", report.failures);
    runs++;
    ranTwice += report.ranTwice;
  }
  assert.ok(runs > SEEDS / 4 && ranTwice > 0, `${runs} runs, ${ranTwice} of them twice`);
});

/** Has the swarm the same plan at this seed? Then it is the same run. */
function isInSwarm(seed: number): boolean {
  const [all, narrow] = [swarm, narrowSwarm].map(({ plan }) => JSON.stringify(plan(seededRandom(seed).fork("plan"))));
  return all === narrow;
}

function assertNone(scenario: string, [failure]: readonly Failure[]): void {
  assert.equal(
    failure,
    undefined,
    `npm run sim -- --scenario ${scenario} --first-seed ${failure?.seed} --seeds 1\n${JSON.stringify(failure?.violation, undefined, 2)}`,
  );
}

const folder = new URL("../test/replays/", import.meta.url);

describe("mended failures stay mended", () => {
  for (const name of readdirSync(folder).filter((one) => one.endsWith(".json"))) {
    test(name, async () => {
      const file = parseReplay(readFileSync(new URL(name, folder), "utf8"), name);
      const { run, verdict } = await replay(scenarioOf(file.simulation), file);
      assert.equal(verdict, "fixed", `npm run sim -- --replay test/replays/${name}\n${run.violation?.detail}`);
    });
  }
});
