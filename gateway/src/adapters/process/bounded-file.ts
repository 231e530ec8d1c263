/**
 * Reads a whole file that a user names, up to a limit: an endless device or pipe costs no more than
 * the limit. It blocks: a process that serves says so, and then only regular files are read.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

/**
 * The contents of the file; undefined if they are more than `maxBytes`. Throws the operating
 * system's error if it cannot be read. `mayWait`: false where a pipe, which may have nothing to
 * read for ever, would stop the process; anything but a regular file is then refused with a
 * RangeError.
 */
export function readAtMost(path: string, maxBytes: number, mayWait = true): Buffer | undefined {
  // Opening a pipe waits, too.
  if (!mayWait && !statSync(path).isFile()) throw notRegular();
  const file = openSync(path, "r");
  try {
    if (!mayWait && !fstatSync(file).isFile()) throw notRegular();
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

function notRegular(): RangeError {
  return new RangeError("it is no regular file, and only a regular file can be read again while the process serves");
}
