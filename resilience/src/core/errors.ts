/**
 * All errors that this library raises on purpose, in one family. A caller branches on `code` and
 * `origin`, never on a message. `origin` is a property of the type, not a setting. Therefore a
 * refusal of this library itself (`local`) can never count as a failure of the service; if it did,
 * a breaker could open because of its own bulkhead. All errors are in one file, beside the one
 * table that lists them.
 *
 * | code                     | origin     | raised when                                                              |
 * | ------------------------ | ---------- | ------------------------------------------------------------------------ |
 * | INVALID_CONFIGURATION    | local      | an option is out of range, or options contradict each other              |
 * | BREAKER_OPEN             | local      | the circuit is open, or all of its probes are out                        |
 * | BULKHEAD_FULL            | local      | no slot is free and the queue is full                                    |
 * | BULKHEAD_TIMEOUT         | local      | a waiting call did not get a slot within the acquire timeout             |
 * | RATE_LIMITED             | local      | a rate limiter has no turn for the call within the wait that it may have |
 * | DEADLINE_EXCEEDED        | local      | the deadline passed; `mayHaveRun`: an attempt had reached the service    |
 * | CALL_ABORTED             | local      | the caller's signal was aborted; `cause` is the signal's reason          |
 * | NO_ELIGIBLE_STATION      | local      | no station became eligible in time; `cause`: end of the last attempt     |
 * | OVERLOADED               | local      | the call could not be answered in time: refused early; retry later       |
 * | LOCAL_SHORTAGE           | local      | nothing was sent: this machine lacks a descriptor, port, memory or name  |
 * | ATTEMPT_TIMEOUT          | downstream | one attempt took longer than `timeoutMs`                                 |
 * | RETRY_BUDGET_EXHAUSTED   | downstream | the budget refused a retry; `retryRefusalOf` finds it on the failure     |
 * | AMBIGUOUS_OUTCOME        | downstream | the call was sent and its station was lost: it may have run or not       |
 * | STALE_EPOCH              | downstream | a station has already seen a newer epoch than the epoch of this call     |
 * | FAULT_INJECTED           | downstream | chaos made this attempt fail on purpose; only in experiments             |
 */
import { brand } from "./brand.ts";

/** The codes that a caller branches on; the table above explains each. */
export type ErrorCode =
  | "INVALID_CONFIGURATION"
  | "BREAKER_OPEN"
  | "BULKHEAD_FULL"
  | "BULKHEAD_TIMEOUT"
  | "RATE_LIMITED"
  | "DEADLINE_EXCEEDED"
  | "CALL_ABORTED"
  | "NO_ELIGIBLE_STATION"
  | "OVERLOADED"
  | "LOCAL_SHORTAGE"
  | "ATTEMPT_TIMEOUT"
  | "RETRY_BUDGET_EXHAUSTED"
  | "AMBIGUOUS_OUTCOME"
  | "STALE_EPOCH"
  | "FAULT_INJECTED";

/** What an error may carry in addition to its message. */
export interface ErrorDetails {
  /** The error or value that caused it. */
  readonly cause?: unknown;
  /** Milliseconds after which trying again can make sense, if known. */
  readonly retryAfterMs?: number;
}

/**
 * Base class of all errors of this library. `error instanceof ResilienceError` is true for every
 * error of this library and for no other error. It also holds for errors that another copy of this
 * library made (see `brand.ts`). The same is true for each class below.
 *
 * @example
 * ```ts
 * import { Bulkhead, ResilienceError } from "ground-station-failover";
 *
 * const bulkhead = new Bulkhead({ maxConcurrent: 1 });
 * const slow = bulkhead.execute(() => Promise.resolve("done"));
 * const error = await bulkhead.execute(() => "refused").catch((reason: unknown) => reason);
 * if (!(error instanceof ResilienceError)) throw error;
 * console.log(error.code, error.origin); // BULKHEAD_FULL local
 * console.log(await slow); // done
 * ```
 */
export abstract class ResilienceError extends Error {
  static {
    brand(ResilienceError, "ResilienceError");
  }

  abstract readonly code: ErrorCode;
  abstract readonly origin: "local" | "downstream";
  readonly #retryAfterMs: number | undefined;

  constructor(message: string, details?: ErrorDetails) {
    super(message, details !== undefined && "cause" in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.#retryAfterMs = details?.retryAfterMs;
  }

  /** Milliseconds after which trying again can make sense; undefined if unknown. */
  get retryAfterMs(): number | undefined {
    return this.#retryAfterMs;
  }
}

/**
 * This library refused or ended the call; the service did not fail. The call was refused before
 * anything was sent, or the caller's abort or deadline ended it while an attempt was out; in that
 * second case it is unknown whether the call ran. Breakers never count this error as a failure,
 * whichever code throws it.
 *
 * @example
 * ```ts
 * import { CircuitBreaker, LocalRejection } from "ground-station-failover";
 *
 * const breaker = new CircuitBreaker({ minimumVolume: 1 });
 * const refuse = () => breaker.execute(() => Promise.reject(new Error("service is down")));
 * await refuse().catch((error: unknown) => console.log(error instanceof LocalRejection)); // false
 * await refuse().catch((error: unknown) => console.log(error instanceof LocalRejection)); // true
 * ```
 */
export abstract class LocalRejection extends ResilienceError {
  static {
    brand(LocalRejection, "LocalRejection");
  }

  readonly origin: "local" = "local";
}

/**
 * The service failed, or may have failed.
 *
 * @example
 * ```ts
 * import { DownstreamError, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north", timeoutMs: 10 });
 * const error = await client.call(() => new Promise(() => {})).catch((reason: unknown) => reason);
 * if (!(error instanceof DownstreamError)) throw error;
 * console.log(error.code, error.origin); // ATTEMPT_TIMEOUT downstream
 * ```
 */
export abstract class DownstreamError extends ResilienceError {
  static {
    brand(DownstreamError, "DownstreamError");
  }

  readonly origin: "downstream" = "downstream";
}

/**
 * An option is out of range, or options contradict each other. `hazard` names the contradiction; it
 * is `out-of-range` for a single bad value.
 *
 * @example
 * ```ts
 * import { ConfigurationError, ResilientClient } from "ground-station-failover";
 *
 * try {
 *   new ResilientClient({ name: "north", timeoutMs: 10_000, deadlineMs: 5_000 });
 * } catch (error) {
 *   if (error instanceof ConfigurationError) console.log(error.hazard); // timeout-exceeds-deadline
 * }
 * ```
 */
export class ConfigurationError extends LocalRejection {
  static {
    brand(ConfigurationError, "ConfigurationError");
  }

  readonly code: "INVALID_CONFIGURATION" = "INVALID_CONFIGURATION";
  /**
   * A stable name of the hazard, for example `timeout-exceeds-deadline`; `out-of-range` for a
   * single bad value.
   */
  readonly hazard: string;

  constructor(hazard: string, message: string, details?: ErrorDetails) {
    super(message, details);
    this.hazard = hazard;
  }
}

/**
 * The circuit is open, or all of its probes are out. One error object serves a whole open period,
 * because building an error costs more than the rest of a fast failure. Therefore `retryAfterMs` is
 * computed when it is read, and the error has no stack trace.
 *
 * @example
 * ```ts
 * import { BreakerOpenError, CircuitBreaker } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const breaker = new CircuitBreaker({ minimumVolume: 1, openDurationMs: 5_000, clock });
 * breaker.noteFailure();
 * const error = await breaker.execute(() => "not called").catch((reason: unknown) => reason);
 * if (!(error instanceof BreakerOpenError)) throw error;
 * console.log(error.code, error.retryAfterMs); // BREAKER_OPEN 5000
 * ```
 */
export class BreakerOpenError extends LocalRejection {
  static {
    brand(BreakerOpenError, "BreakerOpenError");
  }

  readonly code: "BREAKER_OPEN" = "BREAKER_OPEN";
  readonly #untilRetryMs: () => number;

  constructor(message: string, untilRetryMs: () => number) {
    super(message);
    this.stack = `${this.name}: ${message}`;
    this.#untilRetryMs = untilRetryMs;
  }

  /** Milliseconds from now until the next probe is due. */
  override get retryAfterMs(): number {
    return this.#untilRetryMs();
  }
}

/**
 * No slot is free and the queue is full.
 *
 * @example
 * ```ts
 * import { Bulkhead, BulkheadFullError } from "ground-station-failover";
 *
 * const bulkhead = new Bulkhead({ maxConcurrent: 1 });
 * void bulkhead.execute(() => Promise.resolve());
 * const error = await bulkhead.execute(() => "not called").catch((reason: unknown) => reason);
 * if (error instanceof BulkheadFullError) console.log(error.code); // BULKHEAD_FULL
 * ```
 */
export class BulkheadFullError extends LocalRejection {
  static {
    brand(BulkheadFullError, "BulkheadFullError");
  }

  readonly code: "BULKHEAD_FULL" = "BULKHEAD_FULL";
}

/**
 * A waiting call did not get a slot within the acquire timeout.
 *
 * @example
 * ```ts
 * import { Bulkhead, BulkheadTimeoutError } from "ground-station-failover";
 *
 * const bulkhead = new Bulkhead({ maxConcurrent: 1, acquireTimeoutMs: 10 });
 * void bulkhead.execute(() => new Promise(() => {}));
 * const error = await bulkhead.execute(() => "not called").catch((reason: unknown) => reason);
 * if (error instanceof BulkheadTimeoutError) console.log(error.code); // BULKHEAD_TIMEOUT
 * ```
 */
export class BulkheadTimeoutError extends LocalRejection {
  static {
    brand(BulkheadTimeoutError, "BulkheadTimeoutError");
  }

  readonly code: "BULKHEAD_TIMEOUT" = "BULKHEAD_TIMEOUT";
}

/**
 * More calls than a rate limiter lets pass; `retryAfterMs` says when the next turn is.
 *
 * @example
 * ```ts
 * import { RateLimitedError, RateLimiter } from "ground-station-failover";
 *
 * const limiter = new RateLimiter({ perSecond: 1 });
 * await limiter.execute(() => "called");
 * const error = await limiter.execute(() => "not called").catch((reason: unknown) => reason);
 * if (error instanceof RateLimitedError) console.log(error.code); // RATE_LIMITED
 * ```
 */
export class RateLimitedError extends LocalRejection {
  static {
    brand(RateLimitedError, "RateLimitedError");
  }

  readonly code: "RATE_LIMITED" = "RATE_LIMITED";
}

/**
 * The deadline passed, or it would pass before an attempt could finish.
 *
 * @example
 * ```ts
 * import { DeadlineExceededError, deadlineAfter, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north" });
 * const call = client.call(() => new Promise(() => {}), { deadline: deadlineAfter(10) });
 * const error = await call.catch((reason: unknown) => reason);
 * if (!(error instanceof DeadlineExceededError)) throw error;
 * console.log(error.code, error.mayHaveRun); // DEADLINE_EXCEEDED true
 * ```
 */
export class DeadlineExceededError extends LocalRejection {
  static {
    brand(DeadlineExceededError, "DeadlineExceededError");
  }

  readonly code: "DEADLINE_EXCEEDED" = "DEADLINE_EXCEEDED";
  /** Had an attempt reached the service by then? If false, provably nothing was executed. */
  readonly mayHaveRun: boolean;

  constructor(message: string, details?: ErrorDetails & { readonly mayHaveRun?: boolean }) {
    super(message, details);
    this.mayHaveRun = details?.mayHaveRun ?? false;
  }
}

/**
 * The caller's signal was aborted. `name` is `AbortError`, like the platform's own error; `cause`
 * is the reason of the signal.
 *
 * @example
 * ```ts
 * import { CallAbortedError, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north" });
 * const call = client.call(() => new Promise(() => {}), { signal: AbortSignal.timeout(10) });
 * const error = await call.catch((reason: unknown) => reason);
 * if (!(error instanceof CallAbortedError)) throw error;
 * console.log(error.code, error.name); // CALL_ABORTED AbortError
 * ```
 */
export class CallAbortedError extends LocalRejection {
  static {
    brand(CallAbortedError, "CallAbortedError");
  }

  readonly code: "CALL_ABORTED" = "CALL_ABORTED";

  constructor(reason: unknown) {
    super("the caller aborted this call", { cause: reason });
    this.name = "AbortError";
  }
}

/**
 * No station became eligible within the wait that the caller allowed. The call did not run. The
 * message says what is known of each station. If the call made an attempt, `cause` is how its last
 * attempt ended (a refused connection, an old epoch).
 *
 * @example
 * ```ts
 * import { NoEligibleStationError } from "ground-station-failover";
 *
 * // What a failover's `call` rejects with when no station became eligible within `maxWaitMs`.
 * const error: unknown = new NoEligibleStationError("north and south are down");
 * if (error instanceof NoEligibleStationError) console.log(error.code); // NO_ELIGIBLE_STATION
 * ```
 */
export class NoEligibleStationError extends LocalRejection {
  static {
    brand(NoEligibleStationError, "NoEligibleStationError");
  }

  readonly code: "NO_ELIGIBLE_STATION" = "NO_ELIGIBLE_STATION";
}

/**
 * More calls are waiting than can be answered in time. This call was refused at once, because its
 * answer would come too late.
 *
 * @example
 * ```ts
 * import { OverloadedError } from "ground-station-failover";
 *
 * // What a failover's `call` rejects with when a call could not be answered in time.
 * const error: unknown = new OverloadedError("group is overloaded", { retryAfterMs: 2_000 });
 * if (!(error instanceof OverloadedError)) throw error;
 * console.log(error.code, error.retryAfterMs); // OVERLOADED 2000
 * ```
 */
export class OverloadedError extends LocalRejection {
  static {
    brand(OverloadedError, "OverloadedError");
  }

  readonly code: "OVERLOADED" = "OVERLOADED";
}

/**
 * Nothing was sent, because this machine lacks a resource (descriptors, ports, memory, a name
 * server). `cause` says which resource.
 *
 * @example
 * ```ts
 * import { LocalShortageError } from "ground-station-failover";
 *
 * // What a failover's `call` rejects with when this machine lacks what a request needs.
 * const cause = Object.assign(new Error("too many open files"), { code: "EMFILE" });
 * const error: unknown = new LocalShortageError("nothing was sent", { cause });
 * if (error instanceof LocalShortageError) console.log(error.code); // LOCAL_SHORTAGE
 * ```
 */
export class LocalShortageError extends LocalRejection {
  static {
    brand(LocalShortageError, "LocalShortageError");
  }

  readonly code: "LOCAL_SHORTAGE" = "LOCAL_SHORTAGE";
}

/**
 * One attempt took longer than `timeoutMs`. Its work may still be running; it holds its slot until
 * it settles.
 *
 * @example
 * ```ts
 * import { AttemptTimeoutError, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north", timeoutMs: 10 });
 * const error = await client.call(() => new Promise(() => {})).catch((reason: unknown) => reason);
 * if (error instanceof AttemptTimeoutError) console.log(error.code); // ATTEMPT_TIMEOUT
 * ```
 */
export class AttemptTimeoutError extends DownstreamError {
  static {
    brand(AttemptTimeoutError, "AttemptTimeoutError");
  }

  readonly code: "ATTEMPT_TIMEOUT" = "ATTEMPT_TIMEOUT";
}

/**
 * A retry was due and safe, but the budget refused it; `cause` is the error that asked for the
 * retry. A call does not reject with this error. It ends with the failure that asked for the retry,
 * because that says more; `retryRefusalOf` finds this error on it.
 *
 * @example
 * ```ts
 * import { ResilientClient, retryRefusalOf } from "ground-station-failover";
 *
 * const retry = { budget: { ratio: 0, reserve: 0 } };
 * const client = new ResilientClient({ name: "north", retry });
 * const fail = () => Promise.reject(new Error("connection lost"));
 * const error = await client.call(fail, { idempotent: true }).catch((reason: unknown) => reason);
 * console.log(retryRefusalOf(error)?.code); // RETRY_BUDGET_EXHAUSTED
 * ```
 */
export class RetryBudgetExhaustedError extends DownstreamError {
  static {
    brand(RetryBudgetExhaustedError, "RetryBudgetExhaustedError");
  }

  readonly code: "RETRY_BUDGET_EXHAUSTED" = "RETRY_BUDGET_EXHAUSTED";
}

/**
 * The call was sent, its station was lost before it answered, and the call carries no idempotency
 * key: it may have run or not. The call ends with this error, because reporting a failure could be
 * wrong and sending the call again could run it twice.
 *
 * @example
 * ```ts
 * import { AmbiguousOutcomeError } from "ground-station-failover";
 *
 * // What a failover's `call` rejects with when a call without a key was lost with its station.
 * const error: unknown = new AmbiguousOutcomeError("sent to north, which was lost");
 * if (error instanceof AmbiguousOutcomeError) console.log(error.code); // AMBIGUOUS_OUTCOME
 * ```
 */
export class AmbiguousOutcomeError extends DownstreamError {
  static {
    brand(AmbiguousOutcomeError, "AmbiguousOutcomeError");
  }

  readonly code: "AMBIGUOUS_OUTCOME" = "AMBIGUOUS_OUTCOME";
}

/**
 * A station has already seen a newer epoch than the epoch of this call: another sender has replaced
 * this one.
 *
 * @example
 * ```ts
 * import { StaleEpochError } from "ground-station-failover";
 *
 * // Throw it from an operation when the station answers that it has seen a newer epoch.
 * const error: unknown = new StaleEpochError("north has seen epoch 8", { seenEpoch: 8 });
 * if (error instanceof StaleEpochError) console.log(error.code, error.seenEpoch); // STALE_EPOCH 8
 * ```
 */
export class StaleEpochError extends DownstreamError {
  static {
    brand(StaleEpochError, "StaleEpochError");
  }

  readonly code: "STALE_EPOCH" = "STALE_EPOCH";
  /** The newest epoch that the station has seen, if it reported it. */
  readonly seenEpoch: number | undefined;

  constructor(message: string, details?: ErrorDetails & { readonly seenEpoch?: number }) {
    super(message, details);
    this.seenEpoch = details?.seenEpoch;
  }
}

/**
 * Chaos made this attempt fail on purpose.
 *
 * @example
 * ```ts
 * import { FaultInjectedError } from "ground-station-failover";
 * import { Chaos } from "ground-station-failover/chaos";
 *
 * using chaos = new Chaos();
 * chaos.setErrors();
 * const call = chaos.wrap(async (_: { signal?: AbortSignal }) => "answer");
 * const error = await Promise.resolve(call({})).catch((reason: unknown) => reason);
 * if (error instanceof FaultInjectedError) console.log(error.code); // FAULT_INJECTED
 * ```
 */
export class FaultInjectedError extends DownstreamError {
  static {
    brand(FaultInjectedError, "FaultInjectedError");
  }

  readonly code: "FAULT_INJECTED" = "FAULT_INJECTED";
}
