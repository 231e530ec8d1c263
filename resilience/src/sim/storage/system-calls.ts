/**
 * What each operation of a simulated disk does to the files at the instant at which it takes
 * effect: it works, finds no file, finds no room, or meets a device that fails. A failed write
 * leaves some first bytes behind. A failed sync decides at once which of the changes that it
 * covered are kept. `disk.ts` decides when that instant comes.
 */
import type { Random } from "../../core/random.ts";
import { DiskError } from "./disk-error.ts";
import type { FileSystem } from "./file-system.ts";

/**
 * Takes effect and returns the result, or throws a `DiskError`. With `cut`, a share in [0, 1), the
 * device fails: a write has then written this share of its bytes.
 */
export type Effect<Result> = (cut?: number) => Result;

/** What the operations need from the disk. */
export interface Surroundings {
  /** How much all files may hold together at this instant. */
  limitBytes(): number;
  /** A stream for draws that are not made once for each operation, fixed by the instant. */
  draws(purpose: string): Random;
  note(detail: string): void;
}

export class SystemCalls {
  readonly #files: FileSystem;
  readonly #around: Surroundings;

  constructor(files: FileSystem, around: Surroundings) {
    this.#files = files;
    this.#around = around;
  }

  read(file: string): Effect<Uint8Array> {
    return (cut) => {
      this.#assertWorks("read", file, cut);
      return (this.#files.contents(file) as Uint8Array).slice();
    };
  }

  list(): Effect<string[]> {
    return (cut) => {
      if (cut !== undefined) throw new DiskError("EIO", "list", ".");
      return this.#files.list();
    };
  }

  /** The room of the old bytes is free for the new ones. */
  write(file: string, bytes: Uint8Array): Effect<void> {
    return (cut) => {
      const oldBytes = this.#files.contents(file)?.length ?? 0;
      const fitting = this.#fitting(bytes, this.#roomBytes() + oldBytes, cut);
      this.#files.replace(file, fitting);
      assertWhole("write", file, bytes, fitting, cut);
    };
  }

  append(file: string, bytes: Uint8Array): Effect<void> {
    return (cut) => {
      const fitting = this.#fitting(bytes, this.#roomBytes(), cut);
      this.#files.append(file, fitting);
      assertWhole("append", file, bytes, fitting, cut);
    };
  }

  truncate(file: string, length: number): Effect<void> {
    return (cut) => {
      this.#assertWorks("truncate", file, cut);
      const growth = length - (this.#files.contents(file) as Uint8Array).length;
      if (growth > this.#roomBytes()) throw new DiskError("ENOSPC", "truncate", file);
      this.#files.resize(file, length);
    };
  }

  rename(from: string, to: string): Effect<void> {
    return (cut) => {
      this.#assertWorks("rename", from, cut);
      this.#files.rename(from, to);
    };
  }

  remove(file: string): Effect<void> {
    return (cut) => {
      this.#assertWorks("remove", file, cut);
      this.#files.remove(file);
    };
  }

  /** The changes that it covers are fixed when it is requested. */
  sync(file: string): Effect<void> {
    const point = this.#files.has(file) ? this.#files.beginSync(file) : undefined;
    return (cut) => {
      if (point === undefined) throw new DiskError("ENOENT", "sync", file);
      if (cut === undefined) return this.#files.endSync(point);
      const { kept, lost, torn } = this.#files.failSync(point, this.#around.draws(`failed sync of ${file}`));
      this.#around.note(`failed sync of ${file}: of its changes ${kept} kept, ${lost} lost, ${torn} torn`);
      throw new DiskError("EIO", "sync", file);
    };
  }

  #assertWorks(call: string, file: string, cut: number | undefined): void {
    if (!this.#files.has(file)) throw new DiskError("ENOENT", call, file);
    if (cut !== undefined) throw new DiskError("EIO", call, file);
  }

  #roomBytes(): number {
    return Math.max(0, this.#around.limitBytes() - this.#files.usedBytes);
  }

  #fitting(bytes: Uint8Array, roomBytes: number, cut: number | undefined): Uint8Array {
    const wanted = cut === undefined ? bytes.length : Math.floor(cut * bytes.length);
    return bytes.subarray(0, Math.min(wanted, roomBytes));
  }
}

function assertWhole(
  call: string,
  file: string,
  bytes: Uint8Array,
  written: Uint8Array,
  cut: number | undefined,
): void {
  if (cut !== undefined) throw new DiskError("EIO", call, file);
  if (written.length < bytes.length) throw new DiskError("ENOSPC", call, file);
}
