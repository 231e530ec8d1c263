/**
 * Classifies how attempts end. An exception is not the only failure: HTTP 503 is a value, and so is
 * HTTP 200 with `{"error": …}` in it. And not every exception is a failure of the service: a
 * caller's 404 proves that the service is alive. A classifier decides; breaker, budget and failover
 * act only on its result.
 */

import { ConfigurationError, type ErrorDetails } from "../errors.ts";
import { shown } from "../options.ts";
import { hasProperty, itemsOf, propertyOf, readOf, textOf, UNREADABLE } from "../unknown-value.ts";
import type { Classification, Outcome } from "./classification.ts";
import { isProgrammingError, wasLocalShortage, wasNeverSent, wasRefusedLocally } from "./error-evidence.ts";
import { retryAfterMs } from "./retry-after.ts";
import { isStatus, judgeLinks, statusOf, thrownAnswerOf } from "./thrown-answer.ts";

/** The caller's calendar, which a classifier may use. */
export interface Calendar {
  /** Milliseconds since 1970; absent if there is no calendar. */
  wallMs?(): number;
}

/**
 * Says what results and errors mean, as a word or a {@link Classification}. If a method returns
 * undefined, the default applies: every result is a success and every error is a failure. A bug in
 * a classifier does not count as a failure of the service. If `result` throws, the call delivers
 * that error in place of the result, does not count it, and does not retry. If `error` throws, the
 * default judges the error. A value that is not an outcome (a misspelt word, a boolean, a promise)
 * is refused with {@link ConfigurationError}, which is delivered in place of the result or error;
 * its `cause` is the error.
 */
export interface Classifier<T> {
  /** Says what a result means. */
  result?(value: T, calendar?: Calendar): Outcome | Classification;
  /** Says what an error means. */
  error?(error: unknown, calendar?: Calendar): Outcome | Classification;
}

const OUTCOMES: Readonly<Record<Outcome, Classification>> = {
  success: { outcome: "success" },
  failure: { outcome: "failure" },
  overloaded: { outcome: "overloaded" },
  ignored: { outcome: "ignored" },
  "never-sent": { outcome: "never-sent" },
  "local-shortage": { outcome: "local-shortage" },
};

/**
 * The classifier's value as a classification. Throws {@link ConfigurationError} with `details` if
 * it is no outcome. The value is read only here, because reading it may throw too.
 */
export function classificationOf(said: Outcome | Classification, details?: ErrorDetails): Classification {
  const outcome = typeof said === "string" ? said : textOf(said, "outcome");
  if (outcome === undefined || !Object.hasOwn(OUTCOMES, outcome)) throw unknownOutcome(said, details);
  const judged = OUTCOMES[outcome as Outcome];
  if (typeof said === "string" || outcome === "success" || outcome === "ignored") return judged;
  const hintMs = propertyOf(said, "retryAfterMs") ?? undefined;
  const retry = propertyOf(said, "retry") ?? undefined;
  if (hintMs !== undefined && typeof hintMs !== "number") throw badDetail("retryAfterMs", hintMs, details);
  if (retry !== undefined && typeof retry !== "boolean") throw badDetail("retry", retry, details);
  // NaN or a negative number, as from a missing header or a past instant, is no hint.
  const hint = hintMs !== undefined && hintMs >= 0 ? { retryAfterMs: hintMs } : undefined;
  return retry === undefined ? { ...judged, ...hint } : { ...judged, retry, ...hint };
}

function unknownOutcome(said: unknown, details: ErrorDetails | undefined): ConfigurationError {
  const outcomes = Object.keys(OUTCOMES).join(", ");
  let is = shown(said);
  if (hasProperty(said, "then")) {
    is = "a promise";
    // The promise is not awaited, so its rejection must be caught here; otherwise it would end the
    // process.
    Promise.resolve(said).catch(() => undefined);
  } else if (hasProperty(said, "outcome")) {
    const outcome = propertyOf(said, "outcome");
    is = outcome === UNREADABLE ? "an outcome that cannot be read" : `the outcome ${shown(outcome)}`;
  }
  const message = `classify said ${is}; it must say, and not promise, one of ${outcomes}.`;
  return new ConfigurationError("unknown-outcome", message, details);
}

function badDetail(name: string, value: unknown, details: ErrorDetails | undefined): ConfigurationError {
  const allowed = name === "retry" ? "true or false" : "a number of milliseconds";
  const message = `classify said ${name} ${shown(value)}; it must be ${allowed}.`;
  return new ConfigurationError("unknown-outcome", message, details);
}

/**
 * The default classifier for errors. Refusals of this library and bugs of the operation are
 * ignored; a shortage of this machine is a shortage; a refused connection was never sent.
 */
export function judgeError(error: unknown): Outcome {
  if (wasRefusedLocally(error) || isProgrammingError(error)) return "ignored";
  if (wasLocalShortage(error)) return "local-shortage";
  return wasNeverSent(error) ? "never-sent" : "failure";
}

/**
 * The parts of an HTTP answer that a classifier reads: `fetch`'s Response, undici's, Node's, or
 * your own. The status is `status` or `statusCode`, whichever exists, from 100 to 999. A number
 * above 599 is not an HTTP status and is judged as a 5xx (RFC 9110, 15).
 */
export type HttpAnswer = { readonly headers?: unknown } & (
  | { readonly status: number }
  | { readonly statusCode: number }
);

/**
 * Classifies by HTTP status. 5xx and 408 are failures (501 and 505 are not retried, because a retry
 * does not help). 503 and 429 mean that the service is overloaded. All other statuses prove that
 * the service is alive. Some clients throw an error for a status (axios, got, ky, superagent, the
 * AWS SDK and others: see `thrown-answer.ts`). Such an error is judged by its status in the same
 * way, and so is a thrown `Response`: a thrown 404 is delivered, and is not a failure of the
 * service. A result without a status is refused with {@link ConfigurationError}.
 *
 * @example
 * ```ts
 * import { httpStatus, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north", timeoutMs: 1_000, classify: httpStatus });
 * const answer = await client.call(async ({ signal }) => {
 *   const response = await fetch("http://127.0.0.1:9001/", { signal });
 *   return { status: response.status, headers: response.headers, body: await response.text() };
 * });
 * console.log(answer.status); // 200
 * ```
 */
export const httpStatus: Classifier<HttpAnswer> = {
  result: judgeAnswer,
  error: judgeThrownAnswer,
};

/** An answer with its parsed body: `body`, or `data` as in axios. */
export type HttpAnswerWithBody = HttpAnswer & { readonly body?: unknown; readonly data?: unknown };

/**
 * Classifies like {@link httpStatus}. In addition, a 2xx answer is a failure if its parsed body
 * reports an error (see {@link reportsError}).
 *
 * @example
 * ```ts
 * import { httpErrorBody } from "ground-station-failover";
 *
 * const answer = { status: 200, body: { error: "antenna is parked" } };
 * console.log(httpErrorBody.result?.(answer)); // { outcome: 'failure' }
 * ```
 */
export const httpErrorBody: Classifier<HttpAnswerWithBody> = {
  result: judgeErrorBody,
  error: judgeThrownAnswer,
};

/**
 * Classifies like {@link httpErrorBody}. In addition, an answer of type `application/problem+json`
 * (RFC 9457) is judged by the status in its body.
 *
 * @example
 * ```ts
 * import { problemJson } from "ground-station-failover";
 *
 * const headers = { "content-type": "application/problem+json" };
 * const answer = { status: 200, headers, body: { title: "Antenna is parked", status: 503 } };
 * console.log(problemJson.result?.(answer)); // { outcome: 'overloaded', retry: true }
 * ```
 */
export const problemJson: Classifier<HttpAnswerWithBody> = {
  result(answer, calendar) {
    refuseWithoutStatus(answer);
    const type = textsOf(headerOf(answer.headers, "content-type"))[0];
    const status = asObject(parsedBodyOf(answer))?.["status"];
    if (type?.startsWith("application/problem+json") === true && isStatus(status)) {
      return judgeStatus(status, answer.headers, calendar);
    }
    return judgeErrorBody(answer, calendar);
  },
  error: judgeThrownAnswer,
};

function judgeAnswer(answer: HttpAnswer, calendar?: Calendar): Classification {
  return judgeStatus(refuseWithoutStatus(answer), answer.headers, calendar);
}

function judgeErrorBody(answer: HttpAnswerWithBody, calendar?: Calendar): Classification {
  const status = refuseWithoutStatus(answer);
  const judged = judgeStatus(status, answer.headers, calendar);
  if (judged.outcome !== "success") return judged;
  return reportsError(parsedBodyOf(answer)) && status < 300 ? { outcome: "failure" } : judged;
}

/** For an error that was thrown for another reason than the status of its answer. */
const NOT_FOR_STATUS: Classification = { outcome: "failure" };

/**
 * Judges by the status of the answer that an error was thrown for, if there was one. Below 300, the
 * error was thrown for another reason.
 */
function judgeThrownAnswer(error: unknown, calendar?: Calendar): Outcome | Classification {
  const judged = judgeLinks(error, (link, isThrown) => {
    const answer = thrownAnswerOf(link, isThrown);
    if (answer === undefined) return undefined;
    return answer.status < 300 ? NOT_FOR_STATUS : judgeStatus(answer.status, answer.headers, calendar);
  });
  return judged === undefined || judged === NOT_FOR_STATUS ? judgeError(error) : judged;
}

/** If an answer has no status, any verdict on it would be wrong, so a clear error is thrown. */
function refuseWithoutStatus(answer: unknown): number {
  const status = statusOf(answer);
  if (status !== undefined) return status;
  const is =
    asObject(answer) === undefined ? String(answer).slice(0, 40) : `an object with ${keysOf(answer as object)}`;
  throw new ConfigurationError(
    "nothing-to-judge",
    `classify: the result is ${is}; an HTTP preset needs its status (100 to 999). Return the answer itself, or write: const response = await fetch(url, { signal }); return { status: response.status, headers: response.headers, body: await response.json() };`,
  );
}

function keysOf(object: object): string {
  const keys = readOf(() => Object.keys(object).slice(0, 5).join(", "));
  return typeof keys === "string" && keys !== "" ? keys.slice(0, 80) : "no properties";
}

/**
 * A body that has not been read reports no error. Judging it would miss every error in a body, so a
 * clear error is thrown.
 */
function parsedBodyOf({ body, data }: HttpAnswerWithBody): unknown {
  const given = body === undefined ? data : body;
  const unread = asObject(given);
  if (unread === undefined || !("getReader" in unread || "pipe" in unread || Symbol.asyncIterator in unread))
    return given;
  throw new ConfigurationError(
    "body-not-parsed",
    "classify: the body is a stream, as in fetch's Response; read it in the operation and return { status, headers, body: await response.json() }.",
  );
}

/**
 * gRPC codes that count against the service: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED,
 * INTERNAL, UNAVAILABLE, DATA_LOSS.
 */
const GRPC_FAILURES = new Set([2, 4, 8, 13, 14, 15]);
/**
 * UNAUTHENTICATED. The bound matters because other errors have numeric codes too, for example a
 * `DOMException`.
 */
const LAST_GRPC_CODE = 16;

/**
 * Classifies gRPC errors by their numeric `code` (grpc-js); the error may be wrapped. NOT_FOUND
 * proves that the service is alive; UNAVAILABLE is a failure.
 *
 * @example
 * ```ts
 * import { grpcStatus } from "ground-station-failover";
 *
 * const notFound = Object.assign(new Error("5 NOT_FOUND"), { code: 5 });
 * const unavailable = Object.assign(new Error("14 UNAVAILABLE"), { code: 14 });
 * console.log(grpcStatus.error?.(notFound)); // { outcome: 'success' }
 * console.log(grpcStatus.error?.(unavailable)); // { outcome: 'failure', retry: true }
 * ```
 */
export const grpcStatus: Classifier<unknown> = {
  error: (error) => judgeLinks(error, judgeGrpcCode) ?? judgeError(error),
};

function judgeGrpcCode(link: object): Classification | undefined {
  const code = propertyOf(link, "code");
  if (typeof code !== "number" || !(code >= 0 && code <= LAST_GRPC_CODE)) return undefined;
  if (code === 1) return { outcome: "ignored" };
  return GRPC_FAILURES.has(code) ? { outcome: "failure", retry: code !== 15 } : { outcome: "success" };
}

/**
 * True if a parsed body says in one of the usual ways that the call failed: it has `error` or
 * `errors`, `success` or `ok` is false, or `status` is "error".
 *
 * @example
 * ```ts
 * import { reportsError } from "ground-station-failover/core";
 *
 * console.log(reportsError({ error: "antenna is parked" })); // true
 * console.log(reportsError({ azimuth: 182.4 })); // false
 * ```
 */
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

function judgeStatus(status: number, headers: unknown, calendar: Calendar | undefined): Classification {
  if (status < 500 && status !== 408 && status !== 429) return { outcome: "success" };
  const hint = hintOf(headers, calendar);
  const retry = status !== 501 && status !== 505;
  const outcome = status === 503 || status === 429 ? "overloaded" : "failure";
  return hint === undefined ? { outcome, retry } : { outcome, retry, retryAfterMs: hint };
}

function hintOf(headers: unknown, calendar: Calendar | undefined): number | undefined {
  const retryAfter = textsOf(headerOf(headers, "retry-after")).join(",");
  return retryAfterMs(retryAfter, textsOf(headerOf(headers, "date"))[0], () => calendar?.wallMs?.());
}

/**
 * A header field in any form: undefined, a text, a number, or an array of those if it was sent
 * several times.
 */
function headerOf(headers: unknown, name: string): unknown {
  const bag = asObject(headers);
  if (bag === undefined) return undefined;
  return readOf(() => (typeof bag["get"] === "function" ? bag["get"].call(headers, name) : fieldOf(bag, name)));
}

/** Maximum number of values read from one field. */
const MAX_VALUES = 8;

function textsOf(field: unknown): string[] {
  const values = itemsOf(field, MAX_VALUES) ?? [field];
  return values.filter((value) => typeof value === "string" || typeof value === "number").map(String);
}

/** HTTP field names are case-insensitive, so a plain object may spell them in any case. */
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
