/**
 * A state directory that something else has damaged: cut off, overwritten, swapped or removed. The
 * store refuses it with what to do, or reads exactly what was acknowledged; it never reads anything
 * else, and it never forgets without a word.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { seededRandom, systemClock } from "ground-station-failover";
import { UserError } from "../process/exit-codes.ts";
import { SqliteStore } from "./sqlite-store.ts";

const KEYS = 60;
const contentOf = (number: number): Buffer => Buffer.alloc(700, `record ${number} `);
const keyOf = (number: number): string => String(number).padStart(4, "0");

const place = mkdtempSync(join(tmpdir(), "gsf-damage-"));
/**
 * As a store leaves it that was stopped, and one that was killed: its log holds the last commits.
 */
const stopped = join(place, "stopped");
const killed = join(place, "killed");
let copies = 0;

function open(directory: string): SqliteStore {
  return new SqliteStore({ directory, clock: systemClock });
}

/** A copy to damage. */
function copyOf(directory: string): string {
  const copy = join(place, `copy-${++copies}`);
  cpSync(directory, copy, { recursive: true });
  return copy;
}

before(async () => {
  {
    await using store = open(stopped);
    for (let number = 0; number < KEYS; number++)
      await store.commit([{ type: "put", table: "t", key: keyOf(number), value: contentOf(number) }]);
  }
  // A copy of the files of a running store is what its kill would leave.
  const directory = copyOf(stopped);
  await using store = open(directory);
  store.serve();
  for (let number = KEYS; number < 2 * KEYS; number++)
    await store.commit([{ type: "put", table: "t", key: keyOf(number), value: contentOf(number) }]);
  cpSync(directory, killed, { recursive: true });
});

after(() => rmSync(place, { recursive: true, force: true }));

/**
 * `refused`, or the numbers of the records, each as it was stored. If some of the `stored` ones are
 * missing, they must have been counted.
 */
async function found(directory: string, stored: number): Promise<"refused" | number[]> {
  let store: SqliteStore;
  try {
    store = open(directory);
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return "refused";
  }
  await using _ = store;
  try {
    const records = await store.scan("t", { limit: 10_000 });
    for (const { key, value } of records)
      assert.deepEqual(Buffer.from(value), contentOf(Number(key)), `misread: ${key}`);
    const numbers = records.map(({ key }) => Number(key));
    const lost = stored - numbers.length;
    assert.ok(lost <= store.status.damagedRecords, `${lost} lost without a word`);
    return numbers;
  } catch (error) {
    // A page that is damaged below a table: the store says so and stops.
    assert.equal((error as { code?: string }).code, "failed", String(error));
    return "refused";
  }
}

function overwrite(file: string, at: number, bytes: Uint8Array): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
}

test("[G1] files as a kill leaves them → every acknowledged record", async () => {
  assert.equal((await found(copyOf(killed), 2 * KEYS)).length, 2 * KEYS);
});

test("[G1] log is missing → refused, with how many commits are missing", async () => {
  const directory = copyOf(killed);
  rmSync(join(directory, "gateway.sqlite-wal"));
  assert.throws(
    () => open(directory),
    (error: Error) => error instanceof UserError && error.message.includes(`last ${KEYS} acknowledged commits`),
  );
  rmSync(join(directory, "gateway.commits"));
  assert.equal((await found(directory, KEYS)).length, KEYS, "the sentence says how to go on without them");
});

test("[G1] log is cut off anywhere → refused, or nothing is missing", async () => {
  const bytes = statSync(join(killed, "gateway.sqlite-wal")).size;
  const random = seededRandom("cut");
  const cuts = [0, 1, 31, 32, 33, 56, ...Array.from({ length: 20 }, () => Math.floor(random.next() * bytes))];
  for (const cut of cuts) {
    const directory = copyOf(killed);
    truncateSync(join(directory, "gateway.sqlite-wal"), cut);
    await found(directory, 2 * KEYS);
  }
});

test("[G1] database is cut off, emptied or removed → refused, or what is missing is counted", async () => {
  const bytes = statSync(join(stopped, "gateway.sqlite")).size;
  for (const cut of [0, 1, 50, 100, 4_095, 4_096, 8_192, bytes - 4_096, bytes - 1]) {
    const directory = copyOf(stopped);
    truncateSync(join(directory, "gateway.sqlite"), cut);
    const numbers = await found(directory, KEYS);
    // SQLite reads a last page that is too short as if zeros followed.
    if (cut < bytes - 1) assert.equal(numbers, "refused", `cut at ${cut} of ${bytes}`);
  }
  const directory = copyOf(stopped);
  rmSync(join(directory, "gateway.sqlite"));
  assert.equal(await found(directory, KEYS), "refused");
});

test("[G1] bytes are flipped anywhere → refused, or set aside and counted; never misread", async () => {
  const random = seededRandom("flip");
  for (const [base, file] of [
    [stopped, "gateway.sqlite"],
    [killed, "gateway.sqlite-wal"],
  ] as const) {
    const original = readFileSync(join(base, file));
    for (let round = 0; round < 60; round++) {
      const directory = copyOf(base);
      // Some in the headers, where a byte decides most.
      const at = Math.floor(random.next() * (round % 3 === 0 ? 120 : original.length));
      overwrite(
        join(directory, file),
        at,
        Uint8Array.of((original[at] as number) ^ (1 << Math.floor(random.next() * 8))),
      );
      await found(directory, base === stopped ? KEYS : 2 * KEYS);
    }
  }
});

test("[G1] a record is damaged → set aside, counted, and the others are read", async () => {
  const directory = copyOf(stopped);
  const file = join(directory, "gateway.sqlite");
  const at = readFileSync(file).indexOf("record 7 ");
  overwrite(file, at + 30, Buffer.from("X"));
  await using store = open(directory);
  assert.equal(store.status.damagedRecords, 1);
  assert.equal(await store.get("t", keyOf(7)), undefined);
  assert.equal((await store.scan("t", { limit: 100 })).length, KEYS - 1);
});

test("[G1] a foreign file, another program's database, a newer format → refused and not touched", async () => {
  const texts = copyOf(stopped);
  writeFileSync(join(texts, "gateway.sqlite"), "not a database at all\n".repeat(300));
  const others = copyOf(stopped);
  rmSync(join(others, "gateway.sqlite"));
  const foreign = new DatabaseSync(join(others, "gateway.sqlite"));
  foreign.exec("CREATE TABLE theirs (a); PRAGMA journal_mode = DELETE");
  foreign.close();
  const newer = copyOf(stopped);
  const later = new DatabaseSync(join(newer, "gateway.sqlite"));
  later.exec("PRAGMA user_version = 9");
  later.close();
  for (const directory of [texts, others, newer]) {
    const file = join(directory, "gateway.sqlite");
    const bytes = readFileSync(file);
    assert.equal(await found(directory, KEYS), "refused");
    assert.deepEqual(readFileSync(file), bytes, directory);
    assert.equal(existsSync(`${file}-wal`), false);
  }
});

test("[G1] another process uses the directory → refused; after its end it can be used", async () => {
  const directory = copyOf(stopped);
  const source = new URL("./sqlite-store.ts", import.meta.url).href;
  const holding = `const { SqliteStore } = await import(${JSON.stringify(source)});
    new SqliteStore({ directory: process.argv[1], clock: {} }); console.log("held"); setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--conditions=@gsf/source", "--input-type=module", "-e", holding, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  assert.equal(await found(directory, KEYS), "refused");
  child.kill("SIGKILL");
  await ended;
  assert.equal((await found(directory, KEYS)).length, KEYS);
});

for (const [what, change] of [
  ["the directory is removed", (directory: string) => rmSync(directory, { recursive: true })],
  ["the database is removed", (directory: string) => rmSync(join(directory, "gateway.sqlite"))],
  ["the log is removed", (directory: string) => rmSync(join(directory, "gateway.sqlite-wal"))],
  [
    "the database is replaced by a copy",
    (directory: string) => {
      const path = join(directory, "gateway.sqlite");
      cpSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
] as const)
  test(`[G1] ${what} while the store is open → failed, and nothing more is called durable`, async () => {
    const directory = copyOf(stopped);
    const states: string[] = [];
    await using store = new SqliteStore({ directory, clock: systemClock, onState: (state) => states.push(state) });
    store.serve();
    const commit = (key: string) => store.commit([{ type: "put", table: "t", key, value: contentOf(1) }]);
    await commit("before");
    change(directory);
    await assert.rejects(commit("after"), { code: "failed", message: /removed or replaced/ });
    await assert.rejects(commit("later"), { code: "failed" });
    assert.deepEqual(states, ["failed"]);
  });
