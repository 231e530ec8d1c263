/**
 * The failure detectors bound to a clock: a heartbeat gets the time at which it is noted, and a
 * level is that of now. Each is a thin layer over the pure machine in `core`; a caller that has the
 * time already can use the machine with its own `nowMs`. Detectors only measure; a supervisor or
 * the caller decides what follows from a level.
 */
import { brand } from "../../core/brand.ts";
import type { DetectorMachine, Heartbeat, HeartbeatVerdict } from "../../core/detection/detector.ts";
import {
  FixedHeartbeatMachine,
  type FixedHeartbeatOptions,
  type HeartbeatStatus,
} from "../../core/detection/fixed-heartbeat.ts";
import { carryOn, phiAccrualMachine } from "../../core/detection/phi-accrual.ts";
import type { PhiAccrualMachine, PhiAccrualOptions, PhiEstimate } from "../../core/detection/phi-accrual-options.ts";
import type { ConfigurationError } from "../../core/errors.ts";
import { checkNames, type Names, optionsOf, refusal } from "../../core/options.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";

/** The methods that every detector must have, including your own. */
export interface FailureDetector {
  /** Takes a heartbeat of `node` that has just arrived. */
  noteHeartbeat(node: string, beat?: Heartbeat): void;
  /**
   * How suspicious the silence of `node` is by now, 0 … ∞; Infinity for a node never heard from.
   */
  suspicionLevel(node: string): number;
  /** Is the level below `threshold`? Each consumer has its own threshold. */
  isAlive(node: string, threshold: number): boolean;
}

const BEAT_NAMES: Names<Heartbeat> = { sequence: true, sentAtMs: true, incarnation: true };
/**
 * Field names are fixed in the caller's code, so a wrong one shows in the first heartbeats.
 * Checking those of every heartbeat would cost as much as processing it.
 */
const BEATS_CHECKED = 256;

/** A pure machine and its clock. */
export abstract class ClockedDetector<Machine extends DetectorMachine> implements FailureDetector {
  static {
    brand(ClockedDetector, "ClockedDetector");
  }

  /**
   * For readers that have the time already. They must use the same clock, or the levels mean
   * nothing.
   */
  machine: Machine;
  readonly clock: Clock;
  /** How many more heartbeats have their field names checked. */
  #beatsToCheck = BEATS_CHECKED;
  #heard: readonly ((node: string) => void)[] = [];

  /** `clock` defaults to the system's monotonic one. */
  constructor(machine: Machine, clock: Clock = systemClock) {
    checkClock(this.constructor.name, clock);
    this.machine = machine;
    this.clock = clock;
  }

  /**
   * Takes a heartbeat that has just arrived and returns the verdict; only `counted` proves life.
   * Throws `ConfigurationError` if `beat` is no object, or has a field that a {@link Heartbeat}
   * does not have. Names are checked in a detector's first heartbeats, and in all without a
   * sequence number.
   */
  noteHeartbeat(node: string, beat?: Heartbeat): HeartbeatVerdict {
    checkNode("noteHeartbeat", node);
    if (beat !== undefined && (this.#beatsToCheck > 0 || beat?.sequence === undefined)) {
      this.#beatsToCheck--;
      checkNames("noteHeartbeat", beat, BEAT_NAMES, "beat");
    }
    const verdict = this.machine.noteHeartbeat(node, beat, this.clock.nowMs());
    if (verdict === "counted") for (const listener of this.#heard) listener(node);
    return verdict;
  }

  /**
   * Calls `listener` with the node of each heartbeat that counts; dispose to stop.
   *
   * @internal
   */
  onHeard(listener: (node: string) => void): Disposable {
    this.#heard = [...this.#heard, listener];
    return {
      [Symbol.dispose]: () => {
        this.#heard = this.#heard.filter((one) => one !== listener);
      },
    };
  }

  suspicionLevel(node: string): number {
    checkNode("suspicionLevel", node);
    return this.machine.suspicionLevel(node, this.clock.nowMs());
  }

  isAlive(node: string, threshold: number): boolean {
    checkNode("isAlive", node);
    // Everything but NaN is a threshold. A comparison with NaN would always be false, whatever the
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
   * How many nodes have been forgotten because there was no room (`maxNodes`), the longest silent
   * first.
   */
  get evictions(): number {
    return this.machine.evictions;
  }

  /** Forgets `node`. */
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
 * A detector that learns how regular the heartbeats of each node are; its levels are phi. See
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

  /**
   * Follows `options` from now on, and keeps what it has learned: when each node was last heard,
   * which heartbeats were seen, and the gaps between them. If the model changes to or from
   * `adaptive`, the new one begins with the last gaps, or with their mean and deviation; if another
   * interval is expected, the gaps are forgotten. Throws
   * `ConfigurationError`, and changes nothing, if an option is unknown or out of range.
   */
  reconfigure(options: PhiAccrualOptions): void {
    this.machine = carryOn(this.machine, phiAccrualMachine(optionsOf("PhiAccrualDetector", options)));
  }

  /** The present fit to the gaps of `node`; undefined for a node never heard from. */
  estimate(node: string): PhiEstimate | undefined {
    return this.machine.estimate(node);
  }
}

/**
 * A detector with two fixed silences: after the first it suspects a node (level 5), after the
 * second it declares the node down (level 8).
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
