/**
 * How an attempt ended, in the words of docs/guide/failover.md, judged from outside: what the
 * station answered, whether its connection was refused or lost, or whether its time was up. Only
 * these say something about a station; an attempt that nobody waited for any more, an epoch that is
 * over and a shortage of the gateway's own machine say nothing.
 */
import { AttemptTimeoutError, DeadlineExceededError } from "ground-station-failover";
import type { Attempt } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";

/**
 * docs/guide/failover.md: a deadline that is over after so much of the timeout counts as the
 * timeout.
 */
const NEARLY = 0.9;

/**
 * `failed`: an answer that is no success. `overloaded`: 503 or 429. `lost`: sent, and not answered.
 * `refused`: no connection, so nothing was sent. `nothing`: says nothing of the station.
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
 * Has its gateway ended it because its time was up? Then it says so at once, and the attempt ends a
 * little later. A deadline that is over when the attempt has been out for nearly as long as the
 * timeout allows says the same.
 */
export function isTimedOut(attempt: Attempt, { commands }: Pick<DocumentedGroup, "commands">): boolean {
  const { signal, localMs, timeLeftMs, judgedFromLocalMs } = attempt;
  if (!signal.aborted) return false;
  if (signal.reason instanceof AttemptTimeoutError) return true;
  const outForMs = localMs + timeLeftMs - judgedFromLocalMs;
  return signal.reason instanceof DeadlineExceededError && outForMs >= NEARLY * commands.timeoutMs;
}
