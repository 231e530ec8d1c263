/**
 * What a failed call needs to remember and decide: whether a retry is safe, in time and affordable,
 * how long to wait before it, and what it has been charged. It is created only after a failure, so
 * that a call which succeeds at once does not pay for it. An attempt is charged to the budget
 * before its backoff and not after it: a budget that ignored waiting retries would let them all
 * start in the same second. It does not wait itself; `call.ts` does.
 */
import type { Deadline } from "../../core/deadline.ts";
import type { ErrorDetails, RetryBudgetExhaustedError } from "../../core/errors.ts";
import { retryRefusal } from "../../core/guard/retry-refusal.ts";
import type { Classification } from "../../core/outcomes/classification.ts";
import type { ClientParts } from "./client-parts.ts";

/** How a call fails: with an error, or with a result that was classified as a failure. */
export type Failure<T> = { readonly error: unknown } | { readonly value: T };

/** No attempt follows: it would not be safe, would not help, or would not be in time. */
export const GIVE_UP = "give up";
/** An attempt was due, but the budget has no room for it. */
export const UNAFFORDABLE = "unaffordable";

export class RetryPlan<T> {
  readonly #parts: ClientParts<T>;
  /** The failure that a retry may cure. */
  failure: Failure<T>;
  /** True if the budget has been charged for an attempt that is not sent yet. */
  #charged = false;
  #lastDelayMs = 0;

  constructor(parts: ClientParts<T>, failure: Failure<T>) {
    this.#parts = parts;
    this.failure = failure;
  }

  /**
   * A further attempt has failed. `unsentAfterSent`: it never arrived, after another one that may
   * have. Its failure then does not replace the earlier one, because its "connection refused" would
   * look like proof that nothing was executed.
   */
  noteFailure(failure: Failure<T>, unsentAfterSent: boolean): void {
    if (!unsentAfterSent) this.failure = failure;
  }

  /**
   * The wait before the attempt that follows attempt number `attempts`, already charged; or why
   * there is none.
   */
  next(
    attempts: number,
    repeatable: boolean,
    judged: Classification,
    deadline: Deadline,
    nowMs: number,
  ): number | typeof GIVE_UP | typeof UNAFFORDABLE {
    const { backoff, budget, maxRetryAfterMs, maxAttempts, minTimeLeftMs } = this.#parts;
    const safe = repeatable || judged.outcome === "never-sent" || judged.outcome === "local-shortage";
    if (!safe || judged.retry === false || attempts >= maxAttempts) return GIVE_UP;
    let delayMs = backoff.delayMs(attempts, this.#lastDelayMs);
    const hintMs = judged.retryAfterMs;
    if (hintMs !== undefined && hintMs > delayMs) delayMs = hintMs;
    if (delayMs === hintMs && hintMs > maxRetryAfterMs) return GIVE_UP;
    if (nowMs + delayMs + minTimeLeftMs >= deadline) return GIVE_UP;
    if (budget?.withdraw(nowMs) === false) return UNAFFORDABLE;
    this.#charged = true;
    this.#lastDelayMs = delayMs;
    return delayMs;
  }

  /** The charged attempt is sent now; false if the window no longer has room for it. */
  spend(nowMs: number): boolean {
    if (!this.#charged) return true;
    this.#charged = false;
    return this.#parts.budget?.send(nowMs) !== false;
  }

  /** The charged attempt will not be sent. Does nothing if none is charged. */
  refund(): void {
    if (!this.#charged) return;
    this.#charged = false;
    this.#parts.budget?.refund();
  }

  /** The budget's refusal with its numbers; its cause is the failure that asked for the retry. */
  refusal(): RetryBudgetExhaustedError {
    return retryRefusal(this.#parts.name, this.#parts.budget?.status, this.failure);
  }
}

/** The error of a failure as the cause of another error; a result cannot be a cause. */
export function causeOf<T>(failure: Failure<T> | undefined): ErrorDetails {
  return failure !== undefined && "error" in failure ? { cause: failure.error } : {};
}
