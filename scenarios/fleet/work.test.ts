import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import type { WorkShape } from "./plan.ts";
import { mostWorkMs, workFactor } from "./work.ts";

const SEED = process.env["SEED"] ?? "11";
const MANY = 100_000;

for (const [shape, most] of [
  ["even", 1.5],
  ["exponential", 7],
  ["two-kinds", 5 / 1.4],
  ["heavy", 20],
] as const satisfies readonly (readonly [WorkShape, number])[]) {
  test(`work that is ${shape}: what the plan says on average, and never more than ${most.toFixed(1)} times that`, () => {
    const random = seededRandom(SEED);
    const spread = { shape, of: "attempts" } as const;
    const factors = Array.from({ length: MANY }, () => workFactor(spread, "attempts", () => random.next()));
    const mean = factors.reduce((sum, factor) => sum + factor, 0) / MANY;
    assert.ok(Math.abs(mean - 1) < 0.05, `SEED=${SEED}: mean ${mean}`);
    assert.ok(Math.max(...factors) <= most);
    assert.equal(mostWorkMs({ spread } as never, 100), 100 * most);
    assert.equal(
      workFactor(spread, "commands", () => 0.99),
      1,
    );
  });
}
