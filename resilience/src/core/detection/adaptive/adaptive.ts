/**
 * The adaptive suspicion machine: one setting for all networks. It fits no family of distributions.
 * Instead it remembers for hours how long silences really were, and computes how many mistakes an
 * hour a deadline would mean. Level 8 means one expected mistake an hour, and each level above has
 * ten times fewer than the one below, from 7 (ten an hour) upwards. Up to level 2 the level is
 * plain phi. adaptive-node.ts describes a node, and silence-histogram.ts what is remembered of it.
 *
 * It assumes that the silences of the coming hours resemble those of the last sixteen, up to
 * location and unit. It cannot distinguish a burst of loss from a crash before the burst is over,
 * and it promises no rate of mistakes for the first hour.
 */

import { type Complete, checked } from "../../options.ts";
import { isWellFormed } from "../beat-order.ts";
import { type CarriedNode, gapsOfFit } from "../carried-node.ts";
import type { Heartbeat, HeartbeatVerdict } from "../detector.ts";
import { NodeRoom } from "../node-room.ts";
import type { PhiAccrualMachine, PhiAccrualOptions, PhiEstimate } from "../phi-accrual-options.ts";
import { AdaptiveNode, type AdaptiveSettings } from "./adaptive-node.ts";
import { HOURLY_LEVEL } from "./level-scale.ts";

/**
 * The level at which the adaptive model expects `perHour` mistakes an hour for each node: level 8
 * for one mistake an hour, 9.38 for one a day. Valid for rates of at most ten an hour, and for
 * senders that send a heartbeat at least every six minutes. Throws `ConfigurationError` if
 * `perHour` is not a number above 0.
 *
 * @example
 * ```ts
 * import { PhiAccrualDetector } from "ground-station-failover";
 * import { levelForMistakes } from "ground-station-failover/core";
 *
 * const detector = new PhiAccrualDetector({ model: "adaptive" });
 * const onceADay = levelForMistakes(1 / 24);
 * detector.noteHeartbeat("north");
 * console.log(onceADay.toFixed(2), detector.isAlive("north", onceADay)); // 9.38 true
 * ```
 */
export function levelForMistakes(perHour: number): number {
  const range = { min: 0, aboveMin: true, max: Number.MAX_VALUE };
  return HOURLY_LEVEL - Math.log10(checked("levelForMistakes", "perHour", perHour, range));
}

/**
 * Minimum number of deviations in the shortest silence that its level 8 can mean. A caller that
 * sets timers checks again at this interval.
 */
const MIN_DEVIATIONS = 10;

export class AdaptiveMachine implements PhiAccrualMachine {
  options: Complete<PhiAccrualOptions>;
  #settings: AdaptiveSettings;
  #room: NodeRoom;
  readonly #nodes: Map<string, AdaptiveNode> = new Map();
  #newestMs: number = Number.NEGATIVE_INFINITY;

  /**
   * `given`: the options that the caller gave, beside the options in force; the others may be
   * learned.
   */
  constructor(options: Complete<PhiAccrualOptions>, given: PhiAccrualOptions) {
    const { expectedIntervalMs, minSamples, minDeviationMs, ceilingMs, maxNodes } = options;
    this.options = options;
    this.#settings = {
      expectedIntervalMs,
      intervalTold: given.expectedIntervalMs !== undefined,
      minSamples,
      leastScaleMs: minDeviationMs,
      leastSilenceMs: Math.min(MIN_DEVIATIONS * minDeviationMs, ceilingMs),
      ceilingMs,
      ceilingTold: given.ceilingMs !== undefined,
    };
    this.#room = new NodeRoom(maxNodes, ceilingMs);
  }

  noteHeartbeat(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (!Number.isFinite(nowMs)) return "refused";
    const state = this.#nodes.get(node);
    if (state === undefined) return this.#meet(node, beat, nowMs);
    const outage = nowMs - state.lastMs >= state.silenceMs(HOURLY_LEVEL);
    const succession = state.order.note(beat, outage);
    if (succession !== "next" && succession !== "skip" && succession !== "restart") return succession;
    this.#newestMs = nowMs;
    state.hear(beat?.sequence, succession === "next", succession === "restart", nowMs);
    return "counted";
  }

  suspicionLevel(node: string, nowMs: number): number {
    const state = this.#nodes.get(node);
    if (state === undefined) return Number.POSITIVE_INFINITY;
    if (nowMs >= state.lastMs + state.ceilingMs) return Number.MAX_VALUE;
    return state.level(nowMs);
  }

  isAlive(node: string, threshold: number, nowMs: number): boolean {
    return this.suspicionLevel(node, nowMs) < threshold;
  }

  whenLevel(node: string, level: number): number | undefined {
    const state = this.#nodes.get(node);
    if (state === undefined) return undefined;
    if (!(level <= Number.MAX_VALUE)) return Number.POSITIVE_INFINITY;
    return state.lastMs + state.silenceMs(level);
  }

  shortestSilenceMs(level: number): number {
    const { leastSilenceMs, ceilingMs } = this.#settings;
    return Math.min(ceilingMs, Math.max(0, (leastSilenceMs * level) / HOURLY_LEVEL));
  }

  lastHeartbeatMs(node: string): number | undefined {
    return this.#nodes.get(node)?.lastMs;
  }

  newestHeartbeatMs(): number {
    return this.#newestMs;
  }

  carried(): CarriedNode[] {
    return [...this.#nodes].map(([name, state]) => {
      const { location, scale, samples } = state.estimate();
      return { name, lastMs: state.lastMs, order: state.order, gapsMs: gapsOfFit(location, scale, samples) };
    });
  }

  adopt(nodes: readonly CarriedNode[]): void {
    for (const { name, lastMs, order, gapsMs } of nodes) {
      let atMs = lastMs - gapsMs.reduce((sum, gapMs) => sum + gapMs, 0);
      const state = new AdaptiveNode(this.#settings, undefined, atMs, order);
      for (const [place, gapMs] of gapsMs.entries()) {
        atMs = place === gapsMs.length - 1 ? lastMs : atMs + gapMs;
        state.hear(undefined, true, false, atMs);
      }
      this.#nodes.set(name, state);
      this.#newestMs = Math.max(this.#newestMs, lastMs);
    }
  }

  /** Follows the settings of `other` from now on; nodes keep all that they have learned. */
  useSettingsOf(other: AdaptiveMachine): void {
    this.options = other.options;
    this.#settings = other.#settings;
    this.#room = other.#room;
    for (const state of this.#nodes.values()) state.useSettings(other.#settings);
  }

  get evictions(): number {
    return this.#room.evictions;
  }

  forget(node: string): void {
    this.#nodes.delete(node);
  }

  estimate(node: string): PhiEstimate | undefined {
    const estimate = this.#nodes.get(node)?.estimate();
    if (estimate === undefined) return undefined;
    return { ...estimate, presumed: estimate.samples < this.#settings.minSamples };
  }

  #meet(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (typeof node !== "string" || !isWellFormed(beat) || !this.#room.make(this.#nodes, nowMs)) return "refused";
    const state = new AdaptiveNode(this.#settings, beat?.sequence, nowMs);
    state.order.note(beat, false);
    this.#newestMs = nowMs;
    this.#nodes.set(node, state);
    return "counted";
  }
}
