/**
 * How many asynchronous commands of a group may be on their way at once. It begins at one after a
 * start or a promotion and grows with each command that is answered; it is halved when a station
 * refuses one or cannot be reached. So a queue that has filled during an outage returns to the new
 * station as that one proves itself (additive increase, multiplicative decrease: Chiu and Jain,
 * 1989). Each command then still passes the failover's admission control, which knows the station's
 * capacity. While live calls wait there, only one command a second is released.
 */
export class PacedWindow {
  readonly #max: number;
  #limit = 1;
  /**
   * From the start to the first refusal each answer adds one; after it, a window of answers does.
   */
  #isFirstGrowth = true;
  #nextReductionMs: number = Number.NEGATIVE_INFINITY;
  #nextBesideLiveMs: number = Number.NEGATIVE_INFINITY;

  constructor(max: number) {
    this.#max = max;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  noteAnswered(): void {
    this.#limit = Math.min(this.#max, this.#limit + (this.#isFirstGrowth ? 1 : 1 / this.#limit));
  }

  noteRefused(nowMs: number): void {
    this.#isFirstGrowth = false;
    // Commands that were sent together are refused together: that is one sign, not many.
    if (nowMs < this.#nextReductionMs) return;
    this.#nextReductionMs = nowMs + REDUCTION_INTERVAL_MS;
    this.#limit = Math.max(1, this.#limit / 2);
  }

  /** Another station serves: nothing is known of what it takes. */
  restart(): void {
    this.#limit = 1;
    this.#isFirstGrowth = true;
  }

  /** When a command may be released although live calls wait. */
  get nextBesideLiveMs(): number {
    return this.#nextBesideLiveMs;
  }

  noteReleasedBesideLive(nowMs: number): void {
    this.#nextBesideLiveMs = nowMs + BESIDE_LIVE_INTERVAL_MS;
  }
}

const REDUCTION_INTERVAL_MS = 1_000;
const BESIDE_LIVE_INTERVAL_MS = 1_000;
