/**
 * Classifies the end of an attempt and records it: at the breaker, and for those that listen for
 * attempts. These are functions of a client's parts and one attempt. The call's own state is not
 * used, so that an attempt is recorded in the same way however its call continues. The slot is not
 * given back here, because the attempt may outlive the call.
 */

import type { Classification, Outcome } from "../../core/outcomes/classification.ts";
import { wasRefusedLocally } from "../../core/outcomes/error-evidence.ts";
import type { Calendar, Classifier } from "../../core/outcomes/outcome.ts";
import { classificationOf, judgeError } from "../../core/outcomes/outcome.ts";
import type { Attempt } from "./attempt.ts";
import type { ClientParts } from "./client-parts.ts";

/**
 * The classifier has a bug, or returned an invalid value: its error, or our refusal, replaces the
 * result or error.
 */
export interface Unjudged {
  readonly error: unknown;
  /** It says nothing about the service, and a retry would not help. */
  readonly judged: Classification;
}

const IGNORED: Classification = classificationOf("ignored");

/** Classifies a result. */
export function judgeResult<T>(classify: Classifier<T>, value: T, calendar: Calendar): Classification | Unjudged {
  try {
    return classificationOf(classify.result?.(value, calendar) ?? "success");
  } catch (error) {
    return { error, judged: IGNORED };
  }
}

/**
 * Classifies an error. A refusal of this library is never a failure of the service, whatever a
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
 * What the classifier returns for an error; undefined if it throws, so that a failure of the
 * service remains one despite the bug.
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

/** Records a success. */
export function bookSuccess<T>(parts: ClientParts<T>, attempt: Attempt): void {
  const { attempts, breaker, bulkhead } = parts;
  // Reading the clock costs as much as the await. A success needs its instant only if a listener
  // gets it, or if its duration or a probe's lease depends on it. Otherwise the instant of its
  // start is enough; the window puts it in its newest slice.
  const queueTimedOut = bulkhead !== undefined && bulkhead.queueTimedOutAtMs >= attempt.startedMs;
  const timed = queueTimedOut || attempts.any || breaker?.timesCalls === true;
  const endedMs = timed ? parts.clock.nowMs() : attempt.startedMs;
  breaker?.noteSuccess(attempt.permit, endedMs, timed && isSlow(parts, attempt, endedMs));
  if (attempts.any) attempts.tell({ outcome: "success", startedMs: attempt.startedMs, endedMs });
}

/** Records any end. This calls listeners, which may end the call. */
export function book<T>(parts: ClientParts<T>, attempt: Attempt, outcome: Outcome, nowMs: number, slow: boolean): void {
  const { attempts, breaker } = parts;
  if (outcome === "success") breaker?.noteSuccess(attempt.permit, nowMs, slow);
  else if (outcome === "ignored" || outcome === "local-shortage") breaker?.release(attempt.permit, nowMs);
  else breaker?.noteFailure(attempt.permit, nowMs, slow);
  if (attempts.any) attempts.tell({ outcome, startedMs: attempt.startedMs, endedMs: nowMs });
}

/**
 * Slow for the breaker: by its own limit, or because calls timed out while they waited for a slot
 * (see `ClientOptions.breaker`).
 */
export function isSlow<T>({ queueTimeoutMs, bulkhead }: ClientParts<T>, attempt: Attempt, nowMs: number): boolean {
  if (attempt.isSlow) return true;
  if (bulkhead === undefined || bulkhead.queueTimedOutAtMs < attempt.startedMs) return false;
  return nowMs - attempt.countsFromMs > queueTimeoutMs;
}
