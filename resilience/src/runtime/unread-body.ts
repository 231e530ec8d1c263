/**
 * Is a result an answer whose body nobody has read? `fetch` resolves with the head: a call that returns its `Response` is over by
 * then, and nothing bounds the body any more, neither the timeout nor the deadline. A service that sends the head at once and
 * the body never holds the caller for ever, and counts as well. A client cannot mend that without ending downloads that are
 * meant to take long, so it tells those who listen (`unread-body`), once, looking at its first results only: the library speaks
 * to nobody who did not ask, and calls pay nothing for it.
 */
import { hasProperty, propertyOf } from "../core/unknown-value.ts";

/** How many results of a client are looked at: the first may have no body. */
export const RESULTS_LOOKED_AT = 10;

/** Has `result`, as a `Response` of fetch, a stream for a body that nobody has begun to read? */
export function hasUnreadBody(result: unknown): boolean {
  return propertyOf(result, "bodyUsed") === false && hasProperty(propertyOf(result, "body"), "getReader");
}
