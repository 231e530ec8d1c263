/**
 * The pace at which requests of the control listener are begun: so many in a slice of time, for all
 * connections together. What comes faster waits in its order, one request of each connection, so
 * that a flood over a few connections delays the others little and takes little time from commands.
 * Nobody is refused: to a person and to a scraper the pace is no limit. A request whose connection
 * closes while it waits is never begun.
 */
import type { ServerResponse } from "node:http";
import { type Clock, systemClock } from "ground-station-failover";

/**
 * Requests begun in each slice: 1,000 a second. One takes some 50 µs beside the answers that are
 * shared: a twentieth of the time.
 */
const PER_SLICE = 10;
const SLICE_MS = 10;

export class ControlTurns {
  #left: number = PER_SLICE;
  /** In the order in which they came; at most one for each connection. */
  readonly #waiting: Map<ServerResponse, () => void> = new Map();
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  /** Default clock: the system's. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Runs `begin` when it is the turn of `response`; never where it is closed before. */
  take(response: ServerResponse, begin: () => void): void {
    if (this.#left > 0) return this.#begin(begin);
    this.#waiting.set(response, begin);
    response.once("close", () => this.#waiting.delete(response));
  }

  #begin(begin: () => void): void {
    this.#left--;
    this.#timer ??= this.#clock.at(this.#clock.nowMs() + SLICE_MS, () => this.#nextSlice());
    begin();
  }

  #nextSlice(): void {
    this.#timer = undefined;
    this.#left = PER_SLICE;
    for (const [response, begin] of this.#waiting) {
      if (this.#left === 0) return;
      this.#waiting.delete(response);
      this.#begin(begin);
    }
  }
}
