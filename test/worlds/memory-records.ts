/**
 * A store of records in memory that obeys the contract: commits become durable in the order in
 * which they were asked for, some time after that and several with one sync; reads see only what is
 * durable. It can be full, fail, be slow or stand still. `reopened` is what another process finds
 * after a crash at this moment.
 */
import type { Clock } from "ground-station-failover";
import type {
  RecordChange,
  RecordStore,
  RecordStoreErrorCode,
  RecordStoreState,
  RecordStoreStatus,
  ScanOptions,
  StoredRecord,
} from "../../gateway/src/fleet/record-store.ts";
import { RecordStoreError } from "../../gateway/src/fleet/record-store.ts";

interface Pending {
  readonly changes: readonly RecordChange[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface MemoryRecordsOptions {
  /** Default: none, and then everything happens at once, in a microtask. */
  readonly clock?: Clock;
  /** How long a sync takes. Default 2 ms. */
  readonly syncMs?: number;
  /** How long a read takes. Default 1 ms. */
  readonly readMs?: number;
  /** Bytes of commits that may wait. Default 1 MiB. */
  readonly maxPendingBytes?: number;
}

type Tables = Map<string, Map<string, Uint8Array>>;

export class MemoryRecords implements RecordStore {
  /** May be changed at any time. */
  syncMs: number;
  /** The error of each commit from now on; none if undefined. */
  commitError: RecordStoreErrorCode | undefined = undefined;
  /** The error of each read from now on; none if undefined. */
  readError: RecordStoreErrorCode | undefined = undefined;
  /** Commits that were asked for so far, and syncs. */
  commits = 0;
  syncs = 0;
  readonly #options: MemoryRecordsOptions;
  readonly #tables: Tables;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #isSyncing = false;
  #state: RecordStoreState = "open";

  constructor(options: MemoryRecordsOptions = {}, tables: Tables = new Map()) {
    this.#options = options;
    this.syncMs = options.syncMs ?? 2;
    this.#tables = tables;
  }

  get status(): RecordStoreStatus {
    const bytes = [...this.#tables.values()].flatMap((table) => [...table.values()]);
    return {
      state: this.#state,
      bytes: bytes.reduce((sum, value) => sum + value.length, 0),
      maxBytes: Number.POSITIVE_INFINITY,
      pendingCommits: this.#pending.length,
      pendingBytes: this.#pendingBytes,
      lastCommitMs: undefined,
      damagedRecords: 0,
    };
  }

  /** The number of durable records. */
  count(table: string): number {
    return this.#tables.get(table)?.size ?? 0;
  }

  /** Loses a durable record, as a damaged page does. */
  lose(table: string, key: string): void {
    this.#tables.get(table)?.delete(key);
  }

  /** What another process finds when this one is killed now. */
  reopened(): MemoryRecords {
    const copy = new Map([...this.#tables].map(([name, table]) => [name, new Map(table)]));
    return new MemoryRecords(this.#options, copy);
  }

  async commit(changes: readonly RecordChange[]): Promise<void> {
    this.commits++;
    if (this.#state === "closed") throw new RecordStoreError("closed", "it is closed");
    if (this.#state === "failed") throw new RecordStoreError("failed", "it has failed");
    const bytes = changes.reduce((sum, change) => sum + ("value" in change ? change.value.length : 0), 0);
    if (this.#pendingBytes + bytes > (this.#options.maxPendingBytes ?? 1_024 ** 2))
      throw new RecordStoreError("busy", "too much waits");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pendingBytes += bytes;
    this.#pending.push({ changes, bytes, resolve, reject });
    void this.#sync();
    await promise;
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    await this.#reading();
    const value = this.#tables.get(table)?.get(key);
    return value && new Uint8Array(value);
  }

  async scan(table: string, { after, below, limit, reverse }: ScanOptions): Promise<readonly StoredRecord[]> {
    await this.#reading();
    const found = [...(this.#tables.get(table) ?? [])]
      .filter(([key]) => (after === undefined || key > after) && (below === undefined || key < below))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, value]) => ({ key, value: new Uint8Array(value) }));
    return (reverse === true ? found.reverse() : found).slice(0, limit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "closed";
  }

  async #reading(): Promise<void> {
    await this.#wait(this.#options.readMs ?? 1);
    if (this.readError !== undefined) throw new RecordStoreError(this.readError, "reads fail");
  }

  async #sync(): Promise<void> {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    while (this.#pending.length > 0) {
      // What arrives while one sync is under way shares the next one.
      const now = [...this.#pending];
      await this.#wait(this.syncMs);
      this.#pending = this.#pending.slice(now.length);
      this.syncs++;
      for (const commit of now) this.#end(commit);
    }
    this.#isSyncing = false;
  }

  async #wait(forMs: number): Promise<void> {
    const { clock } = this.#options;
    if (clock !== undefined) await clock.sleepUntil(clock.nowMs() + forMs);
  }

  #end({ changes, bytes, resolve, reject }: Pending): void {
    this.#pendingBytes -= bytes;
    const code = this.commitError;
    const grows = changes.some(({ type }) => type === "put");
    if (code !== undefined && (grows || code !== "full")) {
      if (code === "full" || code === "failed") this.#state = code;
      return reject(new RecordStoreError(code, "commits fail"));
    }
    this.#state = "open";
    for (const change of changes) this.#apply(change);
    resolve();
  }

  #apply(change: RecordChange): void {
    const table = this.#tables.get(change.table) ?? new Map<string, Uint8Array>();
    this.#tables.set(change.table, table);
    if (change.type === "put") table.set(change.key, new Uint8Array(change.value));
    else if (change.type === "remove") table.delete(change.key);
    else for (const key of table.keys()) if (key < change.below) table.delete(key);
  }
}
