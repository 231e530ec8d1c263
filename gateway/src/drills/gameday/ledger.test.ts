import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom } from "ground-station-failover";
import { DrillStore } from "../../../../test/worlds/drill-store.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { ownIdentity } from "../guardrails/process-identity.ts";
import type { GameDayEvent, Planned } from "./events.ts";
import { append, createDay, dayFile, dayIds, readDay } from "./ledger.ts";
import { MAX_LINE_BYTES } from "./seal.ts";

const AUTHOR = { by: "Ana", nowMs: Date.parse("2026-12-01T14:00:00Z") };

const PLANNED: Planned = {
  kind: "planned",
  ...{ id: "day", title: "Day", objective: "", systems: [], environment: "test", from: "", until: "", experiments: [] },
};

function note(text: string): GameDayEvent {
  return { kind: "mark", mark: "note", run: null, happenedAtMs: 1, text };
}

function texts(store: DrillStore): string[] {
  return readDay(store.path, "day").entries.flatMap(({ event }) => (event.kind === "mark" ? [event.text] : []));
}

test("a day is made and appended to → one line for each event, readable by the user only", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  await append(store.path, "day", AUTHOR, () => [note("a"), note("b")]);
  const chain = readDay(store.path, "day");
  assert.deepEqual([chain.entries.length, chain.problems], [3, []]);
  assert.equal(readFileSync(dayFile(store.path, "day"), "utf8").split("\n").length, 4);
  assert.equal(statSync(dayFile(store.path, "day")).mode & 0o077, 0);
  assert.deepEqual(dayIds(store.path), ["day"]);
});

test("the id of a day that exists, or an id with a path → refused", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  await assert.rejects(createDay(store.path, PLANNED, AUTHOR), UserError);
  assert.throws(() => dayFile(store.path, "../day"), UserError);
  assert.throws(() => readDay(store.path, "other"), UserError);
});

/** A process that appends `count` marks, one after the other. */
function writer(store: string, name: string, count: number): Promise<unknown> {
  return once(writerProcess(store, name, count), "exit").then(([status]) => assert.equal(status, 0));
}

/** Some milliseconds, in which other processes run. */
function nextLook(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3));
}

function writerProcess(store: string, name: string, count: number): ChildProcess {
  const code = `
    import { append } from ${JSON.stringify(new URL("ledger.ts", import.meta.url).href)};
    for (let mark = 0; mark < ${count}; mark++)
      await append(${JSON.stringify(store)}, "day", { by: ${JSON.stringify(name)}, nowMs: 1 }, () => [
        { kind: "mark", mark: "note", run: null, happenedAtMs: 1, text: ${JSON.stringify(name)} + " " + mark },
      ]);`;
  return spawn(process.execPath, ["--conditions=@gsf/source", "--input-type=module", "--eval", code], {
    stdio: ["ignore", "inherit", "inherit"],
    cwd: fileURLToPath(new URL(".", import.meta.url)),
  });
}

test("four processes that write at once → every mark is there, in one chain, each writer in its order", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name) => writer(store.path, name, 15)));
  const chain = readDay(store.path, "day");
  assert.deepEqual([chain.problems, chain.entries.length], [[], 61]);
  for (const name of names)
    assert.deepEqual(
      texts(store).filter((text) => text.startsWith(name)),
      Array.from({ length: 15 }, (_, mark) => `${name} ${mark}`),
    );
});

test("ten marks at once from one process → every one is there", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  await Promise.all(
    Array.from({ length: 10 }, (_, mark) => append(store.path, "day", AUTHOR, () => [note(`${mark}`)])),
  );
  assert.deepEqual(
    texts(store).toSorted(),
    Array.from({ length: 10 }, (_, mark) => `${mark}`),
  );
});

for (const [what, content] of [
  ["of a process that died", JSON.stringify({ ...ownIdentity(), pid: 2 ** 22 - 3, startTime: "1" })],
  ["of a machine that was restarted", JSON.stringify({ ...ownIdentity(), boot: "another boot" })],
  ["with other text", "not ours"],
] as const)
  test(`the turn ${what} → taken away, and the mark is written`, async () => {
    using store = new DrillStore();
    await createDay(store.path, PLANNED, AUTHOR);
    writeFileSync(`${dayFile(store.path, "day")}.turn`, content);
    await append(store.path, "day", AUTHOR, () => [note("written")]);
    assert.deepEqual(texts(store), ["written"]);
    assert.equal(existsSync(`${dayFile(store.path, "day")}.turn`), false);
  });

test("writers that are killed at any instant → the file stays readable, and nothing looks like tampering", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  const random = seededRandom("killed writers");
  for (let round = 0; round < 4; round++) {
    const children = ["a", "b"].map((name) => writerProcess(store.path, name, 10_000));
    const before = readDay(store.path, "day").entries.length;
    // Both have begun to write; then they die somewhere in a line, a head or a turn.
    while (readDay(store.path, "day").entries.length < before + 6) await nextLook();
    for (let look = Math.floor(40 * random.next()); look > 0; look--) await nextLook();
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map((child) => once(child, "exit")));
    await append(store.path, "day", AUTHOR, () => [note(`round ${round}`)]);
  }
  const chain = readDay(store.path, "day");
  assert.deepEqual(
    chain.problems.filter(({ kind }) => kind !== "torn"),
    [],
  );
  assert.equal(texts(store).filter((text) => text.startsWith("round")).length, 4);
});

test("a torn last line → the next line stands on its own, and the torn one is named", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  appendFileSync(dayFile(store.path, "day"), '{"number":2,"at":"2026-12-01T14:0');
  assert.deepEqual(
    readDay(store.path, "day").problems.map(({ kind, line }) => [kind, line]),
    [["torn", 2]],
  );
  await append(store.path, "day", AUTHOR, () => [note("after")]);
  const chain = readDay(store.path, "day");
  assert.deepEqual(texts(store), ["after"]);
  assert.deepEqual(
    chain.problems.map(({ kind, line }) => [kind, line]),
    [["torn", 2]],
  );
});

test("a process that died between the line and the head → nothing to report", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  const head = join(store.path, "gamedays", "day.head");
  const before = readFileSync(head);
  await append(store.path, "day", AUTHOR, () => [note("a")]);
  writeFileSync(head, before);
  assert.deepEqual(readDay(store.path, "day").problems, []);
});

for (const [what, damage] of [
  [
    "the last line cut off",
    (path: string) => {
      const lines = readFileSync(path, "utf8").split("\n");
      writeFileSync(path, `${lines.slice(0, -2).join("\n")}\n`);
    },
  ],
  ["the head removed", (path: string) => rmSync(path.replace(/\.jsonl$/, ".head"))],
] as const)
  test(`${what} → named, and still named after the next mark`, async () => {
    using store = new DrillStore();
    await createDay(store.path, PLANNED, AUTHOR);
    await append(store.path, "day", AUTHOR, () => [note("a")]);
    damage(dayFile(store.path, "day"));
    assert.equal(readDay(store.path, "day").problems.length, 1);
    const [entry] = await append(store.path, "day", AUTHOR, () => [note("b")]);
    assert.equal(entry?.event.kind, "mark");
    const kinds = readDay(store.path, "day").entries.map(({ event }) => event.kind);
    assert.ok(kinds.includes("damage"), kinds.join());
  });

test("an event that is longer than a line may be → refused, nothing is written", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  await assert.rejects(
    append(store.path, "day", AUTHOR, () => [note("x".repeat(MAX_LINE_BYTES))]),
    UserError,
  );
  assert.equal(readDay(store.path, "day").entries.length, 1);
});

test("a decision that throws → nothing is written, and the turn is given back", async () => {
  using store = new DrillStore();
  await createDay(store.path, PLANNED, AUTHOR);
  const refused = append(store.path, "day", AUTHOR, () => {
    throw new UserError("usage", "no");
  });
  await assert.rejects(refused, UserError);
  await append(store.path, "day", AUTHOR, () => [note("a")]);
  assert.deepEqual(texts(store), ["a"]);
});
