/**
 * Files that are still there after a crash. A file is replaced by writing a new one beside it and
 * renaming that (rename(2) is atomic), so a reader sees the old bytes or the new ones. The file and
 * its directory are synced, because a name is lost with the power if only the bytes were synced.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** Only the user of the store reads what is in it: it may hold URLs with passwords. */
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;

/** Makes a directory of the store, with all that are missing above it. */
export function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: PRIVATE_DIRECTORY });
}

/** Replaces the file, or makes it. `mode`: the permissions of the new file. */
export function replaceFile(path: string, bytes: Uint8Array | string, mode: number = PRIVATE_FILE): void {
  const beside = temporaryBeside(path);
  try {
    writeNew(beside, bytes, mode);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** Makes the file with all its bytes at once. False if there is one of that name already. */
export function createFile(path: string, bytes: string): boolean {
  const beside = temporaryBeside(path);
  try {
    writeNew(beside, bytes, PRIVATE_FILE);
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  syncDirectory(dirname(path));
  return true;
}

/**
 * Appends the text with one write, and syncs the file. `mustExist` false: makes the file if it is
 * missing, and syncs its directory.
 */
export function appendDurably(path: string, text: string, { mustExist }: { readonly mustExist: boolean }): void {
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  const file = openSync(path, O_WRONLY | O_APPEND | (mustExist ? 0 : O_CREAT), PRIVATE_FILE);
  try {
    const bytes = Buffer.from(text);
    if (writeSync(file, bytes) < bytes.length) throw new Error(`${path}: the disk took only a part of a line`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (!mustExist) syncDirectory(dirname(path));
}

/** Removes the file if it is there. */
export function removeDurably(path: string): void {
  rmSync(path, { force: true });
  syncDirectory(dirname(path));
}

export function syncDirectory(path: string): void {
  // Windows does not open directories; its rename is durable by itself.
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The first bytes of a file, at most `maxBytes`; "absent" if there is none of that name. */
export function readUpTo(path: string, maxBytes: number): Buffer | "absent" | "too large" {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafe(maxBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      length += read;
      if (length > maxBytes) return "too large";
      if (read === 0) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

function writeNew(path: string, bytes: Uint8Array | string, mode: number): void {
  const file = openSync(path, "wx", mode);
  try {
    const all = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    for (let written = 0; written < all.length; ) written += writeSync(file, all, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * A name that no other process chooses, and that no reader of the directory takes for a file of the
 * store.
 */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString("hex")}`);
}
