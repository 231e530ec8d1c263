/**
 * What a caller handed in, and the attempts that are made of it, as far as the driver needs them:
 * the operation, where its end goes, and the async context of its caller, in which every attempt
 * runs, whoever's end or timer starts it.
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
 * A call's other half: what the driver needs to run it. Made in its caller's async context, it
 * keeps that, too.
 */
export class FailoverRequest<S, R> extends AsyncResource {
  readonly operation: FailoverOperation<S, R>;
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
  readonly #refusalsBefore = refusalsWritten();
  /** Listens to its caller's signal; undefined where there is none. */
  #hangUp: HangUp | undefined = undefined;
  /**
   * Its deadline is its own, and later than that of the work it is made in: what the operation
   * calls is under it, too.
   */
  outlivesAmbient = false;

  constructor(operation: FailoverOperation<S, R>, resolve: (value: R) => void, reject: (error: unknown) => void) {
    // Its default, which takes longer to find where it is not given.
    super("PrimaryBackupFailover.call", executionAsyncId());
    this.operation = operation;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Tells `owner` when the caller of `call` aborts `signal`, until the call ends. */
  listen(signal: AbortSignal, call: Call, owner: RequestOwner): void {
    this.#hangUp = new HangUp(signal, call, owner);
  }

  /** Its end. */
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

/** The abort of a caller's signal, which ends its call. (It listens itself: no closure a call.) */
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
 * What the operation is told about an attempt. The signal is made when it is asked for: most
 * attempts are never aborted.
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
   * A function that may be taken out of the context: made when it is asked for, so that a call
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

  /** Nobody waits for it any more. Runs the operation's abort listeners. */
  giveUp(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
