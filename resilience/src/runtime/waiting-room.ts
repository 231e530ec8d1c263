/**
 * Where calls are while nobody can take them, and the one door through which all of them leave: new calls, calls that
 * waited, calls that come back from a lost station. The door opens at the pace of the active station's ramp, so a
 * take-over is no stampede. Calls that come back go before new ones. Failed calls that may be repeated stay in the
 * waiting room, too, until it is known whose failure it was (see `held-calls.ts`).
 */
import { NoStationFitError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import { HeldCalls } from "./held-calls.ts";
import type { Lane, NamedStation } from "./lane.ts";
import { Line } from "./line.ts";
import type { PendingCall } from "./pending-call.ts";

export interface WaitingRoomOptions<S extends NamedStation> {
  readonly clock: Clock;
  /** How many calls may wait for their turn, and how many may be held. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Who serves, or undefined while nobody may. */
  readonly active: () => Lane<S> | undefined;
  /** When somebody could serve by time alone. */
  readonly mayServeAtMs: (nowMs: number) => number;
  readonly epoch: () => number;
}

/** Half of all answers take longer than usual, and a call that is cut short costs its connection: time for twice as long. */
const ROOM = 2;

export class WaitingRoom<S extends NamedStation> {
  readonly #options: WaitingRoomOptions<S>;
  readonly #clock: Clock;
  readonly #returned: Line<PendingCall<S>> = new Line();
  readonly #fresh: Line<PendingCall<S>> = new Line();
  readonly #held: HeldCalls<S>;
  #pumping = false;
  #timer: Disposable | undefined = undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(options: WaitingRoomOptions<S>) {
    this.#options = options;
    this.#clock = options.clock;
    this.#held = new HeldCalls(options.clock, options.maxWaiting, options.active);
  }

  get waiting(): number {
    return this.#returned.size + this.#fresh.size;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Lets `call` through if the door is open and nobody is before it; otherwise it waits. `front`: it was through before. */
  enqueue(call: PendingCall<S>, front: boolean): void {
    if (this.waiting === 0 && !this.#pumping && this.#passAtOnce(call)) return;
    const queue = front ? this.#returned : this.#fresh;
    // While calls are being let through, this one is looked at right after: it does not have to wait for that.
    if (!front && this.waiting >= Math.max(this.#options.maxWaiting, this.#pumping ? 1 : 0)) {
      const message = `${this.waiting} calls wait already for a station to take them (maxWaiting)`;
      return call.refuse(new NoStationFitError(message));
    }
    queue.add(call);
    this.pump();
    if (queue.has(call)) call.waitUntil(this.#clock.nowMs() + this.#options.maxWaitMs);
  }

  /** Keeps a failed call until a promotion, or until it is known whose the failure was. */
  hold(call: PendingCall<S>): void {
    this.#held.add(call);
    call.waitUntil(this.#clock.nowMs() + this.#options.maxWaitMs);
  }

  forget(call: PendingCall<S>): void {
    this.#leave(call);
    this.#held.forget(call);
    this.#stopIdleTimer();
  }

  /** The station that held calls failed at has been replaced. */
  resumeHeld(): void {
    this.#held.resumeAll();
    this.pump();
  }

  /** From now on (`true`) nobody decides, so nobody needs to be held; until `false`. */
  set unsupervised(unsupervised: boolean) {
    this.#held.unsupervised = unsupervised;
  }

  /** Lets through whoever may go now. */
  pump(): void {
    if (this.#pumping) return;
    if (this.#held.size > 0) this.#held.settle();
    if (this.waiting === 0) return;
    this.#pumping = true;
    try {
      for (let call = this.#next(); call !== undefined; call = this.#next()) {
        const nowMs = this.#clock.nowMs();
        const lane = this.#options.active();
        if (lane === undefined || !lane.serves(nowMs) || !lane.ramp.admits(nowMs)) {
          this.#wakeAt(this.#opensAtMs(lane, nowMs));
          break;
        }
        const chosen = this.#chosen(lane, nowMs) ?? call;
        this.#leave(chosen);
        chosen.run(lane, this.#options.epoch(), nowMs);
      }
    } finally {
      this.#pumping = false;
      this.#stopIdleTimer();
    }
  }

  #passAtOnce(call: PendingCall<S>): boolean {
    const nowMs = this.#clock.nowMs();
    const lane = this.#options.active();
    if (lane === undefined || !lane.serves(nowMs) || !lane.ramp.admits(nowMs)) return false;
    this.#pumping = true;
    try {
      call.run(lane, this.#options.epoch(), nowMs);
    } finally {
      this.#pumping = false;
    }
    // Who came while it was being started has not been looked at.
    this.pump();
    return true;
  }

  #next(): PendingCall<S> | undefined {
    return this.#returned.first ?? this.#fresh.first;
  }

  /**
   * Whose turn it is at `lane`; undefined for whoever is first. A call that cannot be answered any more before its time
   * is up helps nobody, and where only a few get through it stands in the way of those that could: served oldest first,
   * a healthy station would go on being asked for what nobody waits for (the queue that outlives its overload; Maurer,
   * Fail at Scale, 2015, serves the newest first then). So where all hangs on the next answer, whoever has most time left
   * goes, one that can be repeated if nobody knows whether the station lives; elsewhere the first who has time enough.
   */
  #chosen(lane: Lane<S>, nowMs: number): PendingCall<S> | undefined {
    if (lane.onTrial) return this.#mostTimeLeft(true) ?? this.#mostTimeLeft(false);
    if (lane.hangsOnNextAnswer) return this.#mostTimeLeft(false);
    const endsMs = nowMs + ROOM * lane.commandPath.answerMs;
    const hasTime = (call: PendingCall<S>): boolean => call.deadline > endsMs;
    const first = this.#next();
    if (first === undefined || hasTime(first)) return first;
    return this.#returned.find(hasTime) ?? this.#fresh.find(hasTime) ?? this.#mostTimeLeft(false);
  }

  #mostTimeLeft(repeatable: boolean): PendingCall<S> | undefined {
    const deadline = (call: PendingCall<S>): number =>
      repeatable && !call.repeatable ? Number.NEGATIVE_INFINITY : call.deadline;
    const returned = this.#returned.best(deadline);
    const fresh = this.#fresh.best(deadline);
    if (returned === undefined || fresh === undefined) return returned ?? fresh;
    return fresh.deadline > returned.deadline ? fresh : returned;
  }

  #leave(call: PendingCall<S>): void {
    this.#returned.leave(call);
    this.#fresh.leave(call);
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

  #stopIdleTimer(): void {
    if (this.#timer === undefined || this.waiting > 0) return;
    this.#timer[Symbol.dispose]();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }
}
