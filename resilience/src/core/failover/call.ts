/**
 * One call on its way through the failover, as plain data. Its states, and what moves it:
 *
 *   waiting ──admitted──► running ──served──────────────────────────► done
 *    ▲   ▲                 │ │ └─ failed, and nothing more can be done ─► done (its failure, or *ambiguous outcome*)
 *    │   │                 │ │
 *    │   └── could not ────┘ └─ failed, the other station can take it ─► running there
 *    │       be sent             │
 *    │                           └─ sent and lost, the station can be asked ─► asking ──it ran──► done
 *    │                                                                          │
 *    ├──────────────────────────── it did not run, or nobody knows ─────────────┘
 *    └─── parked (until an instant: a backoff, a full retry budget)
 *
 * Attempts are kept apart from the state: a call that waits or asks may still have an attempt out
 * that answers in the end. The rules of what may move are in `dispatch.ts`.
 */
import type { Due } from "../due-heap.ts";
import type { CallTerms } from "./call-terms.ts";
import type { CallSource } from "./learned/call-sources.ts";
import type { Station } from "./station.ts";

/** How something ends for the caller: with a value, which may be a failure's, or with an error. */
export type Settlement = { readonly value: unknown } | { readonly error: unknown };

/**
 * How an attempt ended.
 *
 * - `served`: it succeeded. `ignored`: it says nothing about the station, and is not repeated.
 * - `failed`: the station answered with a failure. `overloaded`: it refused the call for load.
 * - `lost`: it was sent, and whether it ran is unknown.
 * - `unreachable`: it was never sent, the station did not take the connection.
 * - `local-shortage`: it was never sent, for want of a resource of this machine.
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
 * Why an attempt was sent: `first` of its call; `retry` at a station that the call has reached
 * before; `elsewhere`, after another station failed, refused or lost it, or fell silent; `hedge`,
 * while the attempt elsewhere is still waited for.
 */
export type AttemptReason = "first" | "retry" | "elsewhere" | "hedge";

/** How an attempt ended, with what came back. */
export interface AttemptEnd {
  readonly result: AttemptResult;
  readonly settlement: Settlement;
  /** The station's own hint (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  /** False: trying again cannot mend it. */
  readonly retry?: boolean | undefined;
}

export type CallState =
  | { readonly phase: "waiting" }
  | { readonly phase: "running" }
  | { readonly phase: "parked" }
  | {
      readonly phase: "asking";
      readonly station: Station;
      /** What the call goes on with where the station does not know. */
      readonly lost: Settlement;
    }
  | { readonly phase: "done" };

export const WAITING: CallState = { phase: "waiting" };
export const RUNNING: CallState = { phase: "running" };
export const PARKED: CallState = { phase: "parked" };
export const DONE: CallState = { phase: "done" };

/**
 * An attempt that is out. (Its numbers begin as 0, as those of a call do: a field that was
 * undefined first is slower to V8 than one that only ever held numbers.)
 */
export class Attempt {
  readonly call: Call;
  readonly station: Station;
  /** 1 for the call's first attempt anywhere, 2 for its second, … */
  readonly number: number = 0;
  readonly epoch: number = 0;
  readonly startedMs: number = 0;
  /** The breaker's permit; undefined where it is sent without one. */
  permit: number | undefined = undefined;
  /**
   * From this instant on the station is not to begin to work on it: the call has gone elsewhere by
   * then.
   */
  beginByMs: number = Number.POSITIVE_INFINITY;
  /** Its body is still being sent: its age says nothing about the station. */
  isUploading = false;
  /** Its body takes time, or took it. */
  isUpload = false;
  /** It is one of the first of its source since its station began to serve. */
  isEarly = false;
  /** From when its age counts: when it was sent, or its body was. */
  judgedFromMs = 0;
  /** It has been counted as overdue. */
  isOverdue = false;
  /** It is so late that a second attempt elsewhere was thought of. */
  isHedged = false;
  /** Nobody waits for it any more. */
  isAbandoned = false;
  /** It is likely to be lost, or to take long: its station's limit does not count it. */
  isSetAside = false;
  /** Its station is silent, and the call went on without waiting for it. */
  isMoved = false;
  /** Its station was replaced, and had served nothing since it was sent. */
  isLeft = false;
  /** Its place among those out at the station. */
  place = -1;
  /** The driver's context of it. */
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

/** What became of a call at one station. */
export interface Visit {
  readonly station: Station;
  /** Attempts that may have reached the station. */
  attempts: number;
  last: AttemptResult | undefined;
  lastStartedMs: number;
  /** The breaker's permit of its last attempt there. */
  lastPermit: number | undefined;
  lastSettlement: Settlement | undefined;
  /** The station has been asked what became of it. */
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
  /** What the driver runs. */
  readonly request: unknown;
  state: CallState = WAITING;
  /** Attempts that are out; undefined while none is. */
  out: Attempt[] | undefined = undefined;
  /** Where it has been; undefined before its first failure. */
  visits: Visit[] | undefined = undefined;
  attempts = 0;
  /** How its last attempt that did no work ended: told to its caller where it had no other end. */
  lastRefusal: unknown = undefined;
  staleRefusals = 0;
  /** Station whose retry budget has been charged for an attempt that is yet to come. */
  charged: Station | undefined = undefined;
  /**
   * Stations in whose retry budgets an attempt is booked that did no work there: the next one there
   * is not booked again.
   */
  booked: Station[] | undefined = undefined;
  /** While it is not running: when it is looked at again. */
  restsUntilMs = 0;
  /** It fell due on a tick that was late, and was given time to read what waited unread. */
  wasReadFirst = false;
  /** When its wait for a station ends; undefined before it has waited. */
  waitEndsMs: number | undefined = undefined;
  /**
   * When the wait for an attempt that is out ends before the deadline, because another would be of
   * no use; or undefined.
   */
  answerEndsMs: number | undefined = undefined;
  /** Its place in the order of the queue; lower goes first. Belongs to the queue. */
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
   * What it was submitted under. The call keeps it itself: an object for the terms would be made
   * with each call.
   */
  get terms(): CallTerms {
    return this;
  }

  /** What became of it at `station`; undefined where it has not failed there. */
  visitAt(station: Station): Visit | undefined {
    if (this.visits === undefined) return undefined;
    for (const visit of this.visits) if (visit.station === station) return visit;
    return undefined;
  }

  /** As {@link visitAt}, beginning a record where there is none. */
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

  /** An attempt of it did no work at `station`, and stays in the books there. */
  noteBooked(station: Station): void {
    if (this.booked === undefined) this.booked = [station];
    else if (!this.booked.includes(station)) this.booked.push(station);
  }

  /** Is an attempt booked at `station` that did no work there? True once for each. */
  takeBooked(station: Station): boolean {
    const place = this.booked?.indexOf(station) ?? -1;
    if (place >= 0) this.booked?.splice(place, 1);
    return place >= 0;
  }

  /** Has it an attempt out at `station`? */
  isOutAt(station: Station): boolean {
    return this.out?.some((attempt) => attempt.station === station) === true;
  }

  /** Has it an attempt out at another station than `station`? */
  isOutBeside(station: Station): boolean {
    return this.out?.some((attempt) => attempt.station !== station) === true;
  }

  /**
   * When the first of its attempts that somebody waits for runs out of time; `Infinity` where none
   * does.
   */
  get timeoutAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.out ?? []) atMs = Math.min(atMs, timeoutAtMs(attempt));
    return atMs;
  }

  /** May it have run somewhere, without an answer that says so? */
  get mayHaveRun(): boolean {
    if (this.out !== undefined && this.out.length > 0) return true;
    return this.visits?.some((visit) => visit.last === "lost") === true;
  }
}

/** When an attempt runs out of time; `Infinity` while it does not count. */
export function timeoutAtMs({ station, judgedFromMs, isUploading, isAbandoned }: Attempt): number {
  return isUploading || isAbandoned ? Number.POSITIVE_INFINITY : judgedFromMs + station.parts.timeoutMs;
}
