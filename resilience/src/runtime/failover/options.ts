/** The options of a failover, with ranges and reasons, and its status. */

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

/**
 * A station: any object with a unique name. Add the fields that your operation needs to reach it.
 */
export interface NamedStation {
  readonly name: string;
}

/**
 * How a station is called. The failover sets the name, the clock and the random numbers. One
 * default differs from a client's: a breaker made from options stays open for 5,000 ms. Here an
 * open circuit is a reason to use another station; if there is no other, a short outage should not
 * become a long one. A bulkhead limits the calls in flight; calls wait in the failover's own queue.
 */
export type StationClientOptions<T = unknown> = Omit<ClientOptions<T>, "name" | "clock" | "random">;

/** The load that a station gets after it has become active, and the maximum that it can take. */
export type RampOptions = Omit<AdmissionOptions, "maxConcurrent">;

/** The right to decide. Another system grants it for a time, and several gateways share it. */
export interface Lease {
  /**
   * Instant on the failover's clock until which this process holds the lease. Nothing is sent after
   * it, less the margin.
   */
  validUntilMs(): number;
  /**
   * Stop this long before the lease ends, because clocks drift apart. In ms, from 0. Default 0:
   * only you know how far your clocks drift.
   */
  readonly marginMs?: number;
}

/**
 * `S`: the type of a station; the failover reads only its name. `T`: what operations return, for
 * `client.classify`.
 */
export interface FailoverOptions<S extends NamedStation, T = unknown> {
  /** The station that serves by design. No default. */
  readonly primary: S;
  /** The station that takes over. No default: without it there is nothing to fail over to. */
  readonly backup: S;
  /** Further backups, in order of priority. Default: none. */
  readonly backups?: readonly S[] | undefined;
  /** Reads the stations' heartbeats; note them there under the stations' names. */
  readonly detector: FailureDetector;
  /**
   * When silence becomes a declaration, and when the observer distrusts itself. Defaults: see
   * {@link SupervisorOptions} and {@link LivenessSupervisorOptions}. Failovers in the same process
   * should share their `observer`.
   */
  readonly supervisor?:
    | (SupervisorOptions & Pick<LivenessSupervisorOptions, "stallToleranceMs" | "maxAbstentionMs" | "observer">)
    | undefined;
  /**
   * How each station is called: breaker, bulkhead, timeout, retry, classification. Default: a
   * client's defaults, except that a circuit stays open for 5 s.
   */
  readonly client?: (StationClientOptions<T> | ((station: S) => StationClientOptions<T>)) | undefined;
  /**
   * The load that a station gets when it has just become active, and the maximum that it can take.
   * Default: nothing is declared, and the maximum is learned.
   */
  readonly ramp?: (RampOptions | ((station: S) => RampOptions)) | undefined;
  /**
   * When failing calls are proof against a station whose heartbeats arrive. Default: see
   * {@link CommandPathOptions}.
   */
  readonly commandPath?: CommandPathOptions | undefined;
  /**
   * How a station of higher priority becomes active again: first one repeatable call, then a
   * growing share of the calls, then all. `canaryWaitMs`: how long it waits for a repeatable call
   * before it takes any call; in ms, from 0, below 2^31. Default 2,000: most traffic has a
   * repeatable call by then.
   */
  readonly failback?: FailbackOptions & { readonly canaryWaitMs?: number };
  /**
   * How long a station that was replaced for failing calls is not promoted again, unless a probe
   * proves before that it is healthy; doubled, up to four times, if it fails again soon after. In
   * ms, from 0. Default 5,000: short, because it matters only if the other station fails as well.
   */
  readonly cooldownMs?: number | undefined;
  /**
   * Probes the command path of an idle station that was replaced for failing, or to which failback
   * would return. If the promise resolves, the station is proven healthy. Default: none; only
   * heartbeats count then.
   */
  readonly probe?: ((station: S, signal: AbortSignal) => PromiseLike<unknown>) | undefined;
  /**
   * How often such a station is probed, and how long a probe may take. In ms, above 0 and below
   * 2^31. Default 1,000: hardly any load for a station, and soon enough for a hold-down of 30 s.
   */
  readonly probeIntervalMs?: number | undefined;
  /**
   * Asks a lost station what became of a key, before the call goes to another station. Default:
   * stations cannot be asked.
   */
  readonly keyStatus?: OutcomeQuery<S> | undefined;
  /**
   * How long that may take. In ms, above 0 and below 2^31. Default 250: the station may be dead, so
   * its calls wait no longer than this.
   */
  readonly keyStatusTimeoutMs?: number | undefined;
  /**
   * What to do with keyed calls that a lost station had: `resend` them under their key (right if
   * the service executes a key once), or `report` them as ambiguous. Default `resend`: a key exists
   * so that a command is executed once.
   */
  readonly ambiguousKeyed?: "resend" | "report" | undefined;
  /**
   * How long a call may take in total if it has no deadline of its own. In ms, above 0. Default
   * `Infinity`, no limit: only the caller knows.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * How long a call may wait for an eligible station, from the first time that it has to wait. In
   * ms, from 0; `Infinity` for no limit. Default 30,000: the objective for a takeover.
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * How many calls may wait; the next one is refused. A whole number from 0, below 2^31. Default
   * 10,000: ten seconds of a thousand calls a second, and little memory. Under overload, far fewer
   * wait.
   */
  readonly maxWaiting?: number | undefined;
  /**
   * Extra text for the operator beside a station's heartbeats, in evidence and status, such as its
   * last answer to a probe ("answered 400"). Default: no text.
   */
  readonly heartbeatNote?: (station: string) => string | undefined;
  /**
   * The first epoch; a whole number from 0. Default 1: higher than that of a station that has seen
   * none.
   */
  readonly initialEpoch?: number | undefined;
  /**
   * Name of the station that is active at the start, and to which failback returns. Default: the
   * primary. For a process that starts again after an operator had made another station active.
   */
  readonly initialActive?: string | undefined;
  /**
   * Nothing is sent unless this lease is held. Default: none needed, because this is the only
   * failover.
   */
  readonly lease?: Lease | undefined;
  /** The clock of all its parts. Default: the detector's clock, else the system's. */
  readonly clock?: Clock | undefined;
  /**
   * Random numbers for the clients' jitter; forked for each station. Default: a stream for each
   * client.
   */
  readonly random?: Random | undefined;
}

/** The status of one station. */
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
   * The limits of its load. `ramping`: true while a limit is in force, because of a promotion or an
   * overload.
   */
  readonly ramp: {
    readonly ramping: boolean;
    /** Calls that may be in flight, and calls that may go per second; `Infinity` for no limit. */
    readonly limit: number;
    readonly ratePerSecond: number;
    readonly inFlight: number;
  };
  /** True if new calls go to another station for the moment, if they can. */
  readonly doubted: boolean;
  /**
   * How long it usually takes to answer, and after how long an attempt is overdue; 0 and `Infinity`
   * while unknown.
   */
  readonly usualAnswerMs: number;
  readonly overdueAfterMs: number;
  readonly maintenance: Maintenance | undefined;
  /** How long it must be proven healthy before an automatic failback to it. */
  readonly holdDownMs: number;
}

/** The status of a failover and all its stations; a copy, for status pages. */
export interface FailoverStatus {
  readonly active: string;
  readonly role: "primary" | "backup";
  readonly epoch: number;
  /** The station to which failback would return. */
  readonly preferred: string;
  /** Calls that wait for a station. */
  readonly waiting: number;
  /** Calls that wait for an instant (a backoff) or for a station's answer about their key. */
  readonly parked: number;
  /** The station that a failback is trying out. */
  readonly handover: string | undefined;
  /** How long callers are believed to wait, learned from hang-ups; undefined while unknown. */
  readonly patienceMs: number | undefined;
  /** True if less than half of the calls that end are answered well. */
  readonly overloaded: boolean;
  /** How calls have ended since the start. */
  readonly ended: Readonly<Record<CallOutcome, number>>;
  /** Attempts sent since the start, by reason: `first` of a call, `retry`, `elsewhere`, `hedge`. */
  readonly attempts: Readonly<Record<AttemptReason, number>>;
  readonly stations: readonly StationStatus[];
}
