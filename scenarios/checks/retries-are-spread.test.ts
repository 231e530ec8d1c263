/** A row of retries at the very bound of their back-off is no accident; the same retries spread below it are nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { Fleet } from "../fleet/fleet.ts";
import type { Attempt, Command } from "../fleet/observer.ts";
import { planOf } from "../swarm/written.ts";
import { retriesAreSpread } from "./retries-are-spread.ts";

/** Violations after `gapsMs`, each between the end of an attempt and the begin of the next, of a command of its own. */
function violated(gapsMs: readonly number[], outcome: Attempt["outcome"] = "reply"): string[] {
  const world = new World({ seed: 1 });
  const check = retriesAreSpread(new Fleet(world, planOf({})));
  for (const [place, gapMs] of gapsMs.entries()) {
    const command = { id: `c${place}` } as Command;
    const attempt = (atMs: number, endedAtMs: number | undefined): Attempt =>
      ({ command, group: "atlantic", station: "primary", incarnation: 1, atMs, endedAtMs, outcome }) as Attempt;
    check.attemptEnded?.(attempt(0, 100));
    check.attemptBegan?.(attempt(100 + gapMs, undefined));
  }
  return world.violations.map(({ invariant }) => invariant);
}

test("[R1] retries in step are seen, at the default back-off of 50 ms and its double", () => {
  assert.deepEqual(violated([50, 100, 50, 50, 100, 50, 50]), []);
  assert.deepEqual(violated([50, 100, 50, 50, 100, 50, 50, 50]), ["retries-are-spread"]);
});

test("[R1] spread retries, and commands that were held, are nothing", () => {
  assert.deepEqual(violated([50, 100, 50, 50, 100, 50, 50, 31, 50]), []);
  assert.deepEqual(violated(Array.from({ length: 30 }, (_, place) => 3 * place + 1)), []);
  assert.deepEqual(violated(Array.from({ length: 30 }, () => 250)), []);
});

test("[R1] commands that find out at an even pace whether connections are still refused are no retries", () => {
  assert.deepEqual(
    violated(
      Array.from({ length: 30 }, () => 50),
      "never-sent",
    ),
    [],
  );
});
