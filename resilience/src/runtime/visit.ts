/**
 * One stay of a call at one station: the client's call there, retries included, from admission to its end. It knows what
 * is checked in the very step in which an attempt is sent (there may have been a wait for a slot or a backoff since
 * admission), under which epoch it goes, and what its end says about the station.
 */
import { NoStationFitError } from "../core/errors.ts";
import type { Outcome } from "../core/outcome.ts";
import type { AttemptContext } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { CallOptions, CallSink } from "./call-options.ts";
import { type FailoverOperation, StationContext } from "./failover-operation.ts";
import type { Fare } from "./fare.ts";
import type { InFlight, Lane, NamedStation } from "./lane.ts";
import type { FailoverDesk } from "./pending-call.ts";
import type { Failure } from "./retry-plan.ts";

export class Visit<S extends NamedStation, R> {
  readonly lane: Lane<S>;
  readonly #desk: FailoverDesk<S>;
  readonly #fare: Fare<S>;
  readonly #owner: InFlight & CallSink<R>;
  #epoch: number;
  #call: Call<R> | undefined = undefined;
  #attempted = false;
  /** As the client's `begin` was told. */
  #charged: boolean | undefined = undefined;
  /** With this an attempt was stopped before it was sent. */
  #stop: Error | undefined = undefined;
  /** The station was replaced in the very step in which the visit began. */
  lostAtStart = false;
  /** The station was replaced, and the call cannot be repeated: it goes on waiting for an answer. */
  orphaned = false;

  constructor(desk: FailoverDesk<S>, lane: Lane<S>, epoch: number, fare: Fare<S>, owner: InFlight & CallSink<R>) {
    this.#desk = desk;
    this.lane = lane;
    this.#epoch = epoch;
    this.#fare = fare;
    this.#owner = owner;
    lane.inFlight.add(owner);
    lane.ramp.enter();
  }

  /** Goes in. `options` are the call's without its signal, which the owner minds itself. May throw, as the client does. */
  begin(operation: FailoverOperation<S, R>, options: CallOptions): void {
    const attempt = (context: AttemptContext): PromiseLike<R> | R => this.#attempt(operation, context);
    this.#charged = this.#fare.handOver(this.lane);
    this.#call = this.lane.client.begin<R>(attempt, options, this.#owner, this.#charged);
  }

  /** False in the step in which it begins. */
  get begun(): boolean {
    return this.#call !== undefined;
  }

  /** Has an attempt gone out that may have reached the station? */
  get sent(): boolean {
    return this.#attempted && this.#call?.sent === true;
  }

  /** Did it come to nothing before it reached the station, for which the next attempt is the first then? */
  get neverArrived(): boolean {
    return this.outcome === "never-sent" && this.#charged !== true;
  }

  /** How an attempt before the last one failed, where there was one. */
  get earlierFailure(): Failure<R> | undefined {
    return this.sent ? this.#call?.failure : undefined;
  }

  /** How the last attempt ended; undefined where none was made. */
  get outcome(): Outcome | undefined {
    return this.#call?.outcome;
  }

  get failed(): boolean {
    return this.outcome === "failure" || this.outcome === "never-sent";
  }

  /** Was it by us that this attempt was stopped before it was sent? */
  stoppedWith(error: unknown): boolean {
    return this.#stop !== undefined && error === this.#stop;
  }

  /** It is over, and makes room for another. */
  leave(outcome: "success" | "failure" | "ignored"): void {
    if (this.lane.inFlight.delete(this.#owner)) this.lane.ramp.leave(outcome);
  }

  /** Ends what is still under way; the operation is told through its signal. */
  cancel(error: Error): void {
    this.#call?.cancel(error);
  }

  /**
   * Nobody waits any more for the attempt that is out, if one is. That speaks against the station if it was given time;
   * what went before (a wait for a slot, an attempt that has been counted, a backoff) does not.
   */
  noteUnanswered(): void {
    const sinceMs = this.#call?.unansweredSinceMs;
    const nowMs = this.#desk.clock.nowMs();
    if (sinceMs === undefined || nowMs < this.lane.distrustUntilMs) return;
    this.lane.commandPath.noteUnanswered(sinceMs, nowMs);
  }

  /** The epoch under which its last attempt went. */
  get epoch(): number {
    return this.#epoch;
  }

  #attempt(operation: FailoverOperation<S, R>, context: AttemptContext): PromiseLike<R> | R {
    const refusal = this.#refusalToSend();
    if (refusal !== undefined) {
      this.#stop = refusal;
      const isRetry = context.attempt > 1;
      if (isRetry || this.#charged !== false) this.lane.client.budget?.retract(isRetry || this.#charged === true);
      throw refusal;
    }
    this.#attempted = true;
    this.#fare.attempted(this.lane);
    if (this.#desk.isActive(this.lane)) this.#epoch = this.#desk.epoch();
    return operation(new StationContext(context, this.lane.station, this.lane.role, this.#epoch));
  }

  #refusalToSend(): Error | undefined {
    const { name, ramp } = this.lane;
    if (this.lostAtStart) return new NoStationFitError(`${name} was replaced before this was sent`);
    if (this.#desk.leaseLost()) return new NoStationFitError("the lease is over; nothing is sent without it");
    if (!ramp.declared || ramp.charge(this.#desk.clock.nowMs())) return undefined;
    return new NoStationFitError(`${name} is at its declared capacity of ${ramp.capacityPerSecond} a second`);
  }
}
