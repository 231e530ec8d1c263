/**
 * How an attempt ended, in the terms of docs/guide/failover.md, judged from outside: the station's
 * answer, a refused or lost connection, or a timeout. Only these say something about a station. An
 * attempt whose caller has left, an epoch that is over, and a shortage of the gateway's own machine
 * say nothing.
 */
import { AttemptTimeoutError, DeadlineExceededError } from "ground-station-failover";
import type { Attempt } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";

/**
 * docs/guide/failover.md: a deadline that passes after at least this share of the timeout counts as
 * the timeout.
 */
const NEARLY = 0.9;

/**
 * `failed`: an answer that is no success. `overloaded`: 503 or 429. `lost`: sent, and not answered.
 * `refused`: no connection, so nothing was sent. `nothing`: says nothing about the station.
 */
export type AttemptEnd = "served" | "failed" | "overloaded" | "lost" | "refused" | "nothing";

export function endOf(attempt: Attempt, settings: Pick<DocumentedGroup, "commands">): AttemptEnd {
  const { commands } = settings;
  const { outcome, status = 0, lies, ours, signal } = attempt;
  if (isTimedOut(attempt, settings)) return "lost";
  if (ours || outcome === undefined || outcome === "aborted" || outcome === "stale") return "nothing";
  if (outcome === "reply") {
    if (status === 503 || status === 429) return "overloaded";
    return status >= 500 || status === 408 || (lies && commands.errorBody) ? "failed" : "served";
  }
  if (signal.aborted) return "nothing";
  return outcome === "never-sent" ? "refused" : "lost";
}

/**
 * Whether the gateway ended the attempt because its time was up. The gateway reports that at once,
 * and the attempt ends a little later. A deadline that passes when the attempt has been out for
 * nearly the whole timeout counts the same.
 */
export function isTimedOut(attempt: Attempt, { commands }: Pick<DocumentedGroup, "commands">): boolean {
  const { signal, localMs, timeLeftMs, judgedFromLocalMs } = attempt;
  if (!signal.aborted) return false;
  if (signal.reason instanceof AttemptTimeoutError) return true;
  const outForMs = localMs + timeLeftMs - judgedFromLocalMs;
  return signal.reason instanceof DeadlineExceededError && outForMs >= NEARLY * commands.timeoutMs;
}
