/**
 * What calls say about a station. Heartbeats prove that a process is up, not that commands get through: an uplink can
 * be dead behind a live process, and one-way cuts let beats pass and nothing else. This machine says `failing` when
 * every attempt has failed for some time with none succeeding since, or when connections are refused, which nobody
 * does who is listening.
 *
 * It is no count of failures (incident CN-2702-003): one success clears it. It complements the breaker, which rates
 * partial failure over a window that needs volume; this needs a handful of calls and a second, so that a station with
 * two commands a second is not waited for until its window is full.
 */
import { COUNT, checked, DURATION_MS } from "./options.ts";
import type { Outcome } from "./outcome.ts";

export interface CommandPathOptions {
  /** Every attempt must have failed for at least this long, from the start of the first of them. Default 1,000. */
  readonly failingForMs?: number;
  /** … and there must have been at least so many of them. Default 5. */
  readonly minimumFailures?: number;
  /** So many refused connections in a row, with no success between, are proof at once. Default 2. */
  readonly refusalsToDeclare?: number;
}

export class CommandPathMachine {
  readonly #failingForMs: number;
  readonly #minimumFailures: number;
  readonly #refusalsToDeclare: number;
  #failingSinceMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #refusals = 0;
  #lastSuccessMs = Number.NEGATIVE_INFINITY;

  constructor(options: CommandPathOptions = {}) {
    const part = "commandPath";
    this.#failingForMs = checked(part, "failingForMs", options.failingForMs ?? 1_000, {
      ...DURATION_MS,
      aboveMin: false,
    });
    this.#minimumFailures = checked(part, "minimumFailures", options.minimumFailures ?? 5, COUNT);
    this.#refusalsToDeclare = checked(part, "refusalsToDeclare", options.refusalsToDeclare ?? 2, COUNT);
  }

  /** An attempt that began at `startedMs` has ended. Ignored outcomes say nothing about the station. */
  note(outcome: Outcome, startedMs: number, nowMs: number): void {
    if (outcome === "success") {
      this.clear();
      this.#lastSuccessMs = nowMs;
    } else if (outcome !== "ignored") {
      this.#failures++;
      this.#refusals = outcome === "never-sent" ? this.#refusals + 1 : 0;
      this.#failingSinceMs = Math.min(this.#failingSinceMs, startedMs);
    }
  }

  /** When an attempt last succeeded; `-Infinity` if never. */
  get lastSuccessMs(): number {
    return this.#lastSuccessMs;
  }

  /** Has anything failed since the last success? */
  get inDoubt(): boolean {
    return this.#failures > 0;
  }

  /** Is the command path failing at `nowMs`? Why, in a sentence; undefined where it is not. */
  failing(nowMs: number): string | undefined {
    if (this.#refusals >= this.#refusalsToDeclare) return `${this.#refusals} connections refused in a row`;
    const forMs = nowMs - this.#failingSinceMs;
    if (this.#failures < this.#minimumFailures || forMs < this.#failingForMs) return undefined;
    return `all of the last ${this.#failures} attempts failed, for ${Math.round(forMs)} ms`;
  }

  /** When {@link failing} could turn true by time alone; `Infinity` where it could not. */
  get nextWakeMs(): number {
    return this.#failures >= this.#minimumFailures
      ? this.#failingSinceMs + this.#failingForMs
      : Number.POSITIVE_INFINITY;
  }

  /** Forgets what was held against the station: it was proven otherwise, or it starts afresh. */
  clear(): void {
    this.#failingSinceMs = Number.POSITIVE_INFINITY;
    this.#failures = 0;
    this.#refusals = 0;
  }
}
