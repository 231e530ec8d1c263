/**
 * The failure detectors bound to a clock: a heartbeat is stamped when it is noted, a level is asked
 * for as of now. Each is a thin face of the pure machine in `core`, which whoever reads the clock
 * anyway can ask with its own `nowMs`. They only measure; what follows from a level is a
 * supervisor's business, or the caller's.
 */
import { brand } from "../../core/brand.ts";
import type { DetectorMachine, Heartbeat, HeartbeatVerdict } from "../../core/detection/detector.ts";
import {
  FixedHeartbeatMachine,
  type FixedHeartbeatOptions,
  type HeartbeatStatus,
} from "../../core/detection/fixed-heartbeat.ts";
import { phiAccrualMachine } from "../../core/detection/phi-accrual.ts";
import type { PhiAccrualMachine, PhiAccrualOptions, PhiEstimate } from "../../core/detection/phi-accrual-options.ts";
import type { ConfigurationError } from "../../core/errors.ts";
import { checkNames, type Names, optionsOf, refusal } from "../../core/options.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";

/** What a detector of anybody's making has to offer. */
export interface FailureDetector {
  /** Takes in a heartbeat of `node` that has just arrived. */
  noteHeartbeat(node: string, beat?: Heartbeat): void;
  /**
   * 0 … ∞: how suspicious the silence of `node` is by now; Infinity for a node never heard from.
   */
  suspicionLevel(node: string): number;
  /** Whether the level is below `threshold`, which is each consumer's own. */
  isAlive(node: string, threshold: number): boolean;
}

const BEAT_NAMES: Names<Heartbeat> = { sequence: true, sentAtMs: true, incarnation: true };
/**
 * Names stand in the caller's code, so a wrong one shows at once; looking at all of every
 * heartbeat's would cost as much as taking it in.
 */
const BEATS_CHECKED = 256;

/** A pure machine and the clock it is asked by. */
export abstract class ClockedDetector<Machine extends DetectorMachine> implements FailureDetector {
  static {
    brand(ClockedDetector, "ClockedDetector");
  }

  /** For readers who have the time at hand: same clock, or the levels mean nothing. */
  readonly machine: Machine;
  readonly clock: Clock;
  /** Of how many more heartbeats the names are looked at. */
  #beatsToCheck = BEATS_CHECKED;

  /** `clock` defaults to the system's monotonic one. */
  constructor(machine: Machine, clock: Clock = systemClock) {
    checkClock(this.constructor.name, clock);
    this.machine = machine;
    this.clock = clock;
  }

  /**
   * Takes in a heartbeat that has just arrived and says what became of it; only `counted` proves
   * life. Throws `ConfigurationError` where `beat` is no object, or has a field that is none of a
   * {@link Heartbeat}'s; names are looked at in a detector's first heartbeats, and in all that have
   * no number.
   */
  noteHeartbeat(node: string, beat?: Heartbeat): HeartbeatVerdict {
    checkNode("noteHeartbeat", node);
    if (beat !== undefined && (this.#beatsToCheck > 0 || beat?.sequence === undefined)) {
      this.#beatsToCheck--;
      checkNames("noteHeartbeat", beat, BEAT_NAMES, "beat");
    }
    return this.machine.noteHeartbeat(node, beat, this.clock.nowMs());
  }

  suspicionLevel(node: string): number {
    checkNode("suspicionLevel", node);
    return this.machine.suspicionLevel(node, this.clock.nowMs());
  }

  isAlive(node: string, threshold: number): boolean {
    checkNode("isAlive", node);
    // Everything but NaN is a threshold; comparing with something else would be false, whatever the
    // node does.
    if (typeof threshold !== "number" || Number.isNaN(threshold)) throw noLevel("isAlive: threshold", threshold);
    return this.machine.isAlive(node, threshold, this.clock.nowMs());
  }

  /**
   * When `node` reaches `level` if it stays silent, on the clock's axis; undefined for a node never
   * heard from.
   */
  whenLevel(node: string, level: number): number | undefined {
    checkNode("whenLevel", node);
    if (typeof level !== "number" || Number.isNaN(level)) throw noLevel("whenLevel: level", level);
    return this.machine.whenLevel(node, level);
  }

  /** When `node` was last heard from, on the clock's axis; undefined if never. */
  lastHeartbeatMs(node: string): number | undefined {
    return this.machine.lastHeartbeatMs(node);
  }

  /**
   * How many nodes have been forgotten for want of room (`maxNodes`), the longest silent first.
   */
  get evictions(): number {
    return this.machine.evictions;
  }

  /** Drops all memory of `node`. */
  forget(node: string): void {
    this.machine.forget(node);
  }
}

function checkNode(method: string, node: unknown): void {
  if (typeof node !== "string") throw refusal(method, "node", node, "a text");
}

function noLevel(option: string, given: unknown): ConfigurationError {
  return refusal("detector", option, given, "a level of suspicion, such as 8");
}

/**
 * Learns how regular each node's heartbeats are; levels are phi. See
 * `core/detection/phi-accrual.ts` for what it learns.
 *
 * @example
 * ```ts
 * import { PhiAccrualDetector } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
 * for (let beat = 0; beat < 100; beat++) {
 *   await clock.advanceBy(50);
 *   detector.noteHeartbeat("north", { sequence: beat });
 * }
 * console.log(detector.isAlive("north", 8)); // true
 * await clock.advanceBy(300);
 * console.log(detector.isAlive("north", 8)); // false
 * ```
 */
export class PhiAccrualDetector extends ClockedDetector<PhiAccrualMachine> {
  constructor(options: PhiAccrualOptions & { readonly clock?: Clock } = {}) {
    const { clock, ...rules } = optionsOf("PhiAccrualDetector", options);
    super(phiAccrualMachine(rules), clock);
  }

  /** What is fitted to the gaps of `node` at present; undefined for a node never heard from. */
  estimate(node: string): PhiEstimate | undefined {
    return this.machine.estimate(node);
  }
}

/**
 * Two fixed silences: one to suspect, one to call a node down. Level 5 is the first, level 8 the
 * second.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatDetector } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new FixedHeartbeatDetector({ clock, intervalMs: 50, timeoutMs: 150 });
 * console.log(detector.status("north")); // unknown
 * detector.noteHeartbeat("north");
 * console.log(detector.status("north")); // alive
 * await clock.advanceBy(150);
 * console.log(detector.status("north")); // down
 * ```
 */
export class FixedHeartbeatDetector extends ClockedDetector<FixedHeartbeatMachine> {
  constructor(options: FixedHeartbeatOptions & { readonly clock?: Clock } = {}) {
    const { clock, ...rules } = optionsOf("FixedHeartbeatDetector", options);
    super(new FixedHeartbeatMachine(rules), clock);
  }

  /** What the detector says of `node` now; `unknown` for a node never heard from. */
  status(node: string): HeartbeatStatus {
    return this.machine.status(node, this.clock.nowMs());
  }
}
