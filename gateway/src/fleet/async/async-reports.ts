/**
 * Which events are raised about asynchronous commands, and how often: what could be frequent is
 * counted and raised at most once in ten seconds, the first at once.
 */
import type { Clock } from "ground-station-failover";
import type { AsyncEvent } from "../group-events.ts";

const TELL_AGAIN_MS = 10_000;

export class AsyncReports {
  readonly #clock: Clock;
  readonly #onEvent: (event: AsyncEvent) => void;
  readonly #refused: Map<string, { count: number; toldMs: number }> = new Map();
  readonly #expired: { count: number; toldMs: number } = { count: 0, toldMs: Number.NEGATIVE_INFINITY };

  constructor(clock: Clock, onEvent: (event: AsyncEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  /** `reason` is one of a few words. */
  refused(reason: string): void {
    const known = this.#refused.get(reason) ?? { count: 0, toldMs: Number.NEGATIVE_INFINITY };
    this.#refused.set(reason, known);
    const count = this.#due(known);
    if (count > 0) this.#onEvent({ type: "async-refused", reason, refused: count, atMs: this.#clock.nowMs() });
  }

  expired(): void {
    const count = this.#due(this.#expired);
    if (count > 0) this.#onEvent({ type: "async-expired", expired: count, atMs: this.#clock.nowMs() });
  }

  restored(commands: number, damaged: number): void {
    this.#onEvent({ type: "async-restored", commands, damaged, atMs: this.#clock.nowMs() });
  }

  /** The number to be told now; 0 if it is told later. */
  #due(about: { count: number; toldMs: number }): number {
    const nowMs = this.#clock.nowMs();
    about.count++;
    if (nowMs - about.toldMs < TELL_AGAIN_MS) return 0;
    about.toldMs = nowMs;
    const { count } = about;
    about.count = 0;
    return count;
  }
}
