/**
 * The chain of a game day's file. Each line carries the hash of the line before and its own, over
 * every byte in front of it, so a line that was changed, removed, added or moved is found and
 * named. A second small file (the head) says how far the chain had come, so lines that were cut off
 * at the end are found too. Whoever rewrites the whole chain and the head is not found by these
 * files alone: for that, the head's hash is printed with each prediction, to be kept elsewhere.
 */
import { createHash } from "node:crypto";
import { type GameDayEvent, readEvent } from "./events.ts";

/** Longest line, in bytes. */
export const MAX_LINE_BYTES: number = 64 * 1024;
/** Largest file, in bytes. */
export const MAX_FILE_BYTES: number = 16 * 1024 * 1024;

export interface Entry {
  /** From 1 on. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly by: string;
  readonly event: GameDayEvent;
  readonly hash: string;
  /** The line is as it was written, and follows the one before. */
  readonly isSound: boolean;
}

export interface Head {
  readonly lines: number;
  readonly hash: string;
}

export interface Problem {
  /** Number of the line in the file, from 1 on. */
  readonly line: number;
  readonly kind: "torn" | "changed" | "broken-chain" | "unreadable" | "cut-off" | "no-head";
  readonly text: string;
}

export interface Chain {
  readonly entries: readonly Entry[];
  /** "torn" is what a crash leaves; everything else is tampering, or a bug. */
  readonly problems: readonly Problem[];
  /** What the next line follows. */
  readonly head: Head;
  /** Bytes of a last line without its end; it was being written when its process died. */
  readonly tornTail: string;
}

/** What the first line follows: so a file cannot pass for another day's. */
export function rootHash(id: string): string {
  return sha256(`gsf game day ${id}`);
}

/** The line for an event, with its line feed. `torn`: the torn tail that it comes after. */
export function sealedLine(head: Head, atMs: number, by: string, event: GameDayEvent, torn: string): string {
  const content = {
    number: head.lines + 1,
    at: new Date(atMs).toISOString(),
    by,
    event,
    ...(torn === "" ? {} : { torn: sha256(torn) }),
    previous: head.hash,
  };
  // The hash covers all that stands before it in the line.
  const before = JSON.stringify(content).slice(0, -1);
  return `${before},"hash":"${sha256(before)}"}\n`;
}

/** Reads a chain. `known`: the head as it was on the disk; undefined: there is none. */
export function readChain(id: string, text: string, known: Head | undefined): Chain {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  const lines = text.split("\n");
  const tail = lines.pop() as string;
  // A line that lacks only its line feed is a whole one.
  const isWholeTail = tail !== "" && sealOf(tail)?.isTrue === true;
  if (isWholeTail) lines.push(tail);
  let head: Head = { lines: 0, hash: rootHash(id) };
  const hashes: string[] = [];
  let piece: { line: number; text: string } | undefined;
  for (const [index, line] of lines.entries()) {
    const read = readLine(line);
    if (read === undefined) {
      if (piece !== undefined) problems.push(unreadable(piece.line));
      piece = { line: index + 1, text: line };
      continue;
    }
    if (piece !== undefined) {
      problems.push(read.torn === sha256(piece.text) ? torn(piece.line) : unreadable(piece.line));
      piece = undefined;
    }
    const follows = read.previous === head.hash && read.number === head.lines + 1;
    if (!read.isTrue) problems.push(changed(index + 1, read));
    else if (!follows) problems.push(brokenChain(index + 1, read));
    head = { lines: read.number, hash: read.hash };
    hashes[read.number] = read.hash;
    entries.push({ ...read.entry, isSound: read.isTrue && follows });
  }
  if (piece !== undefined) problems.push(unreadable(piece.line));
  const tornTail = isWholeTail ? "" : tail;
  if (tornTail !== "") problems.push(torn(lines.length + 1));
  if (known === undefined && entries.length > 0) problems.push(noHead(lines.length));
  if (known !== undefined && hashes[known.lines] !== known.hash) problems.push(cutOff(lines.length, known));
  return { entries, problems, head, tornTail };
}

interface ReadLine {
  readonly entry: Omit<Entry, "isSound">;
  readonly number: number;
  readonly previous: string;
  readonly hash: string;
  readonly torn: string;
  readonly isTrue: boolean;
}

function readLine(line: string): ReadLine | undefined {
  const seal = sealOf(line);
  if (seal === undefined) return undefined;
  let parsed: Readonly<Record<string, unknown>>;
  try {
    parsed = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
  const { number, at, by, previous, torn: tornHash } = parsed;
  const event = readEvent(parsed["event"]);
  const atMs = typeof at === "string" ? Date.parse(at) : Number.NaN;
  if ("problem" in event || Number.isNaN(atMs) || typeof by !== "string" || !isCount(number)) return undefined;
  return {
    entry: { number, atMs, by: by.slice(0, 200), event, hash: seal.hash },
    number,
    previous: String(previous),
    hash: seal.hash,
    torn: typeof tornHash === "string" ? tornHash : "",
    isTrue: seal.isTrue,
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) < 1e6;
}

function sealOf(line: string): { readonly hash: string; readonly isTrue: boolean } | undefined {
  const found = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/.exec(line);
  if (found === null) return undefined;
  const [, before, hash] = found as unknown as [string, string, string];
  return { hash, isTrue: sha256(before) === hash };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function torn(line: number): Problem {
  return { line, kind: "torn", text: "was being written when its process died; it is left out" };
}

function unreadable(line: number): Problem {
  return { line, kind: "unreadable", text: "is no event that gsf wrote; it is left out" };
}

function changed(line: number, { entry }: ReadLine): Problem {
  return {
    line,
    kind: "changed",
    text: `(${entry.event.kind}) was changed after it was written: its hash does not match`,
  };
}

function brokenChain(line: number, { entry }: ReadLine): Problem {
  return {
    line,
    kind: "broken-chain",
    text: `(${entry.event.kind}) does not follow the line before: lines were removed, added, moved or written anew`,
  };
}

function noHead(line: number): Problem {
  return {
    line,
    kind: "no-head",
    text: "is the last one, and the head is missing: lines may have been cut off after it",
  };
}

function cutOff(line: number, known: Head): Problem {
  return {
    line,
    kind: "cut-off",
    text: `is the last one, but line number ${known.lines} had been written and is not there as it was`,
  };
}
