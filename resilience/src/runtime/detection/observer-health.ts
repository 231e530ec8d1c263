/**
 * Whether this process can still hear: the heartbeats of all its supervisors together. A node that
 * dies is missed by the supervisors that watch it; an observer whose own network is cut misses all
 * nodes at once. Before a supervisor declares a node down it asks here whether any node was heard
 * since that one fell silent. If none was, the supervisor suspects itself first. This class
 * compares instants and keeps no heartbeats; who must wait, and for how long, is decided by the
 * supervisor.
 */

import { checkMethods } from "../../core/options.ts";

/** The heartbeats that one supervisor hears. */
export interface HeartbeatSource {
  /** When any of its nodes was last heard; -Infinity if never. */
  newestMs(): number;
  /** How many nodes it expects to hear. */
  expected(): number;
}

/** Minimum number of nodes for detecting that the observer itself is isolated. */
const SEVERAL = 2;
/** With thousands of supervisors that ask at once, one pass over the sources answers them all. */
const LOOK_EVERY_MS = 5;

/**
 * Remembers when this process last heard anything, from all its supervisors together, so that an
 * observer which is cut off suspects itself and not its nodes. Give one to all supervisors and
 * failovers of a process.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatDetector, LivenessSupervisor } from "ground-station-failover";
 * import { ObserverHealth } from "ground-station-failover";
 *
 * const observer = new ObserverHealth(); // one for the whole process
 * const [north, south] = ["north", "south"].map((node) => {
 *   const detector = new FixedHeartbeatDetector({ timeoutMs: 150 });
 *   const supervisor = new LivenessSupervisor({ detector, observer });
 *   supervisor.watch(node);
 *   return supervisor;
 * });
 * console.log(north?.liveness("north"), south?.liveness("south")); // unknown unknown
 * ```
 */
export class ObserverHealth {
  readonly #sources: Set<HeartbeatSource> = new Set();
  #newestMs = Number.NEGATIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** Adds `source` until the returned is disposed. All sources must use the same clock. */
  add(source: HeartbeatSource): Disposable {
    const what = "an object with newestMs and expected, as a supervisor has";
    checkMethods("ObserverHealth.add", "the source", source ?? null, ["newestMs", "expected"], what);
    this.#sources.add(source);
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    return { [Symbol.dispose]: () => this.#sources.delete(source) };
  }

  /**
   * When anybody was last heard from, as far as `nowMs` goes; a few milliseconds may be missing.
   */
  newestMs(nowMs: number): number {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return this.#newestMs;
    this.#lookedAtMs = nowMs;
    let newestMs = Number.NEGATIVE_INFINITY;
    for (const source of this.#sources) newestMs = Math.max(newestMs, source.newestMs());
    this.#newestMs = newestMs;
    return newestMs;
  }

  /** Has nobody at all been heard after `sinceMs`, by `nowMs`, though several are counted on? */
  isSilentSince(sinceMs: number, nowMs: number): boolean {
    return !(this.#newestMs > sinceMs) && !(this.newestMs(nowMs) > sinceMs) && this.#severalExpected();
  }

  #severalExpected(): boolean {
    let expected = 0;
    for (const source of this.#sources) {
      expected += source.expected();
      if (expected >= SEVERAL) return true;
    }
    return false;
  }
}
