/**
 * How long a call waits for a station: one timer, set when it first has to wait, for the earlier of its deadline and
 * the end of its patience. What it has waited counts on when it has to wait again, so that a call that is held, tried
 * and held once more does not wait for ever.
 */
import type { Clock } from "./clock.ts";

export class Patience {
  readonly #clock: Clock;
  readonly #deadline: number;
  readonly #over: () => void;
  #endsMs = Number.POSITIVE_INFINITY;
  #timer: Disposable | undefined = undefined;

  constructor(clock: Clock, deadline: number, over: () => void) {
    this.#clock = clock;
    this.#deadline = deadline;
    this.#over = over;
  }

  /** It waits, until `untilMs` at most. */
  start(untilMs: number): void {
    if (this.#timer !== undefined) return;
    this.#endsMs = Math.min(this.#endsMs, untilMs);
    const atMs = Math.min(this.#endsMs, this.#deadline);
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.at(atMs, () => {
      this.#timer = undefined;
      this.#over();
    });
  }

  /** It waits no longer. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
