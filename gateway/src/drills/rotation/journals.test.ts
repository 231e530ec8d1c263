import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { DrillStore, journalOf } from "../../../../test/worlds/drill-store.ts";
import { journalsDirectory, readJournal, readRuns } from "./journals.ts";

test("a journal of a drill → what a report needs of it", () => {
  using store = new DrillStore();
  store.journal({ id: "kill", category: "infrastructure", weight: 3, mttdMs: null, mttrMs: 2_500, seed: 42 });
  const [run] = store.runs();
  assert.deepEqual(
    {
      id: run?.id,
      category: run?.category,
      weight: run?.weight,
      mttdMs: run?.mttdMs,
      mttrMs: run?.mttrMs,
      seed: run?.seed,
    },
    { id: "kill", category: "infrastructure", weight: 3, mttdMs: null, mttrMs: 2_500, seed: 42 },
  );
  assert.deepEqual(run?.targets, ["station-a"]);
  assert.equal(run?.isInjected, true);
  assert.equal(run?.startMs, Date.parse("2026-11-30T12:00:00.000Z"));
});

test("a store without a directory of journals → no run, no error", () => {
  using store = new DrillStore();
  assert.deepEqual(readRuns(store.path), { runs: [], broken: { count: 0, named: [] }, foreign: 0, leftOut: 0 });
});

test("broken journals among good ones → named, counted and skipped", () => {
  using store = new DrillStore();
  store.journal();
  const good = journalOf() as { gsf: object };
  const broken: Readonly<Record<string, string>> = {
    empty: "",
    half: JSON.stringify(good).slice(0, 400),
    list: "[]",
    "not-a-category": JSON.stringify({ ...good, gsf: { ...good.gsf, category: "weather" } }),
    "negative-time": JSON.stringify({ ...good, gsf: { ...good.gsf, mttdMs: -1 } }),
    "no-time": JSON.stringify({ ...good, start: "yesterday" }),
    "ends-before-it-starts": JSON.stringify({ ...good, end: "2020-01-01T00:00:00Z" }),
    "id-with-a-path": JSON.stringify({ ...good, gsf: { ...good.gsf, id: "../../etc" } }),
    bytes: "\u0000\u0001\ufffd",
  };
  for (const [name, content] of Object.entries(broken)) store.write(`journals/${name}.json`, content);
  const runs = readRuns(store.path);
  assert.equal(runs.runs.length, 1);
  assert.equal(runs.broken.count, Object.keys(broken).length);
  assert.deepEqual(
    runs.broken.named.map(({ file }) => file.replace(".json", "")).toSorted(),
    Object.keys(broken).toSorted(),
  );
});

test("a named pipe and a directory with the name of a journal → named, and nothing waits", () => {
  using store = new DrillStore();
  store.write("journals/directory.json/inside", "");
  execFileSync("mkfifo", [join(journalsDirectory(store.path), "pipe.json")]);
  const { broken, runs } = readRuns(store.path);
  assert.deepEqual([broken.count, runs.length], [2, 0]);
});

test("journals of another tool, hidden files and temporary ones → counted apart, or not looked at", () => {
  using store = new DrillStore();
  const { gsf: _, ...foreign } = journalOf() as { gsf: object };
  store.write("journals/foreign.json", JSON.stringify(foreign));
  store.write("journals/.half.json.1234", "{");
  store.write("journals/.half.json", "{");
  store.write("journals/notes.txt", "{");
  const { broken, foreign: others, runs } = readRuns(store.path);
  assert.deepEqual([broken.count, others, runs.length], [0, 1, 0]);
});

test("Chaos Toolkit's times without a zone → UTC", () => {
  using store = new DrillStore();
  const journal = { ...journalOf(), start: "2026-11-30T12:00:00.123456", end: "2026-11-30T12:00:09.5" };
  const read = readJournal(store.write("journals/naive.json", JSON.stringify(journal)));
  assert.equal(read.kind, "run");
  assert.equal(read.kind === "run" && read.run.held.startMs, Date.parse("2026-11-30T12:00:00.123Z"));
});

test("control characters in texts of a journal → shown as escapes", () => {
  using store = new DrillStore();
  store.journal({ title: "a\u001b[2Jb\u202e", reason: "line\nline" });
  const [run] = store.runs();
  assert.equal(run?.title, "a\\u001b[2Jb\\u202e");
  assert.equal(run?.reason, "line\\nline");
});

test("10,000 journals → read in seconds and in bounded memory", () => {
  using store = new DrillStore();
  const padding = "x".repeat(4_000);
  for (let run = 0; run < 10_000; run++) {
    const start = new Date(1_700_000_000_000 + run * 60_000).toISOString();
    store.write(`journals/${run}.json`, JSON.stringify({ ...journalOf({ start, id: `drill-${run % 40}` }), padding }));
  }
  const beforeMs = performance.now();
  const { runs } = readRuns(store.path);
  const tookMs = performance.now() - beforeMs;
  assert.equal(runs.length, 10_000);
  // Generous: it takes about one second on one core.
  assert.ok(tookMs < 30_000, `${tookMs} ms`);
  const bytes = JSON.stringify(runs).length;
  assert.ok(bytes < 10_000 * 1_000, `${bytes} bytes are kept`);
});
