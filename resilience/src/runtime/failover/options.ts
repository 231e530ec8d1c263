/**
 * What a failover is given, what it tells, and what it shows: options with their ranges and
 * reasons, events with the numbers and evidence behind them, and the status of the moment.
 */

import type { Liveness, SupervisorOptions } from "../../core/detection/supervisor.ts";
import type { AdmissionOptions } from "../../core/failover/admission/admission.ts";
import type { AttemptReason } from "../../core/failover/call.ts";
import type { CommandPathOptions } from "../../core/failover/evidence/evidence.ts";
import type { Assessment, FailbackOptions } from "../../core/failover/failover.ts";
import type { CallOutcome } from "../../core/failover/overload/goodput.ts";
import type { Maintenance } from "../../core/failover/station.ts";
import type { BreakerStatus } from "../../core/guard/breaker.ts";
import type { RetryBudgetStatus } from "../../core/guard/retry-budget.ts";
import type { SlotsStatus } from "../../core/guard/slots.ts";
import type { Random } from "../../core/random.ts";
import type { FailureDetector } from "../detection/detectors.ts";
import type { LivenessSupervisorOptions } from "../detection/supervisor.ts";
import type { ClientOptions } from "../guard/client.ts";
import type { Clock } from "../time/clock.ts";
import type { OutcomeQuery } from "./outcome-query.ts";

/** A station is whatever you need to reach it, with a name of its own. */
export interface NamedStation {
  readonly name: string;
}

/**
 * How a station is called; name, clock and chance are the failover's. One default differs from a
 * client's: a breaker made from options stays open for 5,000 ms, because here an open circuit is a
 * reason to go elsewhere, and where there is no elsewhere a short outage should not become a long
 * one. A bulkhead bounds what is in flight; calls wait in the failover's own queue.
 */
export type StationClientOptions<T = unknown> = Omit<ClientOptions<T>, "name" | "clock" | "random">;

/** What a station that has just become active is given, and what it can take at all. */
export type RampOptions = Omit<AdmissionOptions, "maxConcurrent">;

/** The right to decide, granted by somebody else for a time: what several gateways share. */
export interface Lease {
  /**
   * Instant on the failover's clock until which it is ours; nothing is sent after it, less the
   * margin.
   */
  validUntilMs(): number;
  /**
   * Stop this long before it ends, for clocks that run apart. In ms, from 0. Default 0: how far
   * they run apart is yours to know.
   */
  readonly marginMs?: number;
}

/**
 * `S`: what a station is; its name is all that the failover reads of it. `T`: what operations
 * return, for `client.classify`.
 */
export interface FailoverOptions<S extends NamedStation, T = unknown> {
  /** The station that serves by design. No default. */
  readonly primary: S;
  /** The station that takes over. No default: without it there is nothing that could take over. */
  readonly backup: S;
  /** Further ones, in order of priority. Default: none. */
  readonly backups?: readonly S[] | undefined;
  /** Who reads the stations' heartbeats; note them there under the stations' names. */
  readonly detector: FailureDetector;
  /**
   * When silence becomes a declaration, and when the observer distrusts itself. Defaults: see
   * {@link SupervisorOptions} and {@link LivenessSupervisorOptions}; failovers that share a process
   * should share its `observer`.
   */
  readonly supervisor?:
    | (SupervisorOptions & Pick<LivenessSupervisorOptions, "stallToleranceMs" | "maxAbstentionMs" | "observer">)
    | undefined;
  /**
   * How each station is called: breaker, bulkhead, timeout, retry, classification. Default: a
   * client's defaults, but that a circuit stays open for 5 s.
   */
  readonly client?: (StationClientOptions<T> | ((station: S) => StationClientOptions<T>)) | undefined;
  /**
   * What a station that has just become active is given, and what it can take at all. Default:
   * nothing is declared, and what it takes is learned.
   */
  readonly ramp?: (RampOptions | ((station: S) => RampOptions)) | undefined;
  /**
   * When failing calls are proof against a station although it beats. Default: see {@link
   * CommandPathOptions}.
   */
  readonly commandPath?: CommandPathOptions | undefined;
  /**
   * Returning to a better-placed station: with one repeatable call first, then a growing share,
   * then all. `canaryWaitMs`: how long it waits for a repeatable call before it takes any; in ms,
   * from 0, below 2^31. Default 2,000: most traffic has one by then.
   */
  readonly failback?: FailbackOptions & { readonly canaryWaitMs?: number };
  /**
   * How long a station that was replaced for failing calls is not promoted again, unless a probe
   * proves it well before; doubled, up to four times, when it fails again soon after. In ms, from
   * 0. Default 5,000: short, because it matters only where the other station fails as well.
   */
  readonly cooldownMs?: number | undefined;
  /**
   * Tries the command path of an idle station that was replaced for failing, or to which failback
   * would return; resolving proves it well. Default: none, and heartbeats have to do.
   */
  readonly probe?: ((station: S, signal: AbortSignal) => PromiseLike<unknown>) | undefined;
  /**
   * How often such a station is probed, and how long a probe may take. In ms, above 0 and below
   * 2^31. Default 1,000: no load for a station, and soon enough beside the hold-down of 30 s.
   */
  readonly probeIntervalMs?: number | undefined;
  /**
   * Asks a lost station what became of a key before the call goes elsewhere. Default: stations
   * cannot be asked.
   */
  readonly keyStatus?: OutcomeQuery<S> | undefined;
  /**
   * How long that may take. In ms, above 0 and below 2^31. Default 250: the station may be dead,
   * and its calls wait no longer for an answer.
   */
  readonly keyStatusTimeoutMs?: number | undefined;
  /**
   * What to do with keyed calls that a lost station had in hand: `resend` them under their key
   * (right where the service executes a key once), or `report` them as ambiguous. Default `resend`:
   * executing a key once is what a key is for.
   */
  readonly ambiguousKeyed?: "resend" | "report" | undefined;
  /**
   * How long a call may take in all where it brings no deadline of its own. In ms, above 0. Default
   * `Infinity`, no limit: the caller knows.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * How long a call may wait for an eligible station, from when it first has to. In ms, from 0;
   * `Infinity` for no limit. Default 30,000: the take-over objective.
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * How many calls may wait for their turn; the next one is refused. A whole number from 0, below
   * 2^31. Default 10,000: ten seconds of a thousand calls a second, and little memory. Far fewer
   * wait under overload.
   */
  readonly maxWaiting?: number | undefined;
  /**
   * What an operator should read beside a station's heartbeats in evidence and status, such as its
   * last answer to a probe ("answered 400"). Default: nothing.
   */
  readonly heartbeatNote?: (station: string) => string | undefined;
  /**
   * Where epochs begin; a whole number from 0. Default 1: above that of a station that has seen
   * none.
   */
  readonly initialEpoch?: number | undefined;
  /** Nothing is sent unless this is held. Default: none needed, this is the only failover. */
  readonly lease?: Lease | undefined;
  /** The clock of all its parts. Default: the detector's clock, else the system's. */
  readonly clock?: Clock | undefined;
  /**
   * Chance for the clients' jitter; forked for each station. Default: a stream of each client's
   * own.
   */
  readonly random?: Random | undefined;
}

/** What a failover shows of one station. */
export interface StationStatus {
  readonly name: string;
  readonly role: "primary" | "backup";
  readonly active: boolean;
  readonly liveness: Liveness;
  /** Suspicion level (phi for accrual detectors); `Infinity` for a station never heard from. */
  readonly level: number;
  readonly assessment: Assessment;
  readonly inFlight: number;
  readonly breaker: BreakerStatus | undefined;
  readonly budget: RetryBudgetStatus | undefined;
  readonly bulkhead: SlotsStatus | undefined;
  /**
   * How many calls it is given: `ramping` while that is limited, by a promotion or because it was
   * overloaded.
   */
  readonly ramp: {
    readonly ramping: boolean;
    /** Calls that may be in flight, and how many may go a second; `Infinity` for no limit. */
    readonly limit: number;
    readonly ratePerSecond: number;
    readonly inFlight: number;
  };
  /** New calls go elsewhere for the moment, if they can. */
  readonly doubted: boolean;
  /**
   * How long it usually takes to answer, and after how long an attempt is overdue; 0 and `Infinity`
   * while nobody knows.
   */
  readonly usualAnswerMs: number;
  readonly overdueAfterMs: number;
  readonly maintenance: Maintenance | undefined;
  /** How long it must be proven healthy before an automatic failback to it. */
  readonly holdDownMs: number;
}

/** Everything a failover shows of itself and its stations; a copy, for status pages. */
export interface FailoverStatus {
  readonly active: string;
  readonly role: "primary" | "backup";
  readonly epoch: number;
  /** Whom failback would return to. */
  readonly preferred: string;
  /** Calls waiting for somebody to take them. */
  readonly waiting: number;
  /** Calls waiting for an instant (a backoff) or for a station's word on their key. */
  readonly parked: number;
  /** The station that a failback is trying out. */
  readonly handover: string | undefined;
  /**
   * How long callers are believed to wait, learned from those who hung up; undefined while nobody
   * knows.
   */
  readonly patienceMs: number | undefined;
  /** Is less than half of what ends answered well? */
  readonly overloaded: boolean;
  /** How calls have ended since the start. */
  readonly ended: Readonly<Record<CallOutcome, number>>;
  /**
   * Attempts that were sent since the start, by why: the `first` of a call, a `retry`, one
   * `elsewhere`, a `hedge`.
   */
  readonly attempts: Readonly<Record<AttemptReason, number>>;
  readonly stations: readonly StationStatus[];
}
