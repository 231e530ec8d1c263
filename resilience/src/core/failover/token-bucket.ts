/**
 * A pace: so many calls a second, evenly, as a token bucket. It is kept as one instant (the generic cell rate algorithm,
 * ITU-T I.371): the time at which the bucket would be full again. A call moves that instant on by one interval, and may
 * go while it lies no further ahead than the bucket is deep. No slices, so a declared 240 a second gives 240 a second,
 * and the depth makes up for timers that fire late.
 */
import { checked } from "../options.ts";

/** A timer may fire this late without the pace falling behind. */
const LATENESS_MS = 10;

export class TokenBucket {
  #ratePerSecond: number;
  #fullAtMs = Number.NEGATIVE_INFINITY;

  /** `ratePerSecond` above 0, `Infinity` for no limit. After a rest, calls of 10 ms may go together, at least one. */
  constructor(ratePerSecond: number) {
    this.#ratePerSecond = checked("TokenBucket", "ratePerSecond", ratePerSecond, RATE_PER_SECOND);
  }

  get ratePerSecond(): number {
    return this.#ratePerSecond;
  }

  /** Changes the pace from now on; what was taken is remembered. */
  set ratePerSecond(ratePerSecond: number) {
    this.#ratePerSecond = checked("TokenBucket", "ratePerSecond", ratePerSecond, RATE_PER_SECOND);
  }

  /** When the next call may go; in the past, or now, where it may go now. */
  get nextMs(): number {
    // Without a pace nobody waits for what was taken while there was one.
    return this.#ratePerSecond === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : this.#fullAtMs - LATENESS_MS;
  }

  /** May a call go now? */
  allows(nowMs: number): boolean {
    return nowMs >= this.nextMs;
  }

  /** A call goes now. */
  take(nowMs: number): void {
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + 1_000 / this.#ratePerSecond;
  }

  /** The call that was taken last did not go. */
  giveBack(): void {
    this.#fullAtMs -= 1_000 / this.#ratePerSecond;
  }
}

const RATE_PER_SECOND = { min: 0, aboveMin: true, max: Number.POSITIVE_INFINITY };
