/**
 * What a caller is told where there is no reply of a station to pass on: a stable `code` to branch
 * on, the HTTP status it goes with, and a sentence to read. A code says what happened;
 * `outcomeUnknown` says that the command may have been executed. How it is written down belongs to
 * the adapters; replies of stations never pass through here.
 *
 * | code                      | status | meaning                                                                  |
 * | ------------------------- | ------ | ------------------------------------------------------------------------ |
 * | NO_ELIGIBLE_STATION            | 503    | nobody could take it in time; try again after Retry-After                |
 * | OVERLOADED                | 503    | it could not be answered in time; refused early, come back after Retry-After |
 * | LOCAL_SHORTAGE            | 503    | nothing was sent: the gateway's machine lacks a resource                 |
 * | MEMORY_USED_UP            | 503    | nothing was sent: as much is held for callers as may be; try again after Retry-After |
 * | STALE_EPOCH               | 503    | this gateway has been replaced; nothing was executed                     |
 * | DEADLINE_EXCEEDED         | 504    | the command's time was up                                                |
 * | ATTEMPT_TIMEOUT           | 504    | the station took too long                                                |
 * | AMBIGUOUS_OUTCOME         | 502    | the station was lost with the command, which may not be sent again       |
 * | UNREADABLE_REPLY          | 502    | the station's answer is not HTTP, or its head is too long                |
 * | STATION_UNREACHABLE       | 502    | it failed in a way that none of the above names                          |
 * | INTERNAL_ERROR            | 500    | a fault of the gateway's own; its log says which                         |
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

/** What is told of our own faults. */
export const INTERNAL: Problem = {
  status: 500,
  code: "INTERNAL_ERROR",
  detail: "the gateway failed; its log says more",
  outcomeUnknown: true,
};

/** Where nobody knows better, a caller is asked to come back after this long. */
const RETRY_AFTER_MS = 1_000;

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  NO_ELIGIBLE_STATION: 503,
  OVERLOADED: 503,
  LOCAL_SHORTAGE: 503,
  STALE_EPOCH: 503,
  DEADLINE_EXCEEDED: 504,
  ATTEMPT_TIMEOUT: 504,
};

/**
 * With which a command can end where there is no reply: each is counted by itself. Of those that a
 * request is refused with, what shows only on the way.
 */
export const ENDING_CODES: readonly string[] = [
  ...["NO_ELIGIBLE_STATION", "OVERLOADED", "LOCAL_SHORTAGE", "MEMORY_USED_UP", "STALE_EPOCH", "DEADLINE_EXCEEDED"],
  ...["ATTEMPT_TIMEOUT", "AMBIGUOUS_OUTCOME", "UNREADABLE_REPLY", "STATION_UNREACHABLE", "INTERNAL_ERROR"],
  ...["REQUEST_TOO_LARGE", "REQUEST_TOO_SLOW", "CALL_ABORTED"],
];

/**
 * The code with which a command that ended with `error` is counted: the one that its caller got, or
 * that it hung up.
 */
export function endingCodeOf(error: unknown): string {
  return problemOf(error)?.code ?? "CALL_ABORTED";
}

/** Thrown, or given as the reason of an abort, where the request itself is at fault. */
export class RefusedRequest extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "RefusedRequest";
    this.problem = problem;
  }
}

function isCoded(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}

/** A problem that the request itself causes. */
export function refusal(status: number, code: string, detail: string): Problem {
  return { status, code, detail };
}

/** Nothing more may be held in memory for a request. */
export class NoRoomError extends RefusedRequest {
  readonly refusal: RoomRefusal;
  readonly figures: RoomFigures;

  /** `bytes` more were asked for. */
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

/**
 * What to tell the caller about `error`; undefined where the caller is gone, and there is nobody to
 * tell.
 */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof RefusedRequest) return error.problem;
  if (error instanceof CallAbortedError) {
    return error.cause instanceof RefusedRequest ? error.cause.problem : undefined;
  }
  const detail = detailOf(error);
  // However the failover put it: nothing was sent, and it may be tried again.
  if (wasNeverSent(error)) return { status: 503, code: "NO_ELIGIBLE_STATION", detail, retryAfterMs: RETRY_AFTER_MS };
  // Systems and clients give their errors codes; what has none is a fault of ours, and its words
  // are for our log.
  if (!isCoded(error)) return INTERNAL;
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
 * The sentence for the caller. What a system or a client says names addresses of ours: those are
 * for the log.
 */
function detailOf(error: unknown): string {
  if (error instanceof ResilienceError) return withCause(error);
  const words = knownWords(error);
  if (words !== undefined) return words;
  if (error instanceof Error && "syscall" in error && "code" in error) return `${error.syscall} ${error.code}`;
  return error instanceof Error ? error.message : String(error);
}

/** Where nothing was sent, how the last try ended, if there is a plain word for it. */
function withCause({ message, origin, cause }: ResilienceError): string {
  const words = origin === "local" && wasNeverSent(cause) ? knownWords(cause) : undefined;
  return words === undefined ? message : `${message}; the last try: ${words}`;
}

function mayHaveRun(error: ResilienceError): boolean {
  if (error instanceof DeadlineExceededError) return error.mayHaveRun;
  // "connect ETIMEDOUT" reads like a lost connection; it was none yet.
  if (error.origin === "local" && wasNeverSent(error.cause)) return false;
  return wasConnectionLost(error);
}
