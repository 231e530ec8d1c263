/**
 * The record store of a simulated gateway: an append-only log of commits on the world's disk, each
 * with a checksum, and all records in memory. It has the contract and the states of the store on
 * SQLite and no line of its code; what both must do is in one suite of cases. Group commit: all
 * commits that wait share one append and one sync. When it opens, the good part of the log is
 * written anew and synced before anybody believes it (what a reader sees need not be on the
 * device), and the torn tail is dropped. It never shortens the log while it runs: worlds are short.
 */
import type { Disk } from "ground-station-failover/sim";
import { checkChanges, checkScan, heldBytes } from "../../gateway/src/fleet/record-checks.ts";
import type {
  RecordChange,
  RecordStore,
  RecordStoreState,
  RecordStoreStatus,
  ScanOptions,
  StoredRecord,
} from "../../gateway/src/fleet/record-store.ts";
import { RecordStoreError } from "../../gateway/src/fleet/record-store.ts";

const LOG = "records";
/** Length and checksum before each commit. */
const HEADER_BYTES = 8;
const DEFAULT_MAX_PENDING_BYTES = 32 * 1_024 ** 2;
const DEFAULT_MAX_BYTES = 64 * 1_024 ** 2;
/** What a record takes beside key and value. */
const RECORD_BYTES = 64;

interface Pending {
  readonly changes: readonly RecordChange[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: RecordStoreError) => void;
}

export interface DiskRecordsOptions {
  readonly maxBytes?: number;
  readonly maxPendingBytes?: number;
}

type Tables = Map<string, Map<string, Uint8Array>>;

export class DiskRecords implements RecordStore {
  readonly #disk: Disk;
  readonly #maxBytes: number;
  readonly #maxPendingBytes: number;
  readonly #tables: Tables = new Map();
  #bytes = 0;
  #logBytes = 0;
  #state: RecordStoreState = "open";
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #running: Promise<void> | undefined = undefined;

  private constructor(disk: Disk, { maxBytes, maxPendingBytes }: DiskRecordsOptions) {
    this.#disk = disk;
    this.#maxBytes = maxBytes ?? DEFAULT_MAX_BYTES;
    this.#maxPendingBytes = maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES;
  }

  /** Rejects with the disk's error if the log cannot be read or written anew. */
  static async open(disk: Disk, options: DiskRecordsOptions = {}): Promise<DiskRecords> {
    const store = new DiskRecords(disk, options);
    const names = await disk.list();
    const log = names.includes(LOG) ? await disk.read(LOG) : new Uint8Array(0);
    const good = store.#replay(log);
    await disk.write(`${LOG}.new`, log.subarray(0, good));
    await disk.sync(`${LOG}.new`);
    await disk.rename(`${LOG}.new`, LOG);
    await disk.sync(LOG);
    store.#logBytes = good;
    return store;
  }

  get status(): RecordStoreStatus {
    return {
      state: this.#state,
      bytes: this.#bytes,
      maxBytes: this.#maxBytes,
      pendingCommits: this.#pending.length,
      pendingBytes: this.#pendingBytes,
      lastCommitMs: undefined,
      damagedRecords: 0,
    };
  }

  commit(changes: readonly RecordChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      checkChanges(changes);
      this.#refuseIfOver();
      const bytes = heldBytes(changes);
      if (this.#pendingBytes + bytes > this.#maxPendingBytes)
        throw new RecordStoreError("busy", `${this.#pendingBytes} bytes already wait for the disk`);
      this.#pendingBytes += bytes;
      this.#pending.push({ changes, bytes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    this.#refuseIfOver();
    return this.#tables.get(table)?.get(key);
  }

  async scan(table: string, options: ScanOptions): Promise<readonly StoredRecord[]> {
    checkScan(options);
    this.#refuseIfOver();
    const { after, below, limit, reverse = false } = options;
    const records = this.#tables.get(table) ?? new Map<string, Uint8Array>();
    // The default order is that of UTF-16 code units.
    const keys = [...records.keys()].sort();
    const found = (reverse ? keys.reverse() : keys)
      .filter((key) => (after === undefined || key > after) && (below === undefined || key < below))
      .slice(0, limit);
    return found.map((key) => ({ key, value: records.get(key) as Uint8Array }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
    if (this.#state !== "failed") this.#state = "closed";
  }

  #refuseIfOver(): void {
    if (this.#state === "closed" || this.#state === "failed")
      throw new RecordStoreError(this.#state, `the store is ${this.#state}`);
  }

  /** One batch after the other, until nothing waits. */
  async #run(): Promise<void> {
    await undefined;
    while (this.#pending.length > 0 && this.#state !== "failed") {
      const batch = this.#pending;
      this.#pending = [];
      await this.#write(batch);
    }
    this.#running = undefined;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const fitting = this.#fitting(batch);
    const frames = fitting.map(({ changes }) => frameOf(changes));
    const bytes = joined(frames);
    try {
      if (fitting.length > 0) {
        await this.#disk.append(LOG, bytes);
        await this.#disk.sync(LOG);
      }
    } catch (error) {
      return await this.#refuse(fitting, error as Error & { readonly code?: string });
    }
    this.#logBytes += bytes.length;
    for (const pending of fitting) {
      this.#apply(pending.changes);
      this.#state = "open";
      this.#settle(pending);
    }
  }

  /** Those that the bound leaves room for; the others are refused. */
  #fitting(batch: readonly Pending[]): Pending[] {
    let bytes = this.#bytes;
    return batch.filter((pending) => {
      const growth = pending.changes.reduce((sum, change) => sum + this.#growthBy(change), 0);
      const fits = growth <= 0 || bytes + growth <= this.#maxBytes;
      if (fits) bytes += growth;
      else {
        this.#state = "full";
        this.#settle(pending, new RecordStoreError("full", `${this.#maxBytes} bytes are used up`));
      }
      return fits;
    });
  }

  /** An upper bound: what the commits before it in the batch change is not looked at. */
  #growthBy(change: RecordChange): number {
    const table = this.#tables.get(change.table);
    if (change.type === "put") return sizeOf(change.key, change.value) - sizeIn(table, change.key);
    if (change.type === "remove") return -sizeIn(table, change.key);
    return -[...(table?.keys() ?? [])]
      .filter((key) => key < change.below)
      .reduce((sum, key) => sum + sizeIn(table, key), 0);
  }

  /** No room: what was added in part is cut off again. Anything else: nothing is known any more. */
  async #refuse(batch: readonly Pending[], error: Error & { readonly code?: string }): Promise<void> {
    let state: "full" | "failed" = error.code === "ENOSPC" ? "full" : "failed";
    if (state === "full")
      await this.#disk.truncate(LOG, this.#logBytes).catch(() => {
        state = "failed";
      });
    this.#state = state;
    const others = state === "failed" ? this.#pending : [];
    if (state === "failed") this.#pending = [];
    for (const pending of [...batch, ...others]) this.#settle(pending, new RecordStoreError(state, error.message));
  }

  #settle(pending: Pending, error?: RecordStoreError): void {
    this.#pendingBytes -= pending.bytes;
    if (error === undefined) pending.resolve();
    else pending.reject(error);
  }

  #apply(changes: readonly RecordChange[]): void {
    for (const change of changes) {
      this.#bytes += this.#growthBy(change);
      const table = this.#tables.get(change.table) ?? new Map<string, Uint8Array>();
      this.#tables.set(change.table, table);
      if (change.type === "put") table.set(change.key, Uint8Array.from(change.value));
      else if (change.type === "remove") table.delete(change.key);
      else for (const key of [...table.keys()]) if (key < change.below) table.delete(key);
    }
  }

  /** Applies the commits up to the first that is not whole; returns how many bytes they take. */
  #replay(log: Uint8Array): number {
    let at = 0;
    for (;;) {
      const changes = changesAt(log, at);
      if (changes === undefined) return at;
      this.#apply(changes);
      at += HEADER_BYTES + new DataView(log.buffer, log.byteOffset).getUint32(at);
    }
  }
}

function sizeOf(key: string, value: Uint8Array): number {
  return RECORD_BYTES + 2 * key.length + value.byteLength;
}

function sizeIn(table: ReadonlyMap<string, Uint8Array> | undefined, key: string): number {
  const value = table?.get(key);
  return value === undefined ? 0 : sizeOf(key, value);
}

/** Length, checksum of length and text, text. */
function frameOf(changes: readonly RecordChange[]): Uint8Array {
  const written = changes.map((change) =>
    change.type === "put" ? { ...change, value: textOf(change.value) } : change,
  );
  const text = new TextEncoder().encode(JSON.stringify(written));
  const frame = new Uint8Array(HEADER_BYTES + text.length);
  frame.set(text, HEADER_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint32(0, text.length);
  view.setUint32(4, checksum(frame, 0, frame.length));
  return frame;
}

function changesAt(log: Uint8Array, at: number): RecordChange[] | undefined {
  if (at + HEADER_BYTES > log.length) return undefined;
  const view = new DataView(log.buffer, log.byteOffset);
  const end = at + HEADER_BYTES + view.getUint32(at);
  if (end > log.length || checksum(log, at, end) !== view.getUint32(at + 4)) return undefined;
  const written = JSON.parse(new TextDecoder().decode(log.subarray(at + HEADER_BYTES, end))) as (
    | Exclude<RecordChange, { type: "put" }>
    | { readonly type: "put"; readonly table: string; readonly key: string; readonly value: string }
  )[];
  return written.map((change) => (change.type === "put" ? { ...change, value: bytesOf(change.value) } : change));
}

/**
 * FNV-1a over all but the checksum itself; never 0 for zeros, so that a hole is no empty commit.
 */
function checksum(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++)
    if (at < from + 4 || at >= from + 8) hash = Math.imul(hash ^ (bytes[at] as number), 16_777_619);
  return hash >>> 0;
}

/** A character a byte. */
function textOf(value: Uint8Array): string {
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}
