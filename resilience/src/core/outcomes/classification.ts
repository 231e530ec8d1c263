/**
 * What an attempt showed of the service that it went to, in words that breaker, budget and failover
 * act on.
 */

/**
 * `success` and `failure` count for or against the service. `overloaded` is a failure that says
 * why: the service refused the call for load (503, 429). `ignored` counts as nothing and is not
 * retried. Two provably did not reach the service, and are always safe to try again: `never-sent`,
 * because the service did not take the connection, and `local-shortage`, for want of a descriptor,
 * port or name of this machine, which says nothing about the service.
 */
export type Outcome = "success" | "failure" | "overloaded" | "ignored" | "never-sent" | "local-shortage";

/** An outcome with what else the answer said. */
export interface Classification {
  readonly outcome: Outcome;
  /** The service's own hint (`Retry-After`): a retry waits at least this long. */
  readonly retryAfterMs?: number;
  /** False: a failure that trying again cannot mend, for example 501. Default true. */
  readonly retry?: boolean;
}
