import assert from "node:assert/strict";
import { test } from "node:test";
import { DrillStore } from "../../../../test/worlds/drill-store.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { incidentReport, readIncidents } from "./incidents.ts";

const NOW_MS = Date.parse("2026-12-01T00:00:00Z");
const DAY_MS = 86_400_000;

test("the same incidents as CSV and as JSON → the same list", () => {
  using store = new DrillStore();
  const csv = store.write(
    "incidents.csv",
    '\ufeffMinutes,date,category,note\r\n12.5,2026-11-20,network,"a, b"\r\n3,2026-11-21T10:00Z,Time,\r\n\r\n',
  );
  const json = store.write(
    "incidents.json",
    JSON.stringify([
      { date: "2026-11-20", category: "network", minutes: 12.5 },
      { date: "2026-11-21T10:00Z", category: "time", minutes: 3 },
    ]),
  );
  assert.deepEqual(readIncidents(csv), readIncidents(json));
  assert.deepEqual(readIncidents(csv)[0], {
    atMs: Date.parse("2026-11-20T00:00:00Z"),
    category: "network",
    minutes: 12.5,
  });
});

for (const [what, name, content, place] of [
  ["no header", "a.csv", "2026-11-20,network,12\n", "a.csv"],
  ["a date that does not exist", "a.csv", "date,category,minutes\n2026-02-30,network,12\n", "line 2"],
  ["an unknown category", "a.csv", "date,category,minutes\n2026-02-03,time,1\n2026-02-03,weather,12\n", "line 3"],
  ["no minutes", "a.csv", "date,category,minutes\n2026-02-03,time,\n", "line 2"],
  ["negative minutes", "a.json", '[{"date":"2026-02-03","category":"time","minutes":-1}]', "[0]"],
  ["half a JSON", "a.json", '[{"date":', "a.json"],
] as const)
  test(`incidents with ${what} → refused, with the place`, () => {
    using store = new DrillStore();
    const path = store.write(name, content);
    assert.throws(
      () => readIncidents(path),
      (error) => error instanceof UserError && error.ending === "usage" && error.message.includes(place),
    );
  });

test("three incidents and six drills in 60 days → 1.5 and 3 per 30 days", () => {
  using store = new DrillStore();
  for (let drill = 0; drill < 6; drill++)
    store.journal({ id: `drill-${drill}`, start: new Date(NOW_MS - (drill * 9 + 1) * DAY_MS).toISOString() });
  store.journal({ id: "skipped", start: new Date(NOW_MS - DAY_MS).toISOString(), outcome: "skipped" });
  const incidents = [5, 20, 50, 70].map((days) => ({
    atMs: NOW_MS - days * DAY_MS,
    category: "network" as const,
    minutes: 10,
  }));
  const report = incidentReport(incidents, store.runs(), NOW_MS - 60 * DAY_MS, NOW_MS);
  const { category: _, ...network } = report.categories.find(({ category }) => category === "network")!;
  assert.deepEqual(network, { incidents: 3, minutes: 30, drills: 6, incidentRate: 1.5, drillRate: 3 });
  assert.deepEqual(
    report.periods.map(({ incidents: count, drills }) => [count, drills]),
    [
      [1, 2],
      [2, 4],
    ],
  );
});
