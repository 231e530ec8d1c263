/**
 * The record store of a gateway on SQLite. Commits that wait while the disk syncs go out together
 * with one sync (group commit, as in DeWitt et al., "Implementation Techniques for Main Memory
 * Database Systems", 1984), so that a slow sync costs waiting time and not throughput.
 *
 *   here ──serve()──► thread, started with the first request ──► closed
 *
 * `here`: while the gateway starts, requests are done at once in the calling thread: nobody is
 * served yet, and a thread costs 100 ms and 20 MB. From `serve()` on the main loop never waits for
 * the disk: a thread of its own does everything, from the first request on; a gateway that never
 * stores anything has no thread. One request is at the thread at a time; what arrives meanwhile is
 * collected into the next.
 */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Clock } from "ground-station-failover";
import { checkChanges, checkScan, heldBytes } from "../../fleet/record-checks.ts";
import {
  type RecordChange,
  type RecordStore,
  RecordStoreError,
  type RecordStoreState,
  type RecordStoreStatus,
  type ScanOptions,
  type StoredRecord,
} from "../../fleet/record-store.ts";
import { UserError } from "../process/exit-codes.ts";
import { answerTo } from "./answer-request.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { type CommitOutcome, FILES, SqliteFile } from "./sqlite-file.ts";
import type { Reply, Request, ThreadData } from "./thread-messages.ts";

/** 1 GiB: a million answers of a kilobyte, and a small part of any disk. */
const DEFAULT_MAX_BYTES: number = 1_024 ** 3;
/** A second of full load, and a small part of the memory for callers. */
const DEFAULT_MAX_PENDING_BYTES = 32 * 1_024 ** 2;
/** One transaction takes this much, so that a commit does not wait long for those before it. */
const MAX_BATCH_BYTES = 4 * 1_024 ** 2;
/** Longest wait for the disk at the end of the process, twice. */
const CLOSE_WITHIN_MS = 5_000;
/** How often a full store looks whether there is room again. */
const LOOK_FOR_ROOM_MS = 1_000;

export interface StoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Default {@link DEFAULT_MAX_BYTES}. */
  readonly maxBytes?: number;
  /** Most bytes of commits that wait; more are refused as `busy`. Default 32 MiB. */
  readonly maxPendingBytes?: number;
  /** Called when the state has changed, with the reason. Default: nobody. */
  readonly onState?: (state: RecordStoreState, detail: string) => void;
}

interface PendingCommit {
  readonly changes: readonly RecordChange[];
  readonly bytes: number;
  readonly askedMs: number;
  readonly resolve: () => void;
  readonly reject: (error: RecordStoreError) => void;
}

interface PendingRead {
  readonly request: Request;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: RecordStoreError) => void;
}

interface Asked {
  readonly commits: readonly PendingCommit[];
  readonly read?: PendingRead;
}

/** Directories whose lock this process holds: the operating system asks only other processes. */
const own: Set<string> = new Set();

export class SqliteStore implements RecordStore {
  readonly #options: StoreOptions;
  readonly #maxBytes: number;
  readonly #lock: DirectoryLock;
  #here: SqliteFile | undefined;
  #thread: Worker | undefined;
  #state: RecordStoreState = "open";
  #bytes = 0;
  #damagedRecords = 0;
  #lastCommitMs: number | undefined;
  #commits: PendingCommit[] = [];
  #reads: PendingRead[] = [];
  #pendingBytes = 0;
  /** What the thread is doing. */
  #asked: Asked | undefined;
  #isScheduled = false;
  #roomLook: Disposable | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /**
   * Makes the directory if there is none, locks it and checks what is in it. Throws a
   * {@link UserError} if the state cannot be used.
   */
  constructor(options: StoreOptions) {
    this.#options = options;
    const { directory, maxBytes = DEFAULT_MAX_BYTES } = options;
    this.#maxBytes = maxBytes;
    makeDirectory(directory);
    if (own.has(directory))
      throw new UserError("configuration", `this process already uses ${directory} for its state`);
    this.#lock = lockOf(directory);
    try {
      this.#here = SqliteFile.open(directory, maxBytes, true);
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    own.add(directory);
    this.#noteFigures(this.#here.figures);
    if (!this.#here.hasRoom) this.#setState("full", "there was no room when it was opened");
  }

  get status(): RecordStoreStatus {
    return {
      state: this.#state,
      bytes: this.#bytes,
      maxBytes: this.#maxBytes,
      pendingCommits: this.#commits.length + (this.#asked?.commits.length ?? 0),
      pendingBytes: this.#pendingBytes,
      lastCommitMs: this.#lastCommitMs,
      damagedRecords: this.#damagedRecords,
    };
  }

  commit(changes: readonly RecordChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      checkChanges(changes);
      if (changes.length === 0) return resolve();
      this.#refuseIfOver();
      const bytes = heldBytes(changes);
      if (this.#pendingBytes + bytes > (this.#options.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES))
        throw new RecordStoreError("busy", `${this.#pendingBytes} bytes already wait for the disk`);
      this.#pendingBytes += bytes;
      this.#commits.push({
        changes: changes.map(standalone),
        bytes,
        askedMs: this.#options.clock.nowMs(),
        resolve,
        reject,
      });
      this.#schedule();
    });
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    const reply = await this.#read({ type: "get", table, key });
    return reply.type === "value" ? reply.value : undefined;
  }

  async scan(table: string, options: ScanOptions): Promise<readonly StoredRecord[]> {
    checkScan(options);
    const reply = await this.#read({ type: "scan", table, options });
    return reply.type === "records" ? reply.records : [];
  }

  /** From now on nothing is done in the calling thread. */
  serve(): void {
    this.#here?.[Symbol.dispose]();
    this.#here = undefined;
  }

  /** Finishes what waits, then closes. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#roomLook?.[Symbol.dispose]();
    if (this.#asked !== undefined || this.#commits.length + this.#reads.length > 0)
      await this.#within((done) => {
        this.#idle = done;
      });
    if (this.#asked !== undefined) this.#fail("the disk did not answer while the gateway stopped");
    this.#state = "closed";
    this.#here?.[Symbol.dispose]();
    const thread = this.#thread;
    if (thread !== undefined) {
      thread.postMessage({ type: "close" } satisfies Request);
      await this.#within((done) => void thread.once("exit", done));
      thread.unref();
    }
    this.#lock[Symbol.dispose]();
    own.delete(this.#options.directory);
  }

  /**
   * Waits until `listen` has been told, but not for ever: a disk that hangs must not keep the
   * process.
   */
  #within(listen: (done: () => void) => void): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const late = clock.at(clock.nowMs() + CLOSE_WITHIN_MS, resolve);
      listen(() => {
        late[Symbol.dispose]();
        resolve();
      });
    });
  }

  #read(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#refuseIfOver();
      this.#reads.push({ request, resolve, reject });
      this.#schedule();
    });
  }

  #refuseIfOver(): void {
    if (this.#state === "closed" || this.#closing !== undefined)
      throw new RecordStoreError("closed", "the store is closed");
    if (this.#state === "failed") throw new RecordStoreError("failed", "the store has failed");
  }

  /** In a microtask: commits of the same step go together. */
  #schedule(): void {
    if (this.#isScheduled || this.#asked !== undefined) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#askNext();
    });
  }

  /** Reads and commits take turns, so that neither waits for all of the other. */
  #askNext(): void {
    if (this.#asked !== undefined) return;
    const read = this.#reads.shift();
    if (read !== undefined) {
      this.#asked = { commits: [], read };
      return this.#post(read.request);
    }
    if (this.#commits.length === 0) return this.#idle?.();
    const commits = this.#nextBatch();
    this.#asked = { commits };
    this.#post({ type: "commit", commits: commits.map(({ changes }) => changes) });
  }

  #nextBatch(): PendingCommit[] {
    let bytes = 0;
    const end = this.#commits.findIndex((commit, place) => {
      bytes += commit.bytes;
      return place > 0 && bytes > MAX_BATCH_BYTES;
    });
    return this.#commits.splice(0, end === -1 ? this.#commits.length : end);
  }

  #post(request: Request): void {
    if (this.#here !== undefined) return this.#noteReply(answerTo(this.#here, request));
    this.#thread ??= this.#startThread();
    this.#thread.postMessage(request);
  }

  #startThread(): Worker {
    const { directory } = this.#options;
    // Beside this file, from source as well as built.
    const path = import.meta.url.endsWith(".ts") ? "./record-thread.ts" : "./record-thread.js";
    const data: ThreadData = { directory, maxBytes: this.#maxBytes };
    const thread = new Worker(new URL(path, import.meta.url), {
      name: "gsf-records",
      workerData: data,
      // Node 22 calls node:sqlite experimental, each time.
      execArgv: ["--disable-warning=ExperimentalWarning"],
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 },
    });
    thread.on("message", (reply: Reply) => this.#noteReply(reply));
    thread.on("error", (error) => this.#fail(error.message));
    thread.on("exit", () => this.#fail("the thread of the store has ended"));
    return thread;
  }

  #noteReply(reply: Reply): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (reply.figures !== undefined) this.#noteFigures(reply.figures);
    if (reply.type === "error") return this.#fail(reply.detail, asked);
    if (reply.type === "outcomes") this.#settle(asked?.commits ?? [], reply.outcomes);
    else asked?.read?.resolve(reply);
    if (reply.type === "closed" || this.#state === "failed") return;
    // Here the reply comes within the request, and the next one must not begin inside it.
    if (this.#here === undefined) this.#askNext();
    else this.#schedule();
  }

  #settle(commits: readonly PendingCommit[], outcomes: readonly CommitOutcome[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [place, outcome] of outcomes.entries()) {
      const commit = commits[place];
      if (outcome.type === "failed") this.#fail(outcome.detail);
      else if (outcome.type === "full") this.#setState("full", outcome.detail);
      else this.#setState("open", "there is room again");
      if (commit === undefined) continue;
      this.#pendingBytes -= commit.bytes;
      if (outcome.type === "done") {
        this.#lastCommitMs = nowMs - commit.askedMs;
        commit.resolve();
      } else commit.reject(new RecordStoreError(outcome.type, outcome.detail));
    }
  }

  #setState(state: RecordStoreState, detail: string): void {
    if (this.#state === state || this.#state === "failed" || this.#state === "closed") return;
    this.#state = state;
    this.#options.onState?.(state, detail);
    if (state === "full") this.#lookForRoomLater();
  }

  #lookForRoomLater(): void {
    const { clock } = this.#options;
    this.#roomLook?.[Symbol.dispose]();
    this.#roomLook = clock.at(clock.nowMs() + LOOK_FOR_ROOM_MS, () => {
      if (this.#state !== "full" || this.#closing !== undefined) return;
      if (this.#asked === undefined) {
        this.#asked = { commits: [] };
        this.#post({ type: "look-for-room" });
      }
      if (this.#state === "full") this.#lookForRoomLater();
    });
  }

  /** From now on nothing is accepted: it is unknown what is durable. */
  #fail(detail: string, asked: Asked | undefined = this.#asked): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    this.#setState("failed", detail);
    const error = new RecordStoreError("failed", detail);
    for (const commit of [...(asked?.commits ?? []), ...this.#commits]) commit.reject(error);
    for (const read of [...(asked?.read === undefined ? [] : [asked.read]), ...this.#reads]) read.reject(error);
    this.#asked = undefined;
    this.#commits = [];
    this.#reads = [];
    this.#pendingBytes = 0;
    this.#idle?.();
  }

  #noteFigures({ bytes, damagedRecords }: { readonly bytes: number; readonly damagedRecords: number }): void {
    this.#bytes = bytes;
    this.#damagedRecords = Math.max(this.#damagedRecords, damagedRecords);
  }
}

/** A message to a thread copies the whole memory that a value is a part of, such as Node's pool. */
function standalone(change: RecordChange): RecordChange {
  if (change.type !== "put" || change.value.byteLength === change.value.buffer.byteLength) return change;
  return { ...change, value: Uint8Array.from(change.value) };
}

/** The directory holds what callers sent and were answered, so nobody else reads it. */
function makeDirectory(directory: string): void {
  try {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) makeWithParents(directory);
  } catch (error) {
    throw unusable(directory, (error as Error).message);
  }
}

/** Not `recursive`: Node tries for ever where a directory cannot be made at all, as below /proc. */
function makeWithParents(directory: string): void {
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    const parent = dirname(directory);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || existsSync(parent)) throw error;
    makeWithParents(parent);
    mkdirSync(directory, 0o700);
  }
}

function lockOf(directory: string): DirectoryLock {
  try {
    return DirectoryLock.take(join(directory, FILES.lock), directory);
  } catch (error) {
    throw error instanceof UserError ? error : unusable(directory, (error as Error).message);
  }
}

function unusable(directory: string, why: string): UserError {
  return new UserError(
    "configuration",
    `state cannot be kept in ${directory}: ${why}; make it writable for this user, name another place in ` +
      "`state.directory`, or write `state: none`, and nothing outlives the process",
  );
}
