/**
 * The distributions that a phi detector can fit to the gaps between heartbeats. Each answers only
 * what the detector asks: which sample to keep of a gap, how suspicious a silence is under a fit,
 * and the inverse. A fit is two numbers, `location` and `scale`, in the model's own space:
 * milliseconds for normal and exponential, logarithms of milliseconds for lognormal.
 *
 * The inverse has two halves, because the first is the same for every node and every fit:
 * `reach(level)` is the distance of a level from location, in units of scale, and
 * `silenceMs(reach, …)` turns that into a silence under one fit.
 */
import { normalTailLevel, normalTailPoint } from "./normal-tail.ts";

/** Name of a model of the gaps between heartbeats. */
export type GapModelName = "normal" | "lognormal" | "exponential";

/**
 * One distribution. All functions are pure and total, and never return NaN for finite arguments and
 * a positive scale.
 */
export interface GapModel {
  /** The sample that the window keeps of a gap. */
  keep(gapMs: number): number;
  /** The gap of a kept sample: the inverse of `keep`, as far as that has one. */
  gapMs(sample: number): number;
  /** The distance of `level` from location, in units of scale. */
  reach(level: number): number;
  /** The silence at that reach under a fit; may be negative. */
  silenceMs(reach: number, location: number, scale: number): number;
  /**
   * A gap whose kept sample is below this is shorter than `silenceMs` of the same arguments, and of
   * any wider scale. Cheap. -Infinity if this cannot be said: below location, a wider fit has the
   * shorter silence.
   */
  leastAt(reach: number, location: number, scale: number): number;
  /** -log10 P(gap > silenceMs) under a fit. */
  level(silenceMs: number, location: number, scale: number): number;
  /** The minimum location of any fit. */
  readonly leastLocation: number;
  /** The minimum scale of any fit. */
  readonly leastScale: number;
  /** The location of a sender that beats every `expectedIntervalMs`. */
  readonly expectedLocation: number;
  /** The scale assumed while little is known, for this `location`: a deviation of half the mean. */
  presumedScale(location: number): number;
}

/** The model called `name`; both arguments in milliseconds and above 0. */
export function gapModel(name: GapModelName, expectedIntervalMs: number, minDeviationMs: number): GapModel {
  switch (name) {
    case "normal":
      return normalModel(expectedIntervalMs, minDeviationMs);
    case "lognormal":
      return lognormalModel(expectedIntervalMs, minDeviationMs);
    case "exponential":
      return exponentialModel(expectedIntervalMs, minDeviationMs);
  }
}

function normalModel(expectedIntervalMs: number, minDeviationMs: number): GapModel {
  return {
    keep: (gapMs) => gapMs,
    gapMs: (sample) => sample,
    reach: normalTailPoint,
    silenceMs: (reach, location, scale) => location + reach * scale,
    leastAt: (reach, location, scale) => (reach < 0 ? Number.NEGATIVE_INFINITY : location + reach * scale),
    level: (silenceMs, location, scale) => normalTailLevel((silenceMs - location) / scale),
    leastLocation: 0,
    leastScale: minDeviationMs,
    expectedLocation: expectedIntervalMs,
    presumedScale: (location) => location / 2,
  };
}

/**
 * A gap shorter than `minDeviationMs` is kept as that long; otherwise bunched beats would make the
 * logarithms very negative. The minimum scale is that of a lognormal whose deviation divided by its
 * mean is minDeviationMs divided by expectedIntervalMs: sqrt(ln(1 + ratio^2)), 0.246 for a quarter.
 */
function lognormalModel(expectedIntervalMs: number, minDeviationMs: number): GapModel {
  const presumed = Math.sqrt(Math.log1p(0.25));
  return {
    keep: (gapMs) => Math.log(Math.max(gapMs, minDeviationMs)),
    gapMs: Math.exp,
    reach: normalTailPoint,
    silenceMs: (reach, location, scale) => Math.exp(location + reach * scale),
    // Logarithm and exponential are not exact inverses in the last digit, hence the margin.
    leastAt: (reach, location, scale) => (reach < 0 ? Number.NEGATIVE_INFINITY : location + reach * scale - 1e-12),
    level: (silenceMs, location, scale) =>
      silenceMs > 0 ? normalTailLevel((Math.log(silenceMs) - location) / scale) : 0,
    leastLocation: Math.log(minDeviationMs),
    leastScale: Math.sqrt(Math.log1p((minDeviationMs / expectedIntervalMs) ** 2)),
    expectedLocation: Math.log(expectedIntervalMs),
    presumedScale: () => presumed,
  };
}

/**
 * The fit is only the mean. It is never below `minDeviationMs`, because mean and deviation are
 * equal here.
 */
function exponentialModel(expectedIntervalMs: number, minDeviationMs: number): GapModel {
  return {
    keep: (gapMs) => gapMs,
    gapMs: (sample) => sample,
    reach: (level) => (level > 0 ? level * Math.LN10 : 0),
    silenceMs: (reach, location) => reach * location,
    leastAt: (reach, location) => reach * location,
    level: (silenceMs, location) => Math.min((silenceMs / location) * Math.LOG10E, Number.MAX_VALUE),
    leastLocation: minDeviationMs,
    leastScale: minDeviationMs,
    expectedLocation: expectedIntervalMs,
    presumedScale: (location) => location,
  };
}
