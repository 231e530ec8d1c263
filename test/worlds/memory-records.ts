/**
 * A record store in memory, for tests of what uses one: it outlives the parts that a test starts
 * anew, and can be told to be full or broken.
 */
import {
  type RecordChange,
  type RecordStore,
  RecordStoreError,
  type RecordStoreErrorCode,
  type RecordStoreStatus,
  type ScanOptions,
  type StoredRecord,
} from "../../gateway/src/fleet/record-store.ts";

export class MemoryRecords implements RecordStore {
  readonly #tables: Map<string, Map<string, Uint8Array>> = new Map();
  /** Commits fail with this while it is set. */
  trouble: RecordStoreErrorCode | undefined;
  commits = 0;

  readonly status: RecordStoreStatus = {
    state: "open",
    bytes: 0,
    maxBytes: Number.POSITIVE_INFINITY,
    pendingCommits: 0,
    pendingBytes: 0,
    lastCommitMs: undefined,
    damagedRecords: 0,
  };

  async commit(changes: readonly RecordChange[]): Promise<void> {
    this.commits++;
    if (this.trouble !== undefined) throw new RecordStoreError(this.trouble, `the store is ${this.trouble}`);
    for (const change of changes) {
      const table = this.#table(change.table);
      if (change.type === "put") table.set(change.key, change.value);
      else if (change.type === "remove") table.delete(change.key);
      else for (const key of [...table.keys()]) if (key < change.below) table.delete(key);
    }
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    return this.#table(table).get(key);
  }

  async scan(table: string, { after = "", below, limit, reverse }: ScanOptions): Promise<readonly StoredRecord[]> {
    const fits = (key: string): boolean => key > after && (below === undefined || key < below);
    const keys = [...this.#table(table).keys()].filter(fits).toSorted();
    if (reverse === true) keys.reverse();
    return keys.slice(0, limit).map((key) => ({ key, value: this.#table(table).get(key) as Uint8Array }));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #table(name: string): Map<string, Uint8Array> {
    const known = this.#tables.get(name) ?? new Map<string, Uint8Array>();
    this.#tables.set(name, known);
    return known;
  }
}
