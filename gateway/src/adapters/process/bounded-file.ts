/**
 * Files that a person names, read whole but never without end: a device or a pipe that goes on for
 * ever costs no more than the limit. It reads at the start of a process, so it may block.
 */
import { closeSync, openSync, readSync } from "node:fs";

/**
 * What the file holds; undefined where that is more than `maxBytes`. Throws the system's error
 * where it cannot be read.
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
