/**
 * What calls need of their client: the parts that all calls of one downstream share, with all
 * defaults, and the listeners. It is a file of its own so that a call knows what it uses without
 * knowing how a client is created.
 */

import type { RetryBudgetExhaustedError } from "../../core/errors.ts";
import type { Backoff } from "../../core/guard/backoff.ts";
import type { Classifier } from "../../core/outcomes/outcome.ts";
import type { Listeners } from "../listeners.ts";
import type { Clock } from "../time/clock.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { CircuitBreaker } from "./breaker.ts";
import type { Bulkhead } from "./bulkhead.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** The events of a client. */
export type ClientEvent =
  | { readonly type: "retry"; readonly attempt: number; readonly delayMs: number }
  | {
      /** The budget had no room for the retry: the call ends with the failure that it has. */
      readonly type: "retry-refused";
      readonly attempt: number;
      /** The budget's numbers, in a sentence. */
      readonly reason: string;
      /** The same as an error. Its `cause` is the failure, if that is an error. */
      readonly refusal: RetryBudgetExhaustedError;
    }
  /**
   * An operation returned an answer whose body has not been read, so no timeout covers the reading.
   * Reported once, from a client's first results.
   */
  | { readonly type: "unread-body"; readonly reason: string };

/** What calls need of their client. */
export interface ClientParts<T> {
  readonly name: string;
  readonly clock: Clock;
  readonly breaker: CircuitBreaker | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly budget: RetryBudget | undefined;
  readonly backoff: Backoff;
  readonly classify: Classifier<T> | undefined;
  readonly timeoutMs: number;
  readonly minTimeLeftMs: number;
  readonly maxAttempts: number;
  readonly maxRetryAfterMs: number;
  readonly slowMs: number;
  /** When an attempt is first checked: when it is slow, or when its time is over. */
  readonly firstLookMs: number;
  readonly queueTimeoutMs: number;
  readonly propagateDeadline: boolean;
  readonly attempts: Listeners<AttemptEnd>;
  /** How many more results are checked for an unread body. */
  unlookedResults: number;
  tell(event: ClientEvent): void;
}
