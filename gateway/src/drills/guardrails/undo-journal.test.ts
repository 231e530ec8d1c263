/** The undo journal when a crash, a full disk or a stranger had a hand in it. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import type { Inverse } from "../injection.ts";
import { STORE } from "../store.ts";
import { ownIdentity } from "./process-identity.ts";
import { discardRun, recoverStore } from "./recover.ts";
import { cutTornLine, journalPath, journalsIn, noteLifted, readJournal, UndoJournal } from "./undo-journal.ts";

const NOW = "2026-12-01T00:00:00.000Z";
const now = (): string => NOW;
const NOTHING: Inverse = { kind: "process", path: "true", arguments: [] };
const FAILS: Inverse = { kind: "process", path: "false", arguments: [] };
const stores: string[] = [];
after(() => {
  for (const store of stores) rmSync(store, { recursive: true, force: true });
});

function newStore(): string {
  const store = mkdtempSync(join(tmpdir(), "gsf-undo-"));
  stores.push(store);
  return store;
}

/** The journal of a runner that is dead: of another boot. */
function deadJournal(store: string, runId: string, inverses: readonly Inverse[]): UndoJournal {
  const journal = UndoJournal.begin(store, runId, { ...ownIdentity(), boot: "another" }, now);
  for (const [index, inverse] of inverses.entries()) journal.add(`step ${index + 1}`, 1_000, [inverse]);
  return journal;
}

async function recovered(store: string, includeRunning = false): Promise<[left: number, lines: string[]]> {
  const lines: string[] = [];
  const left = await recoverStore({ store, includeRunning, tell: (line) => lines.push(line), now });
  return [left, lines];
}

test("steps written and one lifted → the others are open, in order", () => {
  const journal = deadJournal(newStore(), "run-1", [NOTHING, FAILS, NOTHING]);
  noteLifted(journal.path, 2, "runner", NOW);
  const record = readJournal(journal.path);
  assert.deepEqual(
    record?.open.map(({ step }) => step),
    [1, 3],
  );
  assert.deepEqual(record?.unreadableLines, []);
});

test("last line torn at any byte → the lines before it count, and it does not", () => {
  const journal = deadJournal(newStore(), "run-1", [NOTHING]);
  const sound = readFileSync(journal.path).length;
  journal.add("torn", 1_000, [FAILS]);
  for (let length = readFileSync(journal.path).length - 1; length >= sound; length--) {
    truncateSync(journal.path, length);
    const record = readJournal(journal.path);
    assert.deepEqual(
      record?.open.map(({ name }) => name),
      ["step 1"],
    );
    assert.deepEqual(record?.unreadableLines, []);
  }
});

test("torn line, then recover → its rest does not spoil what is written behind it", async () => {
  const store = newStore();
  const journal = deadJournal(store, "run-1", [FAILS]);
  appendFileSync(journal.path, '{"type":"step","step":2,"na');
  assert.equal((await recovered(store))[0], 1);
  assert.deepEqual(readJournal(journal.path)?.unreadableLines, []);
  cutTornLine(journal.path);
  noteLifted(journal.path, 1, "person", NOW);
  assert.deepEqual(readJournal(journal.path)?.open, []);
});

test("inverse that fails → stays, others go, and recover says so until it works", async () => {
  const store = newStore();
  const flag = join(store, "flag");
  const inverse: Inverse = { kind: "process", path: "test", arguments: ["-e", flag] };
  const journal = deadJournal(store, "run-1", [NOTHING, inverse, NOTHING]);
  assert.equal((await recovered(store))[0], 1);
  assert.deepEqual(
    readJournal(journal.path)?.open.map(({ step }) => step),
    [2],
  );
  writeFileSync(flag, "");
  assert.equal((await recovered(store))[0], 0);
  assert.ok(!existsSync(journal.path));
});

test("several runs left something → newest run first, last fault first", async () => {
  const store = newStore();
  const log = join(store, "log");
  const writes = (text: string): Inverse => ({
    kind: "process",
    path: "sh",
    arguments: ["-c", `echo ${text} >> ${log}`],
  });
  deadJournal(store, "run-1", [writes("a1"), writes("a2")]);
  deadJournal(store, "run-2", [writes("b1"), writes("b2")]);
  assert.equal((await recovered(store))[0], 0);
  assert.deepEqual(readFileSync(log, "utf8").trim().split("\n"), ["b2", "b1", "a2", "a1"]);
});

test("run under way → recover leaves it alone, unless asked, and keeps its journal", async () => {
  const store = newStore();
  const flag = join(store, "flag");
  const journal = UndoJournal.begin(store, "run-1", ownIdentity(), now);
  journal.add("fault", 1_000, [{ kind: "process", path: "touch", arguments: [flag] }]);
  assert.equal((await recovered(store))[0], 0);
  assert.ok(!existsSync(flag));
  assert.equal((await recovered(store, true))[0], 0);
  assert.ok(existsSync(flag) && existsSync(journal.path));
});

test("line in the middle that cannot be read → recover fails until a person discards the run", async () => {
  const store = newStore();
  const journal = deadJournal(store, "run-1", [NOTHING]);
  appendFileSync(journal.path, "}{\n");
  journal.add("behind it", 1_000, [NOTHING]);
  assert.equal((await recovered(store))[0], 1);
  assert.equal((await recovered(store))[0], 1);
  assert.equal(discardRun(store, "another", "Ana", NOW), false);
  assert.equal(discardRun(store, "run-1", "Ana", NOW), true);
  assert.equal((await recovered(store))[0], 0);
});

test("journal of a stranger, or that others may write to → nothing in it is played", async () => {
  const store = newStore();
  const flag = join(store, "flag");
  const journal = deadJournal(store, "run-1", [{ kind: "process", path: "touch", arguments: [flag] }]);
  chmodSync(journal.path, 0o666);
  assert.equal((await recovered(store))[0], 1);
  chmodSync(journal.path, 0o600);
  symlinkSync(journal.path, journalPath(store, "run-2"));
  assert.equal((await recovered(store))[0], 1);
  assert.ok(existsSync(flag));
});

test("inverse of an unknown kind, or with a group's number → the line counts as unreadable", () => {
  const journal = deadJournal(newStore(), "run-1", []);
  for (const inverse of [
    { kind: "shell", command: "x" },
    { kind: "signal", pid: -1, startTime: "1", signal: "SIGKILL" },
  ])
    journal.add("odd", 1_000, [inverse as unknown as Inverse]);
  assert.deepEqual(readJournal(journal.path)?.unreadableLines, [2, 3]);
});

test("journal removed under the runner → no further fault is written, and none comes back", () => {
  const journal = deadJournal(newStore(), "run-1", [NOTHING]);
  journal.remove();
  assert.throws(() => journal.add("late", 1_000, [NOTHING]), { code: "ENOENT" });
  noteLifted(journal.path, 1, "watchdog", NOW);
  assert.ok(!existsSync(journal.path));
});

test("relative paths → kept from the root, because recover stands somewhere else", () => {
  const journal = deadJournal(newStore(), "run-1", [
    { kind: "file", path: "a", copy: "b" },
    { kind: "process", path: "./c", arguments: ["d"] },
    NOTHING,
  ]);
  const inverses = readJournal(journal.path)?.open.flatMap((step) => step.inverses);
  assert.deepEqual(inverses, [
    { kind: "file", path: resolve("a"), copy: resolve("b") },
    { kind: "process", path: resolve("c"), arguments: ["d"] },
    NOTHING,
  ]);
});

test("machine restarted since → no signal is sent, whoever has the number now", async () => {
  const store = newStore();
  const { pid, startTime } = ownIdentity();
  deadJournal(store, "run-1", [{ kind: "signal", pid, startTime, signal: "SIGKILL" }, NOTHING]);
  assert.equal((await recovered(store))[0], 0);
});

test("store that takes no more lines → everything is lifted all the same", async () => {
  const store = newStore();
  const flag = join(store, "flag");
  const touches: Inverse = { kind: "process", path: "touch", arguments: [flag] };
  const journal = deadJournal(store, "run-1", [touches, NOTHING, NOTHING]);
  mkdirSync(join(store, STORE.audit));
  assert.ok((await recovered(store))[0] > 0);
  assert.ok(existsSync(flag) && existsSync(journal.path));
  rmSync(join(store, STORE.audit), { recursive: true });
  assert.equal((await recovered(store))[0], 0);
});

test("bounds: an inverse of more than a mebibyte, and a run's name with a path → refused", () => {
  const store = newStore();
  const journal = deadJournal(store, "run-1", []);
  const body = "x".repeat(2 ** 20);
  assert.throws(() => journal.add("large", 1_000, [{ kind: "http", method: "POST", url: "http://127.0.0.1/", body }]));
  for (const runId of ["../run", "a/b", "", ".hidden"])
    assert.throws(() => UndoJournal.begin(store, runId, ownIdentity(), now));
  assert.throws(() => UndoJournal.begin(store, "run-1", ownIdentity(), now));
  assert.deepEqual(journalsIn(store), [join(store, STORE.undo, "run-1.jsonl")]);
});
