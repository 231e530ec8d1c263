/**
 * What a caller is told of a call that has failed: an answer that there was, or that nobody can say
 * whether it ran; never that it failed where it may have run (rule F4). Only words and types; when
 * to say them is decided in `dispatch.ts`.
 */

import { AmbiguousOutcomeError, AttemptTimeoutError, NoEligibleStationError } from "../errors.ts";
import { staleEpochIn } from "../outcomes/error-evidence.ts";
import { propertyOf } from "../unknown-value.ts";
import type { Attempt, Call, Settlement } from "./call.ts";
import type { Evidence } from "./failover.ts";
import type { Roles } from "./roles.ts";
import type { Station } from "./station.ts";

/** The reason of an attempt that is ended because its call is over, or goes on elsewhere. */
export const GIVEN_UP: NoEligibleStationError = new NoEligibleStationError("the call was given up");

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

/**
 * What came of its attempts: the last answer, or how the last attempt ended where there was none.
 */
export function lastOf({ visits = [] }: Call): Settlement | undefined {
  const answer = visits.findLast((visit) => visit.last === "failed" || visit.last === "overloaded");
  return answer?.lastSettlement ?? visits.at(-1)?.lastSettlement;
}

/**
 * What speaks against a station, in a word or two: the whole evidence is in the status and in the
 * events.
 */
const AGAINST: Readonly<Record<Evidence["kind"], string>> = {
  heartbeats: "not heard",
  calls: "failing calls",
  breaker: "circuit open",
  probe: "not probed",
  "own-stall": "not judged",
  maintenance: "in maintenance",
  operator: "taken out",
};

/**
 * No station took the call; `why` is the bound that was reached, `lastRefusal` how its last attempt
 * ended, if it had one.
 */
export function noStationFit(why: string, { stations, active }: Roles, lastRefusal: unknown): NoEligibleStationError {
  const states = stations.map((station) => `${station.name}: ${stateOf(station, station === active)}`);
  const message = `${why}; ${states.join("; ")}`;
  return new NoEligibleStationError(message, lastRefusal === undefined ? {} : { cause: lastRefusal });
}

function stateOf({ assessment, liveness }: Station, isActive: boolean): string {
  const against = new Set<string>();
  for (const { kind, verdict } of assessment?.evidence ?? []) {
    if (verdict !== "ineligible") continue;
    against.add(kind === "heartbeats" && liveness !== "unknown" ? liveness : AGAINST[kind]);
  }
  if (against.size > 0) return [...against].join(" and ");
  return isActive ? "active, takes no more now" : "in reserve";
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

/**
 * The newest epoch that a station has seen, by its refusal; 0 where the error says nothing of it.
 */
export function seenEpochOf(error: unknown): number {
  const seen = propertyOf(staleEpochIn(error), "seenEpoch");
  return typeof seen === "number" ? seen : 0;
}
