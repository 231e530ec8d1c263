/**
 * The events of a failover, each with the numbers and the evidence behind it. All instants are on
 * the failover's clock.
 */

import type { LivenessChange } from "../detection/supervisor.ts";
import type { BreakerTransition } from "../guard/breaker.ts";
import type { Evidence, PlannedCause, PromotionCause } from "./failover.ts";

/** Numbers of one second in which less than half of the calls that ended were answered well. */
export interface OverloadFigures {
  readonly atMs: number;
  /** Length of the period in which these were counted, in milliseconds. */
  readonly windowMs: number;
  /** Calls that arrived. */
  readonly offered: number;
  /**
   * Calls that ended, and how: answered well; answered with a failure; refused by this process for
   * load; out of time; hung up.
   */
  readonly ended: number;
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  readonly expired: number;
  readonly hungUp: number;
}

/** An event of a failover, for its listeners; `type` says which event it is. */
export type FailoverEvent =
  | ({
      readonly type: "declaration";
      /** Everything known about the station at that instant. */
      readonly evidence: readonly Evidence[];
    } & LivenessChange)
  | {
      readonly type: "abstention";
      readonly reason: "observer-stall" | "observer-isolated" | "own-shortage" | "detector-error";
      readonly atMs: number;
      readonly lateByMs: number;
      readonly untilMs: number;
      /** What the detector threw; only for `detector-error`. */
      readonly error?: unknown;
    }
  | {
      readonly type: "promoted";
      readonly station: string;
      readonly from: string;
      readonly epoch: number;
      readonly atMs: number;
      readonly cause: PromotionCause;
      readonly evidence: readonly Evidence[];
      /** Calls that were waiting. */
      readonly waiting: number;
      /**
       * Attempts that are still out at the old station. Overdue calls whose hedge was answered are
       * not among them.
       */
      readonly inFlight: number;
    }
  | {
      readonly type: "no-eligible-station";
      readonly station: string;
      readonly epoch: number;
      readonly atMs: number;
      readonly evidence: readonly Evidence[];
    }
  | { readonly type: "breaker"; readonly station: string; readonly transition: BreakerTransition }
  | {
      readonly type: "handover-begun";
      readonly station: string;
      readonly cause: PlannedCause;
      readonly reason: string;
      readonly atMs: number;
    }
  | { readonly type: "handover-ended"; readonly station: string; readonly reason: string; readonly atMs: number }
  | {
      readonly type: "maintenance";
      readonly station: string;
      readonly reason: string | undefined;
      readonly untilMs: number;
      readonly atMs: number;
    }
  | { readonly type: "epoch-adopted"; readonly epoch: number; readonly atMs: number }
  | { readonly type: "epoch-refused"; readonly epoch: number; readonly atMs: number }
  | {
      /**
       * `doubted`: new calls go to another station for the moment; the active role stays.
       * `trusted`: they go to this station again.
       */
      readonly type: "doubted" | "trusted";
      readonly station: string;
      readonly reason: string;
      readonly atMs: number;
    }
  | {
      /**
       * The active station takes fewer calls than usual, although no more come: another station
       * takes what it cannot, until `spillover-ended`.
       */
      readonly type: "spillover-begun" | "spillover-ended";
      readonly station: string;
      readonly atMs: number;
    }
  | ({
      /**
       * Goodput is below half of the calls that end. While this lasts, it is reported at most every
       * ten seconds.
       */
      readonly type: "overload";
      readonly station: string;
      readonly waiting: number;
      readonly inFlight: number;
      /** Maximum calls in flight at the station, and calls per second; `Infinity` for no limit. */
      readonly limit: number;
      readonly ratePerSecond: number;
      /** How long callers are believed to wait; undefined while this is unknown. */
      readonly patienceMs: number | undefined;
    } & OverloadFigures)
  | ({ readonly type: "overload-ended" } & OverloadFigures)
  | {
      /**
       * Calls could not be sent because this machine lacked a resource. Reported at most every ten
       * seconds.
       */
      readonly type: "local-shortage";
      readonly station: string;
      readonly code: string;
      readonly atMs: number;
    }
  | {
      /**
       * A retry at a station was due and safe, and the retry budget refused it: the call ended with
       * its failure. Reported at most every ten seconds.
       */
      readonly type: "retry-refused";
      readonly station: string;
      /**
       * Extra attempts in the budget's window, planned ones included; how many the budget allows;
       * and the calls that it counts.
       */
      readonly used: number;
      readonly allowed: number;
      readonly calls: number;
      readonly atMs: number;
    }
  | {
      /** The estimate of the load that a station can take has changed. */
      readonly type: "capacity-learned";
      readonly station: string;
      /** Calls in flight, and calls per second, that the station is given now. */
      readonly limit: number;
      readonly ratePerSecond: number;
      readonly atMs: number;
    }
  | {
      /**
       * An operation returned an answer whose body has not been read, so no timeout covers the
       * reading. Reported once, from the first results.
       */
      readonly type: "unread-body";
      readonly station: string;
      readonly reason: string;
      readonly atMs: number;
    }
  | { readonly type: "patience-learned"; readonly patienceMs: number | undefined; readonly atMs: number };
