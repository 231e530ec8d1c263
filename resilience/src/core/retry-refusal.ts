/**
 * A retry that the budget refused leaves what happened as it is: the caller gets the error, or the result, that asked for
 * the retry, and can still branch on it. That a retry was due and refused is written on it, under a registered symbol that
 * neither logs nor copies show, so it is found across copies of this library too. Something that takes no property (text,
 * a number, a frozen object) is delivered all the same; the event of the client says it in any case.
 */
import { RetryBudgetExhaustedError } from "./errors.ts";
import type { RetryBudgetStatus } from "./retry-budget.ts";
import { propertyOf } from "./unknown-value.ts";

const REFUSAL: unique symbol = Symbol.for("ground-station-failover/retry-refusal");

/** How a call failed: with an error, or with a result that was judged a failure. */
type Failure = { readonly error: unknown } | { readonly value: unknown };

/** The refusal of a retry at the downstream `name`, with the numbers of its budget; an error that asked for it is its cause. */
export function retryRefusal(
  name: string,
  budget: RetryBudgetStatus | undefined,
  failure: Failure | undefined,
): RetryBudgetExhaustedError {
  const numbers =
    budget === undefined
      ? ""
      : `: ${budget.sent + budget.pending} of ${budget.allowed} extra attempts used for ${budget.calls} calls`;
  const details = failure !== undefined && "error" in failure ? { cause: failure.error } : {};
  return new RetryBudgetExhaustedError(`${name}: retry refused by the budget${numbers}`, details);
}

/** Writes `refusal` on the error or result that a caller is given. */
export function noteRetryRefusal(failure: Failure, refusal: RetryBudgetExhaustedError): void {
  const given = "value" in failure ? failure.value : failure.error;
  if (typeof given !== "object" || given === null) return;
  try {
    Reflect.defineProperty(given, REFUSAL, { value: refusal, configurable: true });
  } catch {
    // A proxy may refuse by throwing; it is the caller's, and delivered as it is.
  }
}

/**
 * The refusal of a retry that `failure` asked for: `failure` is what a call rejected with, or the result it resolved with.
 * Its message has the budget's numbers. Undefined where no retry was refused. An error that an operation throws again and
 * again keeps its latest.
 */
export function retryRefusalOf(failure: unknown): RetryBudgetExhaustedError | undefined {
  const refusal = propertyOf(failure, REFUSAL);
  return refusal instanceof RetryBudgetExhaustedError ? refusal : undefined;
}
