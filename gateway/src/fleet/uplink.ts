/**
 * The contract between the gateway's logic and the wire: a command as it came in, a reply as it
 * goes out, and an uplink that carries a command to a station and brings its reply back. Nothing
 * here uses a socket, so that a simulated uplink can take its place. Bodies are bytes or a stream
 * of bytes.
 */

import type { KeyStatus } from "ground-station-failover";
import type { MemoryRoom } from "./held-memory.ts";

/** Names and values as received on the wire, in order, duplicates kept. */
export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>;

/**
 * A request's body. `bytes` can be sent as often as needed. A `stream` can be sent once; `started`
 * says whether any of it has been read.
 */
export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly stream: AsyncIterable<Uint8Array>; started(): boolean };

/** A caller's request, with hop-by-hop headers already removed. */
export interface CommandRequest {
  /**
   * Protocols to which the caller asks to change (RFC 9110 §7.8), as it wrote them. Default: none.
   */
  readonly upgrade?: string | undefined;
  readonly method: string;
  /** Path and query, as received. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: RequestBody;
  /** Address of its sender; undefined where that is not known. */
  readonly caller?: string;
  /** Subject of its sender's verified certificate; undefined if it has none. */
  readonly callerSubject?: string;
  /**
   * Time left until the deadline that its sender gives, as of now; at least 0. Undefined if it
   * gives none.
   */
  readonly timeLeftMs?: number;
  /** Account for the memory that its replies take. Default: not counted. */
  readonly room?: MemoryRoom;
  /** Is told what happens to the command. Default: nobody is. */
  readonly trace?: CommandObserver;
}

/** Is told what happens to a command on its way (see `command-trace.ts`). */
export interface CommandObserver {
  /** The group has taken the command, at `nowMs` of its clock. `timeLeftMs`: until its deadline. */
  noteSubmitted(nowMs: number, timeLeftMs: number | undefined): void;
  /** An attempt has been sent. `nowMs` reads the clock of the group. */
  noteAttempt(station: string, epoch: number, reply: Promise<CommandReply>, nowMs: () => number): void;
}

/** What goes on between a caller and a station after the head of a reply. */
export interface OpenStream {
  /** Ends the stream; its reader gets `reason` as an error. */
  destroy(reason: Error): unknown;
  /** Calls `listener` when the stream has ended, for any reason. */
  once(event: "close", listener: () => void): unknown;
}

/** A body that is read while it arrives. */
export interface ByteStream extends AsyncIterable<Uint8Array>, OpenStream {}

/**
 * A reply's body: `bytes` when it was read whole, else a stream that the receiver must read to its
 * end or destroy.
 */
type ReplyBody =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly stream: ByteStream; trailers(): HeaderList };

/** A station's reply, with hop-by-hop headers already removed. */
export interface CommandReply {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
  readonly body: ReplyBody;
  /** The parsed body, if it is JSON and was read whole; otherwise undefined. */
  readonly json: unknown;
  /** Trailers of a body that was read whole. */
  readonly trailers: HeaderList;
  /**
   * With status 101: the connection to the station, which speaks another protocol from now on. The
   * receiver must use or destroy it.
   */
  readonly tunnel?: OpenStream;
}

/** How one attempt is to be sent. */
export interface SendContext {
  readonly epoch: number;
  /** Goes out as `idempotency-key`, as the caller sent it. */
  readonly idempotencyKey: string | undefined;
  /** Time left until the command's deadline, to be sent along; `Infinity` if there is none. */
  readonly timeLeftMs: number;
  /**
   * Time within which the station may still begin; never more than the time left. Default: the time
   * left.
   */
  readonly beginWithinMs?: number;
  /** True if it may be sent again although it may have run. Default: false. */
  readonly isRepeatable?: boolean;
  /**
   * True if the reply is to be kept under its key: one of unknown length is read whole if it proves
   * to be short. Default: false.
   */
  readonly isKept?: boolean;
  /** Aborted when the result of this attempt is no longer needed. */
  readonly signal: AbortSignal;
  /**
   * Called with true when a long body starts to go out, and with false when it is sent or the
   * answer begins. In between the station owes no answer, however slow the caller is. Not called
   * for short bodies, nor for an attempt that ends while its body goes out.
   */
  readonly noteUploading?: (isUploading: boolean) => void;
  /**
   * Called with a reply that is not read whole, and with a tunnel, before `send` resolves with it.
   */
  readonly noteStreaming?: (stream: OpenStream) => void;
}

/** HTTP statuses from the first to the last, both included. */
export type StatusRange = readonly [first: number, last: number];

/** What a probe requests from a station, and which answers are good. */
export interface HealthPage {
  /** Scheme, host and port; undefined for those of the station itself. */
  readonly origin?: string;
  /** Path and query. */
  readonly path: string;
  /** Sent with the request; a `host` replaces the one of the address. */
  readonly headers: HeaderList;
  readonly expect: readonly StatusRange[];
}

/** An answer below 400 is good: a redirect proves life as well as a page does. */
export const GOOD_STATUSES: readonly StatusRange[] = [[200, 399]];

/** The page at `path` of the station itself. */
export function healthPage(path: string): HealthPage {
  return { path, headers: [], expect: GOOD_STATUSES };
}

/** A probe was answered with an unexpected status. */
export class UnexpectedStatusError extends Error {
  readonly status: number;

  constructor(station: string, path: string, status: number) {
    super(`${station}: ${path} answered ${status}`);
    this.name = "UnexpectedStatusError";
    this.status = status;
  }
}

/**
 * A station answered with something that cannot be read. The command may have run; the connection
 * was not lost.
 */
export class UnreadableReplyError extends Error {
  readonly code: "UNREADABLE_REPLY" = "UNREADABLE_REPLY";
  readonly why: string;

  /**
   * `why` is in words. The error has no cause, because a cause could look like a lost connection.
   */
  constructor(station: string, why: string) {
    super(`${station}: its reply cannot be read: ${why}`);
    this.name = "UnreadableReplyError";
    this.why = why;
  }
}

/** Header by which every command carries its epoch. */
export const EPOCH_HEADER = "gsf-epoch";
/**
 * Header in which a station that refuses an older epoch (status 412) gives the newest epoch that it
 * has seen.
 */
export const EPOCH_SEEN_HEADER = "gsf-epoch-seen";
/**
 * Header that says what is known of a command that got no reply from the service: `unknown` to a
 * caller, `not-sent` by a relay.
 */
export const OUTCOME_HEADER = "gsf-outcome";
/**
 * With status 502: the service behind the station took no connection, so the command was not
 * executed.
 */
export const NOT_SENT = "not-sent";

/**
 * The connection to one station. `send` resolves once the reply can be judged (status and headers,
 * and the body if it is small). It rejects with an error whose code says whether anything was sent
 * (`ECONNREFUSED` and the like: nothing was sent), with the library's `StaleEpochError` if the
 * station refuses the epoch, and with `UnreadableReplyError` if the answer cannot be read.
 */
export interface Uplink {
  readonly name: string;
  send(request: CommandRequest, context: SendContext): Promise<CommandReply>;
  /**
   * Requests `page` once. Resolves with the status if it is expected. Rejects with
   * `UnexpectedStatusError`, or with the reason why there was no answer.
   */
  probe(page: HealthPage, signal: AbortSignal): Promise<number>;
  /** Asks for the outcome of the command with this key. Absent if stations cannot be asked. */
  askOutcome?(key: string, signal: AbortSignal): Promise<KeyStatus<CommandReply>>;
}
