/**
 * A station that refuses what is too much: one with so many places and no queue, or one that takes
 * so many calls a second, with a reserve. What a call takes differs. In virtual time, around the
 * pure dispatcher; the other station is down.
 */
import type { Attempt } from "../../resilience/src/core/failover/call.ts";
import { Crowded } from "./crowded.ts";

export interface Refusal {
  /**
   * `places`: more than so many at once are refused; `rate`: more than so many a second, beside a
   * reserve of half of them.
   */
  readonly kind: "places" | "rate";
  readonly count: number;
  readonly workMs: number;
  /** The work of one call in ms. */
  readonly draw: () => number;
}

export class Refusing extends Crowded {
  /** Calls a second that it can do for good. */
  readonly perSecond: number;
  readonly #refusal: Refusal;
  #tokens = 0;
  #refilledMs = 0;
  #seen = 0;

  constructor(refusal: Refusal) {
    const { kind, count, workMs, draw } = refusal;
    const isPlaces = kind === "places";
    const model = { kind: "queue", workers: isPlaces ? count : 4 * count, workMs, draw, drops: true } as const;
    super([model, model]);
    this.#refusal = refusal;
    this.perSecond = (count * 1_000) / workMs;
    this.declare("south", "down", "alive");
  }

  override step(): void {
    super.step();
    const refused = this.#sentSince().filter((attempt) => !this.#takes(attempt));
    for (const attempt of refused) this.end(attempt, "overloaded");
  }

  #sentSince(): Attempt[] {
    const sent: Attempt[] = [];
    for (; this.#seen < this.actions.length; this.#seen++) {
      const action = this.actions[this.#seen];
      if (action?.type === "send" && this.out.includes(action.attempt)) sent.push(action.attempt);
    }
    return sent;
  }

  #takes(attempt: Attempt): boolean {
    const place = this.workAt("north");
    const isTaken = this.#refusal.kind === "places" ? place.jobs.length <= this.#refusal.count : this.#takesToken();
    if (!isTaken) place.jobs = place.jobs.filter((job) => job.attempt !== attempt);
    return isTaken;
  }

  #takesToken(): boolean {
    const gainedMs = this.nowMs - this.#refilledMs;
    this.#refilledMs = this.nowMs;
    this.#tokens = Math.min(this.#refusal.count / 2, this.#tokens + (gainedMs * this.perSecond) / 1_000);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
