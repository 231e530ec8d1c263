/**
 * What a caller is told of a call that has failed: an answer that there was, or that nobody can say whether it ran; never
 * that it failed where it may have run (rule F4). Only words and types; when to say them is decided in `dispatch.ts`.
 */
import { staleEpochIn } from "../error-evidence.ts";
import { AmbiguousOutcomeError, AttemptTimeoutError, NoStationFitError } from "../errors.ts";
import { propertyOf } from "../unknown-value.ts";
import type { Attempt, Call, Settlement } from "./call.ts";
import type { Station } from "./station.ts";

/** The reason of an attempt that is ended because its call is over, or goes on elsewhere. */
export const GIVEN_UP: NoStationFitError = new NoStationFitError("the call was given up");

/** What a call that has failed is told. */
export function verdictOn(call: Call): Settlement {
  const visits = call.visits ?? [];
  const lost = visits.find((visit) => visit.last === "lost");
  if (lost !== undefined || call.out !== undefined) {
    const station = lost?.station ?? (call.out as Attempt[])[0]?.station;
    const cause =
      lost?.lastSettlement !== undefined && "error" in lost.lastSettlement ? lost.lastSettlement.error : undefined;
    if (cause instanceof AttemptTimeoutError || cause instanceof AmbiguousOutcomeError) return { error: cause };
    return { error: lostAt(station, call, cause) };
  }
  return lastOf(call) ?? { error: GIVEN_UP };
}

/** What came of its attempts: the last answer, or how the last attempt ended where there was none. */
export function lastOf({ visits = [] }: Call): Settlement | undefined {
  const answer = visits.findLast((visit) => visit.last === "failed" || visit.last === "overloaded");
  return answer?.lastSettlement ?? visits.at(-1)?.lastSettlement;
}

/** Its station is silent, and nothing has come back of it so far. */
export function unknownAt({ name }: Station): AmbiguousOutcomeError {
  return new AmbiguousOutcomeError(`${name} was lost while it had this call: it may have run or not`);
}

/** Sent to `station`, and not answered; `cause` is how the wait for an answer ended. */
function lostAt(station: Station | undefined, { terms }: Call, cause: unknown): AmbiguousOutcomeError {
  const name = station?.name ?? "the station";
  const details = cause === undefined ? {} : { cause };
  if (terms.isRepeatable) {
    return new AmbiguousOutcomeError(`${name} was lost before it answered: the call may have run or not`, details);
  }
  const message = `${name} was lost before it answered, and the call carries no idempotency key: it may have run or not`;
  return new AmbiguousOutcomeError(message, details);
}

/** The newest epoch that a station has seen, by its refusal; 0 where the error says nothing of it. */
export function seenEpochOf(error: unknown): number {
  const seen = propertyOf(staleEpochIn(error), "seenEpoch");
  return typeof seen === "number" ? seen : 0;
}
