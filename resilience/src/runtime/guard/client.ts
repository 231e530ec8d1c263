/**
 * The resilient client: deadline, circuit breaker, bulkhead, timeout, retry and retry budget, in
 * the only order in which they cannot harm each other (drawn in `call.ts`). One client stands for
 * one downstream; all callers of that downstream share it. Combinations of settings that are known
 * to do harm are refused when the client is created, with the hazard named, instead of causing an
 * incident later.
 */

import { checkedDeadline, type Deadline, NO_DEADLINE } from "../../core/deadline.ts";
import type { BackoffOptions } from "../../core/guard/backoff.ts";
import { BACKOFF_NAMES, Backoff } from "../../core/guard/backoff.ts";
import {
  COUNT,
  checkBoolean,
  checked,
  checkFunction,
  checkMethods,
  checkName,
  checkNames,
  DURATION_MS,
  type Names,
  noOperation,
  optionsOf,
  refusal,
  WAIT_MS,
} from "../../core/options.ts";
import type { Classifier } from "../../core/outcomes/outcome.ts";
import type { Random } from "../../core/random.ts";
import { seededRandom } from "../../core/random.ts";
import { Listeners } from "../listeners.ts";
import { ambientDeadline, earlier } from "../time/ambient-deadline.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { hasWholeInstants, systemClock } from "../time/system-clock.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { CircuitBreakerOptions } from "./breaker.ts";
import { CircuitBreaker } from "./breaker.ts";
import type { BulkheadOptions } from "./bulkhead.ts";
import { Bulkhead } from "./bulkhead.ts";
import { Call } from "./call.ts";
import { type CallOptions, checkCallOptions, type Operation } from "./call-options.ts";
import type { ClientEvent, ClientParts } from "./client-parts.ts";
import { refuseHazards } from "./pipeline-hazards.ts";
import type { SharedRetryBudgetOptions } from "./retry-budget.ts";
import { RetryBudget } from "./retry-budget.ts";
import { RESULTS_LOOKED_AT } from "./unread-body.ts";

/** Options of a client's retries. */
export interface RetryOptions extends BackoffOptions {
  /**
   * Maximum attempts of a call, including the first; a whole number, 1 … 100. Default 3: more
   * attempts help little and cost much.
   */
  readonly maxAttempts?: number | undefined;
  /**
   * The budget of this downstream: a shared one, options for one of its own, or false for none.
   * Default: one of its own, a tenth of the calls: without a bound, retries keep an overloaded
   * service down.
   */
  readonly budget?: RetryBudget | SharedRetryBudgetOptions | false | undefined;
  /**
   * How many attempts the operation itself makes at its own downstream (its maxAttempts, or its
   * client); a whole number from 1, below 2^31. Attempts multiply, so more than one both here and
   * below is refused. Default 1: the operation does not retry.
   */
  readonly downstreamAttempts?: number | { readonly maxAttempts: number };
  /**
   * Maximum hint of the service (`Retry-After`) that a call waits for; after a longer one the
   * failure is delivered at once. In ms, from 0, `Infinity` for any. Default 60,000: most callers
   * have stopped waiting by then.
   */
  readonly maxRetryAfterMs?: number | undefined;
}

/** Options of a client. `T`: what its operations return, for `classify`. */
export interface ClientOptions<T = unknown> {
  /**
   * Identifies the downstream in errors and events; a text that is not empty. No default: an error
   * must say which downstream it is about.
   */
  readonly name: string;
  /**
   * A shared breaker, options for one, or false for none. Default: one with its defaults. Besides
   * its own `slowCallDurationMs`, a call counts as slow if it took longer than the bulkhead's
   * acquire timeout while other calls timed out in the queue: it was within its timeout, yet too
   * slow for the calls in the queue.
   */
  readonly breaker?: CircuitBreaker | CircuitBreakerOptions | false | undefined;
  /**
   * A shared bulkhead, options for one, or false for none. Default none: only you know the right
   * size.
   */
  readonly bulkhead?: Bulkhead | BulkheadOptions | false | undefined;
  /**
   * How long one attempt may take. In ms, above 0; `Infinity` for no limit. Default 10,000, or
   * `deadlineMs` if that is less: no attempt waits for ever. If a shorter deadline ends an attempt,
   * that is no failure of the service; the breaker counts it only if it was slow. If this process
   * was paused when the time was over, the attempt gets as much time again as the pause lasted,
   * `timeoutMs` at most.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a call may take in total, including waits and retries, if it has no deadline of its
   * own. In ms, above 0. Default `Infinity`, no limit: only the caller knows.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * An attempt with less time than this until its deadline is not started, because it could not
   * finish. In ms, from 0, below 2^31. Default 0: only you know the minimum time of an attempt.
   */
  readonly minTimeLeftMs?: number | undefined;
  /**
   * Retries of calls that are safe to repeat; false for none. Default: up to 3 attempts, full
   * jitter, 10 % budget.
   */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * What results and errors mean. Default: results are successes and errors are failures, which is
   * right for any operation. This package has presets for HTTP and gRPC.
   */
  readonly classify?: Classifier<T> | undefined;
  /**
   * True: operations run under their deadline, so that clients that they use inherit it. Default
   * false: it costs about five awaits a call.
   */
  readonly propagateDeadline?: boolean | undefined;
  /**
   * The clock that it reads. Default: the system's monotonic clock, which changes of the calendar
   * do not affect.
   */
  readonly clock?: Clock | undefined;
  /**
   * Random numbers for jitter. Default: a stream seeded from the name, the clock and the client's
   * number, so that no two clients draw the same waits.
   */
  readonly random?: Random | undefined;
}

/**
 * The option names of a client; a failover accepts the same for its stations, except those that it
 * sets itself.
 */
export const CLIENT_NAMES: Names<ClientOptions> = {
  name: true,
  breaker: true,
  bulkhead: true,
  timeoutMs: true,
  deadlineMs: true,
  minTimeLeftMs: true,
  retry: true,
  classify: true,
  propagateDeadline: true,
  clock: true,
  random: true,
};
const RETRY_NAMES: Names<RetryOptions> = {
  ...BACKOFF_NAMES,
  maxAttempts: true,
  budget: true,
  downstreamAttempts: true,
  maxRetryAfterMs: true,
};
const CLASSIFIER_NAMES: Names<Classifier<unknown>> = { result: true, error: true };

const NO_OPTIONS: CallOptions = {};
let clientsMade = 0;

/**
 * A client of one downstream service. It guards each call with a deadline, a circuit breaker, a
 * bulkhead, a timeout for each attempt, and retries within a budget.
 *
 * @example
 * ```ts
 * import { deadlineAfter, httpStatus, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north", timeoutMs: 1_000, classify: httpStatus });
 * const read = async (signal: AbortSignal) => {
 *   const response = await fetch("http://127.0.0.1:9001/", { signal });
 *   return { status: response.status, headers: response.headers, body: await response.text() };
 * };
 * const options = { idempotent: true, deadline: deadlineAfter(5_000) };
 * const answer = await client.call(({ signal }) => read(signal), options);
 * console.log(answer.status); // 200
 * ```
 */
export class ResilientClient<T = unknown> {
  readonly name: string;
  readonly breaker: CircuitBreaker | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly budget: RetryBudget | undefined;
  /** Maximum attempts of one call at the final downstream: its own times those below. */
  readonly maxAttempts: number;
  /**
   * @internal What its calls share; for the failover, which makes calls of its own.
   */
  readonly parts: ClientParts<T>;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #hasWholeInstants: boolean;
  readonly #listeners: Listeners<ClientEvent> = new Listeners();
  readonly #attempts: Listeners<AttemptEnd> = new Listeners();

  constructor(options: ClientOptions<T>) {
    const part = checkOptions(options);
    const clock = options.clock ?? systemClock;
    const limitMs = { ...WAIT_MS, aboveMin: true };
    const deadlineMs = checked(part, "deadlineMs", options.deadlineMs ?? NO_DEADLINE, limitMs);
    const timeoutMs = checked(part, "timeoutMs", options.timeoutMs ?? Math.min(10_000, deadlineMs), limitMs);
    const minTimeLeftMs = checked(part, "minTimeLeftMs", options.minTimeLeftMs ?? 0, {
      ...DURATION_MS,
      aboveMin: false,
    });
    const {
      budget: givenBudget,
      downstreamAttempts: below = 1,
      maxRetryAfterMs: hintMs,
      ...again
    } = retryOf(part, options);
    const { maxAttempts: givenAttempts, ...waits } = again;
    const maxAttempts = checked(part, "retry.maxAttempts", givenAttempts ?? 3, { ...COUNT, max: 100 });
    const downstreamAttempts = checked(
      part,
      "retry.downstreamAttempts",
      typeof below === "object" && below !== null ? below.maxAttempts : below,
      COUNT,
    );
    this.name = options.name;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.#hasWholeInstants = hasWholeInstants(clock);
    this.maxAttempts = maxAttempts * downstreamAttempts;
    const breaker = breakerOf(part, options, clock, timeoutMs);
    const bulkhead = bulkheadOf(part, options, clock);
    const budget = budgetOf(part, givenBudget, clock, maxAttempts);
    this.breaker = breaker;
    this.bulkhead = bulkhead;
    this.budget = budget;
    refuseHazards(part, {
      clock,
      timeoutMs,
      deadlineMs,
      minTimeLeftMs,
      maxAttempts,
      downstreamAttempts,
      baseMs: waits.baseMs,
      breaker,
      bulkhead,
      budget,
    });
    if (bulkhead?.learns === true) this.onAttempt((end) => bulkhead.noteAttempt(end, timeoutMs));
    clientsMade++;
    const slowMs = breaker?.slowCallDurationMs ?? NO_DEADLINE;
    this.parts = {
      name: options.name,
      clock,
      breaker,
      bulkhead,
      budget,
      backoff: new Backoff(waits, options.random ?? seededRandom(`${options.name}/${clientsMade}/${clock.nowMs()}`)),
      classify: options.classify,
      timeoutMs,
      minTimeLeftMs,
      maxAttempts,
      maxRetryAfterMs: checked(part, "retry.maxRetryAfterMs", hintMs ?? 60_000, WAIT_MS),
      slowMs,
      firstLookMs: Math.min(slowMs, timeoutMs),
      queueTimeoutMs: bulkhead?.acquireTimeoutMs ?? NO_DEADLINE,
      propagateDeadline: options.propagateDeadline ?? false,
      attempts: this.#attempts,
      unlookedResults: RESULTS_LOOKED_AT,
      tell: (event) => {
        if (this.#listeners.any) this.#listeners.tell(event);
      },
    };
  }

  /**
   * Runs `operation` guarded. Everything that the timeout and the deadline must bound has to happen
   * inside: an operation that returns a `Response` of fetch, or a stream, ends when the head has
   * arrived, and nothing bounds its body (the event `unread-body` reports this once). Resolves with
   * its result (even one that was classified as a failure, if nothing more can be done) and rejects
   * with its error, or with an error of this library (table in `errors.ts`). Never throws.
   */
  call<R extends T = T>(operation: Operation<R>, options?: CallOptions): Promise<R> {
    // If the executor throws (for a bad argument), the promise rejects.
    return new Promise<R>((resolve, reject) => {
      if (typeof operation !== "function") throw noOperation(this.name, operation);
      if (options !== undefined) checkCallOptions(this.name, options);
      const nowMs = this.#clock.nowMs();
      const deadline = this.deadlineOf(options, nowMs);
      const parts = this.parts as ClientParts<unknown> as ClientParts<R>;
      new Call<R>(parts, operation, options ?? NO_OPTIONS, deadline, resolve, reject).start(nowMs);
    });
  }

  /** @internal The deadline of a call that begins at `nowMs`. */
  deadlineOf(options: CallOptions | undefined, nowMs: number): Deadline {
    return options?.deadline === undefined
      ? earlier(nowMs + this.#deadlineMs, ambientDeadline())
      : checkedDeadline(options.deadline, nowMs, this.#hasWholeInstants);
  }

  /**
   * Calls `listener` with the end of each attempt; dispose to stop. Costs nothing without
   * listeners.
   */
  onAttempt(listener: (attempt: AttemptEnd) => void): Disposable {
    return this.#attempts.add(listener);
  }

  /**
   * Calls `listener` for retries, for refused retries, and once for an answer whose body was not
   * read; dispose to stop. Costs nothing without listeners.
   */
  onEvent(listener: (event: ClientEvent) => void): Disposable {
    return this.#listeners.add(listener);
  }
}

/**
 * Refuses unknown names and values of the wrong kind; numbers are checked where they are used.
 * Returns the client's name for errors.
 */
function checkOptions<T>(options: ClientOptions<T>): string {
  checkNames("ResilientClient", options, CLIENT_NAMES);
  checkName("ResilientClient", "name", options.name);
  const part = `ResilientClient ${options.name}`;
  const { classify, random } = options;
  checkClock(part, options.clock);
  checkMethods(part, "random", random, ["next", "fork"], "a Random, which has next and fork: seededRandom(seed)");
  checkBoolean(part, "propagateDeadline", options.propagateDeadline);
  if (classify !== undefined) checkClassifier(part, classify);
  return part;
}

function checkClassifier(part: string, classify: unknown): void {
  if (typeof classify !== "object" || classify === null) {
    const what =
      "an object whose functions say what a result and an error mean: { result: (answer) => … }, or a preset such as httpStatus";
    throw refusal(part, "classify", classify, what);
  }
  checkNames(part, classify, CLASSIFIER_NAMES, "classify");
  const { result, error } = classify as Classifier<unknown>;
  checkFunction(part, "classify.result", result);
  checkFunction(part, "classify.error", error);
}

function retryOf<T>(part: string, { retry }: ClientOptions<T>): RetryOptions {
  if (retry === undefined) return {};
  if (retry === false) return { maxAttempts: 1 };
  if (typeof retry !== "object") throw refusal(part, "retry", retry, "options such as { maxAttempts: 3 }, or false");
  checkNames(part, retry, RETRY_NAMES, "retry");
  return optionsOf(part, retry, "retry");
}

function breakerOf<T>(
  part: string,
  options: ClientOptions<T>,
  clock: Clock,
  timeoutMs: number,
): CircuitBreaker | undefined {
  const given = options.breaker ?? {};
  if (given === false || given instanceof CircuitBreaker) return given === false ? undefined : given;
  if (typeof given !== "object") throw refusal(part, "breaker", given, "a CircuitBreaker, options for one, or false");
  const rules = optionsOf(part, given, "breaker");
  const openDurationMs = rules.openDurationMs ?? 30_000;
  // A probe may take its whole timeout; without a timeout, it is waited for no longer than the
  // circuit was open.
  const longestAttemptMs = timeoutMs === Number.POSITIVE_INFINITY ? 0 : Math.min(timeoutMs, DURATION_MS.max);
  return new CircuitBreaker({
    name: options.name,
    clock,
    probeLeaseMs: Math.max(openDurationMs, longestAttemptMs),
    ...rules,
  });
}

function bulkheadOf<T>(part: string, options: ClientOptions<T>, clock: Clock): Bulkhead | undefined {
  const given = options.bulkhead ?? false;
  if (given === false || given instanceof Bulkhead) return given === false ? undefined : given;
  if (typeof given !== "object") {
    throw refusal(part, "bulkhead", given, "a Bulkhead, options such as { maxConcurrent: 50 }, or false");
  }
  return new Bulkhead({ name: options.name, clock, ...optionsOf(part, given, "bulkhead") });
}

function budgetOf(
  part: string,
  given: RetryOptions["budget"] = {},
  clock: Clock,
  maxAttempts: number,
): RetryBudget | undefined {
  if (given === false || given instanceof RetryBudget) return given === false || maxAttempts === 1 ? undefined : given;
  const budget = new RetryBudget({ clock, ...optionsOf(part, given, "retry.budget") });
  return maxAttempts === 1 ? undefined : budget;
}
