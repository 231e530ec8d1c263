/**
 * Asynchronous commands as records of the store, in three tables with the same keys,
 * `<group>/<id>`: what is known of a command (small, read at the start of the gateway), its request
 * (read when it is sent, removed when it has ended), and the answer of its station (read when its
 * caller asks). A request and an answer are a JSON head, preceded by its length, and the bytes of
 * the body as they were. A record that cannot be read is reported as damaged, never guessed at.
 */
import type { RecordChange } from "../record-store.ts";
import { isFinalStatus, isHeaderList, isTarget, isText, isToken } from "../stored-head.ts";
import type { CommandReply, CommandRequest } from "../uplink.ts";
import { type CommandPriority, isPriority } from "./async-terms.ts";

export const COMMANDS_TABLE = "async-commands";
export const REQUESTS_TABLE = "async-requests";
export const ANSWERS_TABLE = "async-answers";

/**
 * - `queued`: accepted, and certainly not sent yet.
 * - `sent`: handed over to be sent; it may have been executed.
 * - `done`: a station has answered. `expired`: its time was over. `cancelled`: on request, before
 *   it was sent. `failed`: it cannot be sent (again); `reason` says why.
 */
export type RecordedState = "queued" | "sent" | "done" | "expired" | "cancelled" | "failed";

const STATES: readonly string[] = ["queued", "sent", "done", "expired", "cancelled", "failed"];

/** What is known of a command. Instants are on the wall clock, in ms since 1970. */
export interface CommandMeta {
  readonly id: string;
  /** The key under which it is sent, each time. */
  readonly key: string;
  /**
   * Digest of that key and of the caller whose key it is; undefined if the gateway made the key.
   * Two callers may use the same key.
   */
  readonly owner?: string | undefined;
  /** Tells the request from another one under the same key. */
  readonly digest: string;
  readonly priority: CommandPriority;
  readonly acceptedAtMs: number;
  readonly expiresAtMs: number;
  /** Order of acceptance, across restarts. */
  readonly sequence: number;
  readonly method: string;
  /** Path and query, shortened, for lists. */
  readonly target: string;
  /** Bytes of its request. */
  readonly requestBytes: number;
  readonly state: RecordedState;
  /** How often it was given to a station. */
  readonly attempts: number;
  readonly endedAtMs?: number | undefined;
  /** Status of the answer. */
  readonly status?: number | undefined;
  readonly answerBytes?: number | undefined;
  /** The answer's body was not kept: too long, or no room. */
  readonly isBodyOmitted?: boolean | undefined;
  /** Why there is no answer. */
  readonly reason?: string | undefined;
  /** It ended without an answer and may have been executed. */
  readonly outcomeUnknown?: boolean | undefined;
}

/** A request as it is sent, without the key. */
export type StoredRequest = Pick<CommandRequest, "method" | "target" | "headers"> & {
  readonly body: Uint8Array;
  readonly caller: string | undefined;
  /** Subject of the caller's certificate. */
  readonly callerSubject?: string | undefined;
};

/** An answer as its station gave it. */
export type StoredAnswer = Pick<CommandReply, "status" | "statusText" | "headers" | "trailers"> & {
  readonly body: Uint8Array;
};

export function keyOf(group: string, id: string): string {
  return `${group}/${id}`;
}

/** The keys of all commands of a group: greater than the first, less than the second. */
export function keysOf(group: string): readonly [after: string, below: string] {
  return [`${group}/`, `${group}0`];
}

export function putMeta(group: string, meta: CommandMeta): RecordChange {
  const value = new TextEncoder().encode(JSON.stringify({ version: VERSION, ...meta }));
  return { type: "put", table: COMMANDS_TABLE, key: keyOf(group, meta.id), value };
}

/** Undefined if the record is damaged. */
export function readMeta(value: Uint8Array): CommandMeta | undefined {
  const read = parsed(value);
  if (read === undefined || read["version"] !== VERSION) return undefined;
  const { version: _version, ...meta } = read;
  const isWhole =
    ["id", "key", "digest", "method", "target"].every((name) => typeof meta[name] === "string") &&
    ["acceptedAtMs", "expiresAtMs"].every((name) => Number.isFinite(meta[name]) && (meta[name] as number) >= 0) &&
    ["sequence", "requestBytes", "attempts"].every((name) => isCount(meta[name])) &&
    isPriority(meta["priority"]) &&
    STATES.includes(meta["state"] as string);
  return isWhole ? (meta as unknown as CommandMeta) : undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function encodeRequest({ body, ...head }: StoredRequest): Uint8Array {
  return framed(head, body);
}

/** Undefined if the record is damaged. */
export function readRequest(value: Uint8Array): StoredRequest | undefined {
  const read = unframed(value);
  if (read === undefined) return undefined;
  const { method, target, headers, caller, callerSubject } = read.head;
  if (!isToken(method) || !isTarget(target) || !isHeaderList(headers)) return undefined;
  return {
    ...{ method, target, headers, body: read.body },
    caller: typeof caller === "string" ? caller : undefined,
    ...(typeof callerSubject === "string" ? { callerSubject } : {}),
  };
}

export function encodeAnswer({ body, ...head }: StoredAnswer): Uint8Array {
  return framed(head, body);
}

/** Undefined if the record is damaged. */
export function readAnswer(value: Uint8Array): StoredAnswer | undefined {
  const read = unframed(value);
  if (read === undefined) return undefined;
  const { status, statusText, headers, trailers } = read.head;
  if (!isFinalStatus(status) || !isText(statusText)) return undefined;
  if (!isHeaderList(headers) || !isHeaderList(trailers)) return undefined;
  return { status, statusText, headers, trailers, body: read.body };
}

const VERSION = 1;
const LENGTH_BYTES = 4;

function framed(head: object, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const frame = new Uint8Array(LENGTH_BYTES + text.length + body.length);
  new DataView(frame.buffer).setUint32(0, text.length);
  frame.set(text, LENGTH_BYTES);
  frame.set(body, LENGTH_BYTES + text.length);
  return frame;
}

function unframed(
  frame: Uint8Array,
): { readonly head: Record<string, unknown>; readonly body: Uint8Array } | undefined {
  if (frame.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + new DataView(frame.buffer, frame.byteOffset).getUint32(0);
  const head = end > frame.length ? undefined : parsed(frame.subarray(LENGTH_BYTES, end));
  return head && { head, body: frame.subarray(end) };
}

function parsed(text: Uint8Array): Record<string, unknown> | undefined {
  try {
    const read: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    return typeof read === "object" && read !== null ? (read as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
