/**
 * A row of retries at the very bound of their back-off is no accident; the same retries spread
 * below it are nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command } from "../../fleet/observer.ts";
import { planOf } from "../../swarm/written.ts";
import { retriesAreSpread } from "./retries-are-spread.ts";

/**
 * Violations after `gapsMs`, each between the end of an attempt (by default a failure) and the
 * begin of the next, of a command of its own.
 */
function violated(gapsMs: readonly number[], end: Partial<Attempt> = { outcome: "reply", status: 500 }): string[] {
  const world = new World({ seed: 1 });
  const check = retriesAreSpread(new Fleet(world, planOf({})));
  const { signal } = new AbortController();
  for (const [place, gapMs] of gapsMs.entries()) {
    const command = { id: `c${place}` } as Command;
    const attempt = (localMs: number, ended: Partial<Attempt>): Attempt =>
      ({ command, group: "atlantic", station: "primary", incarnation: 1, localMs, signal, ...ended }) as Attempt;
    check.attemptEnded?.(attempt(0, { endedAtMs: 100, ...end }));
    check.attemptBegan?.(attempt(100 + gapMs, {}));
  }
  return world.violations.map(({ invariant }) => invariant);
}

test("[R1] retries in step are seen, at the default back-off of 50 ms and its double", () => {
  assert.deepEqual(violated([50, 100, 31, 50]), []);
  assert.deepEqual(violated([50, 100, 31, 50, 50]), ["retries-are-spread"]);
});

test("[R1] spread retries, and commands that looked for room in a budget, are nothing", () => {
  assert.deepEqual(violated([50, 100, 31, 50, 32, 33, 34, 35, 36, 50, 37]), []);
  assert.deepEqual(violated(Array.from({ length: 30 }, (_, place) => 3 * place + 1)), []);
  assert.deepEqual(violated(Array.from({ length: 30 }, () => 250)), []);
});

test("[R1] a station that refuses connections, or refuses for load, is tried in a rhythm that is no back-off", () => {
  const rhythm = Array.from({ length: 10 }, () => 50);
  assert.deepEqual(violated(rhythm, { outcome: "never-sent" }), []);
  assert.deepEqual(violated(rhythm, { outcome: "reply", status: 503 }), []);
  assert.deepEqual(violated(rhythm, { outcome: "lost" }), ["retries-are-spread", "retries-are-spread"]);
});
