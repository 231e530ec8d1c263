/**
 * One attempt of a call, from the step in which it is sent to the moment the work has really settled, which may be long
 * after everybody stopped waiting for it. It is also what the operation is given as its context, so that a call costs
 * no object for that; the signal is made only when the operation asks for it, because aborting one costs ninety times
 * an await and most operations are never aborted.
 */
import { AsyncResource } from "node:async_hooks";
import type { Permit } from "../core/breaker.ts";
import type { Deadline } from "../core/deadline.ts";
import { timeLeftMs } from "../core/deadline.ts";
import type { ErrorDetails } from "../core/errors.ts";
import { AttemptTimeoutError, DeadlineExceededError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";

/** What an operation is told about the attempt it makes. */
export interface AttemptContext {
  /** Aborted when this attempt is given up: its timeout, the deadline, or the caller's abort. Never after success. */
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
  /** @internal Its time was up while this process did not run: answers were read before it was judged. */
  wasReadFirst = false;
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

  /** @internal Nobody waits for it any more; what remains is to give its slot back when it settles. */
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

  timeLeftMs(): number {
    return timeLeftMs(this.owner.deadline, this.owner.clock.nowMs());
  }

  /** @internal Tells the operation, if it listens, that nobody waits for it any more. Runs the operation's listeners. */
  giveUp(reason: Error): void {
    this.#reason = reason;
    this.#listening?.controller.abort(reason);
  }
}

/** Why an attempt of a client is ended by time: its timeout, or the deadline where that is earlier, with the `cause` of its call. */
export function expiryOf(
  { attempt, startedMs, deadline }: Attempt,
  { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
  cause: ErrorDetails,
): AttemptTimeoutError | DeadlineExceededError {
  const which = `${name}: attempt ${attempt}`;
  // The same sum as when it was sent, and not the time it took: rounding must not make a deadline of a timeout.
  if (startedMs + timeoutMs <= deadline) return new AttemptTimeoutError(`${which} took longer than ${timeoutMs} ms`);
  return new DeadlineExceededError(`${which} was not over by the deadline`, { ...cause, mayHaveRun: true });
}

/** What only an operation that asked for its signal needs. */
interface Listening {
  readonly controller: AbortController;
  /** The async context in which it asked, for attempts that timers start after this one. */
  readonly context: AsyncResource;
}
