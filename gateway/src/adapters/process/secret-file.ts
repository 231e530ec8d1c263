/**
 * Secrets in files: read as bytes, because a key made by a random generator is no text, and looked
 * at from outside, because a secret that everybody on the machine can read is none. A file that
 * changes is read again, so that a secret can be replaced while heartbeats go on.
 */
import { statSync } from "node:fs";
import { readAtMost } from "./bounded-file.ts";

/** HMAC-SHA256 keys and bearer tokens below 128 bits can be guessed. */
export const MIN_SECRET_BYTES = 16;
/** Far more than a key or a token has. */
const MAX_SECRET_BYTES = 4_096;
/**
 * Secrets that are valid at once: two while one replaces the other, and some to spare. Bounds the
 * work for a forged datagram.
 */
export const MAX_SECRETS = 4;

/**
 * Reads the file at `path`. Throws the system's error where it cannot be read, and a RangeError
 * where it is too large.
 */
export function readSecretFile(path: string): Buffer {
  const bytes = readAtMost(path, MAX_SECRET_BYTES);
  if (bytes === undefined) throw new RangeError(`it has more than ${MAX_SECRET_BYTES} bytes`);
  return bytes;
}

/**
 * The secret that `bytes` hold: text without the white space around it, because editors and shells
 * end it with a line break; anything else as it is.
 */
export function secretIn(bytes: Uint8Array): Buffer {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes);
  }
  // No person writes control characters: this is a key that only looks like text.
  const isText = ![...text].some((character) => character < " " && !LINE_SPACE.has(character));
  return isText ? Buffer.from(text.trim(), "utf8") : Buffer.from(bytes);
}

const LINE_SPACE: ReadonlySet<string> = new Set(["\t", "\n", "\v", "\f", "\r"]);

/**
 * Why others can read the file at `path`, and the remedy; undefined where only its owner can, or
 * where that is not known.
 */
export function openTo(path: string): string | undefined {
  if (process.platform === "win32") return undefined;
  const state = statSync(path, { throwIfNoEntry: false });
  if (state?.isFile() !== true || (state.mode & OTHERS_READ) === 0) return undefined;
  const mode = (state.mode & 0o777).toString(8).padStart(4, "0");
  return `users other than its owner can read ${path} (mode ${mode}): chmod 600 ${path}`;
}

const OTHERS_READ = 0o044;

/**
 * Calls `onChange` at most {@link LOOK_EVERY_MS} after a change of one of the files, until it is
 * disposed. Keeps no process alive.
 */
export function watchSecretFiles(paths: Iterable<string>, onChange: () => void): Disposable {
  const watched = [...new Set(paths)];
  // By its name, so that one that is replaced by another (`mv`) is seen as well, and from now on: a
  // watch of the system begins some time later.
  const look = (): string => watched.map(markOf).join("\n");
  let last = look();
  const timer = setInterval(() => {
    const now = look();
    if (now === last) return;
    last = now;
    onChange();
  }, LOOK_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Differs for a file that was written or replaced. */
function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}

const LOOK_EVERY_MS = 1_000;
