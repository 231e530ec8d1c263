/**
 * Which answers are kept under their key, and how one is written into a record.
 *
 * An answer is kept if it is final: it says what became of the command. Answers that ask the caller
 * to try again are not kept, because a retry under the same key would get them for the whole
 * retention: 5xx and a 2xx whose body reports an error (the command may not have run, or only in
 * part), 408, 425 and 429 (not now), 401 and 407 (not with these credentials yet), 421 (not here),
 * 423 (locked), and 409, by which a service says that the key is in flight with it.
 */
import { isFinalStatus, isHeaderList, isText } from "../stored-head.ts";
import type { CommandReply, HeaderList } from "../uplink.ts";

/** Why an answer of a station is not kept. */
export type NotKept = "not-final" | "streamed" | "too-large";

const ASK_AGAIN: ReadonlySet<number> = new Set([401, 407, 408, 409, 421, 423, 425, 429]);

/**
 * Why `reply` is not kept; undefined if it is. `reportsError`: its body reports an error in spite
 * of its status.
 */
export function whyNotKept(reply: CommandReply, reportsError: boolean, maxBytes: number): NotKept | undefined {
  if (reply.status >= 500 || reportsError || ASK_AGAIN.has(reply.status)) return "not-final";
  if (reply.body.kind === "stream") return "streamed";
  return reply.body.bytes.length > maxBytes ? "too-large" : undefined;
}

/** A kept answer, and the request that it answers. */
export interface KeptAnswer {
  readonly fingerprint: string;
  readonly reply: CommandReply;
}

/** The first byte of a record, so that another layout can be told from this one. */
const LAYOUT = 1;
/** The layout, and the length of the head in four bytes. */
const PREFIX_BYTES = 5;

interface Head {
  readonly fingerprint: string;
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
  readonly trailers: HeaderList;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `bytes`: the whole body of the reply. */
export function encodeAnswer({ fingerprint, reply }: KeptAnswer, bytes: Uint8Array): Uint8Array {
  const { status, statusText, headers, trailers } = reply;
  const head = encoder.encode(JSON.stringify({ fingerprint, status, statusText, headers, trailers } satisfies Head));
  const record = new Uint8Array(PREFIX_BYTES + head.length + bytes.length);
  record[0] = LAYOUT;
  new DataView(record.buffer).setUint32(1, head.length);
  record.set(head, PREFIX_BYTES);
  record.set(bytes, PREFIX_BYTES + head.length);
  return record;
}

/** The answer in `record`; undefined if it cannot be read, for example one of a newer version. */
export function decodeAnswer(record: Uint8Array): KeptAnswer | undefined {
  if (record.length < PREFIX_BYTES || record[0] !== LAYOUT) return undefined;
  const headBytes = new DataView(record.buffer, record.byteOffset).getUint32(1);
  if (PREFIX_BYTES + headBytes > record.length) return undefined;
  const head = parsed(record.subarray(PREFIX_BYTES, PREFIX_BYTES + headBytes));
  if (head === undefined) return undefined;
  const { fingerprint, status, statusText, headers, trailers } = head;
  const body = { kind: "bytes", bytes: record.subarray(PREFIX_BYTES + headBytes) } as const;
  return { fingerprint, reply: { status, statusText, headers, trailers, body, json: undefined } };
}

function parsed(bytes: Uint8Array): Head | undefined {
  try {
    const head: unknown = JSON.parse(decoder.decode(bytes));
    return isHead(head) ? head : undefined;
  } catch {
    return undefined;
  }
}

function isHead(value: unknown): value is Head {
  if (typeof value !== "object" || value === null) return false;
  const { fingerprint, status, statusText, headers, trailers } = value as Partial<Record<keyof Head, unknown>>;
  const isStart = typeof fingerprint === "string" && isFinalStatus(status) && isText(statusText);
  return isStart && isHeaderList(headers) && isHeaderList(trailers);
}
