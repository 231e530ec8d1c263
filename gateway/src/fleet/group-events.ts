/**
 * Events of a group: the decisions of its failover, and observations about heartbeats that lead to
 * no decision. For logs, feeds and metrics.
 */
import type { FailoverEvent } from "ground-station-failover";
import type { RoomFigures, RoomRefusal } from "./held-memory.ts";
import type { LedgerTrouble } from "./ledger/ledger-status.ts";
import type { LastProbe } from "./station-prober.ts";

/**
 * A station's heartbeats are missing, or are back, judged at the log threshold. For information
 * only; no decision follows from it.
 */
interface HeartbeatsMissing {
  readonly type: "heartbeats-missing" | "heartbeats-back";
  readonly station: string;
  readonly threshold: number;
  readonly level: number;
  readonly silentForMs: number | undefined;
  readonly atMs: number;
}

/**
 * Probes of a station's health page turned from good to bad, or back. For information only; no
 * decision follows from it.
 */
interface ProbeChanged extends LastProbe {
  readonly type: "probe";
  readonly station: string;
}

/**
 * Two processes send heartbeats as one station, so these heartbeats prove nothing. Or the conflict
 * has ended.
 */
interface NameConflictChanged {
  readonly type: "name-conflict" | "name-conflict-ended";
  readonly station: string;
  /** The addresses from which the two processes send. */
  readonly between: readonly [string, string];
  readonly atMs: number;
}

/**
 * Commands were refused because no more memory may be held for their callers. At most one event in
 * 10 s.
 */
interface MemoryUsedUp extends RoomFigures {
  readonly type: "memory-used-up";
  readonly reason: RoomRefusal;
  /** Number of commands refused since the last such event. */
  readonly refused: number;
  readonly atMs: number;
}

/** What an operator may order. */
export const ORDER_KINDS = ["switchover", "failback", "maintenance", "drain"] as const;
export type OrderKind = (typeof ORDER_KINDS)[number];

/** The operator who gave an order. Only the token is proven. */
export interface OrderGiver {
  /** Name of the token that was presented; undefined if none was needed. */
  readonly token: string | undefined;
  /** Address of the client. */
  readonly address: string;
  /** The name that the operator gave. */
  readonly name: string | undefined;
}

/**
 * What became of an order. `done`: carried out, nothing remains in force. `begun`: in force until
 * it ends. `refused`: nothing was changed. `ended`: by another order. `expired`: by itself.
 * `restored`: in force again after a restart.
 */
export type OrderOutcome = "done" | "begun" | "refused" | "ended" | "expired" | "restored";

/** An order of an operator: the audit trail. */
export interface OrderEvent {
  readonly type: "order";
  readonly order: OrderKind;
  readonly outcome: OrderOutcome;
  /** Undefined if it is about the whole group. */
  readonly station: string | undefined;
  /** Why it was given. */
  readonly reason: string;
  readonly by: OrderGiver;
  /** Why it was refused. */
  readonly refusal?: string;
  /** When it ends by itself, in ms since 1970. */
  readonly untilUnixMs?: number;
  readonly atMs: number;
}

/** Why streams were ended: their station is down, or it has been replaced. */
export const STREAM_ENDS = ["down", "replaced"] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** The gateway ended streams before they were complete. */
export interface StreamsCut {
  readonly type: "streams-cut";
  readonly station: string;
  readonly reason: StreamEnd;
  readonly streams: number;
  readonly atMs: number;
}

/**
 * An epoch is used that could not be stored. If this process is killed now, its successor learns
 * the epoch from the stations, or uses it again where none of them tells.
 */
interface EpochUnstored {
  readonly type: "epoch-unstored";
  readonly epoch: number;
  readonly reason: string;
  readonly atMs: number;
}

/**
 * Asynchronous commands were refused, or have expired. At most one event in 10 s for each reason.
 */
interface AsyncRefused {
  readonly type: "async-refused";
  readonly reason: string;
  /** Number of commands refused since the last such event. */
  readonly refused: number;
  readonly atMs: number;
}

interface AsyncExpired {
  readonly type: "async-expired";
  /** Number of commands that have expired since the last such event. */
  readonly expired: number;
  readonly atMs: number;
}

/** The gateway has started with asynchronous commands of the process before it. */
interface AsyncRestored {
  readonly type: "async-restored";
  readonly commands: number;
  /** Records that cannot be read. */
  readonly damaged: number;
  readonly atMs: number;
}

export type AsyncEvent = AsyncRefused | AsyncExpired | AsyncRestored;

/**
 * A certificate that the group uses ends soon, or has ended: 14, 7, 3 and 1 days before, and at its
 * end.
 */
interface CertificateExpiring {
  readonly type: "certificate-expiring";
  /** The group for its listener, or `group/station` for what a station is shown. */
  readonly holder: string;
  readonly subject: string;
  /** End of its time, RFC 3339. */
  readonly expiresAt: string;
  /** Below 0: it has ended. */
  readonly leftMs: number;
  readonly atMs: number;
}

/** The group follows other settings from now on. */
interface SettingsChanged {
  readonly type: "settings-changed";
  /** Each value that changed, in words; secrets are not shown. */
  readonly changes: readonly string[];
  readonly atMs: number;
}

/** What happens in a group. */
export type GroupEvent =
  | FailoverEvent
  | HeartbeatsMissing
  | ProbeChanged
  | NameConflictChanged
  | MemoryUsedUp
  | StreamsCut
  | LedgerTrouble
  | EpochUnstored
  | AsyncEvent
  | CertificateExpiring
  | OrderEvent
  | SettingsChanged;
