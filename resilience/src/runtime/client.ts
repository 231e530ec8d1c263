/**
 * The resilient client: deadline, circuit breaker, bulkhead, timeout, retry and retry budget composed in the one order
 * in which they cannot hurt each other (drawn in `call.ts`). One client stands for one downstream; whoever calls that
 * downstream shares it. Combinations of settings that are known to do harm are refused when the client is made, with
 * the hazard named, instead of being discovered at three in the morning.
 */
import type { BackoffOptions } from "../core/backoff.ts";
import { Backoff } from "../core/backoff.ts";
import { checkedDeadline, NO_DEADLINE } from "../core/deadline.ts";
import { ConfigurationError } from "../core/errors.ts";
import { COUNT, checked, DURATION_MS, PRIORITY, WAIT_MS } from "../core/options.ts";
import type { Classifier } from "../core/outcome.ts";
import type { Random } from "../core/random.ts";
import { seededRandom } from "../core/random.ts";
import { ambientDeadline } from "./ambient-deadline.ts";
import type { CircuitBreakerOptions } from "./breaker.ts";
import { CircuitBreaker } from "./breaker.ts";
import type { BulkheadOptions } from "./bulkhead.ts";
import { Bulkhead } from "./bulkhead.ts";
import { Call } from "./call.ts";
import type { CallOptions, CallSink, Operation } from "./call-options.ts";
import type { AttemptListener, ClientEvent, ClientParts } from "./client-parts.ts";
import type { Clock } from "./clock.ts";
import { Listeners } from "./listeners.ts";
import { refuseHazards } from "./pipeline-hazards.ts";
import type { SharedRetryBudgetOptions } from "./retry-budget.ts";
import { RetryBudget } from "./retry-budget.ts";
import { systemClock } from "./system-clock.ts";

export interface RetryOptions extends BackoffOptions {
  /** Attempts a call may make in all, the first included; 1 … 100. Default 3. */
  readonly maxAttempts?: number;
  /** The budget of this downstream: one to share, options for one of its own, or false for none. Default: one of its own. */
  readonly budget?: RetryBudget | SharedRetryBudgetOptions | false;
  /** How many attempts the operation itself makes at its own downstream (its maxAttempts, or its client). Default 1: it does not retry. */
  readonly attemptsBelow?: number | { readonly maxAttempts: number };
  /** The longest hint of the service (`Retry-After`) that is waited for; after a longer one the failure is delivered at once. Default 60,000: who answers a caller later than that, answers nobody. */
  readonly longestHintMs?: number;
}

export interface ClientOptions<T = unknown> {
  /** Names the downstream in errors and events. */
  readonly name: string;
  /**
   * A breaker to share, options for one, or false for none. Default: one with its defaults. Beside its own
   * `slowCallDurationMs`, a call counts as slow when it took longer than the bulkhead's acquire timeout while others
   * gave up waiting meanwhile: within the timeout, yet too slow for those in the queue to be served.
   */
  readonly breaker?: CircuitBreaker | CircuitBreakerOptions | false;
  /** A bulkhead to share, options for one, or false for none. Default none: the right size is yours to know. */
  readonly bulkhead?: Bulkhead | BulkheadOptions | false;
  /**
   * How long one attempt may take, in ms. `Infinity` for no limit. Default 10,000, or `deadlineMs` where that is less. An
   * attempt that a shorter deadline ends is no failure of the service; the breaker counts it only where it was slow. Where this
   * process stood still when it was over, the attempt is waited for once more, as long as that lasted, `timeoutMs` at most.
   */
  readonly timeoutMs?: number;
  /** How long a call may take in all, waits and retries included, where it brings no deadline of its own. Default: no limit. */
  readonly deadlineMs?: number;
  /** An attempt that has less than this until its deadline is not started, because it could not finish. Default 0. */
  readonly minimumTimeLeftMs?: number;
  /** Retries of calls that are safe to repeat; false for none. Default: up to 3 attempts, full jitter, 10 % budget. */
  readonly retry?: RetryOptions | false;
  /** What results and errors mean. Default: results are successes, errors failures. */
  readonly classify?: Classifier<T>;
  /** Run operations under their deadline, so that clients they use inherit it (costs about five awaits a call). Default false. */
  readonly propagateDeadline?: boolean;
  /** Told how each attempt ended. */
  readonly onAttempt?: AttemptListener;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
  /** Chance for jitter. Default: a stream seeded from the clock and the client's place in line. */
  readonly random?: Random;
}

const NO_OPTIONS: CallOptions = {};
let clientsMade = 0;

export class ResilientClient<T = unknown> {
  readonly name: string;
  readonly breaker: CircuitBreaker | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly budget: RetryBudget | undefined;
  /** Attempts that one call may cause at the end of the line: its own times those below. */
  readonly maxAttempts: number;
  /** @internal What its calls share; for the failover, which makes its own calls. */
  readonly parts: ClientParts<T>;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #listeners: Listeners<ClientEvent> = new Listeners();

  constructor(options: ClientOptions<T>) {
    const part = `ResilientClient ${options.name}`;
    const clock = options.clock ?? systemClock;
    const limitMs = { ...WAIT_MS, aboveMin: true };
    const deadlineMs = checked(part, "deadlineMs", options.deadlineMs ?? NO_DEADLINE, limitMs);
    const timeoutMs = checked(part, "timeoutMs", options.timeoutMs ?? Math.min(10_000, deadlineMs), limitMs);
    const minimumTimeLeftMs = checked(part, "minimumTimeLeftMs", options.minimumTimeLeftMs ?? 0, {
      ...DURATION_MS,
      aboveMin: false,
    });
    const retry: RetryOptions = options.retry === false ? { maxAttempts: 1 } : (options.retry ?? {});
    const maxAttempts = checked(part, "retry.maxAttempts", retry.maxAttempts ?? 3, { ...COUNT, max: 100 });
    const below = retry.attemptsBelow ?? 1;
    const attemptsBelow = checked(
      part,
      "retry.attemptsBelow",
      typeof below === "number" ? below : below.maxAttempts,
      COUNT,
    );
    this.name = options.name;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.maxAttempts = maxAttempts * attemptsBelow;
    const breaker = breakerOf(options, clock, timeoutMs);
    const bulkhead = bulkheadOf(options, clock);
    const budget = maxAttempts === 1 ? undefined : budgetOf(retry, clock);
    this.breaker = breaker;
    this.bulkhead = bulkhead;
    this.budget = budget;
    refuseHazards(part, {
      clock,
      timeoutMs,
      deadlineMs,
      minimumTimeLeftMs,
      maxAttempts,
      attemptsBelow,
      baseMs: retry.baseMs,
      breaker,
      bulkhead,
      budget,
    });
    clientsMade++;
    const slowMs = breaker?.slowCallDurationMs ?? NO_DEADLINE;
    this.parts = {
      name: options.name,
      clock,
      breaker,
      bulkhead,
      budget,
      backoff: new Backoff(retry, options.random ?? seededRandom(`${options.name}/${clientsMade}/${clock.nowMs()}`)),
      classify: options.classify,
      timeoutMs,
      minimumTimeLeftMs,
      maxAttempts,
      longestHintMs: checked(part, "retry.longestHintMs", retry.longestHintMs ?? 60_000, WAIT_MS),
      slowMs,
      firstLookMs: Math.min(slowMs, timeoutMs),
      starvedMs: bulkhead?.acquireTimeoutMs ?? NO_DEADLINE,
      propagateDeadline: options.propagateDeadline ?? false,
      onAttempt: options.onAttempt,
      tell: (event) => {
        if (this.#listeners.any) this.#listeners.tell(event);
      },
    };
  }

  /**
   * Runs `operation` guarded. Resolves with its result (also with one that was judged a failure, once nothing more can
   * be done about it) and rejects with its error, or with one of ours (table in `errors.ts`). Never throws.
   */
  call<R extends T = T>(operation: Operation<R>, options?: CallOptions): Promise<R> {
    // The executor's own throw (a bad argument) rejects.
    return new Promise<R>((resolve, reject) => {
      this.begin<R>(operation, options ?? NO_OPTIONS, { resolve, reject });
    });
  }

  /**
   * As {@link call}, telling `sink` instead of a promise; the call can be watched and ended through what is returned.
   * `charged`: undefined for a call of its own; true where it is an extra attempt that has been withdrawn from the budget,
   * false where it takes the place of an attempt that is on the books and came to nothing.
   * Throws {@link ConfigurationError} where an argument is none; `sink` is told nothing then.
   */
  begin<R extends T = T>(operation: Operation<R>, options: CallOptions, sink: CallSink<R>, charged?: boolean): Call<R> {
    if (typeof operation !== "function") {
      throw new ConfigurationError(
        "no-operation",
        `${this.name}: the operation is ${String(operation)}, not a function.`,
      );
    }
    if (options.priority !== undefined) checked(this.name, "priority", options.priority, PRIORITY);
    const nowMs = this.#clock.nowMs();
    const own = options.deadline === undefined ? nowMs + this.#deadlineMs : checkedDeadline(options.deadline, nowMs);
    const inherited = ambientDeadline();
    const call = new Call<R>(
      this.parts as ClientParts<unknown> as ClientParts<R>,
      operation,
      options,
      own < inherited ? own : inherited,
      sink,
      charged,
    );
    call.start(nowMs);
    return call;
  }

  /** Tells `listener` of retries and of refused ones; dispose to stop. Costs nothing while nobody listens. */
  onEvent(listener: (event: ClientEvent) => void): Disposable {
    return this.#listeners.add(listener);
  }
}

function breakerOf<T>(options: ClientOptions<T>, clock: Clock, timeoutMs: number): CircuitBreaker | undefined {
  const given = options.breaker ?? {};
  if (given === false || given instanceof CircuitBreaker) return given === false ? undefined : given;
  const openDurationMs = given.openDurationMs ?? 30_000;
  // A probe may take its whole timeout; one that has none is not waited for longer than the circuit was open.
  const longestAttemptMs = timeoutMs === Number.POSITIVE_INFINITY ? 0 : Math.min(timeoutMs, DURATION_MS.max);
  return new CircuitBreaker({
    name: options.name,
    clock,
    probeLeaseMs: Math.max(openDurationMs, longestAttemptMs),
    ...given,
  });
}

function bulkheadOf<T>(options: ClientOptions<T>, clock: Clock): Bulkhead | undefined {
  const given = options.bulkhead ?? false;
  if (given === false || given instanceof Bulkhead) return given === false ? undefined : given;
  return new Bulkhead({ name: options.name, clock, ...given });
}

function budgetOf(retry: RetryOptions, clock: Clock): RetryBudget | undefined {
  const given = retry.budget ?? {};
  if (given === false || given instanceof RetryBudget) return given === false ? undefined : given;
  return new RetryBudget({ clock, ...given });
}
