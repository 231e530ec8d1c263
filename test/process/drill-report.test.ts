/**
 * `gsf drill next` and `gsf drill report` as their users meet them: the program, a store, a
 * directory of drills, and what comes out in each format.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DrillStore } from "../worlds/drill-store.ts";
import { gsf } from "./gsf-process.ts";

const DAY_MS = 86_400_000;

function daysAgo(days: number): string {
  return new Date(Date.now() - days * DAY_MS).toISOString();
}

/** Three drills: one held, one deviated, one never run; and a broken journal. */
function filled(): DrillStore {
  const store = new DrillStore();
  store.experiment("held", "network");
  store.experiment("deviated", "time", "A <script>alert(1)</script> | title");
  store.experiment("never", "resource");
  store.journal({ id: "held", start: daysAgo(2), mttdMs: 2_000 });
  store.journal({
    id: "deviated",
    category: "time",
    start: daysAgo(1),
    outcome: "deviated",
    mttdMs: null,
    mttrMs: null,
    reason: "lost <b>one</b>",
  });
  store.write("journals/half.json", "{");
  return store;
}

test("what is due → deviated, never run, held, each with a reason; broken journals on standard error", async () => {
  using store = filled();
  const args = ["drill", "next", join(store.path, "drills"), "--store", store.path];
  const { code, stdout, stderr } = await gsf([...args, "--json"]);
  assert.equal(code, 0, stderr);
  const { version, total, drills, broken } = JSON.parse(stdout);
  assert.deepEqual([version, total, broken.count], [1, 3, 1]);
  assert.deepEqual(
    drills.map(({ id, rank }: { id: string; rank: string }) => [id, rank]),
    [
      ["deviated", "deviated"],
      ["never", "never-run"],
      ["held", "held"],
    ],
  );
  const shown = await gsf([...args, "--count", "1"]);
  assert.ok(shown.stdout.includes("deviated.json") && shown.stdout.includes("and 2 more"));
  assert.ok(shown.stderr.includes("half.json"));
});

test("the scorecard in each format → the same numbers, coverage beside the score, nothing of the titles as markup", async () => {
  using store = filled();
  const incidents = store.write("incidents.csv", `date,category,minutes\n${daysAgo(3).slice(0, 10)},network,12\n`);
  const args = ["drill", "report", join(store.path, "drills"), "--store", store.path, "--incidents", incidents];
  const html = join(store.path, "card.html");
  const [json, markdown, page] = await Promise.all([
    gsf([...args, "--format", "json"]),
    gsf(args),
    gsf([...args, "--out", html]),
  ]);
  assert.deepEqual([json.code, markdown.code, page.code], [0, 0, 0], json.stderr);
  const card = JSON.parse(json.stdout);
  // held above a target is 0.5, deviated is 0: 100 × 0.5 / 2.
  assert.deepEqual([card.overall.score, card.overall.coverage], [25, { covered: 2, total: 3, ratio: 2 / 3 }]);
  const time = card.categories.find(({ category }: { category: string }) => category === "time");
  assert.deepEqual([time.detection.n, time.detection.medianMs, time.detection.absent], [0, null, 1]);
  assert.equal(card.incidents.categories[1].incidents, 1);
  assert.deepEqual([card.runs.broken.count, card.runs.broken.named[0].file], [1, "half.json"]);
  assert.ok(markdown.stdout.includes("Score 25, 2 of 3 drills run in 30 days"));
  assert.ok(markdown.stdout.includes("correlation") && !/(?<!\\)<script/.test(markdown.stdout));
  const text = readFileSync(html, "utf8");
  assert.ok(text.includes("25, 2 of 3 drills run in 30 days") && !text.includes("<script") && !text.includes("<b>"));
  assert.equal(text.match(/<svg /g)?.length, 4);
});

for (const [what, args] of [
  ["a directory that is not there", ["drill", "report", "/nonexistent/drills"]],
  ["a count of 0", ["drill", "next", "--count", "0"]],
  ["a time in the future", ["drill", "report", "--since", "2999-01-01"]],
  ["a format that is not known", ["drill", "report", "--format", "pdf"]],
  ["incidents that are not there", ["drill", "report", "--incidents", "/nonexistent.csv"]],
  ["a directory without drills", ["drill", "next", "docs/adr"]],
] as const)
  test(`${what} → exit code 2 and a sentence, no stack`, async () => {
    using store = new DrillStore();
    if (what.startsWith("incidents")) store.journal();
    const { code, stderr } = await gsf([...args, "--store", store.path]);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.length > 0 && !stderr.includes("    at "));
  });
