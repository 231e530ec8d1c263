/**
 * What happens in a group: what its failover decides, and what its heartbeats show without anything
 * following from it. For logs, feeds and metrics.
 */
import type { FailoverEvent } from "ground-station-failover";
import type { RoomFigures, RoomRefusal } from "./held-memory.ts";
import type { LastProbe } from "./station-prober.ts";

/**
 * Heartbeats of a station are missing, or there again, by the level at which that is told of;
 * nothing follows from it.
 */
interface HeartbeatsMissing {
  readonly type: "heartbeats-missing" | "heartbeats-back";
  readonly station: string;
  readonly threshold: number;
  readonly level: number;
  readonly silentForMs: number | undefined;
  readonly atMs: number;
}

/** Probes of a station's health page turned from well to ill, or back; nothing follows from it. */
interface ProbeChanged extends LastProbe {
  readonly type: "probe";
  readonly station: string;
}

/**
 * Two processes send heartbeats as one station, so that these prove no life; or only one does
 * again.
 */
interface NameConflictChanged {
  readonly type: "name-conflict" | "name-conflict-ended";
  readonly station: string;
  /** Where they send from. */
  readonly between: readonly [string, string];
  readonly atMs: number;
}

/** Commands were refused because nothing more may be held for their callers; told now and then. */
interface MemoryUsedUp extends RoomFigures {
  readonly type: "memory-used-up";
  readonly reason: RoomRefusal;
  /** So many were since this was last told. */
  readonly refused: number;
  readonly atMs: number;
}

/** Why streams were ended: their station is down, or another one serves in its place. */
export const STREAM_ENDS = ["down", "replaced"] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** Streams were ended before their time. */
export interface StreamsCut {
  readonly type: "streams-cut";
  readonly station: string;
  readonly reason: StreamEnd;
  readonly streams: number;
  readonly atMs: number;
}

/** What happens in a group. */
export type GroupEvent =
  | FailoverEvent
  | HeartbeatsMissing
  | ProbeChanged
  | NameConflictChanged
  | MemoryUsedUp
  | StreamsCut;
