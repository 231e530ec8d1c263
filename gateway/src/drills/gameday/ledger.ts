/**
 * The file of a game day: one event a line, only ever appended, in `gamedays/ID.jsonl` of the
 * store. An append reads the whole file first, in turn with other processes (`turn.ts`), so what is
 * decided from the day's state still holds when the line is written. The line is one write and is
 * synced; a torn last line stays where it is, and the next line says so.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { appendDurably, createFile, makeDirectory, replaceFile } from "../guardrails/durable-file.ts";
import { plainText } from "../pictures/escaping.ts";
import { regularFile } from "../rotation/journals.ts";
import { STORE } from "../store.ts";
import type { GameDayEvent, Planned } from "./events.ts";
import {
  type Chain,
  type Entry,
  type Head,
  MAX_FILE_BYTES,
  MAX_LINE_BYTES,
  type Problem,
  readChain,
  sealedLine,
} from "./seal.ts";
import { inTurn } from "./turn.ts";

/** Game days of a store. */
const MAX_DAYS = 10_000;
const MAX_NAME = 200;

/** Says who writes, and when. */
export interface Author {
  readonly by: string;
  readonly nowMs: number;
}

/** Where the file of a day is. Throws a `UserError` if `id` cannot be the id of one. */
export function dayFile(store: string, id: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,79}$/.test(id))
    throw new UserError(
      "usage",
      `"${plainText(id, 80)}" is no id of a game day: allowed are lower-case letters, digits and hyphens, at most 80`,
    );
  return join(store, STORE.gameDays, `${id}.jsonl`);
}

/** The ids of the days of a store, by name. */
export function dayIds(store: string): string[] {
  let names: string[];
  try {
    names = readdirSync(join(store, STORE.gameDays));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new UserError("usage", `the game days of ${store} cannot be read: ${(error as Error).message}`);
  }
  return names
    .flatMap((name) => /^([a-z0-9][a-z0-9-]{0,79})\.jsonl$/.exec(name)?.[1] ?? [])
    .sort()
    .slice(-MAX_DAYS);
}

/** Reads a day. Throws a `UserError` if there is none, or if its file cannot be read. */
export function readDay(store: string, id: string): Chain {
  const path = dayFile(store, id);
  // The head first: lines that come in between are then too many, never too few.
  const head = readHead(path);
  const text = regularFile(path, MAX_FILE_BYTES);
  if (typeof text !== "string") {
    const known = dayIds(store);
    const hint =
      known.length === 0 ? "there is none as yet; gsf gameday new makes one" : `known: ${known.slice(-10).join(", ")}`;
    throw new UserError("usage", `game day ${id}: ${text.problem} (${path}; ${hint})`);
  }
  return readChain(id, text, head);
}

/** Makes the file of a new day. Throws a `UserError` if there is one of that id. */
export async function createDay(store: string, planned: Planned, author: Author): Promise<Entry> {
  const path = dayFile(store, planned.id);
  const isNew = await explained(path, async () => {
    makeDirectory(join(store, STORE.gameDays));
    return createFile(path, "");
  });
  if (!isNew) throw new UserError("usage", `there is a game day ${planned.id} already; choose another one with --id`);
  return (await append(store, planned.id, author, () => [planned]))[0] as Entry;
}

/**
 * Appends the events that `decide` makes from the day as it is, all or none of them. Nobody else
 * writes in between.
 */
export async function append(
  store: string,
  id: string,
  { by, nowMs }: Author,
  decide: (chain: Chain) => readonly GameDayEvent[],
): Promise<Entry[]> {
  const path = dayFile(store, id);
  const write = (): Entry[] => {
    const chain = readDay(store, id);
    const decided = decide(chain);
    if (decided.length === 0) return [];
    // The new head hides that the old one did not fit, so that is written down first.
    const damage = chain.problems.find(({ kind }) => kind === "cut-off" || kind === "no-head");
    const events: GameDayEvent[] = damage === undefined ? [...decided] : [damageOf(damage), ...decided];
    let { head, tornTail } = chain;
    let text = isStartOfLine(path) ? "" : "\n";
    const entries: Entry[] = [];
    for (const event of events) {
      const line = sealedLine(head, nowMs, plainText(by, MAX_NAME), event, tornTail);
      if (Buffer.byteLength(line) > MAX_LINE_BYTES)
        throw new UserError(
          "usage",
          `an event of ${Buffer.byteLength(line)} bytes is too long; at most ${MAX_LINE_BYTES}`,
        );
      tornTail = "";
      const hash = line.slice(-67, -3);
      head = { lines: head.lines + 1, hash };
      entries.push({ number: head.lines, atMs: nowMs, by: plainText(by, MAX_NAME), event, hash, isSound: true });
      text += line;
    }
    if (statSync(path).size + Buffer.byteLength(text) > MAX_FILE_BYTES)
      throw new UserError("promiseBroken", `${path} is full (${MAX_FILE_BYTES} bytes); begin another game day`);
    appendDurably(path, text, { mustExist: true });
    replaceFile(headPath(path), `${JSON.stringify(head)}\n`);
    return entries.slice(-decided.length);
  };
  return explained(path, () => inTurn(path, write));
}

/** A disk that is full or that may not be written is no bug of this program. */
async function explained<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new UserError("promiseBroken", `${path} cannot be written: ${message}`);
  }
}

function damageOf({ line, text }: Problem): GameDayEvent {
  return { kind: "damage", text: `line ${line} ${text}` };
}

/** Whether the file is empty or ends with a line feed. */
function isStartOfLine(path: string): boolean {
  const bytes = readFileSync(path);
  return bytes.length === 0 || bytes.at(-1) === 0x0a;
}

function headPath(path: string): string {
  return path.replace(/\.jsonl$/, ".head");
}

function readHead(path: string): Head | undefined {
  const text = regularFile(headPath(path), 4_096);
  if (typeof text !== "string") return undefined;
  try {
    const { lines, hash } = JSON.parse(text) as Head;
    return Number.isSafeInteger(lines) && typeof hash === "string"
      ? { lines, hash }
      : { lines: -1, hash: "unreadable" };
  } catch {
    return { lines: -1, hash: "unreadable" };
  }
}
