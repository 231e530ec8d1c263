/**
 * Whether this process can still hear heartbeats, from all its supervisors together. If a node
 * dies, the supervisors that watch it miss it. If the observer's own network is cut, it misses all
 * nodes at once. Before a supervisor declares a node down, it asks here whether any node was heard
 * since that node fell silent. If none was, the supervisor suspects itself first. This class
 * compares instants and keeps no heartbeats; the supervisor decides how long to wait.
 */

import { checkMethods } from "../../core/options.ts";

/** The heartbeats that one supervisor receives. */
export interface HeartbeatSource {
  /** When any of its nodes was last heard; -Infinity if never. */
  newestMs(): number;
  /** How many nodes it expects to hear. */
  expected(): number;
}

/** Minimum number of nodes for detecting that the observer itself is isolated. */
const SEVERAL = 2;
/** Thousands of supervisors may ask at once; one pass over the sources answers them all. */
const LOOK_EVERY_MS = 5;

/**
 * Remembers when any supervisor of this process last received a heartbeat. With it, a supervisor
 * that is cut off from all nodes suspects itself first, not the nodes. Pass the same
 * object to all supervisors and failovers of a process.
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
   * When any node was last heard from, as of `nowMs`; the newest few milliseconds may be missing.
   */
  newestMs(nowMs: number): number {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return this.#newestMs;
    this.#lookedAtMs = nowMs;
    let newestMs = Number.NEGATIVE_INFINITY;
    for (const source of this.#sources) newestMs = Math.max(newestMs, source.newestMs());
    this.#newestMs = newestMs;
    return newestMs;
  }

  /** Has no node at all been heard after `sinceMs`, by `nowMs`, although several are expected? */
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
