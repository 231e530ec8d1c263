/**
 * The phi accrual detector that fits a distribution to a node's gaps: normal, lognormal or
 * exponential (`gap-model.ts`). `fitted-node.ts` keeps what is remembered of one node;
 * `phi-accrual.ts` lists the differences from the paper.
 */
import type { Complete } from "../options.ts";
import { isWellFormed } from "./beat-order.ts";
import type { CarriedNode } from "./carried-node.ts";
import type { Heartbeat, HeartbeatVerdict } from "./detector.ts";
import { type FitSettings, FittedNode, fitSettings } from "./fitted-node.ts";
import { type GapModel, type GapModelName, gapModel } from "./gap-model.ts";
import { NodeRoom } from "./node-room.ts";
import type { PhiAccrualMachine, PhiAccrualOptions, PhiEstimate } from "./phi-accrual-options.ts";

export class FittedMachine implements PhiAccrualMachine {
  readonly options: Complete<PhiAccrualOptions>;
  readonly #model: GapModel;
  readonly #settings: FitSettings;
  readonly #nodes: Map<string, FittedNode> = new Map();
  readonly #room: NodeRoom;
  #newestMs: number = Number.NEGATIVE_INFINITY;
  #askedLevel = Number.NaN;
  #askedReach = Number.NaN;

  constructor(model: GapModelName, options: Complete<PhiAccrualOptions>) {
    const { expectedIntervalMs, minDeviationMs, outageLevel, maxNodes, ceilingMs } = options;
    this.options = options;
    this.#room = new NodeRoom(maxNodes, ceilingMs);
    this.#model = gapModel(model, expectedIntervalMs, minDeviationMs);
    this.#settings = fitSettings(this.#model, outageLevel, options);
  }

  noteHeartbeat(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (!Number.isFinite(nowMs)) return "refused";
    const state = this.#nodes.get(node);
    if (state === undefined) return this.#meet(node, beat, nowMs);
    const verdict = state.hear(beat, nowMs);
    if (verdict === "counted") this.#newestMs = nowMs;
    return verdict;
  }

  suspicionLevel(node: string, nowMs: number): number {
    const state = this.#nodes.get(node);
    if (state === undefined) return Number.POSITIVE_INFINITY;
    if (nowMs >= state.lastMs + this.options.ceilingMs) return Number.MAX_VALUE;
    return state.level(nowMs);
  }

  isAlive(node: string, threshold: number, nowMs: number): boolean {
    return this.suspicionLevel(node, nowMs) < threshold;
  }

  /**
   * As {@link DetectorMachine.whenLevel}; Infinity for a level of Infinity, which a node that was
   * heard never reaches.
   */
  whenLevel(node: string, level: number): number | undefined {
    const state = this.#nodes.get(node);
    if (state === undefined) return undefined;
    if (!(level <= Number.MAX_VALUE)) return Number.POSITIVE_INFINITY;
    return state.lastMs + state.silenceMs(this.#reach(level));
  }

  /**
   * As {@link SuspicionSource.shortestSilenceMs}: the silence under the narrowest fit that the
   * options allow.
   */
  shortestSilenceMs(level: number): number {
    const { leastLocation, expectedLocation, leastScale } = this.#model;
    const reach = this.#reach(level);
    // Below the middle of the distribution, a wider fit has the shorter silence.
    if (reach < 0) return 0;
    const silenceMs = this.#model.silenceMs(reach, Math.min(leastLocation, expectedLocation), leastScale);
    return Math.min(Math.max(silenceMs, 0), this.options.ceilingMs);
  }

  lastHeartbeatMs(node: string): number | undefined {
    return this.#nodes.get(node)?.lastMs;
  }

  newestHeartbeatMs(): number {
    return this.#newestMs;
  }

  carried(): CarriedNode[] {
    return [...this.#nodes].map(([name, { lastMs, order, gapsMs }]) => ({ name, lastMs, order, gapsMs }));
  }

  adopt(nodes: readonly CarriedNode[]): void {
    for (const { name, lastMs, order, gapsMs } of nodes) {
      const state = new FittedNode(this.#settings, undefined, lastMs, order);
      state.remember(gapsMs);
      this.#nodes.set(name, state);
      this.#newestMs = Math.max(this.#newestMs, lastMs);
    }
  }

  get evictions(): number {
    return this.#room.evictions;
  }

  forget(node: string): void {
    this.#nodes.delete(node);
  }

  estimate(node: string): PhiEstimate | undefined {
    const state = this.#nodes.get(node);
    if (state === undefined) return undefined;
    const { location, scale, samples } = state;
    return { location, scale, samples, presumed: samples < this.options.minSamples };
  }

  #meet(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (typeof node !== "string" || !isWellFormed(beat) || !this.#room.make(this.#nodes, nowMs)) return "refused";
    this.#nodes.set(node, new FittedNode(this.#settings, beat, nowMs));
    this.#newestMs = nowMs;
    return "counted";
  }

  /**
   * Callers ask for the same few levels again and again, and the inverse is expensive, so the last
   * one is kept.
   */
  #reach(level: number): number {
    if (level !== this.#askedLevel) {
      this.#askedLevel = level;
      this.#askedReach = this.#model.reach(level);
    }
    return this.#askedReach;
  }
}
