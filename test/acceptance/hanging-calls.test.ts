/**
 * Promise [F11] for calls that hang: a lock in a database, a full pool. They are never answered,
 * and their connections stay open, so that they are in flight until their deadlines. The fault is
 * over long before that, and so must its effects be: calls that hang hold no limit, and nobody has
 * to find out through them whether a station serves again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../resilience/src/core/random.ts";
import { Crowded, type StationModel } from "../worlds/crowded.ts";
import type { Terms } from "../worlds/dispatching.ts";

const WORK_MS = 225;
const FAULT_MS = 2_800;
/** Callers wait as long as a deadline is by default. */
const PATIENCE_MS = 30_000;

const CALLS: Readonly<Record<string, (place: number) => Terms>> = {
  keyed: (place) => ({ source: `route ${place % 2}`, key: `k${place}` }),
  unkeyed: (place) => ({ source: `route ${place % 2}` }),
  GET: (place) => ({ source: `route ${place % 2}`, isRepeatable: true, isIdempotent: true }),
};

/** Two stations alike, and what makes a share of the calls that begin at one of them hang. */
function hangingWorld(seed: number): { readonly world: Crowded; readonly hang: (share: readonly number[]) => void } {
  const random = seededRandom(seed);
  let shares: readonly number[] = [0, 0];
  const model = (number: number): StationModel => ({
    kind: "queue",
    workers: 10_000,
    workMs: WORK_MS,
    draw: () => (random.next() < (shares[number] ?? 0) ? Number.POSITIVE_INFINITY : WORK_MS),
    drops: true,
  });
  const hang = (share: readonly number[]): void => {
    shares = share;
  };
  return { world: new Crowded([model(0), model(1)]), hang };
}

for (const share of [0.2, 0.5, 0.9, 1]) {
  for (const where of ["both stations", "the primary"]) {
    for (const [kind, terms] of Object.entries(CALLS)) {
      test(`[F11] ${share * 100} % of ${kind} calls hang at ${where} for ${FAULT_MS} ms → two seconds later all are answered`, () => {
        for (const perSecond of [10, 50]) {
          for (const seed of [1, 2, 3]) {
            const { world, hang } = hangingWorld(seed);
            const offer = { perSecond, patienceMs: PATIENCE_MS, terms };
            world.offer({ ...offer, forMs: 7_000 });
            hang([share, where === "both stations" ? share : 0]);
            world.offer({ ...offer, forMs: FAULT_MS });
            hang([0, 0]);
            world.offer({ ...offer, forMs: 2_000 });
            const after = world.offer({ ...offer, forMs: 10_000 });
            const told = `seed ${seed}, ${perSecond}/s: ${after.goodput}, ${after.refused.length} refused`;
            assert.equal(after.refused.length, 0, told);
            // Those that came last are still out when the time is over.
            for (const count of after.goodput.slice(1)) assert.ok(count >= 0.9 * perSecond, told);
          }
        }
      });
    }
  }
}
