/**
 * A service of which more is asked for than it can do, and which refuses the rest: most of what it
 * can do is done, also where its calls take sometimes more and sometimes less time. (With a limit
 * that follows the last few answers it was half of it.)
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../resilience/src/core/random.ts";
import { Refusing } from "../worlds/refusing.ts";

/** Of the services below, all together and each for itself. */
const MEAN_DUE = 0.75;
const LEAST_DUE = 0.6;

/** The share of what it can do that is done in the last 24 of 40 seconds of overload. */
function doneShare(kind: "places" | "rate", workMs: number, factor: number): number {
  const random = seededRandom(`${kind} ${workMs} ${factor}`);
  const world = new Refusing({ kind, count: 16, workMs, draw: () => -workMs * Math.log(1 - random.next()) });
  const load = { patienceMs: 10 * workMs, random, terms: (place: number) => ({ source: "route", key: `k${place}` }) };
  world.offer({ forMs: Math.max(10_000, 20 * workMs), perSecond: world.perSecond / 2, ...load });
  const { goodput } = world.offer({ forMs: 40_000, perSecond: factor * world.perSecond, ...load });
  return goodput.slice(16).reduce((sum, count) => sum + count, 0) / 24 / world.perSecond;
}

test("[F11] a service refuses what is too much, and its calls take an exponential time → most of what it can do is done", () => {
  const shares: [string, number][] = [];
  for (const kind of ["places", "rate"] as const) {
    for (const workMs of [80, 500]) {
      for (const factor of [1.3, 3])
        shares.push([`${kind}, ${workMs} ms, ${factor} times`, doneShare(kind, workMs, factor)]);
    }
  }
  const told = shares.map(([name, share]) => `${name}: ${share.toFixed(2)}`).join("; ");
  const mean = shares.reduce((sum, [, share]) => sum + share, 0) / shares.length;
  assert.ok(mean >= MEAN_DUE, `${mean.toFixed(2)} of what they can do; ${told}`);
  for (const [name, share] of shares) assert.ok(share >= LEAST_DUE, `${name}: ${share.toFixed(2)}; ${told}`);
});
