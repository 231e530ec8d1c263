/**
 * If the budget refuses a retry, the caller still gets the error or the result that asked for the
 * retry, and can branch on it. The refusal is written on that object, under a registered symbol
 * that logs and copies do not show; because it is registered, other copies of this library find it
 * too. A value that takes no property (text, a number, a frozen object) is delivered without it;
 * the client's event reports the refusal in any case.
 */
import { RetryBudgetExhaustedError } from "../errors.ts";
import { propertyOf, readOf } from "../unknown-value.ts";
import type { RetryBudgetStatus } from "./retry-budget.ts";

const REFUSAL: unique symbol = Symbol.for("ground-station-failover/retry-refusal");

/** How a call failed: with an error, or with a result that was classified as a failure. */
type Failure = { readonly error: unknown } | { readonly value: unknown };

/**
 * The refusal of a retry at the downstream `name`, with the numbers of its budget. If an error
 * asked for the retry, that error is the cause.
 */
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

/**
 * How many refusals this copy of the library has written, and the number of the latest one on each
 * object.
 */
let written = 0;
const numbers: WeakMap<object, number> = new WeakMap();

/**
 * How many refusals have been written so far. If this is read at a call's start, it distinguishes
 * older refusals from the call's own.
 */
export function refusalsWritten(): number {
  return written;
}

/**
 * Removes an older refusal from `given`, the error or result of a call that began when `before`
 * refusals had been written. Without this, an object that an operation returns again and again
 * would report the refusal of an earlier call. A refusal that an inner call wrote meanwhile stays.
 */
export function forgetOlderRefusal(given: unknown, before: number): void {
  if (before === 0 || typeof given !== "object" || given === null) return;
  const number = numbers.get(given);
  if (number === undefined || number > before) return;
  numbers.delete(given);
  readOf(() => Reflect.deleteProperty(given, REFUSAL));
}

/** Writes `refusal` on the error or result that the caller gets. */
export function noteRetryRefusal(failure: Failure, refusal: RetryBudgetExhaustedError): void {
  const given = "value" in failure ? failure.value : failure.error;
  if (typeof given !== "object" || given === null) return;
  // A proxy may refuse by throwing. It belongs to the caller and is delivered as it is.
  readOf(() => Reflect.defineProperty(given, REFUSAL, { value: refusal, configurable: true }));
  numbers.set(given, ++written);
}

/**
 * The refusal of the retry that `failure` asked for. `failure` is the error that a call rejected
 * with, or the result that it resolved with. The message of the refusal has the numbers of the
 * budget. Undefined if no retry was refused. If the same object is delivered by several calls, the
 * refusal is that of the latest call.
 *
 * @example
 * ```ts
 * import { ResilientClient, retryRefusalOf } from "ground-station-failover";
 *
 * const retry = { budget: { ratio: 0, reserve: 0 } };
 * const client = new ResilientClient({ name: "north", retry });
 * const fail = () => Promise.reject(new Error("connection lost"));
 * const error = await client.call(fail, { idempotent: true }).catch((reason: Error) => reason);
 * console.log((error as Error).message); // connection lost
 * console.log(retryRefusalOf(error)?.code); // RETRY_BUDGET_EXHAUSTED
 * ```
 */
export function retryRefusalOf(failure: unknown): RetryBudgetExhaustedError | undefined {
  const refusal = propertyOf(failure, REFUSAL);
  return refusal instanceof RetryBudgetExhaustedError ? refusal : undefined;
}
