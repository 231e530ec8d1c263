/**
 * What one simulated process has before it, and in which order it does it: in turns, as libuv does.
 * A turn is the timers that were due when it began, the earliest first, and then what had arrived
 * by then (messages, finished writes). What comes up meanwhile waits for the next turn, so that
 * neither kind starves the other in a process that cannot keep up. When an event runs, and how long
 * it takes, is the node's business.
 */
import { TimerQueue } from "../../runtime/time/timer-queue.ts";
import type { NodeClock } from "./node-clock.ts";

export class EventLoop {
  readonly timers: TimerQueue = new TimerQueue();
  readonly #clock: NodeClock;
  /** What has come since this turn began. */
  #arrived: (() => void)[] = [];
  /** What had come by then. */
  #turn: readonly (() => void)[] = NOTHING;
  /** The first of `#turn` that was not taken yet. */
  #next = 0;
  /** When this turn began, on the machine's own clock. */
  #turnAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: NodeClock) {
    this.#clock = clock;
  }

  /** How much has arrived and was not taken yet. */
  get backlog(): number {
    return this.#arrived.length + this.#turn.length - this.#next;
  }

  /** Is there something that should have run by now? What arrives goes behind it. */
  get behind(): boolean {
    return this.backlog > 0 || this.#clock.hasPassed(this.timers.nextAtMs);
  }

  arrive(event: () => void): void {
    this.#arrived.push(event);
  }

  /** The next event, where there is one at this instant. */
  take(trueNowMs: number): (() => void) | undefined {
    if (this.timers.nextAtMs > this.#turnAtMs && this.#next >= this.#turn.length) this.#beginTurn(trueNowMs);
    const timer = this.timers.takeDue(this.#turnAtMs);
    if (timer !== undefined) return () => timer.run();
    return this.#next < this.#turn.length ? this.#turn[this.#next++] : undefined;
  }

  #beginTurn(trueNowMs: number): void {
    const nextMs = this.timers.nextAtMs;
    // A timer is due when its true instant has come, whatever rounding says.
    if (this.#clock.trueAtMs(nextMs) <= trueNowMs) this.#clock.reach(nextMs);
    this.#turnAtMs = this.#clock.nowMs();
    this.#next = 0;
    this.#turn = this.#arrived.length === 0 ? NOTHING : this.#arrived;
    if (this.#turn !== NOTHING) this.#arrived = [];
  }
}

const NOTHING: readonly (() => void)[] = [];
