/**
 * The disk of one simulated machine. A process gets a `Disk`, whose operations take time and end as
 * events of that process. Every reader of the machine sees their effects at once, and these survive
 * the end of the process. But only what a completed sync covered is sure to survive a power loss
 * (`file-system.ts` says what may become of the rest). Programs forget a sync more often than disks
 * lie. This disk finds such mistakes: a journal that acknowledges before its sync, a rename without
 * a sync, a torn last record that is read as a good one.
 *
 * An operation takes effect when it completes, so two that begin without waiting in between may
 * take effect in any order, as on a real thread pool. An operation in flight when the process ended
 * has happened, or not, or (a write) in part. The disk has one flat directory, whole files are read
 * at once, and cached reads are not faster.
 */
import { checked } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { exponentialAt } from "../faults/draws.ts";
import { isBytes } from "../kernel/bytes.ts";
import type { CrashKind, Host, Kernel } from "../kernel/kernel.ts";
import { DiskError } from "./disk-error.ts";
import type { DiskFaults } from "./disk-faults.ts";
import { FaultStack, MOST_DISK_BYTES } from "./disk-faults.ts";
import { FileSystem } from "./file-system.ts";
import { type Effect, SystemCalls } from "./system-calls.ts";

/**
 * The disk as a process sees it; its content survives a crash. A file name is any string that is
 * not empty; there are no directories. Every operation may fail with a `DiskError`: ENOENT if the
 * file does not exist, EIO at any time, and ENOSPC if bytes are added.
 */
export interface Disk {
  /** All bytes of a file, as they are now: a copy. */
  read(file: string): Promise<Uint8Array>;
  /**
   * Replaces all bytes of a file, which need not exist. Not atomic: to be atomic, write another
   * file, sync it and rename it.
   */
  write(file: string, bytes: Uint8Array): Promise<void>;
  /**
   * Adds bytes at the end of a file, which need not exist. When it fails, some first bytes may have
   * been added.
   */
  append(file: string, bytes: Uint8Array): Promise<void>;
  /** Cuts a file to `length` bytes, or grows it with zeros. */
  truncate(file: string, length: number): Promise<void>;
  /**
   * Renames a file, and replaces a file that already has that name. Atomic; durable after a sync of
   * `to`.
   */
  rename(from: string, to: string): Promise<void>;
  /**
   * Durable after a sync of a later file of that name; until then a power loss may bring the file
   * back.
   */
  remove(file: string): Promise<void>;
  /** The names of all files, sorted. */
  list(): Promise<string[]>;
  /**
   * Makes durable everything that was done to a file before this call: its bytes, and its entry in
   * the directory (`fsync` of both). After EIO it is unknown which changes are durable, and a later
   * sync that succeeds says nothing about the changes that this one covered: write them again.
   */
  sync(file: string): Promise<void>;
}

/** The place where bit rot strikes. Default: a randomly drawn byte and bit. */
export interface RotPlace {
  /** Which byte of the file, from 0. */
  readonly byte?: number;
  /** Which bit of it, 0..7. */
  readonly bit?: number;
}

type Call = keyof Disk;
type ErrorRate = "readErrorRate" | "writeErrorRate" | "syncErrorRate";

/** Which rate decides how often an operation of each kind fails. */
const ERROR_RATE: Readonly<Record<Call, ErrorRate>> = {
  read: "readErrorRate",
  list: "readErrorRate",
  write: "writeErrorRate",
  append: "writeErrorRate",
  truncate: "writeErrorRate",
  rename: "writeErrorRate",
  remove: "writeErrorRate",
  sync: "syncErrorRate",
};

/** The time of an operation without faults: into the page cache, and down to a solid-state disk. */
const CACHE_LATENCY = { minMs: 0.02, meanMs: 0.03 };
const SYNC_LATENCY = { minMs: 0.5, meanMs: 2 };

interface Operation {
  readonly disk: SimDisk;
  readonly incarnation: number;
  readonly call: Call;
  readonly file: string;
  readonly effect: Effect<unknown>;
  readonly errorDraw: number;
  readonly fateDraw: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The disk of one machine. Tests make it fail through this class. */
export class SimDisk {
  readonly #world: Kernel;
  readonly #node: Host;
  readonly #random: Random;
  readonly #files: FileSystem = new FileSystem();
  readonly #calls: SystemCalls;
  readonly #faults: FaultStack;
  /** Operations in order of request, with the timer that completes each. */
  readonly #inFlight: Map<Operation, Disposable> = new Map();
  /** Operations that would have completed, had the disk not stalled. */
  #held: Operation[] = [];
  #rots = 0;

  constructor(world: Kernel, node: Host, random: Random) {
    this.#world = world;
    this.#node = node;
    this.#random = random;
    this.#faults = new FaultStack(random.fork("latency"));
    this.#calls = new SystemCalls(this.#files, {
      limitBytes: () => this.#faults.combined.limitBytes,
      draws: (purpose) => this.#drawsNow(purpose),
      note: (detail) => this.#note(detail),
    });
  }

  /**
   * The disk as the process of that incarnation sees it. Once that process has ended, its requests
   * are neither done nor answered.
   */
  boundTo(incarnation: number): Disk {
    const begin = <T>(call: Call, file: string, effect: Effect<T>): Promise<T> =>
      this.#begin(incarnation, call, file, effect);
    const calls = this.#calls;
    return {
      read: async (file) => begin("read", named(file), calls.read(file)),
      write: async (file, bytes) => begin("write", named(file), calls.write(file, owned(bytes))),
      append: async (file, bytes) => begin("append", named(file), calls.append(file, owned(bytes))),
      truncate: async (file, length) => begin("truncate", named(file), calls.truncate(file, sized(length))),
      rename: async (from, to) => begin("rename", named(from), calls.rename(from, named(to))),
      remove: async (file) => begin("remove", named(file), calls.remove(file)),
      list: async () => begin("list", ".", calls.list()),
      sync: async (file) => begin("sync", named(file), calls.sync(file)),
    };
  }

  /**
   * Imposes a fault on this disk until the returned object is disposed. Several at once combine:
   * delays add up, the highest rate and the least room count.
   */
  impose(faults: Partial<DiskFaults>): Disposable {
    const lift = this.#faults.impose(faults, this.#files.usedBytes, this.#world.nowMs);
    this.#world.strike();
    this.#note(`fault on: ${JSON.stringify(faults)}`);
    return {
      [Symbol.dispose]: (): void => {
        lift();
        this.#note(`fault off: ${JSON.stringify(faults)}`);
        this.#releaseHeld();
      },
    };
  }

  /**
   * Flips one durable bit of `file`; readers see it at once, except where a newer value of that
   * byte waits to be synced. Returns which byte. Use it only for files whose program can detect the
   * loss and recover: otherwise the result is no finding.
   */
  rot(file: string, place: RotPlace = {}): number {
    const size = this.#files.durable(named(file))?.length ?? 0;
    if (size === 0) throw new RangeError(`nothing of "${file}" is durable on ${this.#node.name}, so nothing can rot`);
    const draws = this.#random.fork(`rot/${++this.#rots}`);
    const drawn = { byte: Math.floor(draws.next() * size), bit: Math.floor(draws.next() * 8) };
    const byte = checked("disk", "rot byte", place.byte ?? drawn.byte, { min: 0, max: size - 1, integer: true });
    const bit = checked("disk", "rot bit", place.bit ?? drawn.bit, { min: 0, max: 7, integer: true });
    this.#files.flip(file, byte, 1 << bit);
    this.#note(`rot: ${file}, byte ${byte}, bit ${bit}`);
    return byte;
  }

  /**
   * For checks: what a reader on this machine would find now; undefined for a missing file. Not a
   * copy: read it, keep nothing.
   */
  contents(file: string): Uint8Array | undefined {
    return this.#files.contents(file);
  }

  /**
   * For checks: what a power loss now would surely leave; undefined for a missing file. Not a copy:
   * read it, keep nothing.
   */
  durable(file: string): Uint8Array | undefined {
    return this.#files.durable(file);
  }

  /** Its process has ended; with `power`, the machine too. Called by the node. */
  crash(kind: CrashKind): void {
    let happened = 0;
    for (const [operation, completion] of this.#inFlight) {
      completion[Symbol.dispose]();
      if (interrupt(operation)) happened++;
    }
    if (this.#inFlight.size > 0)
      this.#note(`${kind}: ${happened} of ${this.#inFlight.size} operations in flight had an effect`);
    this.#inFlight.clear();
    this.#held = [];
    if (kind === "kill") return;
    const { kept, lost, torn } = this.#files.losePower(this.#drawsNow("power loss"));
    this.#note(`power: of the changes not synced ${kept} kept, ${lost} lost, ${torn} torn`);
  }

  /** Three draws for each operation, whatever the conditions. */
  #begin<T>(incarnation: number, call: Call, file: string, effect: Effect<T>): Promise<T> {
    this.#world.assertInside(this.#node);
    return new Promise<T>((resolve, reject) => {
      if (!this.#node.up || incarnation !== this.#node.incarnation) return;
      const share = this.#random.next();
      const errorDraw = this.#random.next();
      const fateDraw = this.#random.next();
      const settle = { resolve: resolve as (value: unknown) => void, reject };
      const operation = { disk: this, incarnation, call, file, effect, errorDraw, fateDraw, ...settle };
      this.#inFlight.set(
        operation,
        this.#world.at(this.#world.nowMs + this.#latencyMs(call, share), complete, operation),
      );
    });
  }

  #latencyMs(call: Call, share: number): number {
    const { minMs, meanMs } = call === "sync" ? SYNC_LATENCY : CACHE_LATENCY;
    let totalMs = minMs + exponentialAt(share, meanMs);
    for (const latency of this.#faults.combined.latencies) totalMs += latency(share, this.#world.nowMs);
    return totalMs;
  }

  /**
   * @internal The instant of an operation's effect. Its process is notified when it can run.
   */
  complete(operation: Operation): void {
    const faults = this.#faults.combined;
    if (faults.stalled) {
      this.#held.push(operation);
      return;
    }
    this.#inFlight.delete(operation);
    const { call, file, incarnation, resolve, reject } = operation;
    const fails = operation.errorDraw < faults[ERROR_RATE[call]];
    try {
      const value = operation.effect(fails ? operation.fateDraw : undefined);
      if (call === "sync") this.#note(`sync ${file}`);
      this.#node.dispatch(incarnation, () => resolve(value));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#note(error.message);
      this.#node.dispatch(incarnation, () => reject(error));
    }
  }

  #releaseHeld(): void {
    if (this.#faults.combined.stalled) return;
    const held = this.#held;
    this.#held = [];
    for (const operation of held) this.#inFlight.set(operation, this.#world.at(this.#world.nowMs, complete, operation));
  }

  /**
   * A stream for draws that are not made once for each operation: fixed by the instant, so that no
   * other fault changes it.
   */
  #drawsNow(purpose: string): Random {
    return this.#random.fork(`${purpose} at ${this.#world.nowMs}`);
  }

  #note(detail: string): void {
    this.#world.trace.note(this.#world.nowMs, this.#node.name, "disk", detail);
  }
}

function complete(operation: Operation): void {
  operation.disk.complete(operation);
}

/**
 * Its process ended while it was in flight: it had happened already, or had not, or (a write) in
 * part. Returns whether it had any effect.
 */
function interrupt({ call, effect, fateDraw }: Operation): boolean {
  const third = Math.floor(fateDraw * 3);
  const inPart = third === 2 && (call === "write" || call === "append");
  if (third === 0 || (third === 2 && !inPart)) return false;
  try {
    effect(inPart ? fateDraw * 3 - 2 : undefined);
    return true;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return inPart;
  }
}

function sized(length: number): number {
  return checked("disk", "truncate length", length, { min: 0, max: MOST_DISK_BYTES, integer: true });
}

function named(file: string): string {
  if (typeof file !== "string" || file === "")
    throw new TypeError(`a file's name is a string, not ${JSON.stringify(file)}`);
  return file;
}

/** A copy that the caller cannot change any more. */
function owned(bytes: Uint8Array): Uint8Array {
  if (!isBytes(bytes)) throw new TypeError(`a file's bytes are a Uint8Array, not ${typeof bytes}`);
  return Uint8Array.prototype.slice.call(bytes);
}
