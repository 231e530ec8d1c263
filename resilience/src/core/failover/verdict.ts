/**
 * What the caller of a failed call is told: the station's answer, or that the call may have run. It
 * is never told that a call failed if the call may have run (rule F4). This file has only words and
 * types; `dispatch.ts` decides when to use them.
 */

import { AmbiguousOutcomeError, AttemptTimeoutError, NoEligibleStationError } from "../errors.ts";
import { staleEpochIn } from "../outcomes/error-evidence.ts";
import { propertyOf } from "../unknown-value.ts";
import type { Attempt, Call, Settlement } from "./call.ts";
import type { Evidence } from "./failover.ts";
import type { Roles } from "./roles.ts";
import type { Station } from "./station.ts";

/**
 * The reason of an attempt that is ended because its call is over or goes on at another station.
 */
export const GIVEN_UP: NoEligibleStationError = new NoEligibleStationError("the call was given up");

/** The result that the caller of a failed call gets. */
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
 * The result of the call's attempts: the last answer, or, if there was none, how the last attempt
 * ended.
 */
export function lastOf({ visits = [] }: Call): Settlement | undefined {
  const answer = visits.findLast((visit) => visit.last === "failed" || visit.last === "overloaded");
  return answer?.lastSettlement ?? visits.at(-1)?.lastSettlement;
}

/**
 * What counts against a station, in a few words. The status and the events have the whole evidence.
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
 * No station took the call. `why`: the limit that was reached. `lastRefusal`: how its last attempt
 * ended, if there was one.
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

/** The call's station is silent, and there is no result so far. */
export function unknownAt({ name }: Station): AmbiguousOutcomeError {
  return new AmbiguousOutcomeError(`${name} was lost while it had this call: it may have run or not`);
}

/** The call was sent to `station` and not answered. `cause`: how the wait for an answer ended. */
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
 * The newest epoch that a station has seen, from its refusal; 0 if the error does not contain it.
 */
export function seenEpochOf(error: unknown): number {
  const seen = propertyOf(staleEpochIn(error), "seenEpoch");
  return typeof seen === "number" ? seen : 0;
}
