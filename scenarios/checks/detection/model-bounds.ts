/**
 * The bounds of a group's detector, from its settings alone, whatever it has learned: the shortest
 * silence that reaches a level, the highest level of a silence, and the latest time at which a
 * silence after ordinary heartbeats is declared. Each model has bounds of its own
 * (docs/guide/detection.md). If the manual gives none, the result is the widest bound, which always
 * holds.
 *
 *   normal                   the narrowest and the widest fit that the settings allow
 *   adaptive                 no silence shorter than ten least deviations, or the ceiling, reaches level 8, others in proportion
 *   lognormal, exponential   only the ceiling
 */
import type { DocumentedGroup } from "../documented.ts";
import { deviationsAt, levelAt, levelReachedAt } from "./suspicion.ts";

/** `detector.minDeviation` under the adaptive model. */
const ADAPTIVE_DEVIATIONS = 10;
const ADAPTIVE_LEVEL = 8;

type Detector = DocumentedGroup["detector"];

/** The shortest silence in ms that can reach `level`. */
export function leastSilenceMs({ model, minDeviationMs, ceilingMs }: Detector, level: number): number {
  if (model === "normal") return Math.min(deviationsAt(level) * minDeviationMs, ceilingMs);
  if (model !== "adaptive") return 0;
  return Math.min((adaptiveLeastMs({ minDeviationMs, ceilingMs }) * level) / ADAPTIVE_LEVEL, ceilingMs);
}

/** The longest time for which a living station is not checked: a level cannot be reached sooner. */
export function looksWithinMs(detector: Detector): number {
  const told = detector.model === "normal" || detector.model === "adaptive";
  return told ? leastSilenceMs(detector, detector.suspectThreshold) : detector.ceilingMs;
}

/**
 * Whether `level` is possible after `silentMs` of silence, short of the ceiling; if not, the
 * highest possible level.
 */
export function levelAboveBound(
  { model, minDeviationMs, ceilingMs }: Detector,
  level: number,
  silentMs: number,
): number | undefined {
  if (model === "normal") {
    const deviations = silentMs / minDeviationMs;
    return level <= levelReachedAt(deviations) ? undefined : above(level, levelAt(deviations));
  }
  if (model !== "adaptive") return undefined;
  return above(level, (silentMs * ADAPTIVE_LEVEL) / adaptiveLeastMs({ minDeviationMs, ceilingMs }));
}

function adaptiveLeastMs({ minDeviationMs, ceilingMs }: Pick<Detector, "minDeviationMs" | "ceilingMs">): number {
  return Math.min(ADAPTIVE_DEVIATIONS * minDeviationMs, ceilingMs);
}

/** Relative; the checks' own sums are no more precise. */
const LEVEL_ROUNDING = 1e-6;

function above(level: number, most: number): number | undefined {
  return level <= most + LEVEL_ROUNDING * (1 + most) ? undefined : most;
}

/**
 * How long a silence lasts at most until it reaches the threshold, if heartbeats were never further
 * apart than `silenceMs`.
 */
export function declaredWithinMs({ detector, heartbeat }: DocumentedGroup, silenceMs: number): number {
  const { model, threshold, minDeviationMs, ceilingMs } = detector;
  if (model !== "normal") return ceilingMs;
  // Heartbeats spread by less than their longest silence; a window that is not full yet is assumed
  // to spread by half of its mean.
  const spreadMs = Math.max(minDeviationMs, silenceMs / 2, heartbeat.intervalMs / 2);
  return Math.min(ceilingMs, silenceMs + mostReach(threshold) * spreadMs);
}

/** How long a silence is tolerated at least, if heartbeats come at least `intervalMs` apart. */
export function bornMs(detector: Detector, intervalMs: number): number {
  const { model, threshold, minDeviationMs, ceilingMs } = detector;
  if (model !== "normal") return leastSilenceMs(detector, threshold);
  return Math.min(ceilingMs, intervalMs + leastReach(threshold) * minDeviationMs);
}

/**
 * The least deviations at which a level of suspicion can lie; the level is -log10 of a normal tail.
 */
export function leastReach(level: number): number {
  return Math.sqrt(4.6 * level) - 0.87;
}

/** The most deviations at which a level of suspicion can lie. */
function mostReach(level: number): number {
  return Math.sqrt(4.61 * level);
}
