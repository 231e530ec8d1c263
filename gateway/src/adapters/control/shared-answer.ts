/**
 * An answer that is expensive to make, shared by all requests for it. It is made after it is
 * requested, so that it is never older than the request; all requests that arrive before it is made
 * get the same answer. After that, the next one waits nine times as long as this one took. So
 * making it takes at most a tenth of the time, however many requests there are. (This bounds a
 * flood. A cached answer would show a stale state after a switchover.)
 */
import { type Clock, systemClock } from "ground-station-failover";

/** How many times longer than the making the pause is. */
const REST_FACTOR = 9;
/** Shortest pause, in ms: the clock cannot measure a time shorter than its resolution. */
const MIN_REST_MS = 10;
/**
 * Longest pause, in ms. It bounds the wait for the answer even if this machine stalled while the
 * answer was made.
 */
const MAX_REST_MS = 1_000;

export class SharedAnswer {
  readonly #make: () => string | Promise<string>;
  readonly #clock: Clock;
  /** The answer whose making has not begun yet. */
  #next: Promise<Buffer> | undefined;
  /** Resolves when the current making has ended, with or without success. */
  #making: Promise<unknown> = Promise.resolve();
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** Default clock: the system clock. */
  constructor(make: () => string | Promise<string>, clock: Clock = systemClock) {
    this.#make = make;
    this.#clock = clock;
  }

  /** Rejects if the making fails. */
  get(): Promise<Buffer> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<Buffer> {
    await this.#making;
    if (this.#clock.nowMs() < this.#restUntilMs) await this.#clock.sleepUntil(this.#restUntilMs);
    this.#next = undefined;
    const answer = this.#made();
    this.#making = answer.catch(() => undefined);
    return answer;
  }

  async #made(): Promise<Buffer> {
    const begunMs = this.#clock.nowMs();
    try {
      return Buffer.from(await this.#make());
    } finally {
      const endedMs = this.#clock.nowMs();
      const restMs = Math.max(MIN_REST_MS, REST_FACTOR * (endedMs - begunMs));
      this.#restUntilMs = endedMs + Math.min(restMs, MAX_REST_MS);
    }
  }
}
