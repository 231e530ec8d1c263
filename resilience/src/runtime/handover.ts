/**
 * A planned change of the active station: new calls wait, those in flight are given time to finish, then the new one is
 * promoted. It never happens inside a command unless the command outlasts the drain. A failure meanwhile overtakes it.
 */
import { NoStationFitError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import type { Lane, NamedStation } from "./lane.ts";

type Cause = "switchover" | "failback";

interface Pending<S extends NamedStation> {
  readonly to: string;
  readonly from: Lane<S>;
  readonly cause: Cause;
  readonly reason: string;
  readonly outcome: PromiseWithResolvers<number>;
  readonly timer: Disposable;
}

export class Handover<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #complete: (station: string, cause: Cause, reason: string) => number | string;
  #pending: Pending<S> | undefined = undefined;

  /** `complete` promotes and returns the epoch, or says why it did not. */
  constructor(clock: Clock, complete: (station: string, cause: Cause, reason: string) => number | string) {
    this.#clock = clock;
    this.#complete = complete;
  }

  /** Who is about to become active; undefined while none is. */
  get to(): string | undefined {
    return this.#pending?.to;
  }

  begin(lane: Lane<S>, from: Lane<S>, cause: Cause, reason: string, drainMs: number): Promise<number> {
    if (this.#pending !== undefined) {
      return Promise.reject(new NoStationFitError(`a handover to ${this.#pending.to} is under way`));
    }
    const timer = this.#clock.at(this.#clock.nowMs() + drainMs, () => this.#finish());
    const outcome = Promise.withResolvers<number>();
    this.#pending = { to: lane.name, from, cause, reason, outcome, timer };
    this.drained();
    return outcome.promise;
  }

  /** A call has ended: was it the last? */
  drained(): void {
    if (this.#pending?.from.inFlight.size === 0) this.#finish();
  }

  /** Something more urgent happened. */
  overtaken(reason: string): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    pending.timer[Symbol.dispose]();
    pending.outcome.reject(new NoStationFitError(`the handover to ${pending.to} was overtaken: ${reason}`));
  }

  #finish(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    pending.timer[Symbol.dispose]();
    const result = this.#complete(pending.to, pending.cause, pending.reason);
    if (typeof result === "number") pending.outcome.resolve(result);
    else pending.outcome.reject(new NoStationFitError(result));
  }
}
