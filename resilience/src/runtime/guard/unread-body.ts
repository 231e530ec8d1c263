/**
 * Is a result an answer whose body nobody has read? `fetch` resolves with the head: a call that
 * returns its `Response` is over by then, and nothing bounds the body any more, neither the timeout
 * nor the deadline. A service that sends the head at once and the body never holds the caller for
 * ever, and counts as well. A client cannot mend that without ending downloads that are meant to
 * take long, so it tells those who listen (`unread-body`), once, looking at its first results only:
 * the library speaks to nobody who did not ask, and calls pay nothing for it.
 *
 * Known are a `Response`, an `http.IncomingMessage` and a web stream, and any stream as the `body`
 * (undici, or one taken out of a `Response`) or `data` (axios) of a result. Other streams of Node
 * are told of only there: a socket is a stream, too.
 */
import { propertyOf } from "../../core/unknown-value.ts";

/** How many results of a client are looked at: the first may have no body. */
export const RESULTS_LOOKED_AT = 10;

/** What is told of it. */
export const UNREAD_BODY_REASON = "neither timeout nor deadline bounds the answer's body: read it inside the operation";

/** Is `result`, or has it, a stream of an answer's body that nobody has begun to read? */
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
  // Null while nobody has asked for data; false or true once somebody listens, pipes or iterates.
  if (propertyOf(value, "readableFlowing") !== null) return false;
  // What has come as a whole holds nobody; an answer that can have no body has come.
  const hasCome = propertyOf(value, "complete") === true || BODILESS.has(propertyOf(value, "statusCode"));
  return !hasCome && propertyOf(value, "readableEnded") !== true && propertyOf(value, "destroyed") !== true;
}

/** Statuses of answers without a body (RFC 9110, 6.4.1). */
const BODILESS: ReadonlySet<unknown> = new Set([204, 304]);
