/**
 * The undo journal of one run: how to lift each fault, on the disk before the fault is in force
 * (write-ahead, as databases keep it: Mohan et al., ARIES, 1992). One JSON object a line: the run,
 * the steps, and which of them were lifted. A step whose line is torn was never put in force,
 * because the runner waits for the sync; so a torn last line is no loss. The journal is removed
 * when all its steps are lifted: what is left in the directory is what is left in the system.
 */
import { lstatSync, readdirSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import type { Inverse } from "../injection.ts";
import { STORE } from "../store.ts";
import { appendDurably, createFile, makeDirectory, readUpTo, removeDurably } from "./durable-file.ts";
import { fromRoot, isInverse } from "./inverse.ts";
import { isIdentity, type ProcessIdentity } from "./process-identity.ts";

/** Most bytes of one line, 1 MiB: the inverses of one injection. */
const MAX_LINE_BYTES = 2 ** 20;
/** Most bytes of a journal, 64 MiB. */
const MAX_JOURNAL_BYTES = 2 ** 26;
/** Most injections of one run. */
const MAX_STEPS = 1_000;
const ENDING = ".jsonl";
/** The name of a file in one directory, and of no other. */
const RUN_ID = /^[A-Za-z0-9][\w.-]{0,199}$/;

/** One injection, and how to lift it. */
export interface UndoStep {
  /** From 1, in the order in which the faults were put in force. */
  readonly step: number;
  /** The activity's name. */
  readonly name: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly expiresAfterMs: number;
  /** Played in this order; the steps of a run are played last one first. */
  readonly inverses: readonly Inverse[];
}

type Line =
  | { readonly type: "run"; readonly runId: string; readonly runner: ProcessIdentity; readonly at: string }
  | ({ readonly type: "step" } & UndoStep)
  | { readonly type: "lifted"; readonly step: number; readonly by: LiftedBy; readonly at: string };

/** Who lifted a fault for good. */
export type LiftedBy = "runner" | "watchdog" | "recover" | "person";

/** What a journal says. */
export interface UndoRecord {
  readonly runId: string;
  readonly path: string;
  /** Undefined if the first line cannot be read. */
  readonly runner: ProcessIdentity | undefined;
  /** The steps that are not lifted yet, in their order. */
  readonly open: readonly UndoStep[];
  /** The numbers of lines that cannot be read, but for a torn last one. */
  readonly unreadableLines: readonly number[];
}

/** Writes the journal of a run. */
export class UndoJournal {
  readonly path: string;
  readonly #now: () => string;
  #steps = 0;

  /** Makes the journal. Throws if there is one of this run already. */
  static begin(store: string, runId: string, runner: ProcessIdentity, now: () => string): UndoJournal {
    const directory = join(store, STORE.undo);
    makeDirectory(directory);
    const path = journalPath(store, runId);
    if (!createFile(path, written({ type: "run", runId, runner, at: now() })))
      throw new Error(`${path}: there is an undo journal of this run already`);
    return new UndoJournal(path, now);
  }

  private constructor(path: string, now: () => string) {
    this.path = path;
    this.#now = now;
  }

  /** Writes a step and returns when it is on the disk. */
  add(name: string, expiresAfterMs: number, inverses: readonly Inverse[]): UndoStep {
    if (this.#steps >= MAX_STEPS) throw new Error(`a run has at most ${MAX_STEPS} injections`);
    const step: UndoStep = {
      step: this.#steps + 1,
      name,
      at: this.#now(),
      expiresAfterMs,
      inverses: inverses.map(fromRoot),
    };
    const line = written({ type: "step", ...step });
    if (Buffer.byteLength(line) > MAX_LINE_BYTES)
      throw new Error(`the inverses of "${name}" take more than ${MAX_LINE_BYTES} bytes`);
    appendDurably(this.path, line, { mustExist: true });
    this.#steps += 1;
    return step;
  }

  /** Removes the journal: nothing of the run is left. */
  remove(): void {
    removeDurably(this.path);
  }
}

/** Notes that a step is lifted for good. Without effect if the journal is gone: all was lifted. */
export function noteLifted(path: string, step: number, by: LiftedBy, at: string): void {
  try {
    appendDurably(path, written({ type: "lifted", step, by, at }), { mustExist: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Removes the journal: nothing of the run is left. */
export function removeJournal(path: string): void {
  removeDurably(path);
}

export function journalPath(store: string, runId: string): string {
  if (!RUN_ID.test(runId)) throw new Error(`${JSON.stringify(runId)} is no name of a run`);
  return join(store, STORE.undo, `${runId}${ENDING}`);
}

/** The journals of a store, oldest first. */
export function journalsIn(store: string): string[] {
  try {
    return readdirSync(join(store, STORE.undo))
      .filter((name) => name.endsWith(ENDING) && !name.startsWith("."))
      .sort()
      .map((name) => join(store, STORE.undo, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/**
 * Reads a journal; undefined if it is gone. Throws if others than its user may write to it, because
 * what it says is going to be done.
 */
export function readJournal(path: string): UndoRecord | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return undefined;
  refuseForeign(path, status);
  const bytes = readUpTo(path, MAX_JOURNAL_BYTES);
  if (bytes === "absent") return undefined;
  if (bytes === "too large") throw new Error(`${path}: larger than ${MAX_JOURNAL_BYTES} bytes, so no runner wrote it`);
  return recordIn(path, bytes.toString("utf8"));
}

/**
 * Cuts a torn last line off, so that the next one begins on a line of its own. Only for a journal
 * whose runner is dead: a living one may be writing that line.
 */
export function cutTornLine(path: string): void {
  const bytes = readUpTo(path, MAX_JOURNAL_BYTES);
  if (typeof bytes === "string" || bytes.length === 0 || bytes.at(-1) === NEWLINE) return;
  truncateSync(path, bytes.lastIndexOf(NEWLINE) + 1);
}

const NEWLINE = 10;

function recordIn(path: string, text: string): UndoRecord {
  const lines = text.split("\n");
  // Behind the last newline is nothing, or the beginning of a line that was being written.
  lines.pop();
  const unreadableLines: number[] = [];
  const steps = new Map<number, UndoStep>();
  let runner: ProcessIdentity | undefined;
  for (const [index, text] of lines.entries()) {
    const line = lineIn(text);
    if (line === undefined) unreadableLines.push(index + 1);
    else if (line.type === "run") runner = line.runner;
    else if (line.type === "step") steps.set(line.step, line);
    else steps.delete(line.step);
  }
  return { runId: basename(path, ENDING), path, runner, open: [...steps.values()], unreadableLines };
}

function lineIn(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const line = value as Record<string, unknown>;
  if (line["type"] === "run") return isIdentity(line["runner"]) ? (line as Line) : undefined;
  if (!Number.isSafeInteger(line["step"])) return undefined;
  if (line["type"] === "lifted") return line as Line;
  const { name, expiresAfterMs, inverses } = line;
  const isStep =
    line["type"] === "step" &&
    typeof name === "string" &&
    typeof expiresAfterMs === "number" &&
    Array.isArray(inverses) &&
    inverses.every(isInverse);
  return isStep ? (line as Line) : undefined;
}

function refuseForeign(path: string, status: ReturnType<typeof lstatSync>): void {
  if (status === undefined || process.getuid === undefined) return;
  if (!status.isFile()) throw new Error(`${path}: not a file`);
  if (status.uid !== process.getuid()) throw new Error(`${path}: belongs to another user (${status.uid})`);
  if ((Number(status.mode) & 0o022) !== 0)
    throw new Error(`${path}: others may write to it (mode ${shownMode(status.mode)})`);
}

function shownMode(mode: number | bigint): string {
  return (Number(mode) & 0o777).toString(8);
}

function written(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}
