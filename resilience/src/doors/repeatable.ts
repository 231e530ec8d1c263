/**
 * Whether a request of HTTP may be sent twice: by its method, its idempotency key and its body.
 */

/** Methods whose request may be executed twice without harm (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** The header that identifies a request, so that the service executes it once. */
export const KEY_HEADER = "idempotency-key";

/** May a request with this method be executed twice without harm? */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method.toUpperCase());
}

/** Is `body` a stream, which can be sent only once? */
export function isOneShotBody(body: unknown): boolean {
  return typeof body === "object" && body !== null && ("getReader" in body || Symbol.asyncIterator in body);
}
