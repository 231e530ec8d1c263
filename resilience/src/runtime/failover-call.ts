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
 * idempotent, under the same key; anything else never, and the caller is told that the outcome is unknown. A failure
 * counts as the command's own only when the station succeeded at others around it; until then the command is held for a
 * promotion instead of being failed. Going to a station for a second time is paid for from its retry budget (`fare.ts`).
 */
import { AsyncResource } from "node:async_hooks";
import type { Deadline } from "../core/deadline.ts";
import {
  AmbiguousOutcomeError,
  CallAbortedError,
  DeadlineExceededError,
  LocalRejection,
  NoStationFitError,
  RetryBudgetExhaustedError,
  StaleEpochError,
} from "../core/errors.ts";
import { wasConnectionLost } from "../core/outcome.ts";
import { ambientDeadline, runUnder } from "./ambient-deadline.ts";
import type { CallOptions, CallSink } from "./call.ts";
import type { FailoverOperation } from "./failover-operation.ts";
import { Fare } from "./fare.ts";
import type { InFlight, Lane, NamedStation } from "./lane.ts";
import { Patience } from "./patience.ts";
import type { FailoverDesk, PendingCall, Resumption } from "./pending-call.ts";
import { causeOf, type Failure } from "./retry-plan.ts";
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
  lane: Lane<S> | undefined = undefined;
  #visit: Visit<S, R> | undefined = undefined;
  #patience: Patience | undefined = undefined;
  readonly #fare: Fare<S> = new Fare();
  /** The caller's, for attempts that somebody else's end or a timer starts. */
  readonly #context: AsyncResource = new AsyncResource("PrimaryBackupFailover.call");
  #inCallersContext = false;
  #failure: Failure<R> | undefined = undefined;
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

  get #repeatable(): boolean {
    // An empty key names nothing.
    return (this.#options.idempotencyKey ?? "") !== "" || this.#options.idempotent === true;
  }

  start(): void {
    const signal = this.#options.signal;
    if (signal?.aborted === true) return this.#end({ error: new CallAbortedError(signal.reason) });
    signal?.addEventListener("abort", this);
    this.#inCallersContext = true;
    this.#desk.enqueue(this, false);
    this.#inCallersContext = false;
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
    if (!this.#fare.pay(lane, nowMs)) return this.#hold();
    this.#patience?.stop();
    this.#phase = "running";
    const visit = new Visit<S, R>(this.#desk, lane, epoch, this.#fare, this, nowMs);
    this.#visit = visit;
    try {
      if (this.#inCallersContext) this.#begin(visit);
      else this.#context.runInAsyncScope(() => this.#beginElsewhere(visit));
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

  /** Started by somebody else's end or by a timer, it runs under no deadline but its own. */
  #beginElsewhere(visit: Visit<S, R>): void {
    if (ambientDeadline() < this.deadline) runUnder(this.deadline, () => this.#begin(visit));
    else this.#begin(visit);
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
    if (!visit.failed) return this.#end({ error });
    this.#failed(visit, { error });
  }

  stationLost(): void {
    const visit = this.#visit;
    if (this.#phase !== "running" || visit === undefined) return;
    visit.lostAtStart = !visit.begun;
    if (!visit.begun) return;
    visit.orphaned = visit.sent && !this.#repeatable;
    if (visit.orphaned) return;
    this.#phase = "asking";
    visit.leave("ignored");
    const lost = new AmbiguousOutcomeError(`${visit.lane.name} was replaced while it had this call: it may have run`);
    if (visit.sent) this.#noteFailure({ error: lost });
    visit.cancel(lost);
    // Cancelling runs the operation's abort listeners, which may have ended this call.
    if (this.#phase !== "asking") return;
    if (visit.sent) this.#mayHaveRun(visit.lane, lost);
    else this.#requeue();
  }

  resume(how: Resumption): void {
    if (this.#phase === "done" || this.lane === undefined) return;
    if (how === "charged") this.#fare.chargedBy(this.lane);
    if (how === "in-place") this.#fare.undone(this.lane);
    this.triedAgain = how !== "elsewhere";
    this.#requeue();
  }

  deliverFailure(): void {
    this.#end(this.#failure ?? { error: GIVEN_UP });
  }

  // ── how it ended ────────────────────────────────────────────────────────────────────────────────────────────────

  #failed(visit: Visit<S, R>, failure: Failure<R>): void {
    const { lane } = visit;
    this.#noteFailure(failure);
    this.neverArrived = visit.neverArrived;
    lane.callFailed(this.failedAtMs);
    if (this.#repeatable || !visit.sent) {
      if (this.#desk.isActive(lane)) this.#hold();
      else this.#requeue();
    } else if ("error" in failure && (visit.orphaned || wasConnectionLost(failure.error))) {
      const why = `${lane.name} was lost before it answered, and the call carries no idempotency key`;
      this.#end({ error: new AmbiguousOutcomeError(`${why}: it may have run or not`, { cause: failure.error }) });
    } else this.#end(failure);
    this.#desk.attemptEnded(lane);
  }

  #noteFailure(failure: Failure<R>): void {
    this.#failure = failure;
    this.failedAtMs = this.#desk.clock.nowMs();
  }

  /** Refused by ourselves, for good: a deadline, as a rule. */
  #refusedForGood(visit: Visit<S, R>, error: LocalRejection): void {
    if (!(error instanceof DeadlineExceededError)) return this.#end({ error });
    if (visit.outcome === "ignored") visit.noteUnanswered();
    const earlier = error.cause === undefined ? causeOf(this.#failure) : {};
    this.#end({ error: "cause" in earlier ? new DeadlineExceededError(error.message, earlier) : error });
  }

  /** Provably not executed. Under a newer epoch of ours it may go again; under the newest, we have been replaced. */
  #stale(visit: Visit<S, R>, error: StaleEpochError): void {
    this.#desk.epochSeen(error);
    if (this.#desk.epoch() <= visit.epoch || this.#staleResends++ >= MOST_STALE_RESENDS) return this.#end({ error });
    this.#fare.undone(visit.lane);
    this.#putBack(visit.lane, { error });
  }

  /** Not now: back to the front of the queue. */
  #putBack(lane: Lane<S>, why: Failure<R>): void {
    this.#failure ??= why;
    this.#requeue();
    this.#desk.attemptEnded(lane);
  }

  /** It was out at a station that was replaced, and may be repeated. Ask that station first, where it can be asked. */
  #mayHaveRun(lane: Lane<S>, lost: AmbiguousOutcomeError): void {
    const key = this.#options.idempotencyKey || undefined;
    const resend = key === undefined || this.#desk.ambiguousKeyed === "resend";
    const asked = key === undefined ? undefined : this.#desk.ask<R>(lane, key, this.deadline);
    if (asked === undefined) return resend ? this.#requeue() : this.#end({ error: lost });
    asked.then((status) => {
      if (this.#phase !== "asking") return;
      if (status !== "unknown" && status.ran) this.#end({ value: status.result });
      else if (status !== "unknown" || resend) this.#requeue();
      else this.#end({ error: lost });
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
    const failure = this.#failure;
    const early = this.#desk.clock.nowMs() < this.deadline;
    if (failure !== undefined && (early || "value" in failure)) return this.#withdraw(failure);
    const message = "no station became fit to take the call in time";
    if (early) return this.#withdraw({ error: new NoStationFitError(message) });
    const error = new DeadlineExceededError(message, causeOf(failure));
    this.#withdraw({ error });
  }

  /** Ends it wherever it is. */
  #withdraw(end: Failure<R>): void {
    if (this.#phase === "done") return;
    const visit = this.#phase === "running" ? this.#visit : undefined;
    this.#desk.forget(this);
    if (visit?.sent === true) visit.noteUnanswered();
    visit?.leave("ignored");
    this.#end(end);
    visit?.cancel("error" in end ? (end.error as Error) : GIVEN_UP);
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
