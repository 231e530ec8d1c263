/**
 * What the end of an attempt means, and telling those who keep count: the breaker, and whoever
 * listens for attempts. Functions of a client's parts and one attempt; the call's own state does
 * not enter, so that an attempt is booked the same way however its call goes on. Giving the slot
 * back is not done here: it may outlive the call.
 */

import type { Classification, Outcome } from "../../core/outcomes/classification.ts";
import { wasRefusedLocally } from "../../core/outcomes/error-evidence.ts";
import type { Calendar, Classifier } from "../../core/outcomes/outcome.ts";
import { classificationOf, judgeError } from "../../core/outcomes/outcome.ts";
import type { Attempt } from "./attempt.ts";
import type { ClientParts } from "./client-parts.ts";

/**
 * The classifier has a bug, or said what means nothing: what it threw, or our refusal, takes the
 * place of result or error.
 */
export interface Unjudged {
  readonly error: unknown;
  /** It says nothing about the service, and trying again would not mend it. */
  readonly judged: Classification;
}

const IGNORED: Classification = classificationOf("ignored");

/** What a result means. */
export function judgeResult<T>(classify: Classifier<T>, value: T, calendar: Calendar): Classification | Unjudged {
  try {
    return classificationOf(classify.result?.(value, calendar) ?? "success");
  } catch (error) {
    return { error, judged: IGNORED };
  }
}

/**
 * What an error means. What we refused ourselves is never the service's failure, whatever a
 * classifier says (rule B5).
 */
export function judgeThrown<T>(
  classify: Classifier<T> | undefined,
  error: unknown,
  calendar: Calendar,
): Classification | Unjudged {
  if (wasRefusedLocally(error)) return IGNORED;
  try {
    return classificationOf(saidOf(classify, error, calendar) ?? judgeError(error), { cause: error });
  } catch (refusal) {
    return { error: refusal, judged: IGNORED };
  }
}

/**
 * What the classifier says of an error; nothing where it throws: the service's failure stays one,
 * whatever bug it meets.
 */
function saidOf<T>(
  classify: Classifier<T> | undefined,
  error: unknown,
  calendar: Calendar,
): Outcome | Classification | undefined {
  try {
    return classify?.error?.(error, calendar);
  } catch {
    return undefined;
  }
}

/** Books a success. */
export function bookSuccess<T>(parts: ClientParts<T>, attempt: Attempt): void {
  const { attempts, breaker, bulkhead } = parts;
  // Reading the clock costs as much as the await. A success needs its instant only where somebody
  // is told, where its duration matters or where a probe's lease does; elsewhere the instant of its
  // start will do, which the window puts in its newest slice.
  const queueTimedOut = bulkhead !== undefined && bulkhead.queueTimedOutAtMs >= attempt.startedMs;
  const timed = queueTimedOut || attempts.any || breaker?.timesCalls === true;
  const endedMs = timed ? parts.clock.nowMs() : attempt.startedMs;
  breaker?.noteSuccess(attempt.permit, endedMs, timed && isSlow(parts, attempt, endedMs));
  if (attempts.any) attempts.tell({ outcome: "success", startedMs: attempt.startedMs, endedMs });
}

/** Books any end. Listeners run in this, and may end the call. */
export function book<T>(parts: ClientParts<T>, attempt: Attempt, outcome: Outcome, nowMs: number, slow: boolean): void {
  const { attempts, breaker } = parts;
  if (outcome === "success") breaker?.noteSuccess(attempt.permit, nowMs, slow);
  else if (outcome === "ignored" || outcome === "local-shortage") breaker?.release(attempt.permit, nowMs);
  else breaker?.noteFailure(attempt.permit, nowMs, slow);
  if (attempts.any) attempts.tell({ outcome, startedMs: attempt.startedMs, endedMs: nowMs });
}

/**
 * Slow for the breaker: by its own limit, or by starving those who wait for a slot (see
 * `ClientOptions.breaker`).
 */
export function isSlow<T>({ queueTimeoutMs, bulkhead }: ClientParts<T>, attempt: Attempt, nowMs: number): boolean {
  if (attempt.isSlow) return true;
  if (bulkhead === undefined || bulkhead.queueTimedOutAtMs < attempt.startedMs) return false;
  return nowMs - attempt.countsFromMs > queueTimeoutMs;
}
