/**
 * The errors of a simulated disk's operations: an ordinary `Error` with the `code`, `syscall` and
 * `path` that Node's own file system errors carry, so that code which branches on `error.code`
 * needs no change to run in a world. They represent errors of the operating system and not of this
 * library, so they are outside its error family.
 */

/** `ENOENT`: the file does not exist. `EIO`: the device failed. `ENOSPC`: no space is left. */
export type DiskErrorCode = "ENOENT" | "EIO" | "ENOSPC";

const MEANING: Readonly<Record<DiskErrorCode, string>> = {
  ENOENT: "no such file or directory",
  EIO: "i/o error",
  ENOSPC: "no space left on device",
};

/**
 * An error of the simulated disk, with the fields of Node's own file system errors.
 *
 * @example
 * ```ts
 * import { DiskError, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * let code = "";
 * const north = world.node("north", async ({ disk }) => {
 *   const error = await disk.read("epoch").catch((reason: unknown) => reason);
 *   if (error instanceof DiskError) code = error.code;
 * });
 * north.start();
 * await world.run(1_000);
 * console.log(code); // ENOENT
 * ```
 */
export class DiskError extends Error {
  readonly code: DiskErrorCode;
  /** The operation that failed, by its name in `Disk`. */
  readonly syscall: string;
  readonly path: string;

  constructor(code: DiskErrorCode, syscall: string, path: string) {
    super(`${code}: ${MEANING[code]}, ${syscall} '${path}'`);
    this.name = "DiskError";
    this.code = code;
    this.syscall = syscall;
    this.path = path;
  }
}
