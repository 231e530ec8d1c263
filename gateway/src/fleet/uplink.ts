/**
 * The contract between the business of the gateway and the wire: a command as it came in, a reply
 * as it goes out, and an uplink that carries one to a station and brings back the other. Nothing
 * here knows a socket, so that a simulated uplink can take its place; bodies are bytes or a stream
 * of them.
 */

import type { KeyStatus } from "ground-station-failover";
import type { MemoryRoom } from "./held-memory.ts";

/** Name and value as they stood on the wire, in order, duplicates kept. */
export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>;

/**
 * A request's body. `bytes` can be sent as often as needed. A `stream` can be sent once: `started`
 * tells whether any of it has been taken.
 */
export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly stream: AsyncIterable<Uint8Array>; started(): boolean };

/** What a caller asks, hop-by-hop headers already taken out. */
export interface CommandRequest {
  readonly method: string;
  /** Path and query, as received. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: RequestBody;
  /** Address of its sender; undefined where that is not known. */
  readonly caller?: string;
  /**
   * Time left until the instant that its sender says, as of now; at least 0. Undefined where it
   * says none.
   */
  readonly timeLeftMs?: number;
  /** Where the memory that its replies take is counted. Default: nobody counts. */
  readonly room?: MemoryRoom;
}

/** A body that is read while it comes. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  /** Ends it; its reader gets `reason` as an error. */
  destroy(reason: Error): unknown;
  /** Told when it is over, however it ended. */
  once(event: "close", listener: () => void): unknown;
}

/**
 * A reply's body: `bytes` when it was read whole, else a stream that the receiver must read to its
 * end or destroy.
 */
type ReplyBody =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly stream: ByteStream; trailers(): HeaderList };

/** What a station answers, hop-by-hop headers already taken out. */
export interface CommandReply {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
  readonly body: ReplyBody;
  /** A JSON body that was read whole, parsed; undefined for any other. */
  readonly json: unknown;
  /** Trailers of a body that was read whole. */
  readonly trailers: HeaderList;
}

/** How one attempt is to be sent. */
export interface SendContext {
  readonly epoch: number;
  /** Goes out as `idempotency-key`, as the caller sent it. */
  readonly idempotencyKey: string | undefined;
  /** Time left until the command's deadline, for the wire; `Infinity` where there is none. */
  readonly timeLeftMs: number;
  /**
   * Within which the station may still begin; never more than the time left, which it is by
   * default.
   */
  readonly beginWithinMs?: number;
  /** May it be sent again although it may have run? Default: no. */
  readonly isRepeatable?: boolean;
  /** Aborted when nobody waits for this attempt any more. */
  readonly signal: AbortSignal;
  /**
   * Told true when a body that takes time begins to go out, and false once it is sent or the answer
   * begins: until then the station owes no answer, however long the caller takes. Not told of
   * bodies that are short, nor of an attempt that ends while its body goes out.
   */
  readonly noteUploading?: (isUploading: boolean) => void;
  /** Told of a reply that is not read whole, before `send` resolves with it. */
  readonly noteStreaming?: (stream: ByteStream) => void;
}

/** HTTP statuses from the first to the last, both included. */
export type StatusRange = readonly [first: number, last: number];

/** What a probe asks a station for, and which answers are good. */
export interface HealthPage {
  /** Scheme, host and port; undefined for those of the station itself. */
  readonly origin?: string;
  /** Path and query. */
  readonly path: string;
  /** Sent with the request; a `host` replaces the one of the address. */
  readonly headers: HeaderList;
  readonly expect: readonly StatusRange[];
}

/** An answer below 400 is good: a redirect proves life as well as a page. */
export const GOOD_STATUSES: readonly StatusRange[] = [[200, 399]];

/** The page at `path` of the station itself. */
export function healthPage(path: string): HealthPage {
  return { path, headers: [], expect: GOOD_STATUSES };
}

/** A probe was answered with a status that is not expected. */
export class UnexpectedStatusError extends Error {
  readonly status: number;

  constructor(station: string, path: string, status: number) {
    super(`${station}: ${path} answered ${status}`);
    this.name = "UnexpectedStatusError";
    this.status = status;
  }
}

/**
 * A station has answered with something that cannot be read. The command may have run; the
 * connection was not lost.
 */
export class UnreadableReplyError extends Error {
  readonly code: "UNREADABLE_REPLY" = "UNREADABLE_REPLY";
  readonly why: string;

  /** `why` in words; without a cause, which could look like a lost connection. */
  constructor(station: string, why: string) {
    super(`${station}: its reply cannot be read: ${why}`);
    this.name = "UnreadableReplyError";
    this.why = why;
  }
}

/** Header by which every command carries its epoch. */
export const EPOCH_HEADER = "gsf-epoch";
/**
 * Header by which a station that refuses an older epoch (status 412) says which newest one it has
 * seen.
 */
export const EPOCH_SEEN_HEADER = "gsf-epoch-seen";
/**
 * Header that says what is known of a command that got no answer of its own: `unknown` to a caller,
 * `not-sent` by a relay.
 */
export const OUTCOME_HEADER = "gsf-outcome";
/**
 * With status 502: the service behind the station took no connection, so the command was not
 * executed.
 */
export const NOT_SENT = "not-sent";

/**
 * The way to one station. `send` resolves once the reply can be judged (status and headers, and the
 * body if it is small). It rejects with an error whose code says whether anything was sent
 * (`ECONNREFUSED` and the like: it was not), with the library's `StaleEpochError` where the station
 * refuses the epoch, and with `UnreadableReplyError` where it answers nonsense.
 */
export interface Uplink {
  readonly name: string;
  send(request: CommandRequest, context: SendContext): Promise<CommandReply>;
  /**
   * Asks for `page` once: resolves with the status if it is expected; rejects with
   * `UnexpectedStatusError` or why there was none.
   */
  probe(page: HealthPage, signal: AbortSignal): Promise<number>;
  /** Asks what became of the command with this key. Without it stations cannot be asked. */
  askOutcome?(key: string, signal: AbortSignal): Promise<KeyStatus<CommandReply>>;
}
