import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DrillStore, type MadeJournal } from "../../../../test/worlds/drill-store.ts";
import type { Category } from "../experiment/experiment.ts";
import { summaryOf } from "../pictures/summary.ts";
import type { CatalogueDrill } from "./catalogue.ts";
import { type CategoryScore, resultOf, type Scorecard, scorecard } from "./score.ts";

const NOW_MS = Date.parse("2026-12-01T00:00:00Z");
const DAY_MS = 86_400_000;

function drill(id: string, weight = 1, category: Category = "network"): CatalogueDrill {
  return { id, title: id, category, weight, file: `${id}.json` };
}

function daysAgo(days: number): string {
  return new Date(NOW_MS - days * DAY_MS).toISOString();
}

function cardOf(drills: readonly CatalogueDrill[], journals: readonly MadeJournal[], sinceDays = 90): Scorecard {
  using store = new DrillStore();
  for (const journal of journals) store.journal(journal);
  return scorecard({
    drills,
    runs: store.runs(),
    nowMs: NOW_MS,
    sinceMs: NOW_MS - sinceDays * DAY_MS,
    findings: new Map(),
  });
}

function network({ categories }: Scorecard): CategoryScore {
  return categories.find(({ category }) => category === "network") as CategoryScore;
}

test("[X4] held, held but late, deviated, not run → the sum, and the coverage beside it", () => {
  const card = cardOf(
    [drill("held", 3), drill("late", 2), drill("deviated", 5), drill("absent", 10)],
    [
      { id: "held", start: daysAgo(1) },
      { id: "late", start: daysAgo(2), mttdMs: 1_001 },
      { id: "deviated", start: daysAgo(3), outcome: "deviated" },
    ],
  );
  const { score, weightedSum, weightSum, covered, total, totalWeight } = network(card);
  // 3 × 1 + 2 × 0.5 + 5 × 0 = 4, of 3 + 2 + 5 = 10; the fourth drill (10) is in no sum.
  assert.deepEqual(
    { score, weightedSum, weightSum, covered, total, totalWeight },
    { score: 40, weightedSum: 4, weightSum: 10, covered: 3, total: 4, totalWeight: 20 },
  );
  assert.deepEqual(
    { ...card.overall },
    { score: 40, weightedSum: 4, weightSum: 10, covered: 3, total: 4, totalWeight: 20 },
  );
});

test("nothing run → no score at all, not 0 and not 100", () => {
  const { score, covered, total } = network(cardOf([drill("a")], []));
  assert.deepEqual([score, covered, total], [null, 0, 1]);
});

for (const [what, days, score] of [
  ["29 days", 29, 100],
  ["31 days", 31, null],
] as const)
  test(`a drill that held ${what} ago → score ${score}`, () => {
    assert.equal(network(cardOf([drill("a")], [{ id: "a", start: daysAgo(days) }])).score, score);
  });

test("a later run that was refused, skipped or interrupted → the one before it counts", () => {
  const journals: MadeJournal[] = [
    { id: "a", start: daysAgo(5) },
    { id: "a", start: daysAgo(4), outcome: "aborted", faultAfterMs: null },
    { id: "a", start: daysAgo(3), outcome: "skipped", faultAfterMs: null },
    { id: "a", start: daysAgo(2), outcome: "interrupted" },
    { id: "a", start: daysAgo(1), outcome: "invalid" },
  ];
  assert.equal(network(cardOf([drill("a")], journals)).score, 100);
  assert.equal(
    network(cardOf([drill("a")], [...journals, { id: "a", start: daysAgo(0.5), outcome: "dirty" }])).score,
    0,
  );
});

for (const [what, made, result] of [
  ["detected at the target itself", { mttdMs: 1_000 }, 1],
  ["detected above the target", { mttdMs: 1_000.1 }, 0.5],
  ["not detected although there is a target", { mttdMs: null }, 0.5],
  ["not recovered although there is a target", { mttrMs: null }, 0.5],
  ["recovered above the target", { mttrMs: 3_001 }, 0.5],
  ["detected although nothing should be", { detectWithinMs: "never", mttdMs: 10 }, 0.5],
  ["not detected, and nothing should be", { detectWithinMs: "never", mttdMs: null }, 1],
  ["stopped by a guardrail in the fault", { outcome: "aborted" }, 0],
] as const)
  test(`${what} → worth ${result}`, () => {
    using store = new DrillStore();
    store.journal(made);
    assert.equal(resultOf(store.runs()[0]!).result, result);
  });

test("points of a category → every one, median and worst of those that exist, the others counted", () => {
  const times = [100, null, 4_000, 300, 200];
  const card = cardOf(
    [drill("a")],
    times.map((mttdMs, place) => ({ id: "a", start: daysAgo(5 - place), mttdMs })),
  );
  const { points, n, medianMs, worstMs, absent } = network(card).detection;
  assert.deepEqual(
    points.map(({ ms }) => ms),
    times,
  );
  // 100, 200, 300, 4000: the median is (200 + 300) / 2.
  assert.deepEqual({ n, medianMs, worstMs, absent }, { n: 4, medianMs: 250, worstMs: 4_000, absent: 1 });
});

test("runs before --since → in no list of points, and the score looks back 30 days all the same", () => {
  const card = cardOf([drill("a")], [{ id: "a", start: daysAgo(20) }], 10);
  assert.deepEqual([network(card).detection.points.length, network(card).score], [0, 100]);
});

test("a drill without a target that was not measured → no point, so it is not called undetected", () => {
  const card = cardOf([drill("a")], [{ id: "a", start: daysAgo(1), mttdMs: null, detectWithinMs: undefined }]);
  using store = new DrillStore();
  store.journal({ detectWithinMs: undefined, mttdMs: null });
  assert.equal(store.runs()[0]?.detectWithinMs, undefined);
  assert.deepEqual(network(card).detection.points, []);
});

test("a run of a drill that the catalogue does not have → named, and in no score", () => {
  const card = cardOf([drill("a")], [{ id: "gone", start: daysAgo(1), outcome: "deviated" }]);
  assert.deepEqual(
    card.unknown.map(({ id }) => id),
    ["gone"],
  );
  assert.equal(network(card).score, null);
});

test("the trend → the last ten runs of the category, oldest first", () => {
  const card = cardOf(
    [drill("a"), drill("b")],
    Array.from({ length: 14 }, (_, place) => ({
      id: place % 2 === 0 ? "a" : "b",
      start: daysAgo(14 - place),
      mttrMs: place,
    })),
  );
  assert.deepEqual(
    network(card).trend.map(({ mttrMs }) => mttrMs),
    [4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
  );
});

test("any durations → the median has as many below as above, and what is absent changes nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.constant(null))), (durations) => {
      const { n, medianMs, worstMs, absent } = summaryOf(durations);
      const known = durations.filter((ms) => ms !== null);
      assert.deepEqual([n, absent], [known.length, durations.length - known.length]);
      assert.equal(worstMs, known.length === 0 ? null : Math.max(...known));
      if (medianMs === null) assert.equal(n, 0);
      else
        assert.ok(
          known.filter((ms) => ms < medianMs).length <= n / 2 && known.filter((ms) => ms > medianMs).length <= n / 2,
        );
      assert.deepEqual(summaryOf(known), { n, medianMs, worstMs, absent: 0 });
    }),
  );
});
