/**
 * One command on its way through whoever is active. Its states, and what moves it:
 *
 *   waiting ──admitted──► running ──success──► done
 *      ▲  ▲                 │ │ └─ failed, cannot be repeated ──► done (its error, or *ambiguous outcome*)
 *      │  └─ station lost ──┘ │
 *      │                      └─ failed, can be repeated ──► held ──► done (the failure was the command's own)
 *      └────────── promotion, or the station proved well ─────┘
 *
 * What may be repeated (rule F4): what provably was never sent, always; what carries an idempotency key or was declared
 * idempotent, under the same key; anything else never, and the caller is told that the outcome is unknown. What has
 * reached one station goes to another only after that one was asked about its key, or as `ambiguousKeyed` says. A failure
 * counts as the command's own only when the station succeeded at others around it; until then the command is held for a
 * promotion instead of being failed. Going to a station for a second time is paid for from its retry budget (`fare.ts`).
 */
import type { Deadline } from "../core/deadline.ts";
import {
  CallAbortedError,
  DeadlineExceededError,
  LocalRejection,
  NoStationFitError,
  RetryBudgetExhaustedError,
  StaleEpochError,
} from "../core/errors.ts";
import { wasConnectionLost } from "../core/outcome.ts";
import { type CallOptions, type CallSink, isRepeatable } from "./call-options.ts";
import { CallersContext } from "./callers-context.ts";
import type { FailoverOperation } from "./failover-operation.ts";
import { Fare } from "./fare.ts";
import type { InFlight, Lane, NamedStation } from "./lane.ts";
import { Patience } from "./patience.ts";
import type { FailoverDesk, PendingCall, Resumption } from "./pending-call.ts";
import { causeOf, type Failure } from "./retry-plan.ts";
import { replacedUnknown, standing, unkeyedUnknown, waitedInVain } from "./unknown-outcome.ts";
import { Visit } from "./visit.ts";

type Phase = "waiting" | "running" | "held" | "asking" | "done";

/** How often a station may answer that it has seen a newer epoch: after that, somebody else is at work. */
const MOST_STALE_RESENDS = 3;
/** The reason of an attempt that is ended because its call is over already. */
const GIVEN_UP = new NoStationFitError("the call was given up");
/** Refusals of our own that say "not now" rather than "not at all". */
const PASSING = new Set(["BREAKER_OPEN", "BULKHEAD_FULL", "BULKHEAD_TIMEOUT"]);

export class FailoverCall<S extends NamedStation, R> implements CallSink<R>, InFlight, PendingCall<S> {
  readonly deadline: Deadline;
  readonly #desk: FailoverDesk<S>;
  readonly #operation: FailoverOperation<S, R>;
  readonly #options: CallOptions;
  readonly #sink: CallSink<R>;
  #phase: Phase = "waiting";
  failedAtMs: number = Number.NEGATIVE_INFINITY;
  neverArrived = false;
  triedAgain = false;
  owed = false;
  lane: Lane<S> | undefined = undefined;
  #visit: Visit<S, R> | undefined = undefined;
  #patience: Patience | undefined = undefined;
  readonly #fare: Fare<S> = new Fare();
  readonly #context: CallersContext = new CallersContext();
  #failure: Failure<R> | undefined = undefined;
  /** The station that an attempt has reached, which may have executed it. */
  #reached: Lane<S> | undefined = undefined;
  /** Of which of these it has been settled how to go on from there. */
  #left: Lane<S> | undefined = undefined;
  #staleResends = 0;

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

  get repeatable(): boolean {
    return isRepeatable(this.#options);
  }

  start(): void {
    const signal = this.#options.signal;
    if (signal?.aborted === true) return this.#end({ error: new CallAbortedError(signal.reason) });
    signal?.addEventListener("abort", this);
    this.#context.enter(() => this.#desk.enqueue(this, false));
  }

  handleEvent(): void {
    this.#withdraw({ error: new CallAbortedError(this.#options.signal?.reason) });
  }

  refuse(error: Error): void {
    this.#end(this.#failure ?? { error });
  }

  waitUntil(untilMs: number): void {
    if (this.#phase === "done") return;
    this.#patience ??= new Patience(this.#desk.clock, this.deadline, () => this.#waitedTooLong());
    this.#patience.start(untilMs);
  }

  run(lane: Lane<S>, epoch: number, nowMs: number): void {
    this.lane = lane;
    this.neverArrived = false;
    // It was put back into the queue with a failure at one station, and now it is another's turn.
    if (this.#reached !== lane && this.#reached !== this.#left) return this.#goElsewhere();
    this.owed = !this.#fare.pay(lane, nowMs);
    if (this.owed) return this.#hold();
    this.#patience?.stop();
    this.#phase = "running";
    const visit = new Visit<S, R>(this.#desk, lane, epoch, this.#fare, this);
    this.#visit = visit;
    try {
      this.#context.run(this.deadline, () => this.#begin(visit));
    } catch (error) {
      visit.leave("ignored");
      return this.#end({ error });
    }
    // It may have been refused and queued again, or aborted by its own operation, in that step.
    if (this.#phase !== "running") visit.cancel(GIVEN_UP);
    else if (visit.lostAtStart) this.stationLost();
  }

  #begin(visit: Visit<S, R>): void {
    const { deadline } = this;
    if (this.#options.signal === undefined) return visit.begin(this.#operation, { ...this.#options, deadline });
    const { signal: _ours, ...options } = this.#options;
    visit.begin(this.#operation, { ...options, deadline });
  }

  resolve(value: R): void {
    const visit = this.#visit;
    if (this.#phase !== "running" || visit === undefined) return;
    visit.leave(visit.failed ? "failure" : visit.outcome === "ignored" ? "ignored" : "success");
    if (visit.failed) this.#failed(visit, { value });
    else this.#end({ value });
  }

  reject(error: unknown): void {
    const visit = this.#visit;
    if (this.#phase !== "running" || visit === undefined) return;
    visit.leave(visit.failed ? "failure" : "ignored");
    // Where a retry was stopped, an attempt before it may have run.
    if (visit.earlierFailure !== undefined && visit.stoppedWith(error)) this.#noteFailure(visit, visit.earlierFailure);
    if (visit.stoppedWith(error)) return this.#putBack(visit.lane, { error });
    if (visit.outcome === undefined) {
      if (error instanceof LocalRejection && PASSING.has(error.code)) {
        visit.lane.pause(this.#desk.clock.nowMs());
        return this.#putBack(visit.lane, { error });
      }
      // The budget had room when this attempt was planned, and has none now: the failure that it was to mend stands.
      if (error instanceof RetryBudgetExhaustedError) return this.#hold();
    }
    if (error instanceof StaleEpochError) return this.#stale(visit, error);
    if (error instanceof LocalRejection) return this.#refusedForGood(visit, error);
    return visit.failed ? this.#failed(visit, { error }) : this.#end({ error });
  }

  stationLost(): void {
    const visit = this.#visit;
    if (this.#phase !== "running" || visit === undefined) return;
    visit.lostAtStart = !visit.begun;
    // A success that was slow can be what opened the circuit: it is being booked, and is about to be delivered.
    if (!visit.begun || visit.outcome === "success") return;
    visit.orphaned = visit.sent && !this.repeatable;
    // It may still be answered, but not for ever: the station was given up for a reason.
    if (visit.orphaned) return this.waitUntil(this.#desk.clock.nowMs() + this.#desk.maxWaitMs);
    this.#phase = "asking";
    visit.leave("ignored");
    const lost = replacedUnknown(visit.lane.name);
    if (visit.sent) this.#noteFailure(visit, { error: lost });
    visit.cancel(lost);
    // Cancelling runs the operation's abort listeners, which may have ended this call.
    if (this.#phase !== "asking") return;
    this.#goElsewhere();
  }

  resume(how: Resumption): void {
    if (this.#phase === "done" || this.lane === undefined) return;
    if (how === "charged") this.#fare.chargedBy(this.lane);
    if (how === "in-place") this.#fare.undone(this.lane);
    this.triedAgain = how !== "elsewhere";
    return how === "elsewhere" ? this.#goElsewhere() : this.#requeue();
  }

  deliverFailure(): void {
    this.#end(this.#failure ?? { error: GIVEN_UP });
  }

  #failed(visit: Visit<S, R>, failure: Failure<R>): void {
    const { lane } = visit;
    this.#noteFailure(visit, failure);
    this.neverArrived = visit.neverArrived;
    lane.callFailed(this.failedAtMs);
    if (this.repeatable || !visit.sent) {
      if (this.#desk.isActive(lane)) this.#hold();
      else this.#goElsewhere();
    } else if ("error" in failure && (visit.orphaned || wasConnectionLost(failure.error))) {
      this.#end({ error: unkeyedUnknown(lane.name, failure.error) });
    } else this.#end(failure);
    this.#desk.attemptEnded(lane);
  }

  /** An attempt that never arrived does not take the place of a failure that may have run: that would be a false proof. */
  #noteFailure(visit: Visit<S, R>, failure: Failure<R>): void {
    if (visit.sent) this.#reached = visit.lane;
    if (visit.sent || this.#reached === undefined) this.#failure = failure;
    this.failedAtMs = this.#desk.clock.nowMs();
  }

  /** Refused by ourselves, for good: a deadline, as a rule. */
  #refusedForGood(visit: Visit<S, R>, error: LocalRejection): void {
    if (!(error instanceof DeadlineExceededError)) return this.#end({ error });
    if (visit.orphaned) return this.#end({ error: unkeyedUnknown(visit.lane.name, error) });
    visit.noteUnanswered();
    const details = error.cause === undefined ? causeOf(this.#failure) : { cause: error.cause };
    const mayHaveRun = error.mayHaveRun || this.#reached !== undefined;
    this.#end({ error: new DeadlineExceededError(error.message, { ...details, mayHaveRun }) });
  }

  /** Provably not executed (one before it may have been). Under a newer epoch of ours it may go again; under the newest, we have been replaced. */
  #stale(visit: Visit<S, R>, error: StaleEpochError): void {
    this.#desk.epochSeen(error);
    const replaced = this.#desk.epoch() <= visit.epoch || this.#staleResends++ >= MOST_STALE_RESENDS;
    if (replaced) return this.#end(this.#reached ? standing(this.#reached.name, this.#failure) : { error });
    this.#fare.undone(visit.lane);
    this.#putBack(visit.lane, { error });
  }

  /** Not now: back to the front of the queue. */
  #putBack(lane: Lane<S>, why: Failure<R>): void {
    this.#failure ??= why;
    this.#requeue();
    this.#desk.attemptEnded(lane);
  }

  /** Its station was replaced. Where it has reached one, that one is asked first, if it can be asked. */
  #goElsewhere(): void {
    const key = this.#options.idempotencyKey || undefined;
    const reached = this.#reached;
    this.#left = reached;
    if (reached === undefined || key === undefined) return this.#requeue();
    const resend = this.#desk.ambiguousKeyed === "resend";
    const asked = this.#desk.ask<R>(reached, key, this.deadline);
    const stand = (): void => this.#end(standing(reached.name, this.#failure));
    if (asked === undefined) return resend ? this.#requeue() : stand();
    this.#phase = "asking";
    asked.then((status) => {
      if (this.#phase !== "asking") return;
      if (status !== "unknown" && status.ran) this.#end({ value: status.result });
      else if (status !== "unknown" || resend) this.#requeue();
      else stand();
    });
  }

  #requeue(): void {
    this.#phase = "waiting";
    this.#desk.enqueue(this, true);
  }

  #hold(): void {
    this.#phase = "held";
    this.#desk.hold(this);
  }

  #waitedTooLong(): void {
    if (this.#phase === "running") return this.#withdraw({ error: replacedUnknown((this.lane as Lane<S>).name) });
    this.#withdraw(waitedInVain(this.#failure, this.#reached !== undefined, this.#desk.clock.nowMs() < this.deadline));
  }

  /** Ends it wherever it is. */
  #withdraw(end: Failure<R>): void {
    if (this.#phase === "done") return;
    const visit = this.#phase === "running" ? this.#visit : undefined;
    this.#desk.forget(this);
    visit?.noteUnanswered();
    visit?.leave("ignored");
    this.#end(end);
    visit?.cancel("error" in end ? (end.error as Error) : GIVEN_UP);
    // What that gave back (a half-open circuit's permit, for one) may be what somebody waits for.
    if (visit !== undefined) this.#desk.attemptEnded(visit.lane);
  }

  #end(end: Failure<R>): void {
    if (this.#phase === "done") return;
    this.#phase = "done";
    this.#patience?.stop();
    this.#fare.refund();
    this.#options.signal?.removeEventListener("abort", this);
    if ("value" in end) this.#sink.resolve(end.value);
    else this.#sink.reject(end.error);
    if (this.lane !== undefined) this.#desk.attemptEnded(this.lane);
  }
}
