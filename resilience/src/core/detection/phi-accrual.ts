/**
 * The phi accrual failure detector. It learns how long the gaps between a node's heartbeats usually
 * are, and answers how improbable the present silence would be if the node were alive: phi = -log10
 * P(gap > silence). At phi 8 one silence in 10^8 would be a false alarm, if gaps were distributed
 * as the model says.
 *
 * Source: N. Hayashibara, X. Defago, R. Yared, T. Katayama, "The phi accrual failure detector",
 * SRDS 2004. Where this differs, and why:
 * - Deviation is not taken below `minDeviationMs`: a perfectly regular stream would make one
 *   late beat infinite.
 * - Before `minSamples` gaps the fit is a presumption, wide on purpose; the paper starts with a
 *   filled window.
 * - Not every gap is learned: not that of an outage (or the next outage would be waited for), not
 *   one over lost beats.
 * - Past `ceilingMs` the level is as high as a number can be, whatever was learned.
 * - The window holds 200 gaps where the paper used 1000: see {@link PhiAccrualOptions.windowSize}.
 *
 * The `adaptive` model is another machine behind the same face (adaptive.ts): it fits nothing and
 * counts instead. It does not decide that a node is down (see supervisor.ts), and it does not tell
 * a dead node from a cut link.
 */

import { ConfigurationError } from "../errors.ts";
import { COUNT, checked, checkNames, DURATION_MS, type Names, shown } from "../options.ts";
import { AdaptiveMachine } from "./adaptive/adaptive.ts";
import { isWellFormed } from "./beat-order.ts";
import type { DetectorMachine, Heartbeat, HeartbeatVerdict } from "./detector.ts";
import { type FitSettings, FittedNode, fitSettings } from "./fitted-node.ts";
import { type GapModel, type GapModelName, gapModel } from "./gap-model.ts";
import { NodeRoom } from "./node-room.ts";

export interface PhiAccrualOptions {
  /**
   * Distribution of the gaps. Default `normal`, as in the paper. `lognormal` for skewed gaps such
   * as long paths have; `exponential` needs no shape and is slow: it reaches level 8 after 18 mean
   * gaps. `adaptive` assumes no distribution and needs no tuning: level 8 means about one mistake
   * an hour on any traffic; it has defaults of its own below and takes neither windowSize nor
   * outageLevel.
   */
  readonly model?: GapModelName | "adaptive";
  /**
   * How often a node is expected to beat, in ms above 0. It rules until enough was learned, and
   * sets the defaults below. Default 1000, the slowest common choice: taken too long it costs
   * detection time at first, too short false alarms.
   */
  readonly expectedIntervalMs?: number;
  /**
   * How many gaps are remembered, from 2. Default 200: ten seconds at 50 ms, enough for a deviation
   * good to 5 %, quick to follow a change, 1.6 KB a node.
   */
  readonly windowSize?: number;
  /**
   * How many gaps must be known before the fit is trusted; until then the mean is not taken below
   * expectedIntervalMs nor the deviation below half the mean. From 1 to windowSize; default 50 or
   * the window, if that is smaller; 4 for `adaptive`, whose presumptions about the tail give way on
   * their own.
   */
  readonly minSamples?: number;
  /**
   * Floor of the deviation in ms, above 0. Default a quarter of expectedIntervalMs where that is
   * given, which bears the sampling error of the window and the stalls of an idle machine; 25 where
   * it is not, because nothing is known then. For `adaptive` a 25th, or 2: it has seen the stalls.
   * No silence below ten of these reaches its level 8.
   */
  readonly minDeviationMs?: number;
  /**
   * Silence in ms from which on any threshold is reached, whatever was learned. Default 20 times
   * expectedIntervalMs; for `adaptive` no less than 20 s, because bursts of loss last that long on
   * networks that are alive; there a default is raised to 20 gaps of a sender whose gaps are longer
   * than half of it.
   */
  readonly ceilingMs?: number;
  /** A gap that ended after suspicion had reached this level is not learned; above 0, default 8. */
  readonly outageLevel?: number;
  /**
   * How many nodes are remembered; at least 1. When it is full, a new node takes the place of the
   * one that has been silent longest, if that is past its ceiling: `evictions` counts it, and it
   * reads as never heard from. While none is, beats of new nodes are `refused`, because forgetting
   * one that lives would be a false alarm. Default 20,000.
   */
  readonly maxNodes?: number;
}

/**
 * What is fitted to a node's gaps: milliseconds, or logarithms of milliseconds for the lognormal
 * model.
 */
export interface PhiEstimate {
  readonly location: number;
  readonly scale: number;
  /** Gaps in the window. */
  readonly samples: number;
  /** True while the presumption for few samples rules. */
  readonly presumed: boolean;
}

const NAMES: Names<PhiAccrualOptions> = {
  model: true,
  expectedIntervalMs: true,
  windowSize: true,
  minSamples: true,
  minDeviationMs: true,
  ceilingMs: true,
  outageLevel: true,
  maxNodes: true,
};
/** No default ceiling of the adaptive model is below this. */
const ADAPTIVE_CEILING_MS = 20_000;
/**
 * Least deviations in the shortest silence that its level 8 can mean: whoever sets timers looks
 * again that often.
 */
const ADAPTIVE_LEAST_DEVIATIONS = 10;

export class PhiAccrualMachine implements DetectorMachine {
  /** The options in force, defaults filled in. */
  readonly options: Required<PhiAccrualOptions>;
  readonly #model: GapModel;
  readonly #settings: FitSettings;
  /** Answers everything where the model is `adaptive`. */
  readonly #adaptive: AdaptiveMachine | undefined;
  readonly #nodes: Map<string, FittedNode> = new Map();
  readonly #room: NodeRoom;
  #newestMs: number = Number.NEGATIVE_INFINITY;
  #askedLevel = Number.NaN;
  #askedReach = Number.NaN;

  constructor(options: PhiAccrualOptions = {}) {
    this.options = complete(options);
    const { model, expectedIntervalMs, minDeviationMs } = this.options;
    this.#room = new NodeRoom(this.options.maxNodes, this.options.ceilingMs);
    this.#adaptive = model === "adaptive" ? adaptiveMachine(this.options, options) : undefined;
    this.#model = gapModel(model === "adaptive" ? "normal" : model, expectedIntervalMs, minDeviationMs);
    this.#settings = fitSettings(this.#model, this.options.outageLevel, this.options);
  }

  noteHeartbeat(node: string, beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    if (this.#adaptive !== undefined) return this.#adaptive.noteHeartbeat(node, beat, nowMs);
    if (!Number.isFinite(nowMs)) return "refused";
    const state = this.#nodes.get(node);
    if (state === undefined) return this.#meet(node, beat, nowMs);
    const verdict = state.hear(beat, nowMs);
    if (verdict === "counted") this.#newestMs = nowMs;
    return verdict;
  }

  suspicionLevel(node: string, nowMs: number): number {
    if (this.#adaptive !== undefined) return this.#adaptive.suspicionLevel(node, nowMs);
    const state = this.#nodes.get(node);
    if (state === undefined) return Number.POSITIVE_INFINITY;
    if (nowMs >= state.lastMs + this.options.ceilingMs) return Number.MAX_VALUE;
    return state.level(nowMs);
  }

  isAlive(node: string, threshold: number, nowMs: number): boolean {
    return this.suspicionLevel(node, nowMs) < threshold;
  }

  /**
   * As {@link DetectorMachine.whenLevel}; Infinity for a level of Infinity, which a node once heard
   * never reaches.
   */
  whenLevel(node: string, level: number): number | undefined {
    if (this.#adaptive !== undefined) return this.#adaptive.whenLevel(node, level);
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
    if (this.#adaptive !== undefined) return this.#adaptive.shortestSilenceMs(level);
    const { leastLocation, expectedLocation, leastScale } = this.#model;
    const reach = this.#reach(level);
    // Nearer than the middle a wider fit has the shorter silence.
    if (reach < 0) return 0;
    const silenceMs = this.#model.silenceMs(reach, Math.min(leastLocation, expectedLocation), leastScale);
    return Math.min(Math.max(silenceMs, 0), this.options.ceilingMs);
  }

  lastHeartbeatMs(node: string): number | undefined {
    if (this.#adaptive !== undefined) return this.#adaptive.lastHeartbeatMs(node);
    return this.#nodes.get(node)?.lastMs;
  }

  newestHeartbeatMs(): number {
    if (this.#adaptive !== undefined) return this.#adaptive.newestHeartbeatMs();
    return this.#newestMs;
  }

  get evictions(): number {
    return (this.#adaptive ?? this.#room).evictions;
  }

  forget(node: string): void {
    this.#adaptive?.forget(node);
    this.#nodes.delete(node);
  }

  /** What is fitted to the gaps of `node` at present; undefined for a node never heard from. */
  estimate(node: string): PhiEstimate | undefined {
    if (this.#adaptive !== undefined) return this.#adaptive.estimate(node);
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
   * The same few levels are asked for again and again: the last one is remembered, because the
   * inverse is dear.
   */
  #reach(level: number): number {
    if (level !== this.#askedLevel) {
      this.#askedLevel = level;
      this.#askedReach = this.#model.reach(level);
    }
    return this.#askedReach;
  }
}

function adaptiveMachine(options: Required<PhiAccrualOptions>, told: PhiAccrualOptions): AdaptiveMachine {
  const { expectedIntervalMs, minSamples, minDeviationMs, ceilingMs, maxNodes } = options;
  const leastSilenceMs = Math.min(ADAPTIVE_LEAST_DEVIATIONS * minDeviationMs, ceilingMs);
  return new AdaptiveMachine(
    {
      expectedIntervalMs,
      intervalTold: told.expectedIntervalMs !== undefined,
      minSamples,
      leastScaleMs: minDeviationMs,
      leastSilenceMs,
      ceilingMs,
      ceilingTold: told.ceilingMs !== undefined,
    },
    maxNodes,
  );
}

function complete(options: PhiAccrualOptions): Required<PhiAccrualOptions> {
  const part = "PhiAccrualDetector";
  checkNames(part, options, NAMES);
  const adaptive = options.model === "adaptive";
  const expectedIntervalMs = checked(part, "expectedIntervalMs", options.expectedIntervalMs ?? 1000, DURATION_MS);
  const windowSize = checked(part, "windowSize", options.windowSize ?? 200, { min: 2, max: 1_000_000, integer: true });
  const fewest = { min: 1, max: windowSize, integer: true };
  const untoldMs = adaptive ? 2 : 25;
  const floorMs =
    options.minDeviationMs ??
    (options.expectedIntervalMs === undefined ? untoldMs : expectedIntervalMs / (adaptive ? 25 : 4));
  const leastCeilingMs = adaptive ? ADAPTIVE_CEILING_MS : 0;
  return {
    model: checkedModel(options.model ?? "normal"),
    expectedIntervalMs,
    windowSize,
    minSamples: checked(part, "minSamples", options.minSamples ?? Math.min(adaptive ? 4 : 50, windowSize), fewest),
    minDeviationMs: checked(part, "minDeviationMs", floorMs, DURATION_MS),
    ceilingMs: checked(part, "ceilingMs", options.ceilingMs ?? Math.max(leastCeilingMs, 20 * expectedIntervalMs), {
      min: expectedIntervalMs,
      aboveMin: true,
      max: Number.MAX_SAFE_INTEGER,
    }),
    outageLevel: checked(part, "outageLevel", options.outageLevel ?? 8, {
      min: 0,
      aboveMin: true,
      max: Number.MAX_VALUE,
    }),
    maxNodes: checked(part, "maxNodes", options.maxNodes ?? 20_000, COUNT),
  };
}

function checkedModel(model: GapModelName | "adaptive"): GapModelName | "adaptive" {
  if (model === "normal" || model === "lognormal" || model === "exponential" || model === "adaptive") return model;
  throw new ConfigurationError(
    "out-of-range",
    `PhiAccrualDetector: model is ${shown(model)}; it must be normal, lognormal, exponential or adaptive.`,
  );
}
