/**
 * What the driver needs of a caller's request and its attempts: the operation, where its result
 * goes, and the async context of its caller. Every attempt runs in that context, even if another
 * call's end or a timer starts it.
 */
import { AsyncResource, executionAsyncId } from "node:async_hooks";
import type { Deadline } from "../../core/deadline.ts";
import { timeLeftMs } from "../../core/deadline.ts";
import type { Attempt, Call, Settlement } from "../../core/failover/call.ts";
import { forgetOlderRefusal, refusalsWritten } from "../../core/guard/retry-refusal.ts";
import type { Clock } from "../time/clock.ts";
import type { FailoverContext, FailoverOperation } from "./operation.ts";

/** What requests need of their driver. */
export interface RequestOwner {
  readonly clock: Clock;
  cancel(call: Call, reason: unknown): void;
  uploading(attempt: Attempt, isUploading: boolean): void;
}

/**
 * The driver's part of a call: what it needs to run the call. It is created in its caller's async
 * context and keeps that context.
 */
export class FailoverRequest<S, R> extends AsyncResource {
  readonly operation: FailoverOperation<S, R>;
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
  readonly #refusalsBefore = refusalsWritten();
  /** Listens to its caller's signal; undefined if there is none. */
  #hangUp: HangUp | undefined = undefined;
  /**
   * True if its own deadline is later than that of the surrounding work: the operation's calls are
   * under its own deadline too.
   */
  outlivesAmbient = false;

  constructor(operation: FailoverOperation<S, R>, resolve: (value: R) => void, reject: (error: unknown) => void) {
    // This is the default value; passing it is faster than letting the constructor find it.
    super("PrimaryBackupFailover.call", executionAsyncId());
    this.operation = operation;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Informs `owner` if the caller of `call` aborts `signal`, until the call ends. */
  listen(signal: AbortSignal, call: Call, owner: RequestOwner): void {
    this.#hangUp = new HangUp(signal, call, owner);
  }

  /** Ends the request with this result. */
  settle(settlement: Settlement): void {
    if ("value" in settlement) return this.fulfil(settlement.value as R);
    this.#hangUp?.ignore();
    forgetOlderRefusal(settlement.error, this.#refusalsBefore);
    this.reject(settlement.error);
  }

  fulfil(value: R): void {
    this.#hangUp?.ignore();
    forgetOlderRefusal(value, this.#refusalsBefore);
    this.resolve(value);
  }
}

/**
 * The abort of a caller's signal, which ends its call. (The object is its own listener, so that a
 * call needs no closure.)
 */
class HangUp {
  readonly #signal: AbortSignal;
  readonly #call: Call;
  readonly #owner: RequestOwner;

  constructor(signal: AbortSignal, call: Call, owner: RequestOwner) {
    this.#signal = signal;
    this.#call = call;
    this.#owner = owner;
    signal.addEventListener("abort", this);
  }

  ignore(): void {
    this.#signal.removeEventListener("abort", this);
  }

  handleEvent(): void {
    this.#owner.cancel(this.#call, this.#signal.reason);
  }
}

/**
 * The context that an operation gets for an attempt. The signal is created only when it is read:
 * most attempts are never aborted.
 */
export class FailoverAttempt<S> implements FailoverContext<S> {
  readonly station: S;
  readonly role: "primary" | "backup";
  /** @internal The dispatcher's record of it. */
  readonly record: Attempt;
  readonly #owner: RequestOwner;
  #controller: AbortController | undefined = undefined;
  #reason: Error | undefined = undefined;

  constructor(record: Attempt, station: S, role: "primary" | "backup", owner: RequestOwner) {
    this.record = record;
    this.station = station;
    this.role = role;
    this.#owner = owner;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.record.number;
  }

  get epoch(): number {
    return this.record.epoch;
  }

  get deadline(): Deadline {
    return this.record.call.terms.deadline as Deadline;
  }

  get idempotencyKey(): string | undefined {
    return this.record.call.terms.idempotencyKey;
  }

  /**
   * A function that can be taken out of the context. It is created when it is read, so that a call
   * costs none.
   */
  get timeLeftMs(): () => number {
    return () => timeLeftMs(this.deadline, this.#owner.clock.nowMs());
  }

  get beginWithinMs(): () => number {
    return () => Math.max(0, Math.min(this.timeLeftMs(), this.record.beginByMs - this.#owner.clock.nowMs()));
  }

  get noteUploading(): (isUploading: boolean) => void {
    return (isUploading) => this.#owner.uploading(this.record, isUploading);
  }

  /** The attempt's result is no longer needed. Runs the operation's abort listeners. */
  giveUp(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
