/**
 * What is said of a call whose station was lost while it had it (rule F4): an answer that there was stands, and silence
 * is an *ambiguous outcome*, never a failure. Only words; when to say them is the call's business.
 */
import { AmbiguousOutcomeError, DeadlineExceededError, NoStationFitError } from "../core/errors.ts";
import { wasConnectionLost } from "../core/outcome.ts";
import { causeOf, type Failure } from "./retry-plan.ts";

/** Sent to `station`, without a key, and not answered; `cause` is how the wait for an answer ended. */
export function unkeyedUnknown(station: string, cause: unknown): AmbiguousOutcomeError {
  const message = `${station} was lost before it answered, and the call carries no idempotency key: it may have run or not`;
  return new AmbiguousOutcomeError(message, { cause });
}

/** `station` was replaced while it had the call. */
export function replacedUnknown(station: string): AmbiguousOutcomeError {
  return new AmbiguousOutcomeError(`${station} was replaced while it had this call: it may have run or not`);
}

/** How a call ends that has reached `station`, failed there with `failure`, and is not to be sent again. */
export function standing<R>(station: string, failure: Failure<R> | undefined): Failure<R> {
  if (failure === undefined) return { error: replacedUnknown(station) };
  if ("value" in failure || !wasConnectionLost(failure.error)) return failure;
  const message = `${station} was lost before it answered: the call may have run or not`;
  return { error: new AmbiguousOutcomeError(message, { cause: failure.error }) };
}

/**
 * How a call ends that has waited for a station until its patience (`early`) or its deadline was over. An answer that it
 * has had stands, and so does a failure at a station that it had `reached`, unless the deadline came first.
 */
export function waitedInVain<R>(failure: Failure<R> | undefined, reached: boolean, early: boolean): Failure<R> {
  if (failure !== undefined && ("value" in failure || (early && reached))) return failure;
  const message = "no station became fit to take the call in time";
  if (early) return { error: new NoStationFitError(message, causeOf(failure)) };
  return { error: new DeadlineExceededError(message, { ...causeOf(failure), mayHaveRun: reached }) };
}
