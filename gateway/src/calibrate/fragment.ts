/**
 * A recommendation in the form of the gateway's configuration: the two sections of a group that it
 * affects. The thresholds for suspicion and recovery keep the relation that they have in the
 * defaults: 5/8 and 2/8 of the declaration threshold. If levels are rates of mistakes, they are the
 * level for one mistake an hour and the level that the model regards as ordinary.
 */
import type { DetectorRecommendation } from "ground-station-failover/calibration";
import { levelForMistakes, takeoverBounds } from "ground-station-failover/core";
import { shownDuration } from "./amounts.ts";

/** Range of heartbeat intervals that the gateway accepts, in ms. */
const INTERVALS_MS = { min: 5, max: 60_000 };
/**
 * The adaptive model's level for one mistake an hour; a station is suspected from this level on.
 */
const ONE_AN_HOUR: number = levelForMistakes(1);

/**
 * Default of a group's `objective`, the longest time that a failover may take, in ms; see the
 * guide.
 */
const OBJECTIVE_MS = 30_000;

export interface ConfigurationFragment {
  /** Only if a takeover may take longer than the default allows. */
  readonly objective?: string;
  readonly heartbeat: { readonly kind: "udp"; readonly interval: string };
  readonly detector: {
    readonly model: string;
    readonly windowSize?: number;
    readonly threshold: number;
    readonly suspectThreshold: number;
    readonly clearThreshold: number;
    readonly minDeviation: string;
    readonly ceiling: string;
  };
}

export function fragmentOf(recommendation: DetectorRecommendation): ConfigurationFragment {
  const { model, windowSize, threshold, intervalMs, minDeviationMs, ceilingMs } = recommendation;
  const adaptive = model === "adaptive";
  return {
    ...objectiveFor(intervalMs, ceilingMs),
    heartbeat: { kind: "udp", interval: exactDuration(intervalMs) },
    detector: {
      // A fixed timeout is written as a ceiling, with a threshold that is never reached; the model
      // then does not matter.
      model: model === "fixed" ? "normal" : model,
      ...(adaptive ? {} : { windowSize }),
      threshold,
      suspectThreshold: adaptive ? Math.min(ONE_AN_HOUR, threshold) : Number(((threshold * 5) / 8).toFixed(2)),
      clearThreshold: Number((adaptive ? Math.min(2, threshold / 4) : threshold / 4).toFixed(2)),
      minDeviation: exactDuration(minDeviationMs),
      ceiling: exactDuration(ceilingMs),
    },
  };
}

/**
 * The objective that such a group can keep, in whole seconds; nothing if that is the default. All
 * other settings are at their defaults.
 */
function objectiveFor(intervalMs: number, ceilingMs: number): { readonly objective?: string } {
  const [silence] = takeoverBounds({
    ...{ intervalMs, ceilingMs, sustainMs: 0, gracePeriodMs: 5_000, maxAbstentionMs: intervalMs, recheckMs: 50 },
    ...{ failingForMs: 1_000, minFailures: 5, refusalsToDeclare: 2, unansweredAfterMs: 250, leaseMs: 0 },
    ...{ keyStatusTimeoutMs: 0, capacityPerSecond: Number.POSITIVE_INFINITY, maxWaitMs: 15_000, budgetRatio: 0.1 },
  });
  const worstMs = Math.ceil((silence?.totalMs ?? 0) / 1_000) * 1_000;
  return worstMs > OBJECTIVE_MS ? { objective: exactDuration(worstMs) } : {};
}

/** As text for the file. `kind` is a guess, because a trace does not contain it. */
export function fragmentYaml({ objective, heartbeat, detector }: ConfigurationFragment): string {
  return [
    ...(objective === undefined ? [] : [`objective: ${objective} # so long a takeover may take`]),
    "heartbeat:",
    `  kind: ${heartbeat.kind} # keep yours; http needs its path too`,
    `  interval: ${heartbeat.interval}`,
    "detector:",
    ...Object.entries(detector).map(([field, value]) => `  ${field}: ${value}`),
    "",
  ].join("\n");
}

/** Why the gateway cannot be configured like this; undefined if it can. */
export function refusalOfGateway({ intervalMs }: DetectorRecommendation): string | undefined {
  const { min, max } = INTERVALS_MS;
  if (intervalMs >= min && intervalMs <= max) return undefined;
  return (
    `heartbeats come every ${shownDuration(intervalMs)}, and the gateway takes intervals from ${shownDuration(min)} to ` +
    `${shownDuration(max)}; are the times of the trace in another unit? (--unit)`
  );
}

function exactDuration(ms: number): string {
  return `${Number(ms.toFixed(3))}ms`;
}
