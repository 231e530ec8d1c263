/**
 * The global lever of a store: one file that stops every drill that runs and blocks new ones, until
 * a named person releases it (the safety lever of AWS FIS is the model). It fails safe: a file that
 * is torn, unreadable or of another shape counts as engaged, and so does a file that somebody
 * deleted while it was engaged, which the audit trail shows.
 */
import { join } from "node:path";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { STORE } from "../store.ts";
import { type AuditEntry, noteInTrail, trailOf } from "./audit-trail.ts";
import { makeDirectory, readUpTo, replaceFile } from "./durable-file.ts";
import { reasonOf } from "./inverse.ts";

/** Most bytes of the file. */
const MAX_BYTES = 65_536;
/** Most characters of a name and of a reason. */
const MAX_TEXT = 500;

/** Whether drills are stopped, and who said so. */
export interface LeverState {
  readonly isEngaged: boolean;
  /** Who moved it last; undefined if the file does not say. */
  readonly by: string | undefined;
  /** RFC 3339, UTC. */
  readonly at: string | undefined;
  /** The person's reason, or what is wrong with the file; "" if nobody said any. */
  readonly reason: string;
}

/** The lever as it is. Never throws: what cannot be read is engaged. */
export function leverState(store: string): LeverState {
  const path = leverPath(store);
  try {
    const bytes = readUpTo(path, MAX_BYTES);
    if (bytes === "absent") return stateWithoutFile(store);
    if (bytes === "too large") return broken(`${path} is larger than ${MAX_BYTES} bytes`);
    return stateIn(JSON.parse(bytes.toString("utf8"))) ?? broken(`${path} is not what gsf writes there`);
  } catch (error) {
    return broken(`${path} cannot be read: ${reasonOf(error)}`);
  }
}

/** Stops every drill of the store, and blocks new ones. */
export function engageLever(store: string, by: string, reason: string, at: string): void {
  refuseNameless(by);
  makeDirectory(store);
  // First the lever, then the trail: a full disk that takes no more lines still gets the lever.
  write(store, { engaged: true, by, reason: reason.slice(0, MAX_TEXT), at });
  noteInTrail(store, { at, what: "halt", by, text: reason });
  // A release that was under way has overwritten it.
  if (!leverState(store).isEngaged) write(store, { engaged: true, by, reason: reason.slice(0, MAX_TEXT), at });
}

/** Lets drills start again. Returns the state that was released. */
export function releaseLever(store: string, by: string, at: string): LeverState {
  refuseNameless(by);
  makeDirectory(store);
  const seen = lastHalt(store);
  const before = leverState(store);
  noteInTrail(store, { at, what: "release", by, text: `halted by ${before.by ?? "?"}: ${before.reason}` });
  write(store, { engaged: false, by, reason: "", at });
  const last = lastHalt(store);
  if (last !== undefined && JSON.stringify(last) !== JSON.stringify(seen)) {
    write(store, { engaged: true, by: last.by, reason: last.text, at: last.at });
    throw new UserError("promiseBroken", `${last.by} halted the drills at ${last.at}, while they were being released`);
  }
  return before;
}

function lastHalt(store: string): AuditEntry | undefined {
  return trailOf(store).findLast(({ what }) => what === "halt");
}

/** Who moved the lever, oldest first. */
export function leverTrail(store: string): AuditEntry[] {
  return trailOf(store).filter(({ what }) => what === "halt" || what === "release");
}

function stateWithoutFile(store: string): LeverState {
  const last = leverTrail(store).at(-1);
  if (last?.what !== "halt") return { isEngaged: false, by: undefined, at: undefined, reason: "" };
  return { ...broken(`the lever's file was removed while it was engaged: ${last.text}`), by: last.by, at: last.at };
}

function stateIn(value: unknown): LeverState | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { engaged, by, at, reason } = value as Record<string, unknown>;
  const isSound = typeof engaged === "boolean" && isName(by) && typeof at === "string" && typeof reason === "string";
  return isSound ? { isEngaged: engaged, by, at, reason } : undefined;
}

function broken(reason: string): LeverState {
  return { isEngaged: true, by: undefined, at: undefined, reason };
}

function write(store: string, state: object): void {
  replaceFile(leverPath(store), `${JSON.stringify(state)}\n`);
}

function isName(by: unknown): by is string {
  return typeof by === "string" && by.trim() !== "";
}

function refuseNameless(by: string): void {
  if (isName(by) && by.length <= MAX_TEXT) return;
  throw new UserError("usage", `--by needs the name of a person, at most ${MAX_TEXT} characters`);
}

function leverPath(store: string): string {
  return join(store, STORE.lever);
}
