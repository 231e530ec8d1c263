/**
 * The options of a phi accrual detector, checked and completed. The adaptive model has other
 * defaults than the fitted ones.
 */

import { ConfigurationError } from "../errors.ts";
import { COUNT, type Complete, checked, checkNames, DURATION_MS, type Names, shown } from "../options.ts";
import type { CarriedNode } from "./carried-node.ts";
import type { DetectorMachine } from "./detector.ts";
import type { GapModelName } from "./gap-model.ts";

/**
 * Options of a phi accrual detector: its model, the values that it assumes before it has learned,
 * and its bounds.
 */
export interface PhiAccrualOptions {
  /**
   * Distribution of the gaps. Default `normal`, as in the paper. `lognormal`: for skewed gaps, as
   * on long paths. `exponential`: needs no shape and is slow, because it reaches level 8 only after
   * 18 mean gaps. `adaptive`: assumes no distribution and needs no tuning; level 8 means about one
   * mistake an hour on any traffic. It has its own defaults, given below, and uses neither
   * windowSize nor outageLevel.
   */
  readonly model?: GapModelName | "adaptive" | undefined;
  /**
   * How often a node is expected to beat. In ms, above 0 and below 2^31. It applies until enough
   * was learned, and sets the defaults below. Default 1,000, the slowest common choice: a value
   * that is too long delays detection at first, and one that is too short causes false alarms.
   */
  readonly expectedIntervalMs?: number | undefined;
  /**
   * How many gaps are remembered; a whole number, 2 … 1,000,000. Default 200: ten seconds at 50 ms,
   * enough for a deviation good to 5 %, quick to follow a change, 1.6 KB a node.
   */
  readonly windowSize?: number | undefined;
  /**
   * How many gaps must be known before the fit is trusted. Until then the mean is at least
   * `expectedIntervalMs`, and the deviation at least half the mean. A whole number from 1 to
   * `windowSize`. Default 50, or the window if that is smaller: the deviation is then known to 10
   * %. Default 4 for `adaptive`, which needs no such rule for its assumptions about the tail.
   */
  readonly minSamples?: number | undefined;
  /**
   * Minimum deviation. In ms, above 0 and below 2^31. Default a quarter of `expectedIntervalMs` if
   * that is given, which covers the sampling error of the window and the stalls of an idle machine;
   * 25 if it is not given, because nothing is known then. For `adaptive` a 25th, or 2, because it
   * has observed the stalls. No silence shorter than ten of these reaches its level 8.
   */
  readonly minDeviationMs?: number | undefined;
  /**
   * Silence after which every threshold is reached, whatever was learned. In ms, above
   * `expectedIntervalMs`. Default 20 times `expectedIntervalMs`: a node that misses so many beats
   * serves no call meanwhile. For `adaptive` at least 20 s, because bursts of loss last that long
   * on working networks; there, a default is raised to 20 gaps of a sender whose gaps are longer
   * than half of it.
   */
  readonly ceilingMs?: number | undefined;
  /**
   * A gap that ended after suspicion had reached this level is not learned: it was an outage, and
   * learning it would make the detector tolerate the next one. Above 0. Default 8, the level at
   * which supervisors declare.
   */
  readonly outageLevel?: number | undefined;
  /**
   * How many nodes are remembered; a whole number from 1, below 2^31. When the memory is full, a
   * new node replaces the one that has been silent longest, if its ceiling has passed: `evictions`
   * counts it, and it then reads as never heard from. If no ceiling has passed, beats of new nodes
   * are `refused`, because to forget a node that is alive would be a false alarm. Default 20,000:
   * twice the stations that one process is planned for.
   */
  readonly maxNodes?: number | undefined;
}

/**
 * The fit to a node's gaps: milliseconds, or logarithms of milliseconds for the lognormal model.
 */
export interface PhiEstimate {
  readonly location: number;
  readonly scale: number;
  /** Gaps in the window. */
  readonly samples: number;
  /** True while the conservative assumptions for few samples apply. */
  readonly presumed: boolean;
}

/** A phi accrual detector as a pure machine, with any model. */
export interface PhiAccrualMachine extends DetectorMachine {
  /** The options in force, including defaults. */
  readonly options: Complete<PhiAccrualOptions>;
  shortestSilenceMs(level: number): number;
  newestHeartbeatMs(): number;
  /** The present fit to the gaps of `node`; undefined for a node never heard from. */
  estimate(node: string): PhiEstimate | undefined;
  /**
   * What it knows, for another machine that takes its place.
   *
   * @internal
   */
  carried(): CarriedNode[];
  /**
   * Knows `nodes` from now on.
   *
   * @internal
   */
  adopt(nodes: readonly CarriedNode[]): void;
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
 * The options in force, including all defaults. Throws `ConfigurationError` if an option is unknown
 * or out of range.
 */
export function completePhiOptions(options: PhiAccrualOptions): Complete<PhiAccrualOptions> {
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
