/**
 * Decides when another station takes the calls that the active one cannot. A station whose limit
 * was lowered takes less than it was sent before. If more calls come than usual, that is overload:
 * calls wait or are refused, and the standby is spared for the day on which the active station
 * fails. If no more calls come than usual, the active station has lost capacity or become slow, and
 * to refuse calls beside an idle station would be wrong. The role stays: the active station goes on
 * with what it can do, so a wrong decision costs a few calls at the other station.
 *
 * Spillover ends when the limit is lifted, when more calls come than usual, or when another station
 * becomes active.
 */
import type { Station } from "../station.ts";
import type { UsualDemand } from "./usual-demand.ts";

export class Spillover {
  readonly #demand: UsualDemand;
  #from: Station | undefined;
  /** The station whose spillover has been reported. */
  #reported: Station | undefined;

  constructor(demand: UsualDemand) {
    this.#demand = demand;
  }

  /** May another station take a call that `active` cannot take now? */
  allows(active: Station, nowMs: number): boolean {
    // Held back in a lull, a call goes with the station's next answer.
    if (active.isInLull(nowMs)) return false;
    if (this.#from === active) return true;
    if (!active.admission.isLearned || this.#demand.isMore) return false;
    this.#from = active;
    return true;
  }

  /** A second is over: is the reason still there? */
  review(active: Station): void {
    if (this.#from === undefined) return;
    const isOver = this.#from !== active || active.admission.limit === Number.POSITIVE_INFINITY || this.#demand.isMore;
    if (isOver) this.#from = undefined;
  }

  /** The station that spillover has begun or ended at since the last call of this method. */
  news(): { readonly type: "spillover-begun" | "spillover-ended"; readonly station: string } | undefined {
    const before = this.#reported;
    if (before === this.#from) return undefined;
    this.#reported = before === undefined ? this.#from : undefined;
    return before === undefined
      ? { type: "spillover-begun", station: (this.#from as Station).name }
      : { type: "spillover-ended", station: before.name };
  }
}
