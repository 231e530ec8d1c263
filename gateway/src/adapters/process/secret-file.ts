/**
 * Reads secrets from files: as bytes, because a randomly generated key is not text. Checks the
 * file's permissions, because a secret that every user of the machine can read is not secret. A
 * file that changes is read again, so that a secret can be rotated while heartbeats continue.
 */
import { statSync } from "node:fs";
import { readAtMost } from "./bounded-file.ts";

/** HMAC-SHA256 keys and bearer tokens below 128 bits can be guessed. */
export const MIN_SECRET_BYTES = 16;
/** Much longer than any key or token. */
const MAX_SECRET_BYTES = 4_096;
/**
 * Most secrets that are valid at once: two during a rotation, and two to spare. It bounds the work
 * that a forged datagram causes.
 */
export const MAX_SECRETS = 4;

/**
 * Reads the file at `path`. Throws the operating system's error if it cannot be read, and a
 * RangeError if it is too large.
 */
export function readSecretFile(path: string, mayWait = true): Buffer {
  const bytes = readAtMost(path, MAX_SECRET_BYTES, mayWait);
  if (bytes === undefined) throw new RangeError(`it has more than ${MAX_SECRET_BYTES} bytes`);
  return bytes;
}

/**
 * The secret in `bytes`. White space around text is removed, because editors and shells add a line
 * break; other bytes are kept as they are.
 */
export function secretIn(bytes: Uint8Array): Buffer {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes);
  }
  // People do not type control characters: such bytes are a key that only looks like text.
  const isText = ![...text].some((character) => character < " " && !LINE_SPACE.has(character));
  return isText ? Buffer.from(text.trim(), "utf8") : Buffer.from(bytes);
}

const LINE_SPACE: ReadonlySet<string> = new Set(["\t", "\n", "\v", "\f", "\r"]);

/**
 * Why other users can read the file at `path`, and the remedy; undefined if only its owner can, or
 * if that is not known.
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
 * Calls `onChange` at most {@link LOOK_EVERY_MS} after a change of one of the files, until
 * disposed. Does not keep the process alive.
 */
export function watchSecretFiles(paths: Iterable<string>, onChange: () => void): Disposable {
  const watched = [...new Set(paths)];
  // Checks by name, so that a file replaced by another (`mv`) is also noticed. Checks from now on;
  // a watch by the operating system would start some time later.
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

/** A value that differs after a file was written or replaced. */
function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}

const LOOK_EVERY_MS = 1_000;
