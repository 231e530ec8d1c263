/**
 * Reads a whole file that a user names, up to a limit: an endless device or pipe costs no more than
 * the limit. Used at the start of a process, so it may block.
 */
import { closeSync, openSync, readSync } from "node:fs";

/**
 * The contents of the file; undefined if they are more than `maxBytes`. Throws the operating
 * system's error if it cannot be read.
 */
export function readAtMost(path: string, maxBytes: number): Buffer | undefined {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.allocUnsafe(maxBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      length += read;
      if (length > maxBytes) return undefined;
      if (read === 0) return Buffer.from(bytes.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}
