/**
 * What a caller gets if no station's reply can be passed on: a stable `code` for programs, its HTTP
 * status, and a sentence for people. A code says what happened. `outcomeUnknown` says that the
 * command may have been executed. The adapters write it to the wire. Replies of stations never pass
 * through here.
 *
 * | code                | status | meaning                                                                   |
 * | ------------------- | ------ | ------------------------------------------------------------------------- |
 * | NO_ELIGIBLE_STATION | 503    | no station could take it in time; try again after Retry-After             |
 * | DRAINING            | 503    | nothing was sent: an operator ordered that no new commands are taken      |
 * | OVERLOADED          | 503    | no answer possible in time, refused early; come back after Retry-After    |
 * | LOCAL_SHORTAGE      | 503    | nothing was sent: the gateway's machine lacks a resource                  |
 * | MEMORY_USED_UP      | 503    | nothing was sent: the memory for callers is full; try after Retry-After   |
 * | STALE_EPOCH         | 503    | this gateway has been replaced; nothing was executed                      |
 * | DEADLINE_EXCEEDED   | 504    | the command's deadline has passed                                         |
 * | ATTEMPT_TIMEOUT     | 504    | the station took too long                                                 |
 * | AMBIGUOUS_OUTCOME   | 502    | the station was lost with the command, which may not be sent again        |
 * | UNREADABLE_REPLY    | 502    | the station's answer is not HTTP, or its head is too long                 |
 * | STATION_UNREACHABLE | 502    | the station failed in another way                                         |
 * | INTERNAL_ERROR      | 500    | a fault of the gateway itself; its log says which                         |
 */
import {
  CallAbortedError,
  DeadlineExceededError,
  ResilienceError,
  wasConnectionLost,
  wasNeverSent,
} from "ground-station-failover";
import { knownWords } from "./failure-words.ts";
import type { RoomFigures, RoomRefusal } from "./held-memory.ts";
import { UnreadableReplyError } from "./uplink.ts";

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Sent as Retry-After, in whole seconds, rounded up. */
  readonly retryAfterMs?: number;
  /** The command may have been executed. */
  readonly outcomeUnknown?: boolean;
}

/** What a caller is told about a fault of the gateway itself. */
export const INTERNAL: Problem = {
  status: 500,
  code: "INTERNAL_ERROR",
  detail: "the gateway failed; its log says more",
  outcomeUnknown: true,
};

/** Retry-After if nothing better is known, in ms. */
const RETRY_AFTER_MS = 1_000;

/**
 * Longest Retry-After of a group that takes no new commands, in ms: drains are often ended early.
 */
const DRAINING_RETRY_MS = 10_000;

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  NO_ELIGIBLE_STATION: 503,
  OVERLOADED: 503,
  LOCAL_SHORTAGE: 503,
  STALE_EPOCH: 503,
  DEADLINE_EXCEEDED: 504,
  ATTEMPT_TIMEOUT: 504,
};

/**
 * Codes with which a command can end without a reply; metrics count each one separately. Of the
 * refusals of requests, only those that can occur while the request is being forwarded are here.
 */
export const ENDING_CODES: readonly string[] = [
  ...["NO_ELIGIBLE_STATION", "OVERLOADED", "LOCAL_SHORTAGE", "MEMORY_USED_UP", "STALE_EPOCH", "DEADLINE_EXCEEDED"],
  "DRAINING",
  ...["ATTEMPT_TIMEOUT", "AMBIGUOUS_OUTCOME", "UNREADABLE_REPLY", "STATION_UNREACHABLE", "INTERNAL_ERROR"],
  ...["REQUEST_TOO_LARGE", "REQUEST_TOO_SLOW", "CALL_ABORTED"],
];

/**
 * The code under which a command that ended with `error` is counted: the code that its caller got,
 * or `CALL_ABORTED` if the caller hung up.
 */
export function endingCodeOf(error: unknown): string {
  return problemOf(error)?.code ?? "CALL_ABORTED";
}

/** Thrown, or given as the reason of an abort, if the request itself is at fault. */
export class RefusedRequest extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "RefusedRequest";
    this.problem = problem;
  }
}

/** The command's idempotency key stands in the way; the request itself is sound. */
export class KeyRefusedError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "KeyRefusedError";
    this.problem = problem;
  }
}

/**
 * An error of the operating system or of a client. Node's own errors about a wrong call have codes,
 * too, but are a fault of the program that made the call.
 */
function isFromOutside(error: unknown): boolean {
  return error instanceof Error && "code" in error && !(error instanceof TypeError || error instanceof RangeError);
}

/** A problem caused by the request itself. */
export function refusal(status: number, code: string, detail: string): Problem {
  return { status, code, detail };
}

/**
 * The group takes no new commands. The caller may come back at once, because another gateway may
 * serve it by then, but not more often than every few seconds.
 */
export function drainingRefusal(reason: string, leftMs: number): RefusedRequest {
  const detail = `not sent: by order this group takes no new commands (${reason})`;
  return new RefusedRequest({
    status: 503,
    code: "DRAINING",
    detail,
    retryAfterMs: Math.max(RETRY_AFTER_MS, Math.min(leftMs, DRAINING_RETRY_MS)),
  });
}

/** No more memory may be held for a request. */
export class NoRoomError extends RefusedRequest {
  readonly refusal: RoomRefusal;
  readonly figures: RoomFigures;

  /** `bytes`: the additional amount that was requested. */
  constructor(refusal: RoomRefusal, bytes: number, figures: RoomFigures) {
    super(noRoom(refusal, bytes, figures));
    this.name = "NoRoomError";
    this.refusal = refusal;
    this.figures = figures;
  }
}

function noRoom(
  refusal: RoomRefusal,
  bytes: number,
  { caller, callerBytes, heldBytes, maxBytes }: RoomFigures,
): Problem {
  if (refusal === "too-large") {
    const detail = `it takes ${bytes} bytes of memory; callers.maxMemory is ${maxBytes} bytes, for all callers together`;
    return { status: 413, code: "REQUEST_TOO_LARGE", detail };
  }
  const share = refusal === "caller" ? `, ${callerBytes} of them for ${caller}, which has its share` : "";
  const detail = `not sent: it takes ${bytes} bytes of memory, and ${heldBytes} of ${maxBytes} are held already${share}`;
  return { status: 503, code: "MEMORY_USED_UP", detail, retryAfterMs: RETRY_AFTER_MS };
}

/** What to tell the caller about `error`; undefined if the caller has hung up. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof RefusedRequest || error instanceof KeyRefusedError) return error.problem;
  if (error instanceof CallAbortedError) {
    return error.cause instanceof RefusedRequest ? error.cause.problem : undefined;
  }
  const detail = detailOf(error);
  // Nothing was sent, whatever error the failover made of it: the caller may try again.
  if (wasNeverSent(error)) return { status: 503, code: "NO_ELIGIBLE_STATION", detail, retryAfterMs: RETRY_AFTER_MS };
  // Errors of the operating system and of clients have codes. An error without a code is a fault of
  // the gateway, and its message is only for the gateway's log.
  if (!isFromOutside(error)) return INTERNAL;
  if (error instanceof UnreadableReplyError) return { status: 502, code: error.code, detail, outcomeUnknown: true };
  if (!(error instanceof ResilienceError)) {
    return { status: 502, code: "STATION_UNREACHABLE", detail, outcomeUnknown: wasConnectionLost(error) };
  }
  const status = STATUS_OF_CODE[error.code] ?? 502;
  const hint = error.retryAfterMs ?? (status === 503 ? RETRY_AFTER_MS : undefined);
  return {
    status,
    code: error.code,
    detail,
    ...(hint === undefined ? {} : { retryAfterMs: hint }),
    outcomeUnknown: mayHaveRun(error),
  };
}

/**
 * The sentence for the caller. Messages of the operating system or of a client contain internal
 * addresses; they go only to the log.
 */
function detailOf(error: unknown): string {
  if (error instanceof ResilienceError) return withCause(error);
  const words = knownWords(error);
  if (words !== undefined) return words;
  if (error instanceof Error && "syscall" in error && "code" in error) return `${error.syscall} ${error.code}`;
  return error instanceof Error ? error.message : String(error);
}

/**
 * If nothing was sent: the message with the cause of the last try, if there are plain words for it.
 */
function withCause({ message, origin, cause }: ResilienceError): string {
  const words = origin === "local" && wasNeverSent(cause) ? knownWords(cause) : undefined;
  return words === undefined ? message : `${message}; the last try: ${words}`;
}

function mayHaveRun(error: ResilienceError): boolean {
  if (error instanceof DeadlineExceededError) return error.mayHaveRun;
  // "connect ETIMEDOUT" reads like a lost connection, but no connection existed yet.
  if (error.origin === "local" && wasNeverSent(error.cause)) return false;
  return wasConnectionLost(error);
}
