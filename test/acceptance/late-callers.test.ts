/**
 * Stations that are well, with room for everything, and callers whose time is over about when their
 * calls are answered: service times are exponential, so that a part of the calls is always late.
 * That is no reason to move a role, nor to refuse calls.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Accidents, UsualShare } from "../../resilience/src/core/failover/evidence/accidents.ts";
import { StationEvidence } from "../../resilience/src/core/failover/evidence/evidence.ts";
import { seededRandom } from "../../resilience/src/core/random.ts";
import { Crowded, type StationModel } from "../worlds/crowded.ts";

const SEED: string = process.env["SEED"] ?? "11";
const TWENTY_MINUTES_MS = 1_200_000;
const ENDLESS_MS = 60_000;

/** As the failover makes them: what is usual is learned from both. */
function partsOfTwo(): { readonly timeoutMs: number; readonly evidence: StationEvidence; readonly left: Accidents }[] {
  const [late, left] = [new UsualShare(), new UsualShare()];
  return [0, 1].map(() => ({
    timeoutMs: ENDLESS_MS,
    evidence: new StationEvidence({}, late),
    left: new Accidents(left),
  }));
}

for (const [meanMs, perSecond, deadlineMs, patienceMs] of [
  [1_000, 0.5, ENDLESS_MS, ENDLESS_MS],
  [200, 1, ENDLESS_MS, ENDLESS_MS],
  [200, 1, 150, ENDLESS_MS],
  [200, 4, 200, ENDLESS_MS],
  [200, 10, 300, ENDLESS_MS],
  [200, 4, ENDLESS_MS, 200],
  [1_000, 1, ENDLESS_MS, 1_000],
] as const) {
  test(`[F10] [F11] ${meanMs} ms on average, ${perSecond}/s, a deadline of ${deadlineMs} ms, callers wait ${patienceMs} ms → for 20 minutes hardly a change of roles, and hardly a refusal`, () => {
    const random = seededRandom(SEED);
    const draw = (): number => -meanMs * Math.log(1 - random.next());
    const model: StationModel = { kind: "queue", workers: 10_000, workMs: meanMs, draw, drops: false };
    const world = new Crowded([model, model], { stations: partsOfTwo() });
    const { calls, refused } = world.offer({
      forMs: TWENTY_MINUTES_MS,
      perSecond,
      patienceMs,
      random,
      terms: (place) => ({ source: `route ${place % 3}`, key: `k${place}`, deadline: world.nowMs + deadlineMs }),
    });
    const promoted = world.told("promoted").map(({ atMs }) => atMs);
    assert.ok(promoted.length <= 2, `SEED=${SEED}: at ${promoted.join(", ")} ms`);
    assert.ok(
      promoted.every((atMs) => atMs < 120_000),
      `SEED=${SEED}: only while little is known: ${promoted.join(", ")} ms`,
    );
    assert.ok(refused.length <= 0.03 * calls, `SEED=${SEED}: ${refused.length} of ${calls} refused`);
  });
}
