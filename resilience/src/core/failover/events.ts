/**
 * What a failover tells: each event with the numbers and the evidence behind it. All instants are
 * on the failover's clock.
 */

import type { LivenessChange } from "../detection/supervisor.ts";
import type { BreakerTransition } from "../guard/breaker.ts";
import type { Evidence, PlannedCause, PromotionCause } from "./failover.ts";

/** Numbers of one second in which less than half of the calls that ended were answered well. */
export interface OverloadFigures {
  readonly atMs: number;
  /** Over how many ms these were counted. */
  readonly windowMs: number;
  /** Calls that arrived. */
  readonly offered: number;
  /**
   * Calls that ended, and how: answered well; answered with a failure; refused here for load; out
   * of time; hung up.
   */
  readonly ended: number;
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  readonly expired: number;
  readonly hungUp: number;
}

/** What a failover tells its listeners; `type` says which event it is. */
export type FailoverEvent =
  | ({
      readonly type: "declaration";
      /** All that is known of the station at that instant. */
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
       * New calls go to another station for the moment; the active role stays (`doubted`), or go
       * there again (`trusted`).
       */
      readonly type: "doubted" | "trusted";
      readonly station: string;
      readonly reason: string;
      readonly atMs: number;
    }
  | ({
      /**
       * Goodput is below half of the calls that end. Told at most every ten seconds while it lasts.
       */
      readonly type: "overload";
      readonly station: string;
      readonly waiting: number;
      readonly inFlight: number;
      /** How many calls may be in flight at the station, and a second; `Infinity` for no limit. */
      readonly limit: number;
      readonly ratePerSecond: number;
      /** How long callers are believed to wait; undefined while nobody knows. */
      readonly patienceMs: number | undefined;
    } & OverloadFigures)
  | ({ readonly type: "overload-ended" } & OverloadFigures)
  | {
      /**
       * Calls could not be sent for want of a resource of this machine. Told at most every ten
       * seconds.
       */
      readonly type: "local-shortage";
      readonly station: string;
      readonly code: string;
      readonly atMs: number;
    }
  | {
      /**
       * A retry at a station was due and safe, and its budget refused it: the call ended with its
       * failure. At most every ten seconds.
       */
      readonly type: "retry-refused";
      readonly station: string;
      /**
       * Extra attempts of the budget's window, those to come included; how many it allows, and for
       * how many calls.
       */
      readonly used: number;
      readonly allowed: number;
      readonly calls: number;
      readonly atMs: number;
    }
  | {
      /** What is known of the load that a station can take, or of its callers, has changed. */
      readonly type: "capacity-learned";
      readonly station: string;
      /** Calls in flight, and a second, that it is given now. */
      readonly limit: number;
      readonly ratePerSecond: number;
      readonly atMs: number;
    }
  | {
      /**
       * An operation returned an answer whose body has not been read: nothing bounds that. Told
       * once, of the first results.
       */
      readonly type: "unread-body";
      readonly station: string;
      readonly reason: string;
      readonly atMs: number;
    }
  | { readonly type: "patience-learned"; readonly patienceMs: number | undefined; readonly atMs: number };
