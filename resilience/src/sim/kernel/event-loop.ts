/**
 * The pending events of one simulated process, and their order: in turns, as in libuv. A turn is
 * first the timers that were due when it began, the earliest first, and then the messages and
 * finished writes that had arrived by then. Later events wait for the next turn, so that neither
 * kind starves the other in a process that cannot keep up. The node decides when an event runs and
 * how long it takes.
 */
import { TimerQueue } from "../../runtime/time/timer-queue.ts";
import type { NodeClock } from "./node-clock.ts";

export class EventLoop {
  readonly timers: TimerQueue = new TimerQueue();
  readonly #clock: NodeClock;
  /** Events that have arrived since this turn began. */
  #arrived: (() => void)[] = [];
  /** Events that had arrived by then. */
  #turn: readonly (() => void)[] = NOTHING;
  /** The index of the first event of `#turn` that was not taken yet. */
  #next = 0;
  /** When this turn began, on the machine's own clock. */
  #turnAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: NodeClock) {
    this.#clock = clock;
  }

  /** How many events have arrived and were not taken yet. */
  get backlog(): number {
    return this.#arrived.length + this.#turn.length - this.#next;
  }

  /** Whether an event should have run by now. New arrivals go behind it. */
  get behind(): boolean {
    return this.backlog > 0 || this.#clock.hasPassed(this.timers.nextAtMs);
  }

  arrive(event: () => void): void {
    this.#arrived.push(event);
  }

  /** The next event, if there is one at this instant. */
  take(trueNowMs: number): (() => void) | undefined {
    if (this.timers.nextAtMs > this.#turnAtMs && this.#next >= this.#turn.length) this.#beginTurn(trueNowMs);
    const timer = this.timers.takeDue(this.#turnAtMs);
    if (timer !== undefined) return () => timer.run();
    return this.#next < this.#turn.length ? this.#turn[this.#next++] : undefined;
  }

  #beginTurn(trueNowMs: number): void {
    const nextMs = this.timers.nextAtMs;
    // A timer is due when its true instant has come, even if the local clock differs by rounding.
    if (this.#clock.trueAtMs(nextMs) <= trueNowMs) this.#clock.reach(nextMs);
    this.#turnAtMs = this.#clock.nowMs();
    this.#next = 0;
    this.#turn = this.#arrived.length === 0 ? NOTHING : this.#arrived;
    if (this.#turn !== NOTHING) this.#arrived = [];
  }
}

const NOTHING: readonly (() => void)[] = [];
