/**
 * Admission control of a simulated station: a token bucket that refills at the station's capacity.
 * A refusal also costs work: it takes a part of a token, down to a debt of one second of capacity.
 * A station that is offered several times its capacity therefore accepts nothing at all.
 */
import type { BreakingPoint } from "./plan.ts";

const LONGEST_DEBT_S = 1;

export class StationAdmission {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #refusalCost: number;
  #tokens: number;
  #atMs: number;

  constructor({ acceptsPerSecond, burst = 1, refusal }: BreakingPoint, nowMs: number) {
    this.#perSecond = acceptsPerSecond ?? Number.POSITIVE_INFINITY;
    this.#burst = Math.max(1, burst);
    this.#refusalCost = refusal?.costRatio ?? 0;
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  /** Whether the command that arrives at `nowMs` is accepted. */
  accepts(nowMs: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true;
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    this.#tokens = Math.max(-LONGEST_DEBT_S * this.#perSecond, this.#tokens - this.#refusalCost);
    return false;
  }
}
