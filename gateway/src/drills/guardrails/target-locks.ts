/**
 * One drill for each target at a time. A lock is a file with the identity of its holder, made at
 * once with all its bytes (link(2) fails if the name is taken). The lock of a dead process is taken
 * over: the right to remove exactly that lock is a lock itself, named after it, so two processes
 * that find the same dead lock never remove the one that a third has just made. Locks of one set
 * are taken in the order of their names, so that two sets that overlap never wait for each other:
 * nobody waits at all, the second is refused.
 */
import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "../injection.ts";
import { STORE } from "../store.ts";
import { createFile, makeDirectory, readUpTo, removeDurably } from "./durable-file.ts";
import { isIdentity, isRunning, type ProcessIdentity } from "./process-identity.ts";

/** Most bytes of a lock file. */
const MAX_BYTES = 65_536;
/** Most dead processes in a row that died while they took a lock over. */
const MAX_DEPTH = 8;
/** Most characters of a target's name that are kept in the name of its file. */
const SHOWN_NAME = 40;

/** What a lock file says. */
interface LockFile {
  readonly holder: ProcessIdentity;
  readonly runId: string;
  /** Told apart from every other lock that ever was. */
  readonly token: string;
}

/** Why a set could not be locked. */
export interface LockConflict {
  readonly target: string;
  readonly observed: string;
}

/** The locks of one run. */
export class TargetLocks {
  readonly #directory: string;
  readonly #own: Omit<LockFile, "token">;
  readonly #held = new Map<string, string>();

  constructor(store: string, runId: string, holder: ProcessIdentity) {
    this.#directory = join(store, STORE.locks);
    this.#own = { holder, runId };
    makeDirectory(this.#directory);
  }

  /** Takes the locks of all targets, or none and says which one is held by whom. */
  take(targets: readonly Target[]): LockConflict | undefined {
    const names = new Map(targets.map((target) => [fileNameOf(target), `${target.kind} ${target.name}`]));
    const taken: string[] = [];
    for (const [name, shown] of [...names].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (this.#held.has(name)) continue;
      const observed = this.#takeOne(name, 0);
      if (observed !== undefined) {
        for (const one of taken) this.#give(one);
        return { target: shown, observed };
      }
      taken.push(name);
    }
    return undefined;
  }

  /** Gives all locks back. */
  release(): void {
    for (const name of [...this.#held.keys()]) this.#give(name);
  }

  /** Undefined: taken. Else who holds it. */
  #takeOne(name: string, depth: number): string | undefined {
    const path = join(this.#directory, name);
    if (this.#create(name)) return undefined;
    const found = lockIn(path);
    // It was given back in this moment, so the next process that asks may have it.
    if (found === "absent") return this.#create(name) ? undefined : "another drill has just taken it";
    if (found === "unreadable") return `${path} cannot be read; delete it if no drill runs`;
    if (isRunning(found.holder)) return `drill ${found.runId} (process ${found.holder.pid}) runs on it`;
    if (depth >= MAX_DEPTH) return `${path} is of a dead process and cannot be taken over; delete it`;
    return this.#takeOver(name, found, depth);
  }

  #takeOver(name: string, dead: LockFile, depth: number): string | undefined {
    const right = `${name.slice(0, SHOWN_NAME)}.${hash(`${name}.${dead.token}`)}`;
    const refused = this.#takeOne(right, depth + 1);
    if (refused !== undefined) return refused;
    try {
      const path = join(this.#directory, name);
      const found = lockIn(path);
      // Only the holder of this right removes this lock, so it is still the dead one, or gone.
      if (typeof found !== "string" && found.token === dead.token) removeDurably(path);
      return this.#create(name) ? undefined : "another drill has just taken it";
    } finally {
      this.#give(right);
    }
  }

  #create(name: string): boolean {
    const token = randomBytes(12).toString("hex");
    if (!createFile(join(this.#directory, name), JSON.stringify({ ...this.#own, token }))) return false;
    this.#held.set(name, token);
    return true;
  }

  #give(name: string): void {
    const token = this.#held.get(name);
    this.#held.delete(name);
    const path = join(this.#directory, name);
    const found = lockIn(path);
    if (typeof found !== "string" && found.token === token) rmSync(path, { force: true });
  }
}

function lockIn(path: string): LockFile | "absent" | "unreadable" {
  try {
    const bytes = readUpTo(path, MAX_BYTES);
    if (typeof bytes === "string") return bytes === "absent" ? "absent" : "unreadable";
    const lock = JSON.parse(bytes.toString("utf8")) as Partial<LockFile> | null;
    const isSound = isIdentity(lock?.holder) && typeof lock.token === "string" && typeof lock.runId === "string";
    return isSound ? (lock as LockFile) : "unreadable";
  } catch {
    return "unreadable";
  }
}

function fileNameOf({ kind, name }: Target): string {
  const shown = `${kind}-${name}`.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, SHOWN_NAME);
  return `${shown}.${hash(`${kind}\n${name}`)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
