/**
 * Limits the rate at which requests of the control listener are started, for all connections
 * together. Requests above the rate wait in order of arrival, at most one for each connection, so
 * that a flood over a few connections delays other clients little and takes little time from
 * commands. No request is refused; people and scrapers never reach the limit. A request whose
 * connection closes while it waits is never started.
 */
import type { ServerResponse } from "node:http";
import { type Clock, systemClock } from "ground-station-failover";

/**
 * Requests started in each slice: 1,000 a second. One takes some 50 µs besides the shared answers,
 * so all take a twentieth of the time.
 */
const PER_SLICE = 10;
const SLICE_MS = 10;

export class ControlTurns {
  #left: number = PER_SLICE;
  /** In order of arrival; at most one for each connection. */
  readonly #waiting: Map<ServerResponse, () => void> = new Map();
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  /** Default clock: the system clock. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Runs `begin` when it is the turn of `response`; never if it is closed before. */
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
