/**
 * One command on its way through whoever is active. Its states, and what moves it:
 *
 *   waiting ──admitted──► running ──success──► done
 *      ▲                    │ │ └─ failed, cannot be repeated ──► done (its error, or *ambiguous outcome*)
 *      │  never sent,       │ │
 *      ├── station lost ────┘ └─ failed, can be repeated ──► held ──► done (the failure was the command's own)
 *      └────────── promotion, or the station proved well ─────┘
 *
 * What may be repeated (rule F4): what provably was never sent, always; what carries an idempotency key or was declared
 * idempotent, under the same key; anything else never, and the caller is told that the outcome is unknown. A failure
 * counts as the command's own only when the station has succeeded at something since; until then it may be the
 * station's, and the command is held for a promotion instead of being failed.
 */
import type { Deadline } from "../core/deadline.ts";
import {
  AmbiguousOutcomeError,
  BulkheadFullError,
  CallAbortedError,
  DeadlineExceededError,
  LocalRejection,
  NoStationFitError,
  StaleEpochError,
} from "../core/errors.ts";
import { wasConnectionLost } from "../core/outcome.ts";
import type { AttemptContext } from "./attempt.ts";
import type { Call, CallOptions, CallSink } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { InFlight, Lane, NamedStation } from "./lane.ts";

/** What an operation is told about the attempt it makes through the failover. */
export interface FailoverContext<S> extends AttemptContext {
  /** The station to send to. */
  readonly station: S;
  readonly role: "primary" | "backup";
  /** To be sent along: a station or service that has seen a higher one refuses the command. */
  readonly epoch: number;
}

export type FailoverOperation<S, R> = (context: FailoverContext<S>) => PromiseLike<R> | R;

/** What a station says of a key it was asked about: it ran (with its result), it did not and will not, or it cannot say. */
export type KeyStatus<R> = { readonly ran: true; readonly result: R } | { readonly ran: false } | "unknown";

/** A call as those see it who queue it and let it go. */
export interface PendingCall<S extends NamedStation> {
  /** Where it was sent last. */
  readonly lane: Lane<S> | undefined;
  /** When its last failure came in; a success of its station after that makes the failure its own. */
  readonly failedAtMs: number;
  /** It has been sent to a station a second time after failing there. */
  readonly triedAgain: boolean;
  /** It is this call's turn at `lane`, under `epoch`. */
  run(lane: Lane<S>, epoch: number, nowMs: number): void;
  /** Nobody could take it at once: it waits until `untilMs` at most. */
  waitUntil(untilMs: number): void;
  /** There is no room for it to wait. */
  refuse(error: Error): void;
  /** Held no longer: the station has been replaced, or it may try once more (`charged`: at its budget's expense). */
  resume(charged: boolean): void;
  /** Held no longer: the failure was the call's own. */
  deliverFailure(): void;
}

/** What a call needs of its failover. */
export interface FailoverDesk<S extends NamedStation> {
  readonly clock: Clock;
  /** The epoch of the moment. */
  readonly epoch: () => number;
  readonly ambiguousKeyed: "resend" | "report";
  /** Queue it, at the front or at the back, and see whom it can go to. */
  enqueue(call: PendingCall<S>, front: boolean): void;
  /** Keep it until a promotion, or until the station has shown that the failure was the call's own. */
  hold(call: PendingCall<S>): void;
  /** It waits for nothing any more. */
  forget(call: PendingCall<S>): void;
  /** An attempt has ended: evidence may have changed, and there may be room. */
  attemptEnded(lane: Lane<S>): void;
  /** A station has seen a newer epoch than the call's. */
  epochSeen(error: StaleEpochError): void;
  /** Asks a lost station what became of a key, if it can be asked at all. */
  ask<R>(lane: Lane<S>, idempotencyKey: string, deadline: Deadline): Promise<KeyStatus<R>> | undefined;
}

type Phase = "waiting" | "running" | "held" | "asking" | "done";
type Failure<R> = { readonly error: unknown } | { readonly value: R };

export class FailoverCall<S extends NamedStation, R> implements CallSink<R>, InFlight, PendingCall<S> {
  readonly deadline: Deadline;
  readonly #desk: FailoverDesk<S>;
  readonly #operation: FailoverOperation<S, R>;
  readonly #options: CallOptions;
  readonly #sink: CallSink<R>;
  #phase: Phase = "waiting";
  #lane: Lane<S> | undefined = undefined;
  #epoch = 0;
  #call: Call<R> | undefined = undefined;
  #timer: Disposable | undefined = undefined;
  #failure: Failure<R> | undefined = undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  /** It has been sent to a station a second time after failing there. */
  triedAgain = false;
  /** The next send at the same station is an extra attempt there, and its budget has been charged for it. */
  #charged = false;
  #overCapacity: BulkheadFullError | undefined = undefined;
  /** Its station was replaced while it was out, and it cannot be repeated: it goes on waiting for an answer. */
  #orphaned = false;

  constructor(
    desk: FailoverDesk<S>,
    operation: FailoverOperation<S, R>,
    options: CallOptions,
    deadline: Deadline,
    sink: CallSink<R>,
  ) {
    this.#desk = desk;
    this.#operation = operation;
    this.#options = options;
    this.#sink = sink;
    this.deadline = deadline;
  }

  get #repeatable(): boolean {
    return this.#options.idempotencyKey !== undefined || this.#options.idempotent === true;
  }

  get lane(): Lane<S> | undefined {
    return this.#lane;
  }

  /** When its last failure came in; a success of its station after that makes the failure its own. */
  get failedAtMs(): number {
    return this.#failedAtMs;
  }

  start(): void {
    const signal = this.#options.signal;
    if (signal?.aborted === true) return this.#end(new CallAbortedError(signal.reason));
    signal?.addEventListener("abort", this);
    this.#desk.enqueue(this, false);
  }

  /** The caller's signal was aborted. (The call listens itself: no closure.) */
  handleEvent(): void {
    this.#withdraw(new CallAbortedError(this.#options.signal?.reason));
  }

  /** There is no room for it to wait. */
  refuse(error: Error): void {
    this.#end(error);
  }

  /** Nobody could take it at once: wait until `untilMs` at most. */
  waitUntil(untilMs: number): void {
    if (this.#timer !== undefined) return;
    const atMs = Math.min(untilMs, this.deadline);
    if (atMs < Number.POSITIVE_INFINITY) this.#timer = this.#desk.clock.at(atMs, () => this.#waitedTooLong(untilMs));
  }

  /** It is this call's turn at `lane`, under `epoch`. */
  run(lane: Lane<S>, epoch: number, nowMs: number): void {
    this.#stopTimer();
    this.#phase = "running";
    this.#lane = lane;
    this.#epoch = epoch;
    this.#call = undefined;
    lane.inFlight.add(this);
    lane.ramp.enter(nowMs);
    const { signal: _ours, ...options } = this.#options;
    const charged = this.#charged;
    this.#charged = false;
    const call = lane.client.begin<R>(
      (context) => this.#attempt(lane, context),
      { ...options, deadline: this.deadline },
      this,
      charged,
    );
    // It may have been refused, and queued again, before this returns.
    if (this.#phase === "running") this.#call = call;
  }

  #attempt(lane: Lane<S>, context: AttemptContext): PromiseLike<R> | R {
    if (context.attempt > 1 && !lane.ramp.charge(this.#desk.clock.nowMs())) {
      this.#overCapacity = new BulkheadFullError(
        `${lane.name} is at its declared capacity of ${lane.ramp.capacityPerSecond} calls a second`,
      );
      throw this.#overCapacity;
    }
    return this.#operation(new StationContext(context, lane.station, lane.role, this.#epoch));
  }

  resolve(value: R): void {
    const outcome = this.#call?.outcome;
    this.#leave(outcome === "success" ? "success" : outcome === "ignored" ? "ignored" : "failure");
    if (outcome === "failure" || outcome === "never-sent") this.#failed({ value }, outcome === "never-sent");
    else this.#done(() => this.#sink.resolve(value));
  }

  reject(error: unknown): void {
    if (this.#phase !== "running") return;
    const outcome = this.#call?.outcome;
    if (error instanceof LocalRejection) {
      this.#leave("ignored");
      const ours = error === this.#overCapacity || (outcome === undefined && error.code !== "INVALID_CONFIGURATION");
      if (ours && error.code !== "DEADLINE_EXCEEDED") return this.#bounced();
      return this.#refused(error);
    }
    this.#leave(outcome === "success" || outcome === "ignored" ? "ignored" : "failure");
    if (error instanceof StaleEpochError) return this.#stale(error);
    if (outcome === "success" || outcome === "ignored") return this.#end(error);
    this.#failed({ error }, outcome === "never-sent");
  }

  /** Its station is active no longer. */
  stationLost(): void {
    const call = this.#call;
    const lane = this.#lane;
    if (this.#phase !== "running" || call === undefined || lane === undefined) return;
    if (call.sent && !this.#repeatable) {
      this.#orphaned = true;
      return;
    }
    this.#phase = "waiting";
    call.cancel(new AmbiguousOutcomeError(`${lane.name} is active no longer`));
    this.#leave("ignored");
    if (call.sent) this.#mayHaveRun(lane);
    else this.#desk.enqueue(this, true);
  }

  /** Held no longer: the station has been replaced, or this call may try it once more (`charged`: at its budget's expense). */
  resume(charged: boolean): void {
    this.#stopTimer();
    this.#phase = "waiting";
    this.#charged = charged;
    this.triedAgain = charged;
    this.#desk.enqueue(this, true);
  }

  /** Held no longer: the failure was the call's own. */
  deliverFailure(): void {
    const failure = this.#failure;
    if (failure === undefined || this.#phase === "done") return;
    if ("value" in failure) this.#done(() => this.#sink.resolve(failure.value));
    else this.#end(failure.error);
  }

  // ── how an attempt ended ────────────────────────────────────────────────────────────────────────────────────────

  #failed(failure: Failure<R>, neverSent: boolean): void {
    const lane = this.#lane as Lane<S>;
    this.#failure = failure;
    this.#failedAtMs = this.#desk.clock.nowMs();
    if (neverSent && !this.#orphaned) {
      this.#phase = "waiting";
      this.#desk.enqueue(this, true);
    } else if (this.#repeatable) {
      this.#phase = "held";
      this.waitUntil(Number.POSITIVE_INFINITY);
      this.#desk.hold(this);
    } else if ("error" in failure && (this.#orphaned || wasConnectionLost(failure.error))) {
      this.#end(
        new AmbiguousOutcomeError(
          `${lane.name} was lost before it answered, and the call carries no idempotency key: it may have run or not`,
          { cause: failure.error },
        ),
      );
    } else this.deliverFailure();
    this.#desk.attemptEnded(lane);
  }

  /** Refused by ourselves, for good. */
  #refused(error: LocalRejection): void {
    if (this.#failure !== undefined && "error" in this.#failure && error.code === "DEADLINE_EXCEEDED") {
      this.#end(new DeadlineExceededError(error.message, { cause: this.#failure.error }));
    } else this.#end(error);
  }

  /** The station's breaker or bulkhead had no room after all: back to the front, and not again this instant. */
  #bounced(): void {
    const lane = this.#lane as Lane<S>;
    lane.notBeforeMs = this.#desk.clock.nowMs() + BOUNCE_MS;
    this.#phase = "waiting";
    this.#desk.enqueue(this, true);
  }

  /** Provably not executed. Under a newer epoch of ours it may go again; under the newest, we have been replaced. */
  #stale(error: StaleEpochError): void {
    this.#desk.epochSeen(error);
    if (this.#desk.epoch() > this.#epoch) {
      this.#phase = "waiting";
      this.#desk.enqueue(this, true);
    } else this.#end(error);
  }

  /** It was out at a station that was replaced, and may be repeated. Ask that station first, where it can be asked. */
  #mayHaveRun(lane: Lane<S>): void {
    const key = this.#options.idempotencyKey;
    const asked = key === undefined ? undefined : this.#desk.ask<R>(lane, key, this.deadline);
    if (asked === undefined) return this.#repeat(lane);
    this.#phase = "asking";
    asked.then((status) => {
      if (this.#phase !== "asking") return;
      if (status !== "unknown" && status.ran) this.#done(() => this.#sink.resolve(status.result));
      else if (status === "unknown") this.#repeat(lane);
      else this.#requeue();
    });
  }

  #repeat(lane: Lane<S>): void {
    if (this.#options.idempotencyKey === undefined || this.#desk.ambiguousKeyed === "resend") return this.#requeue();
    this.#end(new AmbiguousOutcomeError(`${lane.name} was replaced while it had this call; whether it ran is unknown`));
  }

  #requeue(): void {
    this.#phase = "waiting";
    this.#desk.enqueue(this, true);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #waitedTooLong(untilMs: number): void {
    this.#timer = undefined;
    const nowMs = this.#desk.clock.nowMs();
    const failure = this.#failure;
    if (failure !== undefined && "value" in failure) return this.#withdraw(undefined);
    const details = failure === undefined ? {} : { cause: failure.error };
    const late = nowMs >= this.deadline;
    this.#withdraw(
      late
        ? new DeadlineExceededError("the deadline passed while no station was fit to take the call", details)
        : new NoStationFitError(`no station was fit to take the call by ${Math.round(untilMs)} ms`, details),
    );
  }

  /** Ends it wherever it is; with no error, by delivering the failure it holds. */
  #withdraw(error: Error | undefined): void {
    if (this.#phase === "done") return;
    const call = this.#phase === "running" ? this.#call : undefined;
    const lane = this.#lane;
    this.#desk.forget(this);
    if (this.#charged) lane?.client.budget?.refund();
    this.#charged = false;
    this.#phase = "waiting";
    if (call !== undefined && error !== undefined) {
      call.cancel(error);
      this.#leave("ignored");
    }
    if (error === undefined) this.deliverFailure();
    else this.#end(error);
    if (lane !== undefined) this.#desk.attemptEnded(lane);
  }

  #leave(outcome: "success" | "failure" | "ignored"): void {
    const lane = this.#lane;
    if (lane?.inFlight.delete(this) === true) lane.ramp.leave(outcome);
  }

  #end(error: unknown): void {
    this.#done(() => this.#sink.reject(error));
  }

  #done(tell: () => void): void {
    const lane = this.#lane;
    this.#phase = "done";
    this.#stopTimer();
    this.#options.signal?.removeEventListener("abort", this);
    tell();
    if (lane !== undefined) this.#desk.attemptEnded(lane);
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

/** After a refusal by its own bulkhead, a station is left alone for this long. */
const BOUNCE_MS = 10;

class StationContext<S> implements FailoverContext<S> {
  readonly station: S;
  readonly role: "primary" | "backup";
  readonly epoch: number;
  readonly #attempt: AttemptContext;

  constructor(attempt: AttemptContext, station: S, role: "primary" | "backup", epoch: number) {
    this.#attempt = attempt;
    this.station = station;
    this.role = role;
    this.epoch = epoch;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  get deadline(): Deadline {
    return this.#attempt.deadline;
  }

  get idempotencyKey(): string | undefined {
    return this.#attempt.idempotencyKey;
  }

  timeLeftMs(): number {
    return this.#attempt.timeLeftMs();
  }
}
