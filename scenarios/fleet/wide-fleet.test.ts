/**
 * The fleet of the wide world: what its callers, its stations and the gateway's machine really do
 * in a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import type { WideDraft } from "../checks/wide-world.ts";
import { WRONG, widePlan } from "../checks/wide-world.ts";
import { planOf } from "../swarm/written.ts";
import { buildFleet } from "./build.ts";
import { gatewayProgram } from "./gateway-node.ts";
import type { Attempt, FleetObserver, Sending } from "./observer.ts";

interface Seen {
  readonly sendings: Sending[];
  readonly attempts: Attempt[];
  readonly world: World;
}

/** Runs the plan of `draft` until `untilMs`, without checks; what was seen of it. */
async function run(draft: WideDraft, untilMs = 20_000): Promise<Seen> {
  const world = new World({ seed: "wide", traps: false });
  const seen: Seen = { sendings: [], attempts: [], world };
  const observer: FleetObserver = {
    sendingEnded: (sending) => void seen.sendings.push(sending),
    attemptEnded: (attempt) => void seen.attempts.push(attempt),
  };
  buildFleet(world, planOf(widePlan(draft)), { gateway: gatewayProgram, checks: () => [observer] });
  await world.run(untilMs);
  return seen;
}

const tookMs = ({ atMs, endedAtMs = Number.NaN }: Sending): number => endedAtMs - atMs;

test("little load → every command is served in little more than its work", async () => {
  const { sendings } = await run({});
  assert.ok(sendings.length > 100);
  assert.ok(sendings.every((sending) => sending.end === "served" && tookMs(sending) < 200));
});

test("more than a station accepts → it refuses", async () => {
  const { world, attempts } = await run({ group: { commandsPerSecond: 60 } }, 5_000);
  assert.ok((world.met.get("station refused for want of capacity") ?? 0) > 0);
  assert.ok(attempts.some(({ status }) => status === 503));
});

test("more than its processor finishes → commands take longer", async () => {
  const slow = { parallelism: 1 };
  const { sendings } = await run({ group: { breakingPoints: { primary: slow, backup: slow }, commandsPerSecond: 9 } });
  assert.ok(sendings.some((sending) => tookMs(sending) > 200));
});

test("a station that becomes slower for good → its commands take longer from then on, and it accepts as many", async () => {
  const slowdown = { kind: "slowdown", group: "atlantic", station: "primary", atMs: 10_000, factor: 1.5 } as const;
  const { attempts, world } = await run({ faults: [slowdown] });
  const outMs = ({ atMs, endedAtMs = Number.NaN }: Attempt): number => endedAtMs - atMs;
  const ofPrimary = attempts.filter(({ station, outcome }) => station === "primary" && outcome === "reply");
  const before = ofPrimary.filter(({ atMs }) => atMs < 9_000).map(outMs);
  const after = ofPrimary.filter(({ atMs }) => atMs > 10_000).map(outMs);
  assert.ok(before.length > 20 && after.length > 20, `${before.length}, then ${after.length}`);
  assert.ok(Math.min(...after) > 1.3 * Math.min(...before), `${Math.min(...before)} ms, then ${Math.min(...after)} ms`);
  assert.equal(world.met.get("station refused for want of capacity") ?? 0, 0);
});

test("a route whose commands are wrong → own errors there, success elsewhere", async () => {
  const { sendings } = await run({ group: { routes: [WRONG], keyedRatio: 0, readRatio: 0 } });
  const wrong = sendings.filter(({ command }) => command.route !== undefined);
  assert.ok(wrong.length > 10 && wrong.some(({ end }) => end === "own-error"));
});

test("callers that leave by closing abort their attempts; callers that leave silently do not", async () => {
  const hasty = { patienceMs: 50, retries: 0, retryAfterMs: 500 };
  const closing = await run({ group: { callers: { ...hasty, leaves: "closing" } } }, 3_000);
  assert.ok(closing.sendings.every(({ end }) => end === "left"));
  assert.ok(closing.attempts.some(({ outcome }) => outcome === "aborted"));
  const silent = await run({ group: { callers: { ...hasty, leaves: "silently" } } }, 3_000);
  assert.ok(silent.sendings.every(({ end }) => end === "left"));
  assert.ok(silent.attempts.every(({ outcome }) => outcome === "reply"));
});

test("slow uploads: a keyed body is read first, any other is passed on while it arrives", async () => {
  const uploads = { ratio: 1, forMs: 400, cutRatio: 0 };
  const callers = { patienceMs: 5_000, leaves: "closing", retries: 0, retryAfterMs: 500, uploads } as const;
  const outMs = ({ atMs, endedAtMs = Number.NaN }: Attempt): number => endedAtMs - atMs;
  const keyed = await run({ group: { callers, keyedRatio: 1, readRatio: 0 } }, 5_000);
  assert.ok(keyed.attempts.length > 10 && keyed.attempts.every((attempt) => outMs(attempt) < 400));
  const once = await run({ group: { callers, keyedRatio: 0, readRatio: 0 } }, 5_000);
  assert.ok(once.attempts.length > 10 && once.attempts.every((attempt) => outMs(attempt) > 400));
  assert.ok(once.sendings.every(({ end }) => end === "served"));
});

test("uploads that are cut off end their attempts", async () => {
  const uploads = { ratio: 1, forMs: 400, cutRatio: 1 };
  const callers = { patienceMs: 5_000, leaves: "silently", retries: 0, retryAfterMs: 500, uploads } as const;
  const { attempts, sendings } = await run({ group: { callers, keyedRatio: 0, readRatio: 0 } }, 5_000);
  assert.ok(attempts.length > 10 && attempts.every(({ outcome }) => outcome === "aborted"));
  assert.ok(sendings.every((sending) => sending.end === "left" && tookMs(sending) < 400));
});

test("no free port → a connection that is needed fails before anything is sent", async () => {
  const shortage = { kind: "shortage", resource: "ports", atMs: 10_000, forMs: 20_000, rate: 1 } as const;
  // At a surge the connections that are open are not enough.
  const surge = { kind: "surge", group: "atlantic", atMs: 12_000, forMs: 2_000, factor: 3 } as const;
  const { attempts, world } = await run({ faults: [shortage, surge] });
  assert.ok((world.met.get("own shortage") ?? 0) > 0);
  assert.ok(attempts.some(({ outcome }) => outcome === "never-sent"));
  assert.ok(attempts.some(({ atMs, outcome }) => atMs > 10_000 && outcome === "reply"));
});
