/**
 * The state of one call, as plain data. These are the states and what changes them:
 *
 *   waiting ──admitted──► running ──served──────────────────────────► done
 *    ▲   ▲                 │ │ └─ failed, and nothing more can be done ─► done (its failure, or *ambiguous outcome*)
 *    │   │                 │ │
 *    │   └── could not ────┘ └─ failed, the other station can take it ─► running there
 *    │       be sent             │
 *    │                           └─ sent and lost, the station can be asked ─► asking ──it ran──► done
 *    │                                                                          │
 *    ├──────────────────────────── it did not run, or it is unknown ────────────┘
 *    └─── parked (until an instant: a backoff, a full retry budget)
 *
 * Attempts are kept apart from the state: a call that waits or asks may still have an attempt out,
 * which may be answered. `dispatch.ts` says which calls may move.
 */
import type { Due } from "../due-heap.ts";
import type { CallTerms } from "./call-terms.ts";
import type { CallSource } from "./learned/call-sources.ts";
import type { Station } from "./station.ts";

/** How a call ends for its caller: with a value, which may describe a failure, or with an error. */
export type Settlement = { readonly value: unknown } | { readonly error: unknown };

/**
 * How an attempt ended.
 *
 * - `served`: it succeeded. `ignored`: it says nothing about the station, and is not repeated.
 * - `failed`: the station answered with a failure. `overloaded`: the station refused the call for
 *   load.
 * - `lost`: it was sent, and whether it ran is unknown.
 * - `unreachable`: it was never sent, because the station did not accept the connection.
 * - `local-shortage`: it was never sent, because this machine lacked a resource.
 * - `stale`: the station refused its epoch; it did not run.
 */
export type AttemptResult =
  | "served"
  | "ignored"
  | "failed"
  | "overloaded"
  | "lost"
  | "unreachable"
  | "local-shortage"
  | "stale";

/**
 * Why an attempt was sent. `first`: the first attempt of its call. `retry`: sent to a station that
 * the call has reached before. `elsewhere`: sent after another station failed, refused or lost the
 * call, or fell silent. `hedge`: sent while an attempt at another station may still be answered.
 */
export type AttemptReason = "first" | "retry" | "elsewhere" | "hedge";

/** How an attempt ended, with what came back. */
export interface AttemptEnd {
  readonly result: AttemptResult;
  readonly settlement: Settlement;
  /** The station's own hint (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  /** False if trying again cannot help. */
  readonly retry?: boolean | undefined;
}

export type CallState =
  | { readonly phase: "waiting" }
  | { readonly phase: "running" }
  | { readonly phase: "parked" }
  | {
      readonly phase: "asking";
      readonly station: Station;
    }
  | { readonly phase: "done" };

export const WAITING: CallState = { phase: "waiting" };
export const RUNNING: CallState = { phase: "running" };
export const PARKED: CallState = { phase: "parked" };
export const DONE: CallState = { phase: "done" };

/**
 * An attempt that is out. (Its numbers start as 0, like those of a call: V8 is slower with a field
 * that was undefined first than with one that only ever held numbers.)
 */
export class Attempt {
  readonly call: Call;
  readonly station: Station;
  /** 1 for the call's first attempt anywhere, 2 for its second, … */
  readonly number: number = 0;
  readonly epoch: number = 0;
  readonly startedMs: number = 0;
  /** The breaker's permit; undefined if it is sent without one. */
  permit: number | undefined = undefined;
  /**
   * The station must not begin to work on it after this instant, because the call has gone
   * elsewhere by then.
   */
  beginByMs: number = Number.POSITIVE_INFINITY;
  /** True while its body is being sent: its age then says nothing about the station. */
  isUploading = false;
  /** True if sending its body takes or took time. */
  isUpload = false;
  /** True if it is one of the first of its source since its station began to serve. */
  isEarly = false;
  /** Its age counts from this instant: when it was sent, or when its body was. */
  judgedFromMs = 0;
  /** True once it has been counted as overdue. */
  isOverdue = false;
  /** True once it was so late that a second attempt elsewhere was considered. */
  isHedged = false;
  /** True once its result is no longer needed. */
  isAbandoned = false;
  /** True if it is probably lost or will take long, so its station's limit does not count it. */
  isSetAside = false;
  /** True if its station is silent and the call went on without it. */
  isMoved = false;
  /** True if its station was replaced and had served nothing since it was sent. */
  isLeft = false;
  /** Its index among the attempts that are out at the station. */
  place = -1;
  /** The driver's context for it. */
  context: unknown = undefined;

  constructor(call: Call, station: Station, epoch: number, startedMs: number) {
    this.call = call;
    this.station = station;
    this.number = ++call.attempts;
    this.epoch = epoch;
    this.startedMs = startedMs;
    this.judgedFromMs = startedMs;
  }
}

/** What happened to a call at one station. */
export interface Visit {
  readonly station: Station;
  /** Attempts that may have reached the station. */
  attempts: number;
  last: AttemptResult | undefined;
  lastStartedMs: number;
  /** The breaker's permit of its last attempt there. */
  lastPermit: number | undefined;
  lastSettlement: Settlement | undefined;
  /** True if the station has been asked what became of the call. */
  wasAsked: boolean;
}

export class Call implements CallTerms, Due {
  readonly id: number = 0;
  readonly deadline: number = 0;
  readonly idempotencyKey: string | undefined;
  readonly isRepeatable: boolean;
  readonly isIdempotent: boolean;
  readonly source: CallSource;
  readonly arrivedMs: number = 0;
  /** The operation that the driver runs. */
  readonly request: unknown;
  state: CallState = WAITING;
  /** Attempts that are out; undefined if there are none. */
  out: Attempt[] | undefined = undefined;
  /** Stations that it has reached; undefined before its first failure. */
  visits: Visit[] | undefined = undefined;
  attempts = 0;
  /**
   * How its last attempt that did no work ended. Its caller gets this if there is no other result.
   */
  lastRefusal: unknown = undefined;
  staleRefusals = 0;
  /** Station whose retry budget has been charged for a future attempt. */
  charged: Station | undefined = undefined;
  /**
   * Stations whose retry budgets hold a charged attempt that did no work: the next attempt there is
   * not charged again.
   */
  booked: Station[] | undefined = undefined;
  /** When to check it again while it is not running. */
  restsUntilMs = 0;
  /** True if it fell due on a late tick and was given time to read unread answers. */
  wasReadFirst = false;
  /** When its wait for a station ends; undefined before it has waited. */
  waitEndsMs: number | undefined = undefined;
  /**
   * When to stop waiting for an attempt that is out, before the deadline, because another attempt
   * would be useless; or undefined.
   */
  answerEndsMs: number | undefined = undefined;
  /** Its position in the order of the queue; lower goes first. The queue owns this field. */
  order = 0;
  dueAtMs = 0;
  duePlace = -1;

  constructor(id: number, terms: CallTerms, arrivedMs: number, request?: unknown) {
    this.id = id;
    this.deadline = terms.deadline;
    this.idempotencyKey = terms.idempotencyKey;
    this.isRepeatable = terms.isRepeatable;
    this.isIdempotent = terms.isIdempotent;
    this.source = terms.source;
    this.arrivedMs = arrivedMs;
    this.request = request;
  }

  /**
   * The terms of the call. They are the call's own fields: a separate object would be allocated for
   * every call.
   */
  get terms(): CallTerms {
    return this;
  }

  /** What happened to the call at `station`; undefined if it has not failed there. */
  visitAt(station: Station): Visit | undefined {
    if (this.visits === undefined) return undefined;
    for (const visit of this.visits) if (visit.station === station) return visit;
    return undefined;
  }

  /** As {@link visitAt}, but creates a record if there is none. */
  noteVisit(station: Station): Visit {
    const known = this.visitAt(station);
    if (known !== undefined) return known;
    const visit: Visit = {
      station,
      attempts: 0,
      last: undefined,
      lastStartedMs: 0,
      lastPermit: undefined,
      lastSettlement: undefined,
      wasAsked: false,
    };
    this.visits ??= [];
    this.visits.push(visit);
    return visit;
  }

  /** An attempt did no work at `station`, and stays charged to its budget. */
  noteBooked(station: Station): void {
    if (this.booked === undefined) this.booked = [station];
    else if (!this.booked.includes(station)) this.booked.push(station);
  }

  /** Is an attempt that did no work still charged at `station`? True once for each. */
  takeBooked(station: Station): boolean {
    const place = this.booked?.indexOf(station) ?? -1;
    if (place >= 0) this.booked?.splice(place, 1);
    return place >= 0;
  }

  /** Has this call an attempt out at `station`? */
  isOutAt(station: Station): boolean {
    return this.out?.some((attempt) => attempt.station === station) === true;
  }

  /** Has this call an attempt out at a station other than `station`? */
  isOutBeside(station: Station): boolean {
    return this.out?.some((attempt) => attempt.station !== station) === true;
  }

  /**
   * The earliest timeout of its attempts whose result is still needed; `Infinity` if there is none.
   */
  get timeoutAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.out ?? []) atMs = Math.min(atMs, timeoutAtMs(attempt));
    return atMs;
  }

  /** May the call have run at a station that has not answered? */
  get mayHaveRun(): boolean {
    if (this.out !== undefined && this.out.length > 0) return true;
    return this.visits?.some((visit) => visit.last === "lost") === true;
  }
}

/** When an attempt times out; `Infinity` while its time does not count. */
export function timeoutAtMs({ station, judgedFromMs, isUploading, isAbandoned }: Attempt): number {
  return isUploading || isAbandoned ? Number.POSITIVE_INFINITY : judgedFromMs + station.parts.timeoutMs;
}
