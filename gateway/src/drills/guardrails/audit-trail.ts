/**
 * Who stopped and released the drills of a store, and what was lifted outside of a run. Lines are
 * only appended. The trail is bounded: when it is full it becomes the older half, and the older
 * half of before is dropped.
 */
import { renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { STORE } from "../store.ts";
import { appendDurably, makeDirectory, readUpTo, syncDirectory } from "./durable-file.ts";

/** Most bytes of each half, 1 MiB: some thousand lines. */
const MAX_BYTES = 2 ** 20;
/** Most characters of a text in a line, for example of a reason. */
const MAX_TEXT = 500;

export interface AuditEntry {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly what: "halt" | "release" | "lifted" | "not-lifted" | "discarded";
  /** A person for the lever; "watchdog" or "recover" for what was lifted. */
  readonly by: string;
  readonly text: string;
}

/** Appends to the trail of the store. */
export function noteInTrail(store: string, entry: AuditEntry): void {
  makeDirectory(store);
  const path = trailPath(store);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES) {
    renameSync(path, olderPath(store));
    syncDirectory(store);
  }
  const { at, what, by, text } = entry;
  const line = { at, what, by: by.slice(0, MAX_TEXT), text: text.slice(0, MAX_TEXT) };
  appendDurably(path, `${JSON.stringify(line)}\n`, { mustExist: false });
}

/** The trail, oldest first; lines that cannot be read are left out. */
export function trailOf(store: string): AuditEntry[] {
  return [olderPath(store), trailPath(store)].flatMap((path) => {
    const bytes = readUpTo(path, 2 * MAX_BYTES);
    return typeof bytes === "string" ? [] : bytes.toString("utf8").split("\n").flatMap(entryIn);
  });
}

function entryIn(line: string): AuditEntry[] {
  try {
    const entry = JSON.parse(line) as AuditEntry;
    return typeof entry.at === "string" && typeof entry.what === "string" ? [entry] : [];
  } catch {
    return [];
  }
}

function trailPath(store: string): string {
  return join(store, STORE.audit);
}

function olderPath(store: string): string {
  return join(store, STORE.audit.replace(".jsonl", ".1.jsonl"));
}
