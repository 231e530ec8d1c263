/**
 * The contract of failure detection. A detector answers one question, continuously and cheaply: how
 * suspicious is this node's silence by now? What follows from a level (log it, send no new traffic,
 * declare the node down) is decided by each consumer, so several consumers can read one detector
 * with thresholds of their own.
 *
 * These are pure machines: they are given the time (`nowMs`, always the last argument) and never
 * wait.
 */

/** The fields that a heartbeat may carry. */
export interface Heartbeat {
  /**
   * Number of the beat; the sender raises it by one with each beat within an incarnation. Shows
   * loss, duplicates and reordering.
   */
  readonly sequence?: number;
  /**
   * When it was sent, in milliseconds on the sender's own axis (never compared with the
   * receiver's).
   */
  readonly sentAtMs?: number;
  /** The sender raises it at each restart; a beat of an older incarnation is a replay. */
  readonly incarnation?: number;
}

/**
 * What the detector did with a heartbeat. `counted`: the heartbeat proves life. The other verdicts
 * change nothing. `refused`: the heartbeat is malformed, or it comes from a new node while the
 * detector already remembers the maximum number of nodes and all of them are alive.
 */
export type HeartbeatVerdict = "counted" | "duplicate" | "reordered" | "old-incarnation" | "refused";

/** The part of a detector that a supervisor needs. */
export interface SuspicionSource {
  /**
   * How suspicious the silence of `node` is, 0 … ∞; `Infinity` for a node never heard from. Never
   * NaN, and never falls while the silence lasts.
   */
  suspicionLevel(node: string, nowMs: number): number;
  /**
   * When `node` reaches `level` if it stays silent after its last heartbeat. The instant agrees
   * with polling {@link suspicionLevel} within 1 ms and may lie in the past; undefined for a node
   * never heard from.
   */
  whenLevel?(node: string, level: number): number | undefined;
  /**
   * The shortest silence after which any node can reach `level`, whatever it has learned by then. A
   * caller that sets a timer by {@link whenLevel} must check again after at most this time, because
   * beats that came since may have moved the instant closer. Without this method, the timer has to
   * be set again at each heartbeat.
   */
  shortestSilenceMs?(level: number): number;
  /** When `node` was last heard from; undefined if never. */
  lastHeartbeatMs?(node: string): number | undefined;
  /** When any node was last heard from; -Infinity if none ever was. */
  newestHeartbeatMs?(): number;
}

/** A failure detector as a pure machine. */
export interface DetectorMachine extends SuspicionSource {
  /** Takes in a heartbeat that arrived at `nowMs`; only `counted` proves life. */
  noteHeartbeat(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict;
  /** Is the level of `node` below `threshold`? */
  isAlive(node: string, threshold: number, nowMs: number): boolean;
  whenLevel(node: string, level: number): number | undefined;
  lastHeartbeatMs(node: string): number | undefined;
  /** Forgets `node`. */
  forget(node: string): void;
  /** How many nodes have been forgotten because there was no room (`maxNodes`). */
  readonly evictions: number;
}
