/**
 * What the gateway keeps across a restart: records in named tables, ordered by key, in one store
 * per gateway. The changes of one commit become durable together or not at all, and a commit has
 * ended only when a power loss cannot undo it. Users of the store keep their own index of what they
 * need quickly; the store itself knows nothing of epochs, keys of idempotency or commands.
 *
 * Production stores them in SQLite on a thread of its own (`adapters/storage`), a simulation on a
 * simulated disk. The rules are those of databases: write ahead, group commit,
 * a checksum over each record, and "an error of sync leaves the outcome unknown".
 */

/** A record. Keys are ordered by their UTF-16 code units; use padded numbers for order in time. */
export interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

export type RecordChange =
  | { readonly type: "put"; readonly table: string; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "remove"; readonly table: string; readonly key: string }
  /** Removes all records of the table with a key below `below`. */
  | { readonly type: "remove-below"; readonly table: string; readonly below: string };

export interface ScanOptions {
  /** Only records with a greater key. Default: from the first. */
  readonly after?: string;
  /** Only records with a lesser key. Default: to the last. */
  readonly below?: string;
  /** Most records to return, 1 to 10,000. */
  readonly limit: number;
  /** From the greatest key down. Default false. */
  readonly reverse?: boolean;
}

/**
 * - `open`: commits are accepted.
 * - `full`: the last commit failed for lack of room, of the disk or of the store's own bound. Reads
 *   and removals go on; `open` again once a commit has succeeded.
 * - `failed`: the device failed in a way that leaves unknown what is durable. Nothing is accepted
 *   until the gateway starts again.
 */
export type RecordStoreState = "open" | "full" | "failed" | "closed";

export interface RecordStoreStatus {
  readonly state: RecordStoreState;
  /** Bytes of the store on the device. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Commits that are not durable yet, and the bytes that they hold in memory. */
  readonly pendingCommits: number;
  readonly pendingBytes: number;
  /** From asking until durable, of the latest commit; undefined before the first. */
  readonly lastCommitMs: number | undefined;
  /** Records that were found damaged when the store was opened, and set aside. */
  readonly damagedRecords: number;
}

/**
 * Error of a commit or a read. `full` and `busy`: nothing was changed, and a later commit may
 * succeed. `failed`: it is unknown whether the change is durable; the caller must not be told that
 * it is. `closed`: the store is closed, nothing was changed.
 */
export type RecordStoreErrorCode = "full" | "busy" | "failed" | "closed";

export class RecordStoreError extends Error {
  override readonly name: string = "RecordStoreError";
  readonly code: RecordStoreErrorCode;

  constructor(code: RecordStoreErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export interface RecordStore extends AsyncDisposable {
  /**
   * Resolves when all of `changes` are durable; commits that wait at the same time share one sync.
   * Commits take effect in the order in which they were asked for. Rejects with a
   * `RecordStoreError`; `busy` if too many bytes already wait.
   */
  commit(changes: readonly RecordChange[]): Promise<void>;
  /** The durable value; undefined if there is none. */
  get(table: string, key: string): Promise<Uint8Array | undefined>;
  /** Durable records in the order of their keys. */
  scan(table: string, options: ScanOptions): Promise<readonly StoredRecord[]>;
  readonly status: RecordStoreStatus;
}
