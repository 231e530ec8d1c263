/**
 * Finds out whether a write failed for lack of room. SQLite reports any other reason than ENOSPC as
 * an error of the device: also a quota (EDQUOT) and a limit on the size of files (EFBIG), which end
 * when somebody makes room.
 */
import { closeSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const PAGE = new Uint8Array(4_096);

/**
 * Why a page cannot be written in `directory` at the place where `log` ends; undefined if it can,
 * or if the device fails otherwise.
 */
export function roomProblem(directory: string, log: string): string | undefined {
  const scratch = join(directory, "gateway.room");
  let descriptor: number | undefined;
  try {
    descriptor = openSync(scratch, "w", 0o600);
    writeSync(descriptor, PAGE, 0, PAGE.length, statSync(log, { throwIfNoEntry: false })?.size ?? 0);
    return undefined;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    return NO_ROOM.has(code) ? message : undefined;
  } finally {
    if (descriptor !== undefined) {
      closeSync(descriptor);
      unlinkSync(scratch);
    }
  }
}
