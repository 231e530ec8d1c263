/**
 * What a phi accrual detector may be told, checked and completed: the defaults of the adaptive
 * model differ from those of the fitted ones.
 */
import { ConfigurationError } from "../errors.ts";
import { COUNT, type Complete, checked, checkNames, DURATION_MS, type Names, shown } from "../options.ts";
import type { DetectorMachine } from "./detector.ts";
import type { GapModelName } from "./gap-model.ts";

/**
 * Options of a phi accrual detector: the model, what it presumes before it has learned, and its
 * bounds.
 */
export interface PhiAccrualOptions {
  /**
   * Distribution of the gaps. Default `normal`, as in the paper. `lognormal` for skewed gaps such
   * as long paths have; `exponential` needs no shape and is slow: it reaches level 8 after 18 mean
   * gaps. `adaptive` assumes no distribution and needs no tuning: level 8 means about one mistake
   * an hour on any traffic; it has defaults of its own below and takes neither windowSize nor
   * outageLevel.
   */
  readonly model?: GapModelName | "adaptive" | undefined;
  /**
   * How often a node is expected to beat. In ms, above 0 and below 2^31. It rules until enough was
   * learned, and sets the defaults below. Default 1,000, the slowest common choice: taken too long
   * it costs detection time at first, too short false alarms.
   */
  readonly expectedIntervalMs?: number | undefined;
  /**
   * How many gaps are remembered; a whole number, 2 … 1,000,000. Default 200: ten seconds at 50 ms,
   * enough for a deviation good to 5 %, quick to follow a change, 1.6 KB a node.
   */
  readonly windowSize?: number | undefined;
  /**
   * How many gaps must be known before the fit is trusted; until then the mean is not taken below
   * `expectedIntervalMs` nor the deviation below half the mean. A whole number from 1 to
   * `windowSize`. Default 50 or the window, if that is smaller: a deviation good to 10 %; 4 for
   * `adaptive`, whose presumptions about the tail give way on their own.
   */
  readonly minSamples?: number | undefined;
  /**
   * Floor of the deviation. In ms, above 0 and below 2^31. Default a quarter of
   * `expectedIntervalMs` where that is given, which bears the sampling error of the window and the
   * stalls of an idle machine; 25 where it is not, because nothing is known then. For `adaptive` a
   * 25th, or 2: it has seen the stalls. No silence below ten of these reaches its level 8.
   */
  readonly minDeviationMs?: number | undefined;
  /**
   * Silence from which on any threshold is reached, whatever was learned. In ms, above
   * `expectedIntervalMs`. Default 20 times `expectedIntervalMs`: a node that misses so many beats
   * serves nobody meanwhile; for `adaptive` no less than 20 s, because bursts of loss last that
   * long on networks that are alive; there a default is raised to 20 gaps of a sender whose gaps
   * are longer than half of it.
   */
  readonly ceilingMs?: number | undefined;
  /**
   * A gap that ended after suspicion had reached this level is not learned: it was an outage, and
   * would teach the detector to bear the next one. Above 0. Default 8, the level at which
   * supervisors declare.
   */
  readonly outageLevel?: number | undefined;
  /**
   * How many nodes are remembered; a whole number from 1, below 2^31. When it is full, a new node
   * takes the place of the one that has been silent longest, if that is past its ceiling:
   * `evictions` counts it, and it reads as never heard from. While none is, beats of new nodes are
   * `refused`, because forgetting one that lives would be a false alarm. Default 20,000: twice the
   * stations that one process is planned for.
   */
  readonly maxNodes?: number | undefined;
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

/** A phi accrual detector as a pure machine, whatever its model. */
export interface PhiAccrualMachine extends DetectorMachine {
  /** The options in force, defaults filled in. */
  readonly options: Complete<PhiAccrualOptions>;
  shortestSilenceMs(level: number): number;
  newestHeartbeatMs(): number;
  /** What is fitted to the gaps of `node` at present; undefined for a node never heard from. */
  estimate(node: string): PhiEstimate | undefined;
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
 * The options in force: every default filled in. Throws `ConfigurationError` where one is none, or
 * out of range.
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
