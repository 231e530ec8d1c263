/**
 * One consumer of a detector, with a threshold of its own. It is informed when a node's level of
 * suspicion has reached the threshold, and when the node is clearly heard again. So several
 * consumers can read one detector, each with its own level: log at 3, send no new traffic at 5, and
 * leave the declaration, which has large effects, to a supervisor at 8. The watch sleeps until the
 * instant at which the level could be reached, and distrusts itself after a pause of this process,
 * as a supervisor does. It declares nothing: there is no dwell, no flap damping and no grace
 * period, and a node never heard from is not reported.
 */

import type { LivenessChange } from "../../core/detection/supervisor.ts";
import { checked, checkNames, type Names } from "../../core/options.ts";
import { Listeners } from "../listeners.ts";
import type { Clock } from "../time/clock.ts";
import type { FailureDetector } from "./detectors.ts";
import { checkDetector, LivenessSupervisor } from "./supervisor.ts";

/** The level of a node has crossed the threshold of a watch. */
export interface Crossing {
  readonly node: string;
  /** `reached`: at or above it; `cleared`: below the clear level again. */
  readonly to: "reached" | "cleared";
  /** The threshold. */
  readonly threshold: number;
  /** The level at that instant. */
  readonly level: number;
  readonly silentForMs: number | undefined;
  readonly atMs: number;
}

/** Options of a watch. */
export interface SuspicionWatchOptions {
  /** The detector to read; it may be shared with a supervisor and other watches. No default. */
  readonly detector: FailureDetector;
  /**
   * The clock that it waits on. Default: the detector's clock if it has one, otherwise the
   * system's.
   */
  readonly clock?: Clock | undefined;
  /**
   * The level at which this consumer is informed, above 0. Default 3: one silence in a thousand
   * reaches it, which is worth a line in a log.
   */
  readonly threshold?: number | undefined;
  /**
   * Below this level a node is clearly heard again; above 0, below `threshold`. Default half of it,
   * so that small changes are not reported.
   */
  readonly clearThreshold?: number | undefined;
  /**
   * How often a missing node is checked for its return. In ms, above 0 and below 2^31. Default 50:
   * one beat of the fastest planned path.
   */
  readonly recheckMs?: number | undefined;
  /**
   * Maximum time for which no node is reported after a pause of this process. In ms, above 0 and
   * below 2^31. Default 1,000: see LivenessSupervisor.
   */
  readonly maxAbstentionMs?: number | undefined;
}

const NAMES: Names<SuspicionWatchOptions> = {
  detector: true,
  clock: true,
  threshold: true,
  clearThreshold: true,
  recheckMs: true,
  maxAbstentionMs: true,
};

/**
 * Notifies one consumer when the level of a node reaches the consumer's own threshold, and when a
 * heartbeat of the node arrives again. Several watches can read one detector.
 *
 * @example
 * ```ts
 * import { PhiAccrualDetector, SuspicionWatch } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
 * const watch = new SuspicionWatch({ detector, threshold: 3 });
 * watch.watch("north");
 * const stop = new AbortController();
 * void watch.run(stop.signal);
 * detector.noteHeartbeat("north");
 * await clock.advanceBy(500); // silence
 * console.log(watch.isReached("north")); // true
 * stop.abort();
 * ```
 */
export class SuspicionWatch {
  threshold: number;
  readonly #supervisor: LivenessSupervisor;
  readonly #crossings: Listeners<Crossing> = new Listeners();

  constructor(options: SuspicionWatchOptions) {
    checkNames("SuspicionWatch", options, NAMES);
    const { threshold = 3, clearThreshold = threshold / 2, detector, ...others } = options;
    checkDetector("SuspicionWatch", detector);
    checked("SuspicionWatch", "threshold", threshold, { min: 0, aboveMin: true, max: Number.MAX_VALUE });
    checked("SuspicionWatch", "clearThreshold", clearThreshold, { min: 0, aboveMin: true, max: threshold });
    this.threshold = threshold;
    this.#supervisor = new LivenessSupervisor({
      ...others,
      detector,
      suspectThreshold: threshold,
      clearThreshold,
      // A supervisor's suspicion is reported; its declaration, at the detector's ceiling, is no
      // further news.
      declareThreshold: Number.MAX_VALUE,
      minDwellMs: 0,
      gracePeriodMs: Number.POSITIVE_INFINITY,
    });
    this.#supervisor.onLivenessChange((change) => this.#tell(change));
  }

  /**
   * Calls `listener` for each crossing; dispose to stop. An error that it throws becomes an
   * uncaught exception and stops nothing.
   */
  onCrossing(listener: (crossing: Crossing) => void): Disposable {
    return this.#crossings.add(listener);
  }

  /**
   * Follows `options` from now on; the detector must be the same. A node that has reached the
   * threshold has still done so until it is checked against the new one. Throws
   * `ConfigurationError`, and changes nothing, if an option is unknown or out of range.
   */
  reconfigure(options: SuspicionWatchOptions): void {
    const other = new SuspicionWatch(options);
    this.threshold = other.threshold;
    this.#supervisor.useOptionsOf(other.#supervisor);
  }

  /** Watches `node` from now on. */
  watch(node: string): void {
    this.#supervisor.watch(node);
  }

  /** Stops watching `node`. */
  unwatch(node: string): void {
    this.#supervisor.unwatch(node);
  }

  /** Has the level of `node` reached the threshold, and not been cleared since? */
  isReached(node: string): boolean {
    const liveness = this.#supervisor.liveness(node);
    return liveness === "suspected" || liveness === "down";
  }

  /** Watches until `signal` is aborted, then resolves and leaves no timer behind. */
  run(signal: AbortSignal): Promise<void> {
    return this.#supervisor.run(signal);
  }

  #tell({ node, from, to, level, silentForMs, atMs }: LivenessChange): void {
    const missed = from === "suspected" || from === "down";
    const misses = to === "suspected" || to === "down";
    if (missed === misses) return;
    this.#crossings.tell({
      node,
      to: misses ? "reached" : "cleared",
      threshold: this.threshold,
      level,
      silentForMs,
      atMs,
    });
  }
}
