/**
 * Timers that judge others. In each turn of the event loop timers run before sockets are read, so
 * what a timer is about to give up on may have arrived long ago; and a timer that fires late says
 * that this process did not run, so whoever was waited for may not even have been asked yet.
 * Therefore, before anything is judged: a late timer waits once more, as long as it was late; and
 * every timer lets the event loop go round once, which reads what has arrived.
 *
 * How long the process stood still is not known, only by how much the timer was late. Waiting as
 * long again assumes that it stopped as long before the instant as it went on after it; where that
 * is not the whole of the wait, nobody can say that the one waited for had its time, and nothing
 * should be held against it.
 */
import type { Clock } from "./clock.ts";

/**
 * A timer that is later than this says that this process did not run; less where the wait itself is
 * short.
 */
const LATE_MS = 25;
/** Timers of a busy process are late by this much. */
const BUSY_MS = 5;

/** Says a timer that is `lateMs` late after a wait of `waitMs` that this process stood still? */
export function isStall(lateMs: number, waitMs: number): boolean {
  return lateMs > Math.max(BUSY_MS, Math.min(LATE_MS, waitMs / 4));
}

/**
 * Told that the wait is over. `isFair`: this process ran all the while, or for the whole wait since
 * it stood still.
 */
type WaitOver = (isFair: boolean) => void;

class Wait implements Disposable {
  // Two functions for all waits, instead of two closures for each.
  static readonly #fired = (wait: Wait): void => wait.#fire();
  static readonly #read = (wait: Wait): void => wait.#over(wait.#isFair);
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #limitMs: number;
  readonly #over: WaitOver;
  #dueAtMs: number;
  #isFair = true;
  #isExtended = false;
  #timer: Disposable;

  constructor(clock: Clock, waitMs: number, limitMs: number, over: WaitOver) {
    const nowMs = clock.nowMs();
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#limitMs = limitMs;
    this.#over = over;
    this.#dueAtMs = Math.min(nowMs + waitMs, limitMs);
    this.#timer = clock.at(this.#dueAtMs, Wait.#fired, this);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #fire(): void {
    const nowMs = this.#clock.nowMs();
    const lateMs = nowMs - this.#dueAtMs;
    if (!this.#isExtended && isStall(lateMs, this.#waitMs)) {
      const againMs = Math.min(lateMs, this.#waitMs);
      this.#isExtended = true;
      this.#isFair = againMs >= this.#waitMs && nowMs + againMs <= this.#limitMs;
      this.#dueAtMs = Math.min(nowMs + againMs, this.#limitMs);
      if (this.#dueAtMs > nowMs) {
        this.#timer = this.#clock.at(this.#dueAtMs, Wait.#fired, this);
        return;
      }
    }
    this.#timer = this.#clock.at(nowMs, Wait.#read, this);
  }
}

/**
 * Runs `over` once `waitMs` have passed on `clock`, after a stall somewhat later (see above), and
 * what had arrived by then has been read; not waited for past `limitMs` (default: no limit).
 * Disposing cancels it.
 */
export function afterWait(
  clock: Clock,
  waitMs: number,
  over: WaitOver,
  limitMs: number = Number.POSITIVE_INFINITY,
): Disposable {
  return new Wait(clock, waitMs, limitMs, over);
}
