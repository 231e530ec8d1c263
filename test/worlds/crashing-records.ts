/**
 * A record store in memory that obeys the contract of `fleet/record-store.ts` and can fail: commits
 * take time, can be refused, and can fail with an unknown outcome. `crashed` is the store that the
 * next process finds: what was durable, and of the commits on their way what `keepsPending` says.
 */
import type { Clock } from "ground-station-failover";
import {
  type RecordChange,
  type RecordStore,
  RecordStoreError,
  type RecordStoreErrorCode,
  type RecordStoreStatus,
  type ScanOptions,
  type StoredRecord,
} from "../../gateway/src/fleet/record-store.ts";

export interface CrashingRecordsOptions {
  readonly clock: Clock;
  /** How long a commit takes until it is durable, in ms. Default 1. */
  readonly commitMs?: number;
}

interface Pending {
  readonly changes: readonly RecordChange[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class CrashingRecords implements RecordStore {
  readonly #options: CrashingRecordsOptions;
  readonly tables: Map<string, Map<string, Uint8Array>> = new Map();
  readonly #pending: Set<Pending> = new Set();
  /** Commits are refused with this code; `failed` is for good. Undefined: they succeed. */
  refusal: RecordStoreErrorCode | undefined;
  /** Commits made durable so far. */
  commits = 0;
  /** Called when a commit is asked for. */
  onCommit: ((changes: readonly RecordChange[]) => void) | undefined;

  constructor(options: CrashingRecordsOptions) {
    this.#options = options;
  }

  get status(): RecordStoreStatus {
    const state = this.refusal === undefined || this.refusal === "busy" ? "open" : this.refusal;
    const [pendingCommits, pendingBytes] = [this.#pending.size, 0];
    return {
      ...{ state, bytes: 0, maxBytes: Number.MAX_SAFE_INTEGER, pendingCommits, pendingBytes },
      ...{ lastCommitMs: undefined, damagedRecords: 0 },
    };
  }

  commit(changes: readonly RecordChange[]): Promise<void> {
    this.onCommit?.(changes);
    return new Promise((resolve, reject) => {
      const pending: Pending = { changes, resolve, reject };
      this.#pending.add(pending);
      const { clock, commitMs = 1 } = this.#options;
      clock.at(clock.nowMs() + commitMs, () => this.#complete(pending));
    });
  }

  get(table: string, key: string): Promise<Uint8Array | undefined> {
    const found = this.tables.get(table)?.get(key);
    return Promise.resolve(found?.slice());
  }

  scan(table: string, { after, below, limit, reverse = false }: ScanOptions): Promise<readonly StoredRecord[]> {
    const records = this.tables.get(table) ?? new Map<string, Uint8Array>();
    const keys = [...records.keys()]
      .filter((key) => (after === undefined || key > after) && (below === undefined || key < below))
      .sort();
    if (reverse) keys.reverse();
    const value = (key: string): Uint8Array => (records.get(key) as Uint8Array).slice();
    return Promise.resolve(keys.slice(0, limit).map((key) => ({ key, value: value(key) })));
  }

  /** What the next process finds. Nothing of this store is answered any more. */
  crashed(keepsPending: (place: number) => boolean = () => false): CrashingRecords {
    const next = new CrashingRecords(this.#options);
    for (const [name, table] of this.tables) next.tables.set(name, new Map(table));
    let place = 0;
    for (const { changes } of this.#pending) {
      // Commits take effect in order: one that is kept has all before it.
      if (!keepsPending(place++)) break;
      next.#apply(changes);
    }
    this.#pending.clear();
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refusal = "closed";
  }

  #complete(pending: Pending): void {
    if (!this.#pending.delete(pending)) return;
    if (this.refusal !== undefined) {
      pending.reject(new RecordStoreError(this.refusal, `the store is ${this.refusal}`));
      return;
    }
    this.#apply(pending.changes);
    this.commits++;
    pending.resolve();
  }

  #apply(changes: readonly RecordChange[]): void {
    for (const change of changes) {
      const table = this.tables.get(change.table) ?? new Map<string, Uint8Array>();
      this.tables.set(change.table, table);
      if (change.type === "put") table.set(change.key, change.value.slice());
      else if (change.type === "remove") table.delete(change.key);
      else for (const key of [...table.keys()]) if (key < change.below) table.delete(key);
    }
  }
}
