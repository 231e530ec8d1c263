/**
 * [S2] A fixed sample of the swarm's seeds, and every failure that was ever mended: nothing may be violated. The whole
 * batch is `npm run sim -- --seeds 2000`.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parseReplay, replay } from "ground-station-failover/sim";
import { scenarioOf } from "./index.ts";
import { runBatch } from "./run/batch.ts";

const SEEDS = 200;

/** Runs seeds of `scenario`, in which nothing may be violated. */
async function sample(scenario: string): Promise<void> {
  const report = await runBatch({
    scenario,
    seeds: SEEDS,
    firstSeed: 1,
    jobs: 2,
    until: "any",
    checkDeterminismRate: 0.05,
    onProgress: () => undefined,
  });
  const [failure] = report.failures;
  assert.equal(
    failure,
    undefined,
    `npm run sim -- --scenario ${scenario} --first-seed ${failure?.seed} --seeds 1\n${JSON.stringify(failure?.violation, undefined, 2)}`,
  );
  assert.equal(report.runs, SEEDS);
  assert.ok(report.ranTwice > 0);
}

test(`[S1] [S2] seeds 1 to ${SEEDS} of the narrow swarm violate nothing, and a twentieth of them repeats to the bit`, () =>
  sample("narrow-swarm"));

test(`[S1] [S2] seeds 1 to ${SEEDS} of the swarm violate nothing`, () => sample("swarm"));

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
