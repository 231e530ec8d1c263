/**
 * How many commits have been acknowledged, in a small file beside the database. The database counts
 * its commits too; if it counts fewer than the mark says, acknowledged commits are missing: a file
 * was removed, cut off, damaged or replaced by an older one. SQLite alone takes the damaged end of
 * a write-ahead log for a commit that a crash interrupted, and would go on without a word.
 *
 * The mark is written after the commit is durable and is not synced itself, so it costs one system
 * call a commit. After a power loss it may be too low, never too high: it raises no false alarm.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

const MARK_BYTES = 16;
const WORD = 0x67736663;

/** The mark in `file`; 0 if there is none, or none that can be read. */
export function acknowledgedCommits(file: string): number {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return 0;
  }
  const isWhole = bytes.length === MARK_BYTES && bytes.readUInt32LE(0) === WORD;
  return isWhole && crc32(bytes.subarray(0, 12)) === bytes.readUInt32LE(12) ? Number(bytes.readBigUInt64LE(4)) : 0;
}

/** Writes the mark. One that cannot be written detects less, and harms nothing. */
export class CommitMark implements Disposable {
  readonly #descriptor: number | undefined;
  readonly #bytes: Buffer = Buffer.alloc(MARK_BYTES);

  constructor(file: string) {
    try {
      // Not "w", which would empty it, nor "a", under which writes go to the end.
      this.#descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch {
      this.#descriptor = undefined;
    }
  }

  write(commits: number): void {
    if (this.#descriptor === undefined) return;
    this.#bytes.writeUInt32LE(WORD, 0);
    this.#bytes.writeBigUInt64LE(BigInt(commits), 4);
    this.#bytes.writeUInt32LE(crc32(this.#bytes.subarray(0, 12)), 12);
    try {
      writeSync(this.#descriptor, this.#bytes, 0, MARK_BYTES, 0);
    } catch {
      // The device has no room, or fails: the commit itself is durable.
    }
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}
