/**
 * An answer that costs something to make, for anybody who asks. It is made after it was asked for,
 * so that it is never older than the question; all who ask before it is made get the same one.
 * After it the next one waits for nine times as long as this one took: however many ask, making
 * takes at most a tenth of the time. (The bound for a flood; an answer that was kept for a while
 * would show a stale state after a switchover.)
 */
import { type Clock, systemClock } from "ground-station-failover";

/** How much longer than the making the rest is. */
const REST_FACTOR = 9;
/** Shortest rest, in ms: a clock says nothing of what takes less than its step. */
const MIN_REST_MS = 10;
/**
 * Longest rest, in ms: nobody waits longer for the answer, also where this machine stood still
 * while it was made.
 */
const MAX_REST_MS = 1_000;

export class SharedAnswer {
  readonly #make: () => string | Promise<string>;
  readonly #clock: Clock;
  /** The one that is not begun yet. */
  #next: Promise<Buffer> | undefined;
  /** Ends when the one that is being made is done, well or not. */
  #making: Promise<unknown> = Promise.resolve();
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** Default clock: the system's. */
  constructor(make: () => string | Promise<string>, clock: Clock = systemClock) {
    this.#make = make;
    this.#clock = clock;
  }

  /** Rejects as the making does. */
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
