/**
 * The two sides of a call that is on its way through a failover: the call as those see it who queue it and let it go,
 * and the failover as the call sees it. Contracts only, so that neither side knows the other's workings.
 */
import type { Deadline } from "../core/deadline.ts";
import type { StaleEpochError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import type { KeyStatus } from "./failover-operation.ts";
import type { Lane, NamedStation } from "./lane.ts";

/**
 * Why a held call goes on. `elsewhere`: its station was replaced. `charged`: it may try once more, and its station's
 * budget has been charged for that. `in-place`: its station is well again, and never saw the attempt that failed.
 */
export type Resumption = "elsewhere" | "charged" | "in-place";

/** A call as those see it who queue it and let it go. */
export interface PendingCall<S extends NamedStation> {
  /** Where it was, or was to be, sent last. */
  readonly lane: Lane<S> | undefined;
  /** When its last failure came in; a success of its station after that can make the failure its own. */
  readonly failedAtMs: number;
  /** By when it wants its answer, on the failover's clock. */
  readonly deadline: Deadline;
  /** Does it carry a key, or is it declared idempotent? */
  readonly repeatable: boolean;
  /** No attempt of it has ever reached the station where it failed last. */
  readonly neverArrived: boolean;
  /** It has been sent to a station a second time after failing there. */
  readonly triedAgain: boolean;
  /** It was at its lane before, which was lost then, and its next attempt there can not be afforded yet. */
  readonly owed: boolean;
  /** It is this call's turn at `lane`, under `epoch`. */
  run(lane: Lane<S>, epoch: number, nowMs: number): void;
  /** Nobody could take it at once: it waits until `untilMs` at most. */
  waitUntil(untilMs: number): void;
  /** There is no room for it to wait. */
  refuse(error: Error): void;
  /** Held no longer: see {@link Resumption}. */
  resume(how: Resumption): void;
  /** Held no longer: its failure stands. */
  deliverFailure(): void;
}

/** What a call needs of its failover. */
export interface FailoverDesk<S extends NamedStation> {
  readonly clock: Clock;
  readonly ambiguousKeyed: "resend" | "report";
  /** How long a call waits for anybody who may never answer. */
  readonly maxWaitMs: number;
  /** The epoch of the moment. */
  epoch(): number;
  /** Is `lane` the active station's? */
  isActive(lane: Lane<S>): boolean;
  /** Has the right to send been lost? */
  leaseLost(): boolean;
  /** Queue it, at the front or at the back, and see whom it can go to. */
  enqueue(call: PendingCall<S>, front: boolean): void;
  /** Keep it until a promotion, or until it is known whose the failure was. */
  hold(call: PendingCall<S>): void;
  /** It waits for nothing any more. */
  forget(call: PendingCall<S>): void;
  /** An attempt has ended: evidence may have changed, and there may be room. */
  attemptEnded(lane: Lane<S>): void;
  /** A station has seen a newer epoch than the call's. */
  epochSeen(error: StaleEpochError): void;
  /** Asks a lost station what became of a key, if it can be asked at all. */
  ask<R>(lane: Lane<S>, idempotencyKey: string, deadline: Deadline): Promise<KeyStatus<R>> | undefined;
}
