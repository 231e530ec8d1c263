/**
 * One attempt of a call, from the step in which it is sent to the moment the work has really
 * settled, which may be long after everybody stopped waiting for it. It is also what the operation
 * is given as its context, so that a call costs no object for that; the signal is made only when
 * the operation asks for it, because aborting one costs ninety times an await and most operations
 * are never aborted.
 */
import { AsyncResource } from "node:async_hooks";
import type { Deadline } from "../../core/deadline.ts";
import { timeLeftMs } from "../../core/deadline.ts";
import type { ErrorDetails } from "../../core/errors.ts";
import { AttemptTimeoutError, DeadlineExceededError } from "../../core/errors.ts";
import type { Permit } from "../../core/guard/breaker.ts";
import type { Clock } from "../time/clock.ts";
import { isStall } from "../time/read-first.ts";

/** What an operation is told about the attempt it makes. */
export interface AttemptContext {
  /**
   * Aborted when this attempt is given up: its timeout, the deadline, or the caller's abort. Never
   * after success.
   */
  readonly signal: AbortSignal;
  /** 1 for the first attempt of the call, 2 for its first retry, … */
  readonly attempt: number;
  /** The call's deadline, an instant on the client's clock; `Infinity` where there is none. */
  readonly deadline: Deadline;
  /** The call's idempotency key, to be sent along. */
  readonly idempotencyKey: string | undefined;
  /** Milliseconds until the deadline, for the wire. */
  timeLeftMs(): number;
}

/** Whoever sent the attempt and wants to know how it ended. */
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
  /** @internal It took longer than its breaker allows, with this process running all the while. */
  isSlow = false;
  /** What has arrived by the present instant is being read, before the attempt is judged by it. */
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
   * @internal Nobody waits for it any more; what remains is to give its slot back when it settles.
   */
  get givenUp(): boolean {
    return this.#reason !== undefined;
  }

  /** @internal The async context in which the operation asked for its signal. */
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
   * A function that may be taken out of the context: made when it is asked for, so that a call
   * costs none.
   */
  get timeLeftMs(): () => number {
    return () => timeLeftMs(this.owner.deadline, this.owner.clock.nowMs());
  }

  /**
   * @internal From when on its time counts: from its start, or later if this process stood still.
   */
  get countsFromMs(): number {
    return this.#stall?.countsFromMs ?? this.startedMs;
  }

  /**
   * @internal Its timer has fired. Returns when to look again: after a stall, to read what has
   * arrived, or because it is slow now and not over yet. Undefined where its time is over.
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
   * It is taken to have stopped as long before the instant asked for as it went on after it, at
   * most since the start.
   */
  #noteStall(lateMs: number, isEnd: boolean, nowMs: number): void {
    const stalls = this.stalls + 1;
    const countsFromMs = stalls > MAX_STALLS ? this.countsFromMs : Math.min(nowMs, this.countsFromMs + 2 * lateMs);
    this.#stall = { stalls, endedMs: nowMs, countsFromMs, isEnd };
  }

  /** @internal How often its timer has said that this process stood still. */
  get stalls(): number {
    return this.#stall?.stalls ?? 0;
  }

  /**
   * @internal Did the service have `timeoutMs` for it? Unknown, and so no, where this process stood
   * still when they were over.
   */
  hadItsTime(timeoutMs: number, nowMs: number): boolean {
    const stall = this.#stall;
    return stall === undefined || !stall.isEnd || stall.stalls > MAX_STALLS || stall.endedMs + timeoutMs <= nowMs;
  }

  /**
   * @internal Tells the operation, if it listens, that nobody waits for it any more. Runs the
   * operation's listeners.
   */
  giveUp(reason: Error): void {
    this.#reason = reason;
    this.#listening?.controller.abort(reason);
  }
}

/**
 * Why an attempt of a client is ended by time: its timeout, or the deadline where that is earlier,
 * with the `cause` of its call.
 */
export function expiryOf(
  attempt: Attempt,
  { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
  cause: ErrorDetails,
  nowMs: number,
): AttemptTimeoutError | DeadlineExceededError {
  const which = `${name}: attempt ${attempt.attempt}`;
  // The same sum as when it was sent, and not the time it took: rounding must not make a deadline
  // of a timeout.
  if (attempt.countsFromMs + timeoutMs <= attempt.deadline) {
    const own = attempt.hadItsTime(timeoutMs, nowMs)
      ? ""
      : "; this process stood still meanwhile, so it does not count against the service";
    return new AttemptTimeoutError(`${which} took longer than ${timeoutMs} ms${own}`);
  }
  return new DeadlineExceededError(`${which} was not over by the deadline`, { ...cause, mayHaveRun: true });
}

/** The times of a client by which its attempts are judged. */
interface AttemptTimes {
  readonly slowMs: number;
  readonly timeoutMs: number;
}

/** What is known of this process having stood still during an attempt. */
interface Stall {
  /** How often the attempt's timer was late. */
  readonly stalls: number;
  /** When it was the last time. */
  readonly endedMs: number;
  readonly countsFromMs: number;
  /** Was it the end of the attempt that the timer was late for? */
  readonly isEnd: boolean;
}

/**
 * After so many late timers an attempt is judged by the clock: else a process that is always late
 * would wait for ever.
 */
const MAX_STALLS = 3;

/** What only an operation that asked for its signal needs. */
interface Listening {
  readonly controller: AbortController;
  /** The async context in which it asked, for attempts that timers start after this one. */
  readonly context: AsyncResource;
}
