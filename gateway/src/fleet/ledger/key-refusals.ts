/**
 * What a caller is told if its idempotency key stands in the way of its command. The statuses are
 * those of the IETF draft Idempotency-Key: 422 for a key with another request, 409 for a key in
 * flight. Nothing was sent for the refused request itself.
 */
import { KeyRefusedError } from "../problem.ts";

/** The key came with another request before. */
export function keyReused(): KeyRefusedError {
  const detail =
    "the Idempotency-Key came before with another method, path, query, body, Content-Type or Content-Encoding; " +
    "nothing was sent: a new command needs a new key, and a repetition must be the same request byte for byte";
  return new KeyRefusedError({ status: 422, code: "KEY_REUSED", detail });
}

/** The first request with the key is not answered yet, and the time of this one is over. */
export function keyInFlight(waitedMs: number): KeyRefusedError {
  const detail =
    `another request with this Idempotency-Key is on its way and was not answered within the ${Math.round(waitedMs)} ms ` +
    "of this one; this one was not sent";
  return new KeyRefusedError({ status: 409, code: "KEY_IN_FLIGHT", detail, retryAfterMs: 1_000, outcomeUnknown: true });
}

/** The key was answered, or may have been, and the store does not say with what. */
export function keyUnreadable(why: string): KeyRefusedError {
  const detail = `the answer to this Idempotency-Key cannot be read now (${why}); this request was not sent`;
  return new KeyRefusedError({
    status: 503,
    code: "KEY_UNREADABLE",
    detail,
    retryAfterMs: 1_000,
    outcomeUnknown: true,
  });
}
