/**
 * Whether a station takes a command on: a token bucket that is filled at its capacity. Saying no is work, too, so a
 * refusal takes a part of a command out of the bucket, down to a debt of one second: whoever is asked for far more than it
 * can take ends up doing nothing but refuse.
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

  /** Is the command that comes at `nowMs` accepted? */
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
