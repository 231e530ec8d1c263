/** Commands that cannot be served are refused early and with Retry-After. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import type { WideDraft } from "../wide-world.ts";
import { widePlan } from "../wide-world.ts";
import { vainWaits } from "./vain-waits.ts";

/**
 * Twenty commands with a known deadline of 2 s come at 40 s; each ends `afterMs` later without
 * having been sent. Another one was not served `knownForMs` before, and the very first one was
 * answered with `first`.
 */
async function run(
  afterMs: number,
  draft: WideDraft = {},
  knownForMs = 1_000,
  promotedAtMs?: number,
  first = 200,
): Promise<Scripted> {
  const made = new Scripted(widePlan({ group: { patienceMs: 2_000 }, ...draft }), vainWaits);
  made.ends(made.sends(made.command(), "primary"), "reply", first);
  if (promotedAtMs !== undefined) {
    await made.at(promotedAtMs);
    made.tell("gatewayEvent", { type: "promoted", group: "atlantic", station: "backup" } as never, 1);
  }
  await made.at(40_000 - knownForMs);
  made.tell("commandAnswered", made.arrives(made.command({ patienceMs: 2_000 }), 2_000), "OVERLOADED", 1_000);
  await made.at(40_000);
  const visits = Array.from({ length: 20 }, () => made.arrives(made.command({ patienceMs: 2_000 }), 2_000));
  await made.at(40_000 + afterMs);
  for (const visit of visits) made.tell("commandAnswered", visit, "NO_ELIGIBLE_STATION", 1_000);
  return made;
}

const INVARIANT = "nobody-waits-for-nothing";

test("all are refused within a tenth of a second → nothing is wrong", async () => {
  const { violated, world } = await run(100);
  assert.deepEqual(violated, []);
  assert.ok((world.met.get(`judged: ${INVARIANT}`) ?? 0) > 0);
});

test("all are refused when their time is over → violated", async () => {
  assert.ok((await run(2_000)).violated.includes(INVARIANT));
});

test("… and nothing was ever served → not judged", async () => {
  assert.deepEqual((await run(2_000, {}, 1_000, undefined, 504)).violated, []);
});

test("… and a station has become so slow that no attempt is answered before its caller leaves → not judged; ten per cent slower → violated", async () => {
  const slower = (factor: number): WideDraft => ({
    faults: [{ kind: "slowdown", group: "atlantic", station: "primary", factor, atMs: 1_000 }],
  });
  const [lost, borne] = [await run(2_000, slower(100)), await run(2_000, slower(1.1))];
  assert.deepEqual([lost.violated.includes(INVARIANT), borne.violated.includes(INVARIANT)], [false, true]);
});

test("… and they had arrived before anybody knew, or a station has just become active → not judged", async () => {
  for (const [knownForMs, promotedAtMs] of [
    [999, undefined],
    [5_000, undefined],
    [1_000, 34_000],
  ] as const) {
    assert.deepEqual((await run(2_000, {}, knownForMs, promotedAtMs)).violated, []);
  }
  assert.ok((await run(2_000, {}, 1_000, 30_000)).violated.includes(INVARIANT), "it has been active for long enough");
});

test("callers leave before a slow route can answer → not judged; they wait for long enough → violated", async () => {
  const routes = [{ name: "slow", ratio: 0.2, serviceMs: 2_500 }];
  for (const [patienceMs, isJudged] of [
    [400, false],
    [10_000, true],
  ] as const) {
    const callers = { patienceMs, leaves: "silently", retries: 3, retryAfterMs: 300 } as const;
    const { violated } = await run(2_000, { group: { patienceMs: 2_000, routes, callers } });
    assert.equal(violated.includes(INVARIANT), isJudged, `${patienceMs}`);
  }
});

for (const code of ["NO_ELIGIBLE_STATION", "OVERLOADED"]) {
  test(`refused early (${code}), and not told when to come back → violated`, () => {
    const made = new Scripted(widePlan({ group: { patienceMs: 2_000 } }), vainWaits);
    made.tell("commandAnswered", made.arrives(made.command({ patienceMs: 2_000 }), 2_000), code);
    assert.deepEqual(made.violated, [INVARIANT]);
  });
}

test("no station was well → not judged", async () => {
  const gone = { kind: "service", group: "atlantic", mode: "hang", rate: 1, atMs: 15_000, forMs: 60_000 } as const;
  const faults = [
    { ...gone, station: "primary" },
    { ...gone, station: "backup" },
  ];
  // The chaos ends at 30 s; a station that is back must be known 5 s and twice the patience later,
  // at 39 s.
  const made = new Scripted(widePlan({ group: { patienceMs: 2_000 }, faults }), vainWaits);
  made.ends(made.sends(made.command(), "primary"), "reply", 200);
  await made.at(30_000);
  const visits = Array.from({ length: 20 }, () => made.arrives(made.command({ patienceMs: 2_000 }), 2_000));
  await made.at(32_000);
  for (const visit of visits) made.tell("commandAnswered", visit, "NO_ELIGIBLE_STATION", 1_000);
  assert.deepEqual(made.violated, []);
});
