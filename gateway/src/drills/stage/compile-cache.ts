/**
 * Node's cache of compiled code for the processes of a stage: most of what a start costs is that
 * each process compiles the same sources again, and a catalogue starts hundreds of them. The cache
 * is a directory of this user alone: who can write to it can run code as this user.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Environment variables for a process that is to use the cache; none if there cannot be one. */
export function compileCacheEnvironment(): Readonly<Record<string, string>> {
  if (process.env["NODE_COMPILE_CACHE"] !== undefined || process.getuid === undefined) return {};
  const own = process.getuid();
  const directory = join(tmpdir(), `gsf-compile-cache-${own}`);
  try {
    mkdirSync(directory, { mode: 0o700, recursive: true });
    const found = lstatSync(directory);
    const isOwn = found.isDirectory() && found.uid === own && (found.mode & 0o077) === 0;
    return isOwn ? { NODE_COMPILE_CACHE: directory } : {};
  } catch {
    return {};
  }
}

/** For a process that will be killed: writes what it has compiled, for the next one. */
export function keepCompiled(): void {
  flushCompileCache();
}
