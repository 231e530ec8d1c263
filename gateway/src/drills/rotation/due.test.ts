import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DrillStore } from "../../../../test/worlds/drill-store.ts";
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import type { DrillOutcome } from "../injection.ts";
import type { CatalogueDrill } from "./catalogue.ts";
import { type DueDrill, dueDrills } from "./due.ts";
import type { HeldDrill } from "./journals.ts";

const NOW_MS = Date.parse("2026-12-01T00:00:00Z");
const DAY_MS = 86_400_000;

function drill(id: string, category: Category = "network", weight = 1): CatalogueDrill {
  return { id, title: id, category, weight, file: `${id}.json` };
}

function held(id: string, daysAgo: number, more: Partial<HeldDrill> = {}): HeldDrill {
  const startMs = NOW_MS - daysAgo * DAY_MS;
  return {
    ...{ runId: `${startMs}-${id}`, id, title: id, category: "network", weight: 1, specHash: "h", seed: 1 },
    ...{ environment: "test", outcome: "held", reason: undefined, targets: [], mttdMs: null, mttrMs: null },
    ...{ detectWithinMs: undefined, recoverWithinMs: undefined, isInjected: true, trips: [] },
    ...{ startMs, endMs: startMs + 1_000 },
    ...more,
  };
}

function ids(due: readonly DueDrill[]): string[] {
  return due.map((one) => one.drill.id);
}

test("deviated, never run, held long ago, held lately → in this order, each with its reason", () => {
  const drills = ["held-lately", "held-long-ago", "never", "deviated"].map((id) => drill(id));
  const runs = [
    held("held-long-ago", 20),
    held("deviated", 9, { outcome: "held" }),
    held("deviated", 3, { outcome: "deviated", reason: "two commands were lost" }),
    held("held-lately", 1),
  ];
  const due = dueDrills(drills, runs, NOW_MS);
  assert.deepEqual(ids(due), ["deviated", "never", "held-long-ago", "held-lately"]);
  assert.deepEqual(
    due.map(({ reason }) => reason),
    [
      "deviated 3 d ago (2026-11-28): two commands were lost",
      "was never run to an end",
      "was held 20 d ago (2026-11-11)",
      "was held 24 h ago (2026-11-30)",
    ],
  );
});

test("many of one category and one of another → the categories take turns", () => {
  const drills = [drill("net-1"), drill("net-2"), drill("net-3"), drill("time-1", "time"), drill("time-2", "time")];
  assert.deepEqual(ids(dueDrills(drills, [], NOW_MS)), ["net-1", "time-1", "net-2", "time-2", "net-3"]);
});

test("a category that was run yesterday and one that never was → the latter begins", () => {
  const drills = [drill("net-new"), drill("net-old"), drill("time-new", "time")];
  assert.deepEqual(ids(dueDrills(drills, [held("net-old", 1)], NOW_MS)), ["time-new", "net-new", "net-old"]);
});

test("a heavier drill of the same age → before the lighter one", () => {
  assert.deepEqual(ids(dueDrills([drill("light"), drill("heavy", "network", 5)], [], NOW_MS)), ["heavy", "light"]);
});

for (const outcome of ["invalid", "interrupted"] as const)
  test(`a last run that was ${outcome} → still never run, and the reason says so`, () => {
    const [due] = dueDrills([drill("a")], [held("a", 1, { outcome })], NOW_MS);
    assert.deepEqual([due?.rank, due?.last], ["never-run", undefined]);
    assert.ok(due?.reason.includes(outcome));
  });

test("a run that a guardrail refused before the fault → the run before it decides", () => {
  const runs = [held("a", 5), held("a", 1, { outcome: "aborted", isInjected: false })];
  assert.deepEqual(dueDrills([drill("a")], runs, NOW_MS)[0]?.last?.runId, runs[0]?.runId);
  assert.equal(dueDrills([drill("a")], [...runs, held("a", 0.5, { outcome: "aborted" })], NOW_MS)[0]?.rank, "deviated");
});

test("a drill that cannot run on this machine → last, so that it does not stand in the way", () => {
  const runs = [held("root", 2, { outcome: "skipped", reason: "needs root" }), held("b", 1)];
  const due = dueDrills([drill("root"), drill("b")], runs, NOW_MS);
  assert.deepEqual(ids(due), ["b", "root"]);
  assert.equal(due[1]?.rank, "cannot-run");
  assert.deepEqual(ids(dueDrills([drill("root"), drill("b")], runs, NOW_MS + 40 * DAY_MS)), ["root", "b"]);
});

test("a run in the future (a clock was wrong) → no negative age", () => {
  const [due] = dueDrills([drill("a")], [held("a", -5)], NOW_MS);
  assert.equal(due?.reason, "was held on 2026-12-06, which is in the future");
});

test("any catalogue and any runs → each drill once, ranks in order, and equal ranks are balanced", () => {
  const outcomes: DrillOutcome[] = ["held", "deviated", "aborted", "interrupted", "invalid", "dirty", "skipped"];
  const drillsOf = fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z]{1,3}$/),
      category: fc.constantFrom(...CATEGORIES),
      weight: fc.integer({ min: 1, max: 10 }),
    }),
    { selector: ({ id }) => id, maxLength: 20 },
  );
  const runsOf = fc.array(
    fc.record({ drill: fc.nat(19), days: fc.integer({ min: -2, max: 90 }), outcome: fc.constantFrom(...outcomes) }),
  );
  fc.assert(
    fc.property(drillsOf, runsOf, (made, played) => {
      const drills = made.map(({ id, category, weight }) => drill(id, category, weight));
      const runs = played
        .flatMap(({ drill: place, days, outcome }) => {
          const of = drills[place];
          return of === undefined ? [] : [held(of.id, days, { outcome, category: of.category })];
        })
        .toSorted((a, b) => a.startMs - b.startMs);
      const due = dueDrills(drills, runs, NOW_MS);
      assert.deepEqual(ids(due).toSorted(), drills.map(({ id }) => id).toSorted());
      const ranks = due.map(({ rank }) => ["deviated", "never-run", "held", "cannot-run"].indexOf(rank));
      assert.deepEqual(ranks, ranks.toSorted());
      // As long as two categories both wait in a rank, neither is two turns behind the other.
      const taken = new Map<Category, number>();
      for (const [place, { drill: one, rank }] of due.entries()) {
        const rivals = due.slice(place).filter((other) => other.rank === rank);
        for (const { drill: rival } of rivals)
          assert.ok((taken.get(one.category) ?? 0) <= (taken.get(rival.category) ?? 0));
        taken.set(one.category, (taken.get(one.category) ?? 0) + 1);
      }
    }),
  );
});

test("journals on a disk → the same order as from memory", () => {
  using store = new DrillStore();
  store.journal({ id: "a", start: "2026-11-10T00:00:00.000Z" });
  store.journal({ id: "b", start: "2026-11-05T00:00:00.000Z" });
  assert.deepEqual(ids(dueDrills([drill("a"), drill("b")], store.runs(), NOW_MS)), ["b", "a"]);
});
