/**
 * The distributions that a phi detector can fit to the gaps between heartbeats, each reduced to
 * what the detector asks: what to keep of a gap, how suspicious a silence is under a fit, and the
 * inverse. A fit is two numbers, `location` and `scale`, in the model's own space: milliseconds for
 * normal and exponential, logarithms of milliseconds for lognormal.
 *
 * The inverse comes in two halves, because the first is the same for every node and every fit:
 * `reach(level)` says how far out a level lies in units of scale, `silenceMs(reach, …)` turns that
 * into a silence under one fit.
 */
import { normalTailLevel, normalTailPoint } from "./normal-tail.ts";

/** Names of the models. */
export type GapModelName = "normal" | "lognormal" | "exponential";

/**
 * One distribution. All functions are pure, total and free of NaN for finite arguments and a
 * positive scale.
 */
export interface GapModel {
  /** The sample that the window keeps of a gap. */
  keep(gapMs: number): number;
  /** How far out `level` lies, in units of scale from location. */
  reach(level: number): number;
  /** The silence at that reach under a fit; may be negative. */
  silenceMs(reach: number, location: number, scale: number): number;
  /**
   * A gap kept as less than this is shorter than `silenceMs` of the same arguments, and of any
   * wider scale. Cheap, and -Infinity where nothing can be said: nearer than location a wider fit
   * has the shorter silence.
   */
  leastAt(reach: number, location: number, scale: number): number;
  /** -log10 P(gap > silenceMs) under a fit. */
  level(silenceMs: number, location: number, scale: number): number;
  /** No fit has a location below this. */
  readonly leastLocation: number;
  /** No fit has a scale below this. */
  readonly leastScale: number;
  /** The location of a sender that beats every `expectedIntervalMs`. */
  readonly expectedLocation: number;
  /**
   * The scale presumed while little is known and the location is `location`: a deviation of half
   * the mean.
   */
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
 * A gap shorter than `minDeviationMs` is kept as that long: bunched beats would otherwise drag
 * the logarithms to minus infinity. The least scale is that of a lognormal whose deviation over its
 * mean is minDeviationMs over expectedIntervalMs: sqrt(ln(1 + ratio^2)), 0.246 for a quarter.
 */
function lognormalModel(expectedIntervalMs: number, minDeviationMs: number): GapModel {
  const presumed = Math.sqrt(Math.log1p(0.25));
  return {
    keep: (gapMs) => Math.log(Math.max(gapMs, minDeviationMs)),
    reach: normalTailPoint,
    silenceMs: (reach, location, scale) => Math.exp(location + reach * scale),
    // Logarithm and exponential do not undo each other to the last digit: hence the allowance.
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
 * The mean is the whole fit; it is never taken below `minDeviationMs`, because here mean and
 * deviation are one.
 */
function exponentialModel(expectedIntervalMs: number, minDeviationMs: number): GapModel {
  return {
    keep: (gapMs) => gapMs,
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
