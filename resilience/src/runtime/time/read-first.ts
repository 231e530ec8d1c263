/**
 * Timers that judge others. In each turn of the event loop, timers run before sockets are read, so
 * an answer may have arrived long before the timer gives up on it. A timer that fires late shows
 * that this process was paused, so the request may not even have been sent yet. Therefore two
 * things happen before anything is judged: a late timer waits once more, for as long as it was
 * late, and every timer lets the event loop make one turn, which reads what has arrived.
 *
 * The length of the pause is unknown; only the lateness of the timer is known. Waiting for as long
 * again assumes that the pause began as long before the instant as it continued after it. If that
 * does not cover the whole wait, the other side may not have had its time, and nothing should count
 * against it.
 */
import type { Clock } from "./clock.ts";

/**
 * A timer that is later than this shows that this process was paused; less if the wait itself is
 * short.
 */
const LATE_MS = 25;
/** Timers of a busy process are late by up to this. */
const BUSY_MS = 5;

/**
 * Does a timer that is `lateMs` late after a wait of `waitMs` show that this process was paused?
 */
export function isStall(lateMs: number, waitMs: number): boolean {
  return lateMs > Math.max(BUSY_MS, Math.min(LATE_MS, waitMs / 4));
}

/**
 * Called when the wait is over. `isFair`: this process ran during the whole wait, or for a whole
 * wait after the pause.
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
 * Runs `over` when `waitMs` have passed on `clock`, after a pause slightly later (see above), and
 * when everything that had arrived by then has been read. Does not wait past `limitMs` (default: no
 * limit). Disposing cancels it.
 */
export function afterWait(
  clock: Clock,
  waitMs: number,
  over: WaitOver,
  limitMs: number = Number.POSITIVE_INFINITY,
): Disposable {
  return new Wait(clock, waitMs, limitMs, over);
}
