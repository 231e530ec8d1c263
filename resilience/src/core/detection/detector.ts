/**
 * The contract of failure detection. A detector answers one question, continuously and cheaply: how
 * suspicious is the silence of this node by now? What follows from a level (log it, send no new
 * traffic, declare it down) is each consumer's own business, so that several of them can read one
 * detector with thresholds of their own.
 *
 * These are the pure machines: they are told the time (`nowMs`, always last) and never wait.
 */

/** What a heartbeat may carry. */
export interface Heartbeat {
  /**
   * Number of the beat, counted up by one by its sender within an incarnation. Tells loss,
   * duplicates and reordering.
   */
  readonly sequence?: number;
  /** When it was sent, in milliseconds on the sender's own axis (never compared with ours). */
  readonly sentAtMs?: number;
  /** Counted up at each restart of the sender; a beat of an older incarnation is a replay. */
  readonly incarnation?: number;
}

/**
 * What became of a heartbeat: `counted` proves life; the others change nothing. `refused`: it is
 * malformed, or it comes from a new node while as many as may be remembered are alive.
 */
export type HeartbeatVerdict = "counted" | "duplicate" | "reordered" | "old-incarnation" | "refused";

/** What a supervisor needs of a detector. */
export interface SuspicionSource {
  /**
   * 0 … ∞: how suspicious the silence of `node` is; `Infinity` for a node never heard from. Never
   * NaN, never falls while silence lasts.
   */
  suspicionLevel(node: string, nowMs: number): number;
  /**
   * When `node` reaches `level` if it stays silent from its last heartbeat on: an instant that
   * agrees with polling {@link suspicionLevel} within 1 ms and may lie in the past; undefined for a
   * node never heard from.
   */
  whenLevel?(node: string, level: number): number | undefined;
  /**
   * The shortest silence after which any node can reach `level`, whatever it has learned by then.
   * Who set a timer by {@link whenLevel} looks again this much later at the latest, because beats
   * that came since may have drawn the instant nearer; without it, that timer has to be set anew at
   * each heartbeat.
   */
  shortestSilenceMs?(level: number): number;
  /** When `node` was last heard from; undefined if never. */
  lastHeartbeatMs?(node: string): number | undefined;
  /** When anybody at all was last heard from; -Infinity if never. */
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
  /** Drops all memory of `node`. */
  forget(node: string): void;
  /** How many nodes have been forgotten for want of room (`maxNodes`). */
  readonly evictions: number;
}
