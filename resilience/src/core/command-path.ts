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
  /** An attempt that nobody waits for any more, and that was out for this long without an answer, counts as failed. Default 250. */
  readonly unansweredAfterMs?: number;
}

/** So many failures in a row as would be proof, within less than this, can still be an accident of a busy second. */
const SHORTEST_OUTAGE_MS = 100;

export class CommandPathMachine {
  readonly #failingForMs: number;
  readonly #minimumFailures: number;
  readonly #refusalsToDeclare: number;
  readonly #unansweredAfterMs: number;
  #failingSinceMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #refusals = 0;
  #lastSuccessMs = Number.NEGATIVE_INFINITY;
  #answerMs = 0;
  /** Attempts that began before this belong to a time that is over. */
  #beginsMs = Number.NEGATIVE_INFINITY;
  /** The last time in which everything failed for long enough to be the station's fault. */
  #outage = { fromMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY };

  constructor(options: CommandPathOptions = {}) {
    const part = "commandPath";
    const duration = { ...DURATION_MS, aboveMin: false };
    this.#failingForMs = checked(part, "failingForMs", options.failingForMs ?? 1_000, duration);
    this.#unansweredAfterMs = checked(part, "unansweredAfterMs", options.unansweredAfterMs ?? 250, duration);
    this.#minimumFailures = checked(part, "minimumFailures", options.minimumFailures ?? 5, COUNT);
    this.#refusalsToDeclare = checked(part, "refusalsToDeclare", options.refusalsToDeclare ?? 2, COUNT);
  }

  /** An attempt that began at `startedMs` has ended. Ignored outcomes say nothing about the station. */
  note(outcome: Outcome, startedMs: number, nowMs: number): void {
    if (outcome === "success") {
      this.clear(nowMs);
      this.#lastSuccessMs = Math.max(this.#lastSuccessMs, nowMs);
      const tookMs = nowMs - startedMs;
      this.#answerMs = this.#answerMs === 0 ? tookMs : this.#answerMs + (tookMs - this.#answerMs) / 8;
    } else if (outcome !== "ignored" && startedMs >= this.#beginsMs) {
      this.#failures++;
      this.#refusals = outcome === "never-sent" ? this.#refusals + 1 : 0;
      // One that began before the last success proves nothing about the time before it.
      this.#failingSinceMs = Math.min(this.#failingSinceMs, Math.max(startedMs, this.#lastSuccessMs));
    }
  }

  /** Nobody waits any more (deadline, abort) for an attempt that began at `startedMs` and has had no answer. */
  noteUnanswered(startedMs: number, nowMs: number): void {
    if (nowMs - startedMs >= this.#unansweredAfterMs) this.note("failure", startedMs, nowMs);
  }

  /** When an attempt last succeeded; `-Infinity` if never. */
  get lastSuccessMs(): number {
    return this.#lastSuccessMs;
  }

  /** How long a successful attempt takes, smoothed by an eighth of each (as RFC 6298 smooths round trips); 0 before the first. */
  get answerMs(): number {
    return this.#answerMs;
  }

  /** Is there no success after which nothing has failed? */
  get unproven(): boolean {
    return this.inDoubt || this.#lastSuccessMs === Number.NEGATIVE_INFINITY;
  }

  /** Has anything failed since the last success? */
  get inDoubt(): boolean {
    return this.#failures > 0;
  }

  /** Is the command path failing at `nowMs`? */
  isFailing(nowMs: number): boolean {
    if (this.#refusals >= this.#refusalsToDeclare) return true;
    return this.#failures >= this.#minimumFailures && nowMs - this.#failingSinceMs >= this.#failingForMs;
  }

  /** Why the command path is failing at `nowMs`, in a sentence; undefined where it is not. */
  failing(nowMs: number): string | undefined {
    if (!this.isFailing(nowMs)) return undefined;
    if (this.#refusals >= this.#refusalsToDeclare) return `${this.#refusals} connections refused in a row`;
    const forMs = Math.round(nowMs - this.#failingSinceMs);
    return `all of the last ${this.#failures} attempts failed, for ${forMs} ms`;
  }

  /** When {@link isFailing} could turn true by time alone; `Infinity` where it could not. */
  get nextWakeMs(): number {
    return this.#failures >= this.#minimumFailures
      ? this.#failingSinceMs + this.#failingForMs
      : Number.POSITIVE_INFINITY;
  }

  /** Did nothing at all get through around `atMs`, so that a failure then was the station's and not the call's own? */
  wasOut(atMs: number): boolean {
    return atMs >= this.#outage.fromMs && atMs <= this.#outage.untilMs;
  }

  /**
   * It starts afresh: what was held against the station is forgotten, and failures of attempts that are still out count
   * no more. An idle station has no success to outweigh them, so they would be held against it for ever.
   */
  startAfresh(nowMs: number): void {
    this.clear(nowMs);
    this.#beginsMs = nowMs;
  }

  /** Forgets what was held against the station: it was proven otherwise. */
  clear(nowMs: number): void {
    const longMs = nowMs - this.#failingSinceMs;
    if (longMs >= this.#failingForMs || (this.#failures >= this.#minimumFailures && longMs >= SHORTEST_OUTAGE_MS)) {
      this.#outage = { fromMs: this.#failingSinceMs, untilMs: nowMs };
    }
    this.#failingSinceMs = Number.POSITIVE_INFINITY;
    this.#failures = 0;
    this.#refusals = 0;
  }
}
