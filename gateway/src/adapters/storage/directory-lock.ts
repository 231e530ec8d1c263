/**
 * The lock that keeps a second gateway out of a state directory: an exclusive lock of SQLite on an
 * empty file, held by this process until it ends, however it ends. The operating system releases it
 * with the process, so that no stale lock is left after `kill -9`. It is a file of its own, because
 * the database itself is opened by one thread after the other.
 */
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../process/exit-codes.ts";
import { createPrivate } from "./private-file.ts";
import { codeOf, SQLITE } from "./sqlite-codes.ts";

/** A predecessor that is just ending is waited for. */
const WAIT_MS = 1_000;

export class DirectoryLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws a {@link UserError} if another process holds it. */
  static take(file: string, directory: string): DirectoryLock {
    createPrivate(file);
    const database = new DatabaseSync(file);
    try {
      database.exec(`PRAGMA busy_timeout = ${WAIT_MS}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
      return new DirectoryLock(database);
    } catch (error) {
      database.close();
      if (codeOf(error) !== SQLITE.busy) throw error;
      throw new UserError(
        "configuration",
        `another gateway is running with the state directory ${directory}; stop it, or give this one a directory ` +
          "of its own (`state.directory`): two gateways with one state would answer the same command twice",
      );
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
