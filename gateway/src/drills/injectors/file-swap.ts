/**
 * Replaces the bytes of a file and keeps a copy of what was there. The copy is complete on the disk
 * before the file changes, and the file changes in one step (rename), so that a reader sees either
 * the old bytes or the new ones. The inverse is data: put the copy back; where there was no file,
 * delete it. The copy is kept: an inverse may be played twice.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Inverse } from "../injection.ts";
import { freshName } from "./fields.ts";

/** Largest file that is replaced, in bytes. */
const MAX_BYTES = 4 * 1_024 * 1_024;

export class FileSwap {
  readonly path: string;
  readonly inverse: Inverse;
  /** The bytes before; undefined if there was no file. */
  readonly before: Buffer | undefined;
  readonly #copy: string;
  readonly #mode: number;

  /** Reads the file and changes nothing. Throws `UserError` if it cannot be replaced. */
  constructor(field: string, path: string) {
    this.path = ownPath(field, path);
    this.#copy = `${this.path}.before-${freshName()}`;
    const found = existsSync(this.path) ? statSync(this.path) : undefined;
    if (found !== undefined && !found.isFile()) throw new UserError("usage", `${field}: ${path} is no regular file`);
    if (found !== undefined && found.size > MAX_BYTES) {
      throw new UserError("usage", `${field}: ${path} has ${found.size} bytes; allowed are at most ${MAX_BYTES}`);
    }
    this.before = found === undefined ? undefined : readFileSync(this.path);
    this.#mode = (found?.mode ?? 0o600) & 0o777;
    this.inverse =
      found === undefined ? { kind: "file", path: this.path } : { kind: "file", path: this.path, copy: this.#copy };
  }

  /** Puts `bytes` in place. May be called again: the copy stays that of the beginning. */
  replace(bytes: Uint8Array): void {
    if (this.before !== undefined && !existsSync(this.#copy)) writeWhole(this.#copy, this.before, this.#mode);
    writeWhole(this.path, bytes, this.#mode);
  }

  /** What is not as before. The copy stays, so that the inverse can be played again. */
  remaining(): readonly string[] {
    const now = existsSync(this.path) ? readFileSync(this.path) : undefined;
    const isBack = this.before === undefined ? now === undefined : now?.equals(this.before) === true;
    return isBack ? [] : [`${this.path} is not as it was`];
  }
}

/** The path without links, because a rename would replace a link and not what it leads to. */
function ownPath(field: string, path: string): string {
  const whole = resolve(path);
  if (!existsSync(dirname(whole))) throw new UserError("usage", `${field}: there is no directory ${dirname(whole)}`);
  try {
    if (lstatSync(whole).isSymbolicLink()) return realpathSync(whole);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") throw new UserError("usage", `${field}: ${whole}: ${code ?? (error as Error).message}`);
  }
  return whole;
}

function writeWhole(path: string, bytes: Uint8Array, mode: number): void {
  const fresh = `${path}.new-${freshName()}`;
  try {
    const file = openSync(fresh, "wx", mode);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw new UserError("promiseBroken", `${path} cannot be written: ${(error as Error).message}`);
  }
}
