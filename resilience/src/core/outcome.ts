/**
 * What an attempt's end means. An exception is not the only way to fail (HTTP 503 is a value, and so is HTTP 200 with
 * `{"error": …}` in it), and not every exception is a failure of the service (a caller's 404 proves that it is alive).
 * A classifier says which it is; breaker, budget and failover act on its word and on nothing else.
 */
import { ConfigurationError, LocalRejection, ResilienceError } from "./errors.ts";

/**
 * `success` and `failure` count for or against the service. `overloaded` is a failure that says why: the service refused
 * the call for load (503, 429). `ignored` counts as nothing and is not retried. Two provably did not reach the service,
 * and are always safe to try again: `never-sent`, because the service did not take the connection, and
 * `local-shortage`, for want of a descriptor, port or name of this machine, which says nothing about the service.
 */
export type Outcome = "success" | "failure" | "overloaded" | "ignored" | "never-sent" | "local-shortage";

/** An outcome with what else the answer said. */
export interface Judgement {
  readonly outcome: Outcome;
  /** The service's own hint (`Retry-After`): a retry waits at least this long. */
  readonly retryAfterMs?: number;
  /** False: a failure that trying again cannot mend, for example 501. Default true. */
  readonly retry?: boolean;
}

/** Says what results and errors mean. What a classifier leaves out: every result is a success, every error a failure. */
export interface Classifier<T> {
  result?(value: T): Outcome | Judgement;
  error?(error: unknown): Outcome | Judgement;
}

/** Node and undici codes of errors raised before a byte of the request was sent. */
const NEVER_SENT_CODES = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);
/** System calls that come before the first byte. `EHOSTUNREACH` of a `read` proves nothing: the request was out by then. */
const BEFORE_SENDING = new Set(["connect", "getaddrinfo"]);
/** How far down a chain of causes, or of errors in errors, we look. */
const DEEPEST_CAUSE = 5;

/**
 * True where `error`, or what caused it, provably kept the request from being sent at all. That is proof for an
 * operation that sends one request; one that sends several must classify its errors itself. Our own errors are no
 * proof, whatever caused them: an *ambiguous outcome* may be caused by a refused connection of its last attempt.
 */
export function wasNeverSent(error: unknown): boolean {
  return neverSent(error, 0);
}

/**
 * Codes of resources that this machine has run out of: descriptors, buffers, memory, ports, or the name server that knew
 * the address. What the service does has no part in them.
 */
const LOCAL_SHORTAGE_CODES = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EAI_MEMORY",
  "ENOTFOUND",
  "ESERVFAIL",
  "ETIMEOUT",
]);

/**
 * True where `error`, or what caused it, is a shortage of this machine that kept the request from being sent: no
 * descriptor, port, memory or name. Retrying elsewhere does not help; it says nothing about the service.
 */
export function wasLocalShortage(error: unknown): boolean {
  return localShortage(error, 0);
}

function localShortage(error: unknown, depth: number): boolean {
  if (!(error instanceof Error) || error instanceof ResilienceError || depth >= DEEPEST_CAUSE) return false;
  const named = "code" in error && LOCAL_SHORTAGE_CODES.has(String(error.code));
  // A file that could not be opened for want of a descriptor was opened by the operation itself: it is as local.
  if (named) return !("syscall" in error) || !AFTER_SENDING.has(String(error.syscall));
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.every((one) => localShortage(one, depth + 1));
  }
  return localShortage(error.cause, depth + 1);
}

/** System calls on a connection that is open: the request may be out by then. */
const AFTER_SENDING = new Set(["read", "write", "writev", "recv", "send"]);

/** What engines say of a failed fetch, where they give it no cause. */
const FETCH_FAILED = /fetch|network|load failed|connection/i;

/**
 * True for an error of the operation's own code: a `TypeError`, `ReferenceError`, `RangeError` or `SyntaxError` that
 * nothing caused. It is a bug of the caller, thrown at once: it says nothing about the service, and no retry mends it.
 * `fetch` throws a `TypeError` for a lost connection too; that one has a cause, or says so in its message.
 */
export function isProgrammingError(error: unknown): boolean {
  const isBug =
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof EvalError;
  if (!isBug || error.cause !== undefined) return false;
  if ("code" in error) return String(error.code).startsWith("ERR_");
  return !FETCH_FAILED.test(error.message);
}

function neverSent(error: unknown, depth: number): boolean {
  if (!(error instanceof Error) || error instanceof ResilienceError || depth >= DEEPEST_CAUSE) return false;
  if ("code" in error && NEVER_SENT_CODES.has(String(error.code))) return true;
  if ("syscall" in error && BEFORE_SENDING.has(String(error.syscall))) return true;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.every((one) => neverSent(one, depth + 1));
  }
  return neverSent(error.cause, depth + 1);
}

/** Node and undici codes of a connection that was lost, or went silent, after the request may have been sent. */
const CONNECTION_LOST_CODES = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ATTEMPT_TIMEOUT",
  "AMBIGUOUS_OUTCOME",
]);

/** True where `error`, or what caused it, says that there was no answer: the request may have been executed or not. */
export function wasConnectionLost(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ("code" in at && CONNECTION_LOST_CODES.has(String(at.code))) return true;
  }
  return false;
}

const OUTCOMES: Readonly<Record<Outcome, Judgement>> = {
  success: { outcome: "success" },
  failure: { outcome: "failure" },
  overloaded: { outcome: "overloaded" },
  ignored: { outcome: "ignored" },
  "never-sent": { outcome: "never-sent" },
  "local-shortage": { outcome: "local-shortage" },
};

/** What a classifier said, as a judgement; throws {@link ConfigurationError} where it is none of the outcomes. */
export function judgementOf(said: Outcome | Judgement): Judgement {
  const outcome = typeof said === "object" ? said.outcome : said;
  const judged = Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : undefined;
  if (judged !== undefined) return typeof said === "object" ? said : judged;
  throw new ConfigurationError(
    "unknown-outcome",
    `classify said ${String(outcome)}; it must say, and not promise, one of ${Object.keys(OUTCOMES).join(", ")}.`,
  );
}

/**
 * The classifier for errors where none is given: our own refusals and bugs of the operation count as nothing, a shortage
 * of this machine as one, a refused connection as never sent.
 */
export function judgeError(error: unknown): Outcome {
  if (error instanceof LocalRejection || isProgrammingError(error)) return "ignored";
  if (wasLocalShortage(error)) return "local-shortage";
  return wasNeverSent(error) ? "never-sent" : "failure";
}

/** An HTTP answer as far as a classifier looks at it: `fetch`'s Response, undici's, or your own. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: unknown;
}

/**
 * Classifies by HTTP status: 5xx and 408 are failures (501 and 505 not worth a retry), 503 and 429 say that the service
 * is overloaded, the rest proves life.
 */
export const httpStatus: Classifier<HttpAnswer> = {
  result: judgeStatus,
};

/** {@link httpStatus}, and a 2xx whose parsed `body` reports an error is a failure too (see {@link reportsError}). */
export const httpErrorBody: Classifier<HttpAnswer & { readonly body?: unknown }> = {
  result(answer) {
    const judged = judgeStatus(answer);
    if (judged.outcome !== "success") return judged;
    refuseStream(answer.body);
    return answer.status < 300 && reportsError(answer.body) ? { outcome: "failure" } : judged;
  },
};

/** {@link httpErrorBody}, and any answer of type `application/problem+json` (RFC 9457) is judged by the status in its body. */
export const problemJson: Classifier<HttpAnswer & { readonly body?: unknown }> = {
  result(answer) {
    const type = headerOf(answer.headers, "content-type");
    refuseStream(answer.body);
    const body = asObject(answer.body);
    if (type?.startsWith("application/problem+json") === true && typeof body?.["status"] === "number") {
      return judgeStatus({ status: body["status"], headers: answer.headers });
    }
    return httpErrorBody.result?.(answer) ?? "success";
  },
};

/** A body that nobody has read yet reports nothing: judging it would let every lie through, so that is said loudly. */
function refuseStream(body: unknown): void {
  const unread = asObject(body);
  if (unread === undefined || !("getReader" in unread || "pipe" in unread || Symbol.asyncIterator in unread)) return;
  throw new ConfigurationError(
    "body-not-parsed",
    "classify: the body is a stream, as in fetch's Response; read it in the operation and return { status, headers, body: await response.json() }.",
  );
}

/** gRPC codes that speak against the service: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const GRPC_FAILURES = new Set([2, 4, 8, 13, 14, 15]);

/** Classifies gRPC errors by their numeric `code` (grpc-js): a NOT_FOUND proves life, an UNAVAILABLE is a failure. */
export const grpcStatus: Classifier<unknown> = {
  error(error) {
    const code = asObject(error)?.["code"];
    if (typeof code !== "number") return judgeError(error);
    if (code === 1) return "ignored";
    return GRPC_FAILURES.has(code) ? { outcome: "failure", retry: code !== 15 } : "success";
  },
};

/** True where a parsed body says in one of the usual ways that the call failed: `error`, `errors`, `success` or `ok` false, `status` "error". */
export function reportsError(body: unknown): boolean {
  const object = asObject(body);
  if (object === undefined) return false;
  const errors = object["errors"];
  return (
    isPresent(object["error"]) ||
    (Array.isArray(errors) ? errors.length > 0 : isPresent(errors)) ||
    object["success"] === false ||
    object["ok"] === false ||
    object["status"] === "error" ||
    object["status"] === "failed"
  );
}

function judgeStatus(answer: HttpAnswer): Judgement {
  const status = answer.status;
  if (status < 500 && status !== 408 && status !== 429) return { outcome: "success" };
  const hint = retryAfterMs(headerOf(answer.headers, "retry-after"));
  const retry = status !== 501 && status !== 505;
  const outcome = status === 503 || status === 429 ? "overloaded" : "failure";
  return hint === undefined ? { outcome, retry } : { outcome, retry, retryAfterMs: hint };
}

/** `Retry-After` in seconds (RFC 9110 §10.2.3). Its date form needs a calendar, which there is none of here: no hint. */
function retryAfterMs(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : undefined;
}

function headerOf(headers: unknown, name: string): string | undefined {
  const bag = asObject(headers);
  if (bag === undefined) return undefined;
  const get = bag["get"];
  const value: unknown = typeof get === "function" ? get.call(headers, name) : fieldOf(bag, name);
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** Field names of HTTP have no case; a plain object's may be spelt in any. */
function fieldOf(bag: Record<string, unknown>, name: string): unknown {
  if (name in bag) return bag[name];
  const spelt = Object.keys(bag).find((key) => key.toLowerCase() === name);
  return spelt === undefined ? undefined : bag[spelt];
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== "" && value !== 0;
}
