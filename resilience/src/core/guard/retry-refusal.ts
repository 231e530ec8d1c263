/**
 * A retry that the budget refused leaves what happened as it is: the caller gets the error, or the
 * result, that asked for the retry, and can still branch on it. That a retry was due and refused is
 * written on it, under a registered symbol that neither logs nor copies show, so it is found across
 * copies of this library too. Something that takes no property (text, a number, a frozen object) is
 * delivered all the same; the event of the client says it in any case.
 */
import { RetryBudgetExhaustedError } from "../errors.ts";
import { propertyOf, readOf } from "../unknown-value.ts";
import type { RetryBudgetStatus } from "./retry-budget.ts";

const REFUSAL: unique symbol = Symbol.for("ground-station-failover/retry-refusal");

/** How a call failed: with an error, or with a result that was judged a failure. */
type Failure = { readonly error: unknown } | { readonly value: unknown };

/**
 * The refusal of a retry at the downstream `name`, with the numbers of its budget; an error that
 * asked for it is its cause.
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
 * How many refusals have been written by this copy of the library, and which was the latest on each
 * object.
 */
let written = 0;
const numbers: WeakMap<object, number> = new WeakMap();

/**
 * How many refusals have been written so far: kept at a call's start, it tells older ones from its
 * own.
 */
export function refusalsWritten(): number {
  return written;
}

/**
 * Takes a refusal off `given`, the error or result of a call that began when `before` had been
 * written: an object that an operation hands out again and again would answer for an earlier call.
 * One that an inner call wrote meanwhile stays.
 */
export function forgetOlderRefusal(given: unknown, before: number): void {
  if (before === 0 || typeof given !== "object" || given === null) return;
  const number = numbers.get(given);
  if (number === undefined || number > before) return;
  numbers.delete(given);
  readOf(() => Reflect.deleteProperty(given, REFUSAL));
}

/** Writes `refusal` on the error or result that a caller is given. */
export function noteRetryRefusal(failure: Failure, refusal: RetryBudgetExhaustedError): void {
  const given = "value" in failure ? failure.value : failure.error;
  if (typeof given !== "object" || given === null) return;
  // A proxy may refuse by throwing; it is the caller's, and delivered as it is.
  readOf(() => Reflect.defineProperty(given, REFUSAL, { value: refusal, configurable: true }));
  numbers.set(given, ++written);
}

/**
 * The refusal of a retry that `failure` asked for: `failure` is what a call rejected with, or the
 * result it resolved with. Its message has the budget's numbers. Undefined where no retry was
 * refused. Of an object that is handed out again and again, it is that of the latest call.
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
