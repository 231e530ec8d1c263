/**
 * A planned change of the active station: new calls wait, those in flight are given time to finish, then the new one is
 * promoted. It never happens inside a command unless the command outlasts the drain. A failure meanwhile overtakes it.
 */
import { NoStationFitError } from "../core/errors.ts";
import type { PlannedCause } from "../core/failover.ts";
import type { Clock } from "./clock.ts";
import type { Lane, NamedStation } from "./lane.ts";

/** A change that is planned. */
export interface Plan<S extends NamedStation> {
  readonly to: Lane<S>;
  readonly from: Lane<S>;
  readonly cause: PlannedCause;
  readonly reason: string;
}

interface Pending<S extends NamedStation> extends Plan<S> {
  readonly outcome: PromiseWithResolvers<number>;
  readonly timer: Disposable;
}

export class Handover<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #complete: (plan: Plan<S>) => number | string;
  #pending: Pending<S> | undefined = undefined;

  /** `complete` promotes and returns the epoch, or says why it did not. */
  constructor(clock: Clock, complete: (plan: Plan<S>) => number | string) {
    this.#clock = clock;
    this.#complete = complete;
  }

  /** What is under way; undefined while nothing is. */
  get plan(): Plan<S> | undefined {
    return this.#pending;
  }

  /** Begins to drain; only while nothing is pending. Resolves with the new epoch, rejects where it was overtaken. */
  begin(plan: Plan<S>, drainMs: number): Promise<number> {
    const timer = this.#clock.at(this.#clock.nowMs() + drainMs, () => this.#finish());
    const outcome = Promise.withResolvers<number>();
    this.#pending = { ...plan, outcome, timer };
    this.drained();
    return outcome.promise;
  }

  /** A call has ended: was it the last? */
  drained(): void {
    if (this.#pending?.from.inFlight.size === 0) this.#finish();
  }

  /** Something more urgent happened. */
  overtaken(reason: string): void {
    const pending = this.#take();
    pending?.outcome.reject(new NoStationFitError(`the handover to ${pending.to.name} was overtaken: ${reason}`));
  }

  #finish(): void {
    const pending = this.#take();
    if (pending === undefined) return;
    const result = this.#complete(pending);
    if (typeof result === "number") pending.outcome.resolve(result);
    else pending.outcome.reject(new NoStationFitError(result));
  }

  #take(): Pending<S> | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.timer[Symbol.dispose]();
    return pending;
  }
}
