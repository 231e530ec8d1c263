/**
 * Failed calls that may be repeated, until it is known whose failure it was. A promotion resumes them all. A success of
 * their station says one of two things. Had nothing at all got through around the failure, for long enough, it was the
 * station's: the call is *owed* another try as soon as the retry budget allows, and at once if it never reached the
 * station, for which it is no extra load then. Otherwise others succeeded while this
 * one failed, and it was probably the call's own: it may try once more if the budget allows at once, and is then failed.
 * One that comes back to a station which was lost with it in hand (stations have changed places twice) is owed as well.
 * Where the station is heard of but answers nobody, one held call at a time is tried as far as the budget goes, so that a
 * quiet service finds out that its station is well.
 */
import type { Clock } from "./clock.ts";
import { chargeRepeat } from "./fare.ts";
import type { Lane, NamedStation } from "./lane.ts";
import { Line } from "./line.ts";
import type { PendingCall } from "./pending-call.ts";

/** How often held calls are looked after where no call ends meanwhile. */
const LOOK_INTERVAL_MS = 250;

export class HeldCalls<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #active: () => Lane<S> | undefined;
  /** Whose failure it was is not known yet; in the order in which they failed. */
  readonly #undecided: Line<PendingCall<S>> = new Line();
  /** It was the station's. */
  readonly #owed: Line<PendingCall<S>> = new Line();
  #unsupervised = true;
  #settling = false;
  #timer: Disposable | undefined = undefined;

  constructor(clock: Clock, most: number, active: () => Lane<S> | undefined) {
    this.#clock = clock;
    this.#most = most;
    this.#active = active;
  }

  get size(): number {
    return this.#undecided.size + this.#owed.size;
  }

  /** While nobody supervises there will be no promotion to wait for: failures are delivered as they are. */
  set unsupervised(unsupervised: boolean) {
    this.#unsupervised = unsupervised;
    if (unsupervised) for (const call of this.#takeAll()) call.deliverFailure();
  }

  add(call: PendingCall<S>): void {
    if (this.#unsupervised || this.size >= this.#most) return call.deliverFailure();
    (call.owed ? this.#owed : this.#undecided).add(call);
    this.#timer ??= this.#clock.at(this.#clock.nowMs() + LOOK_INTERVAL_MS, () => this.#look());
  }

  forget(call: PendingCall<S>): void {
    this.#undecided.leave(call);
    this.#owed.leave(call);
    this.#stopIdleTimer();
  }

  resumeAll(): void {
    for (const call of this.#takeAll()) call.resume("elsewhere");
  }

  /** An attempt has ended. Calls are looked at in the order in which they failed, and only those that something has been learnt about. */
  settle(): void {
    // Delivering a failure ends a call, which asks for this again: in this loop, and not each inside the other.
    if (this.#settling) return;
    this.#settling = true;
    for (let call = this.#undecided.first; call !== undefined; call = this.#undecided.first) {
      const { lane } = call;
      if (lane === undefined || lane.commandPath.lastSuccessMs <= call.failedAtMs) break;
      this.#undecided.leave(call);
      const wasOut = lane.commandPath.wasOut(call.failedAtMs);
      if (wasOut && call.neverArrived) call.resume("in-place");
      else if (wasOut) this.#owed.add(call);
      else if (!call.triedAgain && chargeRepeat(lane, this.#clock.nowMs())) call.resume("charged");
      else call.deliverFailure();
    }
    this.#settling = false;
    this.#stopIdleTimer();
  }

  #look(): void {
    this.#timer = undefined;
    this.settle();
    const nowMs = this.#clock.nowMs();
    const lane = this.#active();
    if (lane?.serves(nowMs) === true && lane.ramp.admits(nowMs)) {
      for (let call = this.#owed.first; call !== undefined; call = this.#owed.first) {
        if (!this.#tryAgain(call, lane, nowMs)) break;
      }
      const here = lane.assessment?.silent === true ? undefined : this.#undecided.find((call) => call.lane === lane);
      if (here !== undefined) this.#tryAgain(here, lane, nowMs);
    }
    if (this.size > 0) this.#timer ??= this.#clock.at(nowMs + LOOK_INTERVAL_MS, () => this.#look());
  }

  #tryAgain(call: PendingCall<S>, lane: Lane<S>, nowMs: number): boolean {
    if (call.lane !== lane || !chargeRepeat(lane, nowMs)) return false;
    this.#undecided.leave(call);
    this.#owed.leave(call);
    call.resume("charged");
    return true;
  }

  #takeAll(): PendingCall<S>[] {
    const calls = [...this.#undecided.takeAll(), ...this.#owed.takeAll()];
    this.#stopIdleTimer();
    return calls;
  }

  #stopIdleTimer(): void {
    if (this.size > 0) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
