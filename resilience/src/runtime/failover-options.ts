/**
 * What a failover is given, what it tells, and what it shows: options with their ranges and reasons, events with the
 * numbers and evidence behind them, and the status of the moment.
 */
import type { BreakerStatus, BreakerTransition } from "../core/breaker.ts";
import type { CommandPathOptions } from "../core/command-path.ts";
import type { Assessment, Evidence, FailbackOptions, PlannedCause, PromotionCause } from "../core/failover.ts";
import type { RampOptions } from "../core/ramp.ts";
import type { Random } from "../core/random.ts";
import type { RetryBudgetStatus } from "../core/retry-budget.ts";
import type { SlotsStatus } from "../core/slots.ts";
import type { Declaration, Standing, SupervisorOptions } from "../core/supervisor.ts";
import type { Clock } from "./clock.ts";
import type { FailureDetector } from "./detectors.ts";
import type { AskForKey } from "./key-question.ts";
import type { Maintenance, NamedStation, StationClientOptions } from "./lane.ts";
import type { Abstention, LivenessSupervisorOptions } from "./supervisor.ts";

/** The right to decide, granted by somebody else for a time: what several gateways share. */
export interface Lease {
  /** Instant on the failover's clock until which it is ours; nothing is sent after it, less the margin. */
  validUntilMs(): number;
  /** Stop this long before it ends, for clocks that run apart. Default 0. */
  readonly marginMs?: number;
}

export interface FailoverOptions<S extends NamedStation> {
  /** The station that serves by design. */
  readonly primary: S;
  /** The station that takes over. */
  readonly backup?: S;
  /** Further ones, in order of priority. */
  readonly backups?: readonly S[];
  /** Who reads the stations' heartbeats; note them there under the stations' names. */
  readonly detector: FailureDetector;
  /**
   * When silence becomes a declaration, and when the observer distrusts itself. Defaults: see {@link SupervisorOptions} and
   * {@link LivenessSupervisorOptions}; failovers that share a process should share its `hearing`.
   */
  readonly supervisor?: SupervisorOptions &
    Pick<LivenessSupervisorOptions, "stallToleranceMs" | "longestAbstentionMs" | "hearing">;
  /** How each station is called: breaker, bulkhead, timeout, retry, classification. Default: a client's defaults. */
  readonly client?: StationClientOptions | ((station: S) => StationClientOptions);
  /** What a station that has just become active is offered, and what it can take at all. */
  readonly ramp?: RampOptions | ((station: S) => RampOptions);
  /** When failing calls are proof against a station although it beats. */
  readonly commandPath?: CommandPathOptions;
  /** Returning to a better-placed station. `drainMs`: how long calls in flight get to finish first; default 2,000. */
  readonly failback?: FailbackOptions & { readonly drainMs?: number };
  /**
   * How long a station that was replaced for failing calls is not promoted again, unless a probe proves it well before;
   * doubled, up to four times, when it fails again soon after. Default 5,000: short, because it matters only where the
   * other station fails as well.
   */
  readonly doubtMs?: number;
  /**
   * Tries the command path of an idle station that was replaced for failing, or to which failback would return;
   * resolving proves it well. Without it, heartbeats have to do.
   */
  readonly probe?: (station: S, signal: AbortSignal) => PromiseLike<unknown>;
  /** How often such a station is probed, and how long a probe may take. Default 1,000. */
  readonly probeIntervalMs?: number;
  /** Asks a lost station what became of a key before the call goes elsewhere. Default: stations cannot be asked. */
  readonly keyStatus?: AskForKey<S>;
  /** How long that may take. Default 250. */
  readonly keyStatusTimeoutMs?: number;
  /**
   * What to do with keyed calls that a lost station had in hand: send them again under their key (right where whoever
   * executes them executes a key once), or report them as ambiguous. Default `resend`.
   */
  readonly ambiguousKeyed?: "resend" | "report";
  /** How long a call may take in all where it brings no deadline of its own. Default: no limit. */
  readonly deadlineMs?: number;
  /** How long a call may wait for somebody fit, from when it first has to. Default 30,000: the take-over objective. */
  readonly maxWaitMs?: number;
  /** How many calls may wait for their turn, and how many failed ones may be held besides. Default 10,000. */
  readonly maxWaiting?: number;
  /** Where epochs begin. Default 1. */
  readonly initialEpoch?: number;
  /** Nothing is sent unless this is held. Default: none needed, this is the only failover. */
  readonly lease?: Lease;
  /** Default: the detector's clock, else the system's. */
  readonly clock?: Clock;
  /** Chance for the clients' jitter; forked for each station. */
  readonly random?: Random;
}

/** What happened, with the numbers and evidence behind it. All instants are on the failover's clock. */
export type FailoverEvent =
  | ({
      readonly type: "declaration";
      /** All that is known of the station at that instant. */
      readonly evidence: readonly Evidence[];
    } & Declaration)
  | ({ readonly type: "abstention" } & Abstention)
  | {
      readonly type: "promoted";
      readonly station: string;
      readonly from: string;
      readonly epoch: number;
      readonly atMs: number;
      readonly cause: PromotionCause;
      readonly evidence: readonly Evidence[];
      /** Calls that were waiting, and calls that were out at the old station. */
      readonly waiting: number;
      readonly inFlight: number;
    }
  | {
      readonly type: "kept";
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
  | { readonly type: "epoch-adopted"; readonly epoch: number; readonly atMs: number };

export interface StationStatus {
  readonly name: string;
  readonly role: "primary" | "backup";
  readonly active: boolean;
  readonly standing: Standing;
  /** Suspicion level (phi for accrual detectors); `Infinity` for a station never heard from. */
  readonly level: number;
  readonly assessment: Assessment;
  readonly inFlight: number;
  readonly breaker: BreakerStatus | undefined;
  readonly budget: RetryBudgetStatus | undefined;
  readonly bulkhead: SlotsStatus | undefined;
  readonly ramp: { readonly ramping: boolean; readonly limit: number; readonly inFlight: number };
  readonly maintenance: Maintenance | undefined;
  /** How long it must be proven healthy before an automatic failback to it. */
  readonly holdDownMs: number;
}

export interface FailoverStatus {
  readonly active: string;
  readonly role: "primary" | "backup";
  readonly epoch: number;
  /** Whom failback would return to. */
  readonly preferred: string;
  /** Calls waiting for somebody to take them. */
  readonly waiting: number;
  /** Failed calls held until it is known whether the station or the call is at fault. */
  readonly held: number;
  /** Who is being made active, while the old one drains. */
  readonly handover: string | undefined;
  readonly stations: readonly StationStatus[];
}
