/**
 * The fixed heartbeat detector: a node that is silent for `suspectAfterMs` is suspected, and one
 * that is silent for `timeoutMs` is down. It learns nothing, so it is only as good as its two
 * numbers, and easily wrong: a timeout made for a slow path cost four minutes in the incident. Use
 * it if the path is known and its behaviour must be simple.
 *
 * Its level is a convenient scale, not a probability: 5 at suspectAfterMs and 8 at timeoutMs, with
 * straight lines between and beyond. So thresholds meant for a phi detector's levels give the same
 * result here as `status`.
 */

import { ConfigurationError } from "../errors.ts";
import { COUNT, type Complete, checked, checkNames, DURATION_MS, type Names } from "../options.ts";
import { BeatOrder, isWellFormed } from "./beat-order.ts";
import type { DetectorMachine, Heartbeat, HeartbeatVerdict } from "./detector.ts";
import { NodeRoom } from "./node-room.ts";

/** Options of a fixed heartbeat detector. */
export interface FixedHeartbeatOptions {
  /**
   * How often a node beats. In ms, above 0 and below 2^31. It only sets the default of `timeoutMs`,
   * and when a node may be forgotten. Default 1,000, the slowest common choice.
   */
  readonly intervalMs?: number | undefined;
  /**
   * Silence after which a node is down. In ms, above 0 and below 2^31. Default three intervals: two
   * beats may be lost.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Silence after which a node is suspected. In ms, above 0 and below `timeoutMs`. Default 5/8 of
   * it: one beat is clearly overdue.
   */
  readonly suspectAfterMs?: number | undefined;
  /**
   * How many nodes are remembered; a whole number from 1, below 2^31. When the memory is full, a
   * new node replaces the one that has been silent longest, if that has been silent for `timeoutMs`
   * and 20 intervals: `evictions` counts it, and it then reads as never heard from. If there is no
   * such node, beats of new nodes are `refused`, because to forget a node that is alive would be a
   * false alarm. Default 20,000: twice the stations that one process is planned for.
   */
  readonly maxNodes?: number | undefined;
}

/**
 * The state of a node according to a fixed heartbeat detector; `unknown`: no heartbeat of it has
 * arrived yet.
 */
export type HeartbeatStatus = "unknown" | "alive" | "suspected" | "down";

const NAMES: Names<FixedHeartbeatOptions> = {
  intervalMs: true,
  timeoutMs: true,
  suspectAfterMs: true,
  maxNodes: true,
};
/** The level at which `status` becomes suspected. */
const SUSPECTED_LEVEL = 5;
/** The level at which `status` becomes down. */
const DOWN_LEVEL = 8;

/**
 * After this many intervals of silence, the same as other detectors' ceilings, a node may be
 * forgotten to make room.
 */
const GONE_INTERVALS = 20;

class NodeState {
  readonly order: BeatOrder = new BeatOrder();
  lastMs: number;

  constructor(lastMs: number) {
    this.lastMs = lastMs;
  }
}

/**
 * The fixed heartbeat detector as a pure machine. It suspects a node after one fixed silence and
 * declares it down after another.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatMachine } from "ground-station-failover/core";
 *
 * const machine = new FixedHeartbeatMachine({ intervalMs: 50, timeoutMs: 160 });
 * machine.noteHeartbeat("north", { sequence: 1 }, 1_000);
 * console.log(machine.status("north", 1_050)); // alive
 * console.log(machine.status("north", 1_120)); // suspected
 * console.log(machine.status("north", 1_160)); // down
 * ```
 */
export class FixedHeartbeatMachine implements DetectorMachine {
  /** The options in force, including defaults. */
  readonly options: Complete<FixedHeartbeatOptions>;
  readonly #nodes: Map<string, NodeState> = new Map();
  readonly #room: NodeRoom;
  #newestMs = Number.NEGATIVE_INFINITY;

  constructor(options: FixedHeartbeatOptions = {}) {
    this.options = complete(options);
    const { maxNodes, timeoutMs, intervalMs } = this.options;
    this.#room = new NodeRoom(maxNodes, Math.max(timeoutMs, GONE_INTERVALS * intervalMs));
  }

  /** Takes in a heartbeat that arrived at `nowMs`; only `counted` proves life. */
  noteHeartbeat(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (!Number.isFinite(nowMs)) return "refused";
    let state = this.#nodes.get(node);
    if (state === undefined) {
      if (typeof node !== "string" || !isWellFormed(beat) || !this.#room.make(this.#nodes, nowMs)) return "refused";
      state = new NodeState(nowMs);
      this.#nodes.set(node, state);
    }
    const succession = state.order.note(beat, nowMs >= state.lastMs + this.options.timeoutMs);
    if (succession !== "next" && succession !== "skip" && succession !== "restart") return succession;
    state.lastMs = nowMs;
    this.#newestMs = nowMs;
    return "counted";
  }

  /** What the detector says of `node` at `nowMs`; `unknown` for a node never heard from. */
  status(node: string, nowMs: number): HeartbeatStatus {
    const state = this.#nodes.get(node);
    if (state === undefined) return "unknown";
    if (nowMs >= state.lastMs + this.options.timeoutMs) return "down";
    return nowMs >= state.lastMs + this.options.suspectAfterMs ? "suspected" : "alive";
  }

  suspicionLevel(node: string, nowMs: number): number {
    const state = this.#nodes.get(node);
    if (state === undefined) return Number.POSITIVE_INFINITY;
    const { suspectAfterMs, timeoutMs } = this.options;
    const silenceMs = nowMs > state.lastMs ? nowMs - state.lastMs : 0;
    // The same sums as in `status`, so that rounding cannot make the two disagree.
    if (nowMs >= state.lastMs + timeoutMs) {
      return Math.min(Math.max(DOWN_LEVEL, (silenceMs / timeoutMs) * DOWN_LEVEL), Number.MAX_VALUE);
    }
    if (nowMs >= state.lastMs + suspectAfterMs) {
      const share = Math.max(0, silenceMs - suspectAfterMs) / (timeoutMs - suspectAfterMs);
      return SUSPECTED_LEVEL + share * (DOWN_LEVEL - SUSPECTED_LEVEL);
    }
    return (silenceMs / suspectAfterMs) * SUSPECTED_LEVEL;
  }

  /** Is the level of `node` below `threshold`? */
  isAlive(node: string, threshold: number, nowMs: number): boolean {
    return this.suspicionLevel(node, nowMs) < threshold;
  }

  whenLevel(node: string, level: number): number | undefined {
    const state = this.#nodes.get(node);
    return state === undefined ? undefined : state.lastMs + this.shortestSilenceMs(level);
  }

  /**
   * As {@link SuspicionSource.shortestSilenceMs}: here the same silence for all nodes. Infinity for
   * a level of Infinity.
   */
  shortestSilenceMs(level: number): number {
    const { suspectAfterMs, timeoutMs } = this.options;
    if (level <= 0) return 0;
    if (level <= SUSPECTED_LEVEL) return (level / SUSPECTED_LEVEL) * suspectAfterMs;
    if (level <= DOWN_LEVEL) {
      const share = (level - SUSPECTED_LEVEL) / (DOWN_LEVEL - SUSPECTED_LEVEL);
      return suspectAfterMs + share * (timeoutMs - suspectAfterMs);
    }
    return level <= Number.MAX_VALUE ? (level / DOWN_LEVEL) * timeoutMs : Number.POSITIVE_INFINITY;
  }

  lastHeartbeatMs(node: string): number | undefined {
    return this.#nodes.get(node)?.lastMs;
  }

  newestHeartbeatMs(): number {
    return this.#newestMs;
  }

  get evictions(): number {
    return this.#room.evictions;
  }

  forget(node: string): void {
    this.#nodes.delete(node);
  }
}

function complete(options: FixedHeartbeatOptions): Complete<FixedHeartbeatOptions> {
  const part = "FixedHeartbeatDetector";
  checkNames(part, options, NAMES);
  const intervalMs = checked(part, "intervalMs", options.intervalMs ?? 1000, DURATION_MS);
  const timeoutMs = checked(part, "timeoutMs", options.timeoutMs ?? 3 * intervalMs, DURATION_MS);
  const suspectAfterMs = checked(part, "suspectAfterMs", options.suspectAfterMs ?? (timeoutMs * 5) / 8, DURATION_MS);
  if (suspectAfterMs >= timeoutMs) {
    throw new ConfigurationError(
      "suspect-after-timeout",
      `${part}: suspectAfterMs is ${suspectAfterMs}; it must be below timeoutMs, which is ${timeoutMs}.`,
    );
  }
  const maxNodes = checked(part, "maxNodes", options.maxNodes ?? 20_000, COUNT);
  return { intervalMs, timeoutMs, suspectAfterMs, maxNodes };
}
