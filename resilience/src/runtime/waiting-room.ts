/**
 * Where calls are while nobody can take them, and the one door through which all of them leave: new calls, calls that
 * waited, calls that come back from a lost station. The door opens at the pace of the active station's ramp, so a
 * take-over is no stampede. Calls that come back go before new ones.
 *
 * Failed calls that may be repeated are *held* here, too, until it is known whose failure it was. A promotion resumes
 * them all. A success of their station says that the failure was their own: each may try once more, at the expense of
 * the retry budget, and is then failed. Where the station answers nobody, one held call at a time is tried again as far
 * as the budget goes, so that a quiet service finds out that its station is well.
 */
import { NoStationFitError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import type { PendingCall } from "./failover-call.ts";
import type { Lane, NamedStation } from "./lane.ts";

export interface WaitingRoomOptions<S extends NamedStation> {
  readonly clock: Clock;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Who serves, or undefined while nobody may. */
  readonly active: () => Lane<S> | undefined;
  /** When somebody could serve by time alone. */
  readonly mayServeAtMs: (nowMs: number) => number;
  readonly epoch: () => number;
}

/** How often a held call is offered to a station from which nothing is heard either way. */
const HELD_RETRY_MS = 250;

export class WaitingRoom<S extends NamedStation> {
  readonly #options: WaitingRoomOptions<S>;
  readonly #clock: Clock;
  readonly #returned: Set<PendingCall<S>> = new Set();
  readonly #fresh: Set<PendingCall<S>> = new Set();
  readonly #held: Set<PendingCall<S>> = new Set();
  #pumping = false;
  #timer: Disposable | undefined = undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #heldTimer: Disposable | undefined = undefined;

  constructor(options: WaitingRoomOptions<S>) {
    this.#options = options;
    this.#clock = options.clock;
  }

  get waiting(): number {
    return this.#returned.size + this.#fresh.size;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Lets `call` through if the door is open and nobody is before it; otherwise it waits. `front`: it was through before. */
  enqueue(call: PendingCall<S>, front: boolean): void {
    if (front) this.#returned.add(call);
    else if (this.waiting >= this.#options.maxWaiting && !this.#open()) {
      return call.refuse(
        new NoStationFitError(`${this.waiting} calls wait already for a station to take them (maxWaiting)`),
      );
    } else this.#fresh.add(call);
    this.pump();
    if (this.#returned.has(call) || this.#fresh.has(call))
      call.waitUntil(this.#clock.nowMs() + this.#options.maxWaitMs);
  }

  hold(call: PendingCall<S>): void {
    this.#held.add(call);
    this.#heldTimer ??= this.#clock.at(this.#clock.nowMs() + HELD_RETRY_MS, () => this.#tryOneHeld());
  }

  forget(call: PendingCall<S>): void {
    this.#returned.delete(call);
    this.#fresh.delete(call);
    this.#held.delete(call);
    this.#stopIdleTimers();
  }

  /** The station they failed at has been replaced. */
  resumeAll(): void {
    const calls = [...this.#held];
    this.#held.clear();
    for (const call of calls) call.resume(false);
    this.pump();
  }

  /** Lets through whoever may go now. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      if (this.#held.size > 0) this.#settleHeld();
      for (let call = this.#next(); call !== undefined; call = this.#next()) {
        const nowMs = this.#clock.nowMs();
        const lane = this.#options.active();
        if (lane === undefined || !lane.serves(nowMs) || !lane.ramp.admits(nowMs)) {
          this.#wakeAt(this.#opensAtMs(lane, nowMs));
          break;
        }
        this.#returned.delete(call);
        this.#fresh.delete(call);
        call.run(lane, this.#options.epoch(), nowMs);
      }
    } finally {
      this.#pumping = false;
      this.#stopIdleTimers();
    }
  }

  #open(): boolean {
    const nowMs = this.#clock.nowMs();
    const lane = this.#options.active();
    return this.waiting === 0 && lane?.serves(nowMs) === true && lane.ramp.admits(nowMs);
  }

  #next(): PendingCall<S> | undefined {
    for (const call of this.#returned) return call;
    for (const call of this.#fresh) return call;
    return undefined;
  }

  #opensAtMs(lane: Lane<S> | undefined, nowMs: number): number {
    if (lane === undefined) return this.#options.mayServeAtMs(nowMs);
    return Math.max(lane.servesAtMs(nowMs), lane.ramp.nextAdmitMs(nowMs));
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.[Symbol.dispose]();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.at(atMs, () => {
      this.#timer = undefined;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.pump();
    });
  }

  /** A success of the station since a held call failed: the failure may have been the call's own. */
  #settleHeld(): void {
    for (const call of [...this.#held]) {
      const lane = call.lane;
      if (lane === undefined || lane.commandPath.lastSuccessMs <= call.failedAtMs) continue;
      this.#held.delete(call);
      if (!call.triedAgain && this.#withdraw(lane)) call.resume(true);
      else call.deliverFailure();
    }
  }

  #tryOneHeld(): void {
    this.#heldTimer = undefined;
    const nowMs = this.#clock.nowMs();
    const lane = this.#options.active();
    for (const call of this.#held) {
      if (lane === undefined || lane !== call.lane || !lane.serves(nowMs) || !this.#withdraw(lane)) break;
      this.#held.delete(call);
      call.resume(true);
      break;
    }
    if (this.#held.size > 0) this.#heldTimer ??= this.#clock.at(nowMs + HELD_RETRY_MS, () => this.#tryOneHeld());
  }

  #withdraw(lane: Lane<S>): boolean {
    return lane.client.budget?.withdraw(this.#clock.nowMs()) !== false;
  }

  #stopIdleTimers(): void {
    if (this.waiting === 0) {
      this.#timer?.[Symbol.dispose]();
      this.#timer = undefined;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
    }
    if (this.#held.size === 0) {
      this.#heldTimer?.[Symbol.dispose]();
      this.#heldTimer = undefined;
    }
  }
}
