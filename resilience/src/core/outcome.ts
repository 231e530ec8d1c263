/**
 * What an attempt's end means. An exception is not the only way to fail (HTTP 503 is a value, and so is HTTP 200 with
 * `{"error": …}` in it), and not every exception is a failure of the service (a caller's 404 proves that it is alive).
 * A classifier says which it is; breaker, budget and failover act on its word and on nothing else.
 */
import { ConfigurationError, LocalRejection, ResilienceError } from "./errors.ts";

/**
 * `success` and `failure` count for or against the service. `ignored` counts as nothing and is not retried.
 * `never-sent` is a failure that provably did not reach the service (connection refused): always safe to try again.
 */
export type Outcome = "success" | "failure" | "ignored" | "never-sent";

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
  ignored: { outcome: "ignored" },
  "never-sent": { outcome: "never-sent" },
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

/** The classifier for errors where none is given: our own refusals count as nothing, connection refused as never sent. */
export function judgeError(error: unknown): Outcome {
  if (error instanceof LocalRejection) return "ignored";
  return wasNeverSent(error) ? "never-sent" : "failure";
}

/** An HTTP answer as far as a classifier looks at it: `fetch`'s Response, undici's, or your own. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: unknown;
}

/** Classifies by HTTP status: 5xx, 408 and 429 are failures (501 and 505 not worth a retry), the rest proves life. */
export const httpStatus: Classifier<HttpAnswer> = {
  result: judgeStatus,
};

/** {@link httpStatus}, and a 2xx whose parsed `body` reports an error is a failure too (see {@link reportsError}). */
export const httpErrorBody: Classifier<HttpAnswer & { readonly body?: unknown }> = {
  result(answer) {
    const judged = judgeStatus(answer);
    if (judged.outcome === "failure") return judged;
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
  return hint === undefined ? { outcome: "failure", retry } : { outcome: "failure", retry, retryAfterMs: hint };
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
