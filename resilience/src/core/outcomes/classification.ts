/**
 * What an attempt showed about its service, in the terms that breaker, budget and failover act on.
 */

/**
 * What an answer or error means for the service. `success` and `failure` count for or against the
 * service. `overloaded` is a failure with a known reason: the service refused the call because of
 * load (503, 429). `ignored` does not count and is not retried. The last two outcomes prove that
 * the call did not reach the service, so it is always safe to try again. `never-sent`: the service
 * did not accept the connection. `local-shortage`: this machine lacked a descriptor, port or name,
 * which says nothing about the service.
 */
export type Outcome = "success" | "failure" | "overloaded" | "ignored" | "never-sent" | "local-shortage";

/** An outcome with the details that the answer gave. */
export interface Classification {
  readonly outcome: Outcome;
  /** The service's own hint (`Retry-After`): a retry waits at least this long. */
  readonly retryAfterMs?: number;
  /** False: a failure that trying again cannot cure, for example 501. Default true. */
  readonly retry?: boolean;
}
