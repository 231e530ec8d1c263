/**
 * Checks whether a result is an answer whose body has not been read. `fetch` resolves with the
 * head: a call that returns its `Response` ends then, and neither the timeout nor the deadline
 * bounds the body. A service that sends the head at once and never sends the body blocks the caller
 * for ever, and still counts as healthy. A client cannot prevent that without ending downloads that
 * are meant to take long. So it reports `unread-body` to its listeners, once, and checks its first
 * results only: the library writes no output of its own, and calls cost nothing more.
 *
 * It recognises a `Response`, an `http.IncomingMessage` and a web stream, and any stream as the
 * `body` (undici, or one taken out of a `Response`) or `data` (axios) of a result. Other Node
 * streams count only in these two places, because a socket is a stream, too.
 */
import { propertyOf } from "../../core/unknown-value.ts";

/** How many results of a client are checked, because the first may have no body. */
export const RESULTS_LOOKED_AT = 10;

/** The reason in the event. */
export const UNREAD_BODY_REASON = "neither timeout nor deadline bounds the answer's body: read it inside the operation";

/** Is `result`, or does it contain, a stream of an answer's body that has not been read from? */
export function hasUnreadBody(result: unknown): boolean {
  if (typeof result !== "object" || result === null) return false;
  const bodyUsed = propertyOf(result, "bodyUsed");
  if (typeof bodyUsed === "boolean") return !bodyUsed && isWebStream(propertyOf(result, "body"));
  if (isUnreadWebStream(result)) return true;
  if (typeof propertyOf(result, "statusCode") === "number" && isUnreadNodeStream(result)) return true;
  return isUnreadStream(propertyOf(result, "body")) || isUnreadStream(propertyOf(result, "data"));
}

function isUnreadStream(value: unknown): boolean {
  return isUnreadWebStream(value) || isUnreadNodeStream(value);
}

function isWebStream(value: unknown): boolean {
  return typeof propertyOf(value, "getReader") === "function";
}

function isUnreadWebStream(value: unknown): boolean {
  return isWebStream(value) && propertyOf(value, "locked") === false;
}

function isUnreadNodeStream(value: unknown): boolean {
  if (typeof propertyOf(value, "pipe") !== "function" || propertyOf(value, "readableDidRead") !== false) return false;
  // Null until data is requested; false or true after a listener, a pipe or an iterator.
  if (propertyOf(value, "readableFlowing") !== null) return false;
  // An answer that has arrived completely blocks no caller; one that can have no body is complete.
  const hasCome = propertyOf(value, "complete") === true || BODILESS.has(propertyOf(value, "statusCode"));
  return !hasCome && propertyOf(value, "readableEnded") !== true && propertyOf(value, "destroyed") !== true;
}

/** Statuses of answers without a body (RFC 9110, 6.4.1). */
const BODILESS: ReadonlySet<unknown> = new Set([204, 304]);
