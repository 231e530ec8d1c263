/**
 * Files as an operating system keeps them, in two states: as every process of the machine sees them
 * (the page cache), and as they would be found after a power loss (the device). Between the two is
 * a list of changes that have not been synced. A sync moves a file's changes to the device. A
 * failed sync decides at random which of them reached the device and forgets the others
 * ("fsyncgate": the kernel marks the pages clean). A power loss decides at random about all that
 * are left.
 *
 * Changes of one file may be kept out of order, torn at a byte, or with a size that was written
 * before the data (zeros), as POSIX allows. A rename is atomic. Changes of related names happen in
 * order, others may not (as in ext4 and btrfs; Pillai et al., "All file systems are not created
 * equal", OSDI 2014). There is one flat directory; no time, no errors of the device, no links, no
 * permissions: see `disk.ts` for the first two.
 */
import type { Random } from "../../core/random.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** A change of a file's bytes: resizes it if `size` is given, then puts `bytes` at `at`. */
interface DataChange {
  readonly order: number;
  readonly size: number | undefined;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/**
 * A change of the directory, whole or not at all: the file that each of these names refers to from
 * now on.
 */
interface NameChange {
  readonly order: number;
  readonly entries: readonly (readonly [name: string, file: StoredFile | undefined])[];
}

interface StoredFile {
  /** The bytes that processes see. */
  readonly cached: GrowingBytes;
  /** The bytes on the device. */
  readonly durable: GrowingBytes;
  /** In order; the changes that a sync would move to the device. */
  unsynced: DataChange[];
}

/** What a sync that begins now will cover when it ends: later changes are not included. */
export interface SyncPoint {
  readonly name: string;
  readonly file: StoredFile;
  readonly order: number;
}

/** What happened to the changes that were not synced. */
export interface Losses {
  kept: number;
  lost: number;
  torn: number;
}

/**
 * If there are more unsynced changes than this, the kernel writes the older half by itself, as real
 * ones do in time.
 */
const MOST_UNSYNCED = 10_000;

export class FileSystem {
  #names: Map<string, StoredFile> = new Map();
  readonly #durableNames: Map<string, StoredFile> = new Map();
  #nameChanges: NameChange[] = [];
  #order = 0;
  #usedBytes = 0;

  /** The total size of all visible files. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Names that a process sees, sorted. */
  list(): string[] {
    return [...this.#names.keys()].sort();
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Bytes that a process sees, not a copy. */
  contents(name: string): Uint8Array | undefined {
    return this.#names.get(name)?.cached.view();
  }

  /**
   * Bytes that a power loss can no longer remove, not a copy; undefined if the name itself may be
   * lost.
   */
  durable(name: string): Uint8Array | undefined {
    return this.#durableNames.get(name)?.durable.view();
  }

  /**
   * Adds `bytes`, which now belong to the file system, at the end of a file, and creates a missing
   * file.
   */
  append(name: string, bytes: Uint8Array): void {
    const file = this.#fileOf(name);
    this.#change(file, undefined, file.cached.size, bytes);
  }

  /**
   * Empties a file and writes `bytes`, which now belong to the file system; creates a missing file.
   */
  replace(name: string, bytes: Uint8Array): void {
    this.#change(this.#fileOf(name), 0, 0, bytes);
  }

  /** Cuts an existing file to `size`, or grows it with zeros. */
  resize(name: string, size: number): void {
    this.#change(this.#existing(name), size, size, NOTHING);
  }

  rename(from: string, to: string): void {
    const file = this.#existing(from);
    if (from === to) return;
    this.#usedBytes -= this.#names.get(to)?.cached.size ?? 0;
    this.#changeNames([
      [from, undefined],
      [to, file],
    ]);
  }

  remove(name: string): void {
    this.#usedBytes -= this.#existing(name).cached.size;
    this.#changeNames([[name, undefined]]);
  }

  /** A sync of an existing file begins. */
  beginSync(name: string): SyncPoint {
    return { name, file: this.#existing(name), order: this.#order };
  }

  /** The sync succeeds: the file's bytes and its entry in the directory are durable. */
  endSync(point: SyncPoint): void {
    for (const change of takeUpTo(point.file, point.order)) apply(point.file.durable, change);
    this.#commitNames(point);
  }

  /**
   * The sync fails: it is decided now which of the changes it covered are on the device. No later
   * sync makes up for the others, although they stay visible until the machine loses power. The
   * next sync tries the directory again.
   */
  failSync(point: SyncPoint, random: Random): Losses {
    const losses = { kept: 0, lost: 0, torn: 0 };
    settle(point.file.durable, takeUpTo(point.file, point.order), random, losses);
    return losses;
  }

  /**
   * The machine loses power: every change that is not durable is kept or lost at random, and
   * nothing else is left.
   */
  losePower(random: Random): Losses {
    const losses = { kept: 0, lost: 0, torn: 0 };
    const keepRate = random.next();
    const goneNames = new Set<string>();
    for (const { entries } of this.#nameChanges) {
      const kept = random.next() < keepRate && !entries.some(([name]) => goneNames.has(name));
      if (kept) enter(this.#durableNames, entries);
      else for (const [name] of entries) goneNames.add(name);
      losses[kept ? "kept" : "lost"]++;
    }
    this.#nameChanges = [];
    this.#names = new Map(this.#durableNames);
    this.#usedBytes = 0;
    for (const file of this.#names.values()) {
      settle(file.durable, takeUpTo(file, this.#order), random, losses);
      file.cached.become(file.durable);
      this.#usedBytes += file.cached.size;
    }
    return losses;
  }

  /**
   * Flips `mask` in one durable byte; seen at once if the cache holds the same value, because its
   * page may be read again.
   */
  flip(name: string, byte: number, mask: number): void {
    const { cached, durable } = this.#durableNames.get(name) as StoredFile;
    const good = durable.view()[byte] as number;
    if (cached.view()[byte] === good) cached.put(byte, Uint8Array.of(good ^ mask));
    durable.put(byte, Uint8Array.of(good ^ mask));
  }

  #existing(name: string): StoredFile {
    const file = this.#names.get(name);
    if (file === undefined) throw new Error(`there is no file "${name}": ask has() first`);
    return file;
  }

  #fileOf(name: string): StoredFile {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const file: StoredFile = { cached: new GrowingBytes(), durable: new GrowingBytes(), unsynced: [] };
    this.#changeNames([[name, file]]);
    return file;
  }

  #change(file: StoredFile, size: number | undefined, at: number, bytes: Uint8Array): void {
    const change: DataChange = { order: ++this.#order, size, at, bytes };
    this.#usedBytes -= file.cached.size;
    apply(file.cached, change);
    this.#usedBytes += file.cached.size;
    file.unsynced.push(change);
    if (file.unsynced.length <= MOST_UNSYNCED) return;
    const middle = file.unsynced[MOST_UNSYNCED / 2] as DataChange;
    for (const old of takeUpTo(file, middle.order)) apply(file.durable, old);
  }

  #changeNames(entries: NameChange["entries"]): void {
    enter(this.#names, entries);
    this.#nameChanges.push({ order: ++this.#order, entries });
    if (this.#nameChanges.length <= MOST_UNSYNCED) return;
    for (const old of this.#nameChanges.splice(0, MOST_UNSYNCED / 2)) enter(this.#durableNames, old.entries);
  }

  /**
   * Commits the entry of a name, and so all earlier changes of the directory that it depends on.
   */
  #commitNames(point: SyncPoint): void {
    if (this.#nameChanges.length === 0) return;
    const names = new Set([point.name]);
    const covered = new Set<NameChange>();
    for (const change of this.#nameChanges.toReversed()) {
      if (change.order > point.order || !change.entries.some(([name]) => names.has(name))) continue;
      covered.add(change);
      for (const [name] of change.entries) names.add(name);
    }
    for (const change of this.#nameChanges) if (covered.has(change)) enter(this.#durableNames, change.entries);
    this.#nameChanges = this.#nameChanges.filter((change) => !covered.has(change));
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

function enter(names: Map<string, StoredFile>, entries: NameChange["entries"]): void {
  for (const [name, file] of entries) {
    if (file === undefined) names.delete(name);
    else names.set(name, file);
  }
}

function apply(image: GrowingBytes, change: DataChange): void {
  if (change.size !== undefined) image.resize(change.size);
  image.put(change.at, change.bytes);
}

/** Removes the unsynced changes up to `order` from the file's list and returns them. */
function takeUpTo(file: StoredFile, order: number): DataChange[] {
  const { unsynced } = file;
  let count = unsynced.length;
  while (count > 0 && (unsynced[count - 1] as DataChange).order > order) count--;
  if (count < unsynced.length) return unsynced.splice(0, count);
  file.unsynced = [];
  return unsynced;
}

/**
 * Each change is kept, lost or torn, whatever happened to those before it. Two draws for each, and
 * one for all.
 */
function settle(image: GrowingBytes, changes: readonly DataChange[], random: Random, losses: Losses): void {
  const keepRate = random.next();
  for (const change of changes) {
    const fate = random.next();
    const cut = random.next();
    if (fate < keepRate) {
      apply(image, change);
      losses.kept++;
    } else if (change.bytes.length === 0 || fate < keepRate + (1 - keepRate) / 2) losses.lost++;
    else {
      tear(image, change, cut);
      losses.torn++;
    }
  }
}

/**
 * Writes the bytes up to a cut; every other time the file's size was written before the data, and
 * zeros follow them.
 */
function tear(image: GrowingBytes, change: DataChange, cut: number): void {
  const place = (cut * 2) % 1;
  const bytes = change.bytes.subarray(0, Math.floor(place * change.bytes.length));
  apply(image, { ...change, bytes });
  const end = change.at + change.bytes.length;
  if (cut >= 0.5 && image.size < end) image.resize(end);
}
