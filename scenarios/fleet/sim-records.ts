/**
 * The gateway's record store on the disk of its simulated machine: a journal of commits in one
 * file, each with its length and a checksum, and all records in memory. Commits that wait while a
 * sync is under way share the next one. It keeps the contract of `record-store.ts` as the store of
 * production does, through kills, power losses and failing devices; it is made for short runs and
 * never makes its file shorter.
 */
import type { Disk, NodeEnv } from "ground-station-failover/sim";
import { DiskError } from "ground-station-failover/sim";
import type {
  RecordChange,
  RecordStore,
  RecordStoreState,
  RecordStoreStatus,
  ScanOptions,
  StoredRecord,
} from "../../gateway/src/fleet/record-store.ts";
import { RecordStoreError } from "../../gateway/src/fleet/record-store.ts";

const FILE = "records";
const HEADER_BYTES = 8;
/** How long a start waits before it tries a disk again that gave an error. */
const OPEN_AGAIN_MS = 200;

interface Pending {
  readonly changes: readonly RecordChange[];
  readonly resolve: () => void;
  readonly reject: (error: RecordStoreError) => void;
}

/** A change as it is written: its value in base64. */
type WrittenChange = Readonly<Record<"type" | "table", string>> & { readonly key?: string; readonly value?: string };

export class SimRecords implements RecordStore {
  readonly #disk: Disk;
  readonly #tables: Map<string, Map<string, Uint8Array>> = new Map();
  #goodBytes = 0;
  #pending: Pending[] = [];
  #isSyncing = false;
  #state: RecordStoreState = "open";

  private constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Reads what is durable; tries again while the disk gives errors, as a supervisor does. */
  static async open({ disk, clock }: NodeEnv): Promise<SimRecords> {
    for (;;) {
      const records = new SimRecords(disk);
      try {
        await records.#read();
        return records;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        await clock.sleepUntil(clock.nowMs() + OPEN_AGAIN_MS);
      }
    }
  }

  get status(): RecordStoreStatus {
    return {
      state: this.#state,
      bytes: this.#goodBytes,
      maxBytes: Number.POSITIVE_INFINITY,
      pendingCommits: this.#pending.length,
      pendingBytes: 0,
      lastCommitMs: undefined,
      damagedRecords: 0,
    };
  }

  async commit(changes: readonly RecordChange[]): Promise<void> {
    if (this.#state === "failed") throw new RecordStoreError("failed", "the disk has failed");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ changes, resolve, reject });
    void this.#sync();
    await promise;
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    if (this.#state === "failed") throw new RecordStoreError("failed", "the disk has failed");
    return this.#tables.get(table)?.get(key);
  }

  async scan(table: string, { after, below, limit, reverse }: ScanOptions): Promise<readonly StoredRecord[]> {
    const found = [...(this.#tables.get(table) ?? [])]
      .filter(([key]) => (after === undefined || key > after) && (below === undefined || key < below))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, value]) => ({ key, value }));
    return (reverse === true ? found.reverse() : found).slice(0, limit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "closed";
  }

  /**
   * What the page cache shows need not be on the device, so the good part is written anew and
   * synced before anybody believes it.
   */
  async #read(): Promise<void> {
    const names = await this.#disk.list();
    const file = names.includes(FILE) ? await this.#disk.read(FILE) : new Uint8Array();
    for (const frame of framesOf(file)) {
      for (const change of JSON.parse(frame.text) as WrittenChange[]) this.#apply(change);
      this.#goodBytes = frame.endsAt;
    }
    const whole = `${FILE}.new`;
    await this.#disk.write(whole, file.subarray(0, this.#goodBytes));
    await this.#disk.sync(whole);
    await this.#disk.rename(whole, FILE);
    await this.#disk.sync(FILE);
  }

  async #sync(): Promise<void> {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    while (this.#pending.length > 0 && this.#state !== "failed") {
      const commits = this.#pending;
      this.#pending = [];
      const written = commits.map(({ changes }) => changes.map(writtenChange));
      const bytes = Buffer.concat(written.map((changes) => frameOf(JSON.stringify(changes))));
      const failure = await this.#append(bytes);
      for (const [place, commit] of commits.entries()) {
        if (failure !== undefined) commit.reject(new RecordStoreError(failure, "the disk gave an error"));
        else {
          for (const change of written[place] ?? []) this.#apply(change);
          commit.resolve();
        }
      }
    }
    for (const { reject } of this.#pending) reject(new RecordStoreError("failed", "the disk has failed"));
    this.#pending = [];
    this.#isSyncing = false;
  }

  async #append(bytes: Uint8Array): Promise<"full" | "failed" | undefined> {
    try {
      await this.#disk.append(FILE, bytes);
      await this.#disk.sync(FILE);
      this.#goodBytes += bytes.length;
      this.#state = "open";
      return undefined;
    } catch (error) {
      this.#state = "failed";
      if (!(error instanceof DiskError) || error.code !== "ENOSPC") return "failed";
    }
    try {
      await this.#disk.truncate(FILE, this.#goodBytes);
      await this.#disk.sync(FILE);
      this.#state = "full";
      return "full";
    } catch {
      return "failed";
    }
  }

  #apply({ type, table: name, key = "", value }: WrittenChange): void {
    const table = this.#tables.get(name) ?? new Map<string, Uint8Array>();
    this.#tables.set(name, table);
    if (type === "put") table.set(key, new Uint8Array(Buffer.from(value ?? "", "base64")));
    else if (type === "remove") table.delete(key);
    else for (const known of table.keys()) if (known < key) table.delete(known);
  }
}

function writtenChange(change: RecordChange): WrittenChange {
  const { type, table } = change;
  if (change.type === "remove-below") return { type, table, key: change.below };
  if (change.type === "remove") return { type, table, key: change.key };
  return { type, table, key: change.key, value: Buffer.from(change.value).toString("base64") };
}

/** Length, checksum, text. */
function frameOf(text: string): Buffer {
  const body = Buffer.from(text, "utf8");
  const frame = Buffer.alloc(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeUInt32LE(checksum(body), 4);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** The frames up to the first that is not whole. */
function* framesOf(file: Uint8Array): Generator<{ readonly text: string; readonly endsAt: number }> {
  const bytes = Buffer.from(file);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const endsAt = at + HEADER_BYTES + bytes.readUInt32LE(at);
    const body = bytes.subarray(at + HEADER_BYTES, endsAt);
    if (endsAt > bytes.length || checksum(body) !== bytes.readUInt32LE(at + 4)) return;
    yield { text: body.toString("utf8"), endsAt };
    at = endsAt;
  }
}

/** FNV-1a over the length and the bytes: never 0 for zeros, so a hole in the file is no frame. */
function checksum(bytes: Uint8Array): number {
  let hash = Math.imul(0x811c9dc5 ^ bytes.length, 16777619);
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return hash >>> 0;
}
