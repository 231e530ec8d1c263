/**
 * One attempt of a call, from the step in which it is sent until its work has really settled, which
 * may be long after its result is no longer needed. It is also the operation's context, so that a
 * call needs no object for that. The signal is created only when the operation reads it, because
 * aborting one costs ninety times an await, and most operations are never aborted.
 */
import { AsyncResource } from "node:async_hooks";
import type { Deadline } from "../../core/deadline.ts";
import { timeLeftMs } from "../../core/deadline.ts";
import type { ErrorDetails } from "../../core/errors.ts";
import { AttemptTimeoutError, DeadlineExceededError } from "../../core/errors.ts";
import type { Permit } from "../../core/guard/breaker.ts";
import type { Outcome } from "../../core/outcomes/classification.ts";
import type { Clock } from "../time/clock.ts";
import { isStall } from "../time/read-first.ts";

/** The information that an operation gets about its attempt. */
export interface AttemptContext {
  /**
   * Aborted when this attempt is given up: its timeout, the deadline, or the caller's abort. Never
   * after success.
   */
  readonly signal: AbortSignal;
  /** 1 for the first attempt of the call, 2 for its first retry, … */
  readonly attempt: number;
  /** The call's deadline, an instant on the client's clock; `Infinity` if there is none. */
  readonly deadline: Deadline;
  /** The call's idempotency key, to be sent with the request. */
  readonly idempotencyKey: string | undefined;
  /** Milliseconds until the deadline, to be sent with the request. */
  timeLeftMs(): number;
}

/** How an attempt ended, and when it began and ended, on the client's clock. */
export interface AttemptEnd {
  readonly outcome: Outcome;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** The part that sent the attempt and must know how it ended. */
export interface AttemptOwner {
  readonly clock: Clock;
  readonly deadline: Deadline;
  readonly idempotencyKey: string | undefined;
  succeeded(attempt: Attempt, value: unknown): void;
  failed(attempt: Attempt, error: unknown): void;
  expire(attempt: Attempt): void;
}

export class Attempt implements AttemptContext {
  readonly attempt: number;
  /** @internal */
  readonly owner: AttemptOwner;
  /** @internal */
  readonly permit: Permit;
  /** @internal */
  readonly startedMs: number;
  /**
   * @internal True if it took longer than its breaker allows, while this process ran all the time.
   */
  isSlow = false;
  /** True while everything that has arrived is being read, before the attempt is judged. */
  #isReading = false;
  #stall: Stall | undefined = undefined;
  #listening: Listening | undefined = undefined;
  #reason: Error | undefined = undefined;

  constructor(owner: AttemptOwner, attempt: number, permit: Permit, startedMs: number) {
    this.owner = owner;
    this.attempt = attempt;
    this.permit = permit;
    this.startedMs = startedMs;
  }

  get signal(): AbortSignal {
    if (this.#listening === undefined) {
      this.#listening = { controller: new AbortController(), context: new AsyncResource("ResilientClient.call") };
      if (this.givenUp) this.#listening.controller.abort(this.#reason);
    }
    return this.#listening.controller.signal;
  }

  /**
   * @internal True if its result is no longer needed; its slot is given back when it settles.
   */
  get givenUp(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * @internal The async context in which the operation read its signal.
   */
  get context(): AsyncResource | undefined {
    return this.#listening?.context;
  }

  get deadline(): Deadline {
    return this.owner.deadline;
  }

  get idempotencyKey(): string | undefined {
    return this.owner.idempotencyKey;
  }

  /**
   * A function that can be taken out of the context. It is created when it is read, so that a call
   * costs none.
   */
  get timeLeftMs(): () => number {
    return () => timeLeftMs(this.owner.deadline, this.owner.clock.nowMs());
  }

  /**
   * @internal From when its time counts: from its start, or later if this process was paused.
   */
  get countsFromMs(): number {
    return this.#stall?.countsFromMs ?? this.startedMs;
  }

  /**
   * @internal Its timer has fired. Returns when to check again: after a pause, to read what has
   * arrived, or because it is slow now and not over yet. Undefined if its time is over.
   */
  lookAgainMs(times: AttemptTimes, nowMs: number): number | undefined {
    const { slowMs, timeoutMs } = times;
    const endsAtMs = this.#endsAtMs(timeoutMs);
    const slowAtMs = this.isSlow ? Number.POSITIVE_INFINITY : (this.#stall?.endedMs ?? this.startedMs) + slowMs;
    const isEnd = endsAtMs <= slowAtMs;
    if (this.#isReading) {
      this.#isReading = false;
      if (isEnd) return undefined;
      this.isSlow = true;
      return endsAtMs;
    }
    const lateMs = nowMs - Math.min(slowAtMs, endsAtMs);
    if (isStall(lateMs, isEnd ? timeoutMs : slowMs)) {
      this.#noteStall(lateMs, isEnd, nowMs);
      const againMs = Math.min(isEnd ? Number.POSITIVE_INFINITY : nowMs + slowMs, this.#endsAtMs(timeoutMs));
      if (againMs > nowMs && this.stalls <= MAX_STALLS) return againMs;
    }
    this.#isReading = true;
    return nowMs;
  }

  #endsAtMs(timeoutMs: number): number {
    return Math.min(this.countsFromMs + timeoutMs, this.deadline);
  }

  /**
   * The pause is assumed to have begun as long before the requested instant as it continued after
   * it, but not before the attempt's start.
   */
  #noteStall(lateMs: number, isEnd: boolean, nowMs: number): void {
    const stalls = this.stalls + 1;
    const countsFromMs = stalls > MAX_STALLS ? this.countsFromMs : Math.min(nowMs, this.countsFromMs + 2 * lateMs);
    this.#stall = { stalls, endedMs: nowMs, countsFromMs, isEnd };
  }

  /**
   * @internal How often its timer has shown that this process was paused.
   */
  get stalls(): number {
    return this.#stall?.stalls ?? 0;
  }

  /**
   * @internal Did the service have `timeoutMs` for it? If this process was paused when they were
   * over, that is unknown, and the answer is no.
   */
  hadItsTime(timeoutMs: number, nowMs: number): boolean {
    const stall = this.#stall;
    return stall === undefined || !stall.isEnd || stall.stalls > MAX_STALLS || stall.endedMs + timeoutMs <= nowMs;
  }

  /**
   * @internal Informs the operation, if it listens, that the result is no longer needed. Runs the
   * operation's listeners.
   */
  giveUp(reason: Error): void {
    this.#reason = reason;
    this.#listening?.controller.abort(reason);
  }
}

/**
 * Why time ended a client's attempt: its timeout, or the deadline if that is earlier, with the
 * `cause` of its call.
 */
export function expiryOf(
  attempt: Attempt,
  { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
  cause: ErrorDetails,
  nowMs: number,
): AttemptTimeoutError | DeadlineExceededError {
  const which = `${name}: attempt ${attempt.attempt}`;
  // The same sum as when it was sent, instead of the elapsed time: rounding must not turn a timeout
  // into a deadline.
  if (attempt.countsFromMs + timeoutMs <= attempt.deadline) {
    const own = attempt.hadItsTime(timeoutMs, nowMs)
      ? ""
      : "; this process stood still meanwhile, so it does not count against the service";
    return new AttemptTimeoutError(`${which} took longer than ${timeoutMs} ms${own}`);
  }
  return new DeadlineExceededError(`${which} was not over by the deadline`, { ...cause, mayHaveRun: true });
}

/** The times by which a client's attempts are judged. */
interface AttemptTimes {
  readonly slowMs: number;
  readonly timeoutMs: number;
}

/** What is known about pauses of this process during an attempt. */
interface Stall {
  /** How often the attempt's timer was late. */
  readonly stalls: number;
  /** When it was late the last time. */
  readonly endedMs: number;
  readonly countsFromMs: number;
  /** True if the timer was late at the end of the attempt. */
  readonly isEnd: boolean;
}

/**
 * After this many late timers an attempt is judged by the clock, because a process that is always
 * late would otherwise wait for ever.
 */
const MAX_STALLS = 3;

/** What only an operation that read its signal needs. */
interface Listening {
  readonly controller: AbortController;
  /**
   * The async context in which it read the signal, for attempts that timers start after this one.
   */
  readonly context: AsyncResource;
}
