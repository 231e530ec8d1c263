/**
 * The database file of the record store: one SQLite table of records, opened, checked, changed and
 * read synchronously. Write-ahead log with full sync: a commit has ended when its sync has. SQLite
 * detects torn writes, but not flipped bits in its own file, so each record carries a checksum; a
 * record whose checksum is wrong is set aside in a table of its own and never returned.
 *
 * A file that is damaged as a whole, foreign, or written by a newer version is refused with what to
 * do about it, and is not touched: whoever deletes keys that were answered makes commands run
 * twice. It is one file because the rules of what may be believed have to be read together.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { RecordChange, ScanOptions, StoredRecord } from "../../fleet/record-store.ts";
import { UserError } from "../process/exit-codes.ts";
import { acknowledgedCommits, CommitMark } from "./commit-mark.ts";
import { keyBytes, keyIn } from "./key-bytes.ts";
import { createPrivate } from "./private-file.ts";
import { roomProblem } from "./room-probe.ts";
import { codeOf, SQLITE } from "./sqlite-codes.ts";

/** Names of the files in a state directory. */
export const FILES = { database: "gateway.sqlite", mark: "gateway.commits", lock: "gateway.lock" } as const;

/** "gsf1" as a number: the database says that it is ours. */
const APPLICATION_ID = 0x67736631;
/** Raised when the meaning of what is stored changes. */
const FORMAT = 1;
const PAGE_BYTES = 4_096;
/** A larger file is not read whole at the start; its records are still checked as they are read. */
const CHECKED_BYTES = 16 * 1_024 ** 2;
/** Damaged records are kept for people to look at, up to this number. */
const MAX_DAMAGED_KEPT = 1_000;
/** The write-ahead log is cut back to this size when it was larger. */
const LOG_BYTES = 16 * 1_024 ** 2;
/** While the store is full it looks for this much room. */
const ROOM_LOOKED_FOR = 64 * 1_024;

const SCHEMA = `
CREATE TABLE records (
  tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (tbl, key)
) WITHOUT ROWID;
CREATE TABLE damaged (tbl TEXT, key BLOB, value BLOB, sum INTEGER);
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('commits', 0);
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${FORMAT};`;

export interface FileFigures {
  /** Bytes that hold records; pages that became free do not count. */
  readonly bytes: number;
  readonly damagedRecords: number;
}

/** How a commit ended. `full`: nothing was changed. `failed`: it is unknown what is durable. */
export type CommitOutcome = { readonly type: "done" } | { readonly type: "full" | "failed"; readonly detail: string };

const DONE: CommitOutcome = { type: "done" };

interface Row {
  readonly tbl: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly sum: number;
}

export class SqliteFile implements Disposable {
  readonly #directory: string;
  readonly #database: DatabaseSync;
  readonly #mark: CommitMark;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeBelow: StatementSync;
  readonly #count: StatementSync;
  readonly #get: StatementSync;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;
  /** What the files were when they were seen first, by path. */
  readonly #seen: Map<string, string> = new Map();
  #commits: number;
  #damagedRecords = 0;
  #hasRoom = true;

  /**
   * Opens the file in `directory`, or makes one. `isFirst`: this process opens it for the first
   * time, so it is checked. Throws a {@link UserError} if it cannot be used.
   */
  static open(directory: string, maxBytes: number, isFirst: boolean): SqliteFile {
    const path = join(directory, FILES.database);
    try {
      if (isFirst) prepareFile(path);
      return new SqliteFile(directory, maxBytes, isFirst);
    } catch (error) {
      throw refusalOf(error, path);
    }
  }

  private constructor(directory: string, maxBytes: number, isFirst: boolean) {
    this.#directory = directory;
    const path = join(directory, FILES.database);
    this.#database = new DatabaseSync(path);
    const database = this.#database;
    try {
      database.exec(
        "PRAGMA busy_timeout = 1000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
      );
      makeTables(database, path);
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
        PRAGMA checkpoint_fullfsync = ON; PRAGMA journal_size_limit = ${LOG_BYTES};
        PRAGMA max_page_count = ${Math.max(16, Math.floor(maxBytes / PAGE_BYTES))}`);
      this.#put = database.prepare(
        "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, sum = excluded.sum",
      );
      this.#remove = database.prepare("DELETE FROM records WHERE tbl = ? AND key = ?");
      this.#removeBelow = database.prepare("DELETE FROM records WHERE tbl = ? AND key < ?");
      this.#count = database.prepare("UPDATE meta SET value = ? WHERE name = 'commits'");
      this.#get = database.prepare("SELECT * FROM records WHERE tbl = ? AND key = ?");
      this.#pages = database.prepare("PRAGMA page_count");
      this.#freePages = database.prepare("PRAGMA freelist_count");
      const { value } = database.prepare("SELECT value FROM meta WHERE name = 'commits'").get() as { value: number };
      this.#commits = value;
      const acknowledged = acknowledgedCommits(join(directory, FILES.mark));
      if (value < acknowledged) throw missingCommits(path, acknowledged - value, directory);
      if (isFirst) this.#check();
    } catch (error) {
      database.close();
      throw error;
    }
    this.#mark = new CommitMark(join(directory, FILES.mark));
    // Remembers the files; there may be no log yet.
    this.#missingFile();
  }

  get figures(): FileFigures {
    const { page_count: pages } = this.#pages.get() as { page_count: number };
    const { freelist_count: free } = this.#freePages.get() as { freelist_count: number };
    return { bytes: (pages - free) * PAGE_BYTES, damagedRecords: this.#damagedRecords };
  }

  /** False if there was no room to write back the log when the file was opened. */
  get hasRoom(): boolean {
    return this.#hasRoom;
  }

  /**
   * Makes `commits` durable with one sync. If there is no room for all of them, each is tried on
   * its own, so that removals and small commits go on.
   */
  commit(commits: readonly (readonly RecordChange[])[]): readonly CommitOutcome[] {
    const together = this.#transact(commits);
    if (together.type !== "full" || commits.length === 1) return commits.map(() => together);
    return commits.map((changes) => this.#transact([changes]));
  }

  /** Finds out whether there is room again. */
  lookForRoom(): CommitOutcome {
    const key = "room";
    const scratch = new Uint8Array(ROOM_LOOKED_FOR);
    const outcome = this.#transact([[{ type: "put", table: "scratch", key, value: scratch }]]);
    return outcome.type === "done" ? this.#transact([[{ type: "remove", table: "scratch", key }]]) : outcome;
  }

  get(table: string, key: string): Uint8Array | undefined {
    const row = this.#get.get(table, keyBytes(key)) as Row | undefined;
    if (row === undefined) return undefined;
    if (isSound(row)) return row.value;
    this.#setAside([row]);
    return undefined;
  }

  scan(table: string, { after, below, limit, reverse = false }: ScanOptions): readonly StoredRecord[] {
    const conditions = [
      "tbl = ?",
      ...(after === undefined ? [] : ["key > ?"]),
      ...(below === undefined ? [] : ["key < ?"]),
    ];
    const bounds = [after, below].filter((key) => key !== undefined).map(keyBytes);
    const order = reverse ? "DESC" : "ASC";
    const rows = this.#database
      .prepare(`SELECT * FROM records WHERE ${conditions.join(" AND ")} ORDER BY key ${order}`)
      .iterate(table, ...bounds) as IterableIterator<unknown> as IterableIterator<Row>;
    const found: StoredRecord[] = [];
    const damaged: Row[] = [];
    for (const row of rows) {
      const key = isSound(row) ? keyIn(row.key) : undefined;
      if (key === undefined) damaged.push(row);
      else found.push({ key, value: row.value });
      if (found.length === limit) break;
    }
    if (damaged.length > 0) this.#setAside(damaged);
    return found;
  }

  /** Writes the log back into the database, so that the file stands for itself, and closes it. */
  [Symbol.dispose](): void {
    try {
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // No room, or a device that fails: the log keeps what is not written back.
    }
    this.#database.close();
    this.#mark[Symbol.dispose]();
  }

  #transact(commits: readonly (readonly RecordChange[])[]): CommitOutcome {
    const database = this.#database;
    let hasBegun = false;
    try {
      database.exec("BEGIN IMMEDIATE");
      hasBegun = true;
      for (const changes of commits) for (const change of changes) this.#change(change);
      this.#count.run(this.#commits + 1);
      database.exec("COMMIT");
    } catch (error) {
      if (hasBegun) rollBack(database);
      return this.#outcomeOf(error);
    }
    const gone = this.#missingFile();
    if (gone !== undefined) return { type: "failed", detail: `${gone} was removed or replaced while it is in use` };
    this.#commits++;
    this.#mark.write(this.#commits);
    return DONE;
  }

  /**
   * SQLite goes on writing to a file that has no name any more; nobody would find what it holds.
   */
  #missingFile(): string | undefined {
    const path = join(this.#directory, FILES.database);
    return [path, `${path}-wal`].find((name) => {
      const state = statSync(name, { throwIfNoEntry: false });
      const identity = state && `${state.dev} ${state.ino}`;
      const seen = this.#seen.get(name);
      if (seen === undefined && identity !== undefined) this.#seen.set(name, identity);
      return identity === undefined || (seen !== undefined && seen !== identity);
    });
  }

  #change(change: RecordChange): void {
    const { type, table } = change;
    if (type === "put") {
      const key = keyBytes(change.key);
      this.#put.run(table, key, change.value, checksum(table, key, change.value));
    } else if (type === "remove") this.#remove.run(table, keyBytes(change.key));
    else this.#removeBelow.run(table, keyBytes(change.below));
  }

  /**
   * SQLite knows a full disk by ENOSPC alone. A quota, or a limit on the size of files, ends a
   * write in the same way, and is no failure of the device either.
   */
  #outcomeOf(error: unknown): CommitOutcome {
    const code = codeOf(error);
    const { message } = error as Error;
    if (code === SQLITE.full) return { type: "full", detail: message };
    const isWrite = (error as { errcode?: number }).errcode === SQLITE.write;
    const room = isWrite ? roomProblem(this.#directory, join(this.#directory, `${FILES.database}-wal`)) : undefined;
    if (room !== undefined) return { type: "full", detail: room };
    return { type: "failed", detail: message };
  }

  /** Before anything is believed. */
  #check(): void {
    const database = this.#database;
    // After a sync that failed, the log may show commits that are not on the device: this writes
    // and syncs them anew.
    this.#hasRoom = writtenBack(database);
    if (this.figures.bytes > CHECKED_BYTES) return;
    const { quick_check: found } = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (found !== "ok") throw damagedFile(join(this.#directory, FILES.database), found);
    const damaged: Row[] = [];
    for (const row of database.prepare("SELECT * FROM records").iterate() as IterableIterator<unknown>)
      if (!isSound(row as Row)) damaged.push(row as Row);
    if (damaged.length > 0) this.#setAside(damaged);
  }

  /** Moves records out of the way. Where that fails they are met, and counted, again. */
  #setAside(rows: readonly Row[]): void {
    this.#damagedRecords += rows.length;
    const database = this.#database;
    try {
      database.exec("BEGIN IMMEDIATE");
      const keep = database.prepare(
        `INSERT INTO damaged SELECT * FROM records WHERE tbl = ? AND key = ?
         AND (SELECT count(*) FROM damaged) < ${MAX_DAMAGED_KEPT}`,
      );
      for (const { tbl, key } of rows) {
        keep.run(tbl, key);
        this.#remove.run(tbl, key);
      }
      database.exec("COMMIT");
    } catch {
      rollBack(database);
    }
  }
}

/** Makes the file if there is none; refuses one that is not ours before SQLite touches it. */
function prepareFile(path: string): void {
  createPrivate(path);
  // A crash while the file was made: SQLite undoes that first.
  if (existsSync(`${path}-journal`)) return;
  const header = Buffer.alloc(100);
  const descriptor = openSync(path, "r");
  const length = readSync(descriptor, header, 0, header.length, 0);
  closeSync(descriptor);
  if (length === 0) return;
  const isDatabase = length === header.length && header.toString("latin1", 0, 16) === "SQLite format 3\0";
  if (!isDatabase || header.readUInt32BE(68) !== APPLICATION_ID) throw foreignFile(path, isDatabase);
}

function makeTables(database: DatabaseSync, path: string): void {
  const { application_id: owner } = database.prepare("PRAGMA application_id").get() as { application_id: number };
  const { user_version: format } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  const { page_count: pages } = database.prepare("PRAGMA page_count").get() as { page_count: number };
  if (pages === 0) {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    return;
  }
  if (owner !== APPLICATION_ID) throw foreignFile(path, true);
  if (format > FORMAT)
    throw new UserError(
      "configuration",
      `${path} was written by a newer gsf (format ${format}; this one reads ${FORMAT}): run that version, or name ` +
        "another directory in `state.directory`",
    );
}

/**
 * Writes the log back; false if there is no room. The log then stays, and is read with the file.
 */
function writtenBack(database: DatabaseSync): boolean {
  try {
    const { busy } = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy !== 0) throw new Error("the write-ahead log could not be written back");
    return true;
  } catch (error) {
    if (codeOf(error) !== SQLITE.full) throw error;
    return false;
  }
}

/** SQLite may have rolled back by itself. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // There was nothing to roll back.
  }
}

function checksum(table: string, key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key, crc32(`${table}\0${key.length}\0`)));
}

function isSound({ tbl, key, value, sum }: Row): boolean {
  return (
    typeof tbl === "string" &&
    key instanceof Uint8Array &&
    value instanceof Uint8Array &&
    checksum(tbl, key, value) === sum
  );
}

function foreignFile(path: string, isDatabase: boolean): UserError {
  const what = isDatabase ? "belongs to another program" : "is no database of gsf";
  return new UserError(
    "configuration",
    `${path} ${what}, and is left as it is: move it away, or name another directory in \`state.directory\``,
  );
}

/** What an operator can do about state that is lost. */
const GO_ON_WITHOUT =
  "epochs are then learned from the stations, and keys and commands of before are not known any more";

function damagedFile(path: string, detail: string): UserError {
  return new UserError(
    "configuration",
    `${path} is damaged (${detail.split("\n").at(-1)}) and is left as it is: bring the directory back from a backup, ` +
      `or move it away to begin anew; ${GO_ON_WITHOUT}`,
  );
}

function missingCommits(path: string, missing: number, directory: string): UserError {
  return new UserError(
    "configuration",
    `the last ${missing} acknowledged ${missing === 1 ? "commit is" : "commits are"} missing in ${path}: it or its ` +
      "log (-wal) was removed, cut off, damaged or replaced by an older one; bring both back, or remove " +
      `${join(directory, FILES.mark)} to go on without them; ${GO_ON_WITHOUT}`,
  );
}

/** An error of opening as a sentence for the operator. */
function refusalOf(error: unknown, path: string): unknown {
  if (error instanceof UserError) return error;
  const code = codeOf(error);
  const { message } = error as Error;
  if (code === SQLITE.notADatabase) return foreignFile(path, false);
  if (code === SQLITE.corrupt) return damagedFile(path, message);
  if (code === SQLITE.busy)
    return new UserError("configuration", `${path} is in use by another program: end it, and start again`);
  const what = code === SQLITE.full ? "there is no room on the device" : message;
  return new UserError(
    "configuration",
    `${path} cannot be opened: ${what}; mend that, name another place in \`state.directory\`, or write \`state: none\``,
  );
}
