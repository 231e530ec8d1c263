/**
 * A recommendation as the gateway's configuration has it: the two sections of a group that it
 * concerns. Suspicion and recovery keep the places that the defaults give them: between nothing and
 * a declaration 5 of 8 and 2 of 8; where levels are rates of mistakes, one an hour and what the
 * model calls ordinary.
 */
import type { DetectorRecommendation } from "ground-station-failover/calibration";
import { levelForMistakes } from "ground-station-failover/core";
import { shownDuration } from "./amounts.ts";

/** Heartbeats that the gateway takes, in ms. */
const INTERVALS_MS = { min: 5, max: 60_000 };
/** The adaptive model's level for one mistake an hour: from there on a station is suspected. */
const ONE_AN_HOUR: number = levelForMistakes(1);

/**
 * How long a take-over may take where a group does not say it, in ms; see `objective` in the guide.
 */
const OBJECTIVE_MS = 30_000;

export interface ConfigurationFragment {
  /** Only where the group's default would refuse the ceiling. */
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
    ...(ceilingMs > OBJECTIVE_MS ? { objective: exactDuration(ceilingMs) } : {}),
    heartbeat: { kind: "udp", interval: exactDuration(intervalMs) },
    detector: {
      // A fixed timeout is a ceiling below a threshold that nothing reaches; the model then does
      // not matter.
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

/** As text for the file; `kind` is a guess, because a trace does not tell it. */
export function fragmentYaml({ objective, heartbeat, detector }: ConfigurationFragment): string {
  return [
    ...(objective === undefined ? [] : [`objective: ${objective} # so long a take-over may take`]),
    "heartbeat:",
    `  kind: ${heartbeat.kind} # keep yours; http needs its path too`,
    `  interval: ${heartbeat.interval}`,
    "detector:",
    ...Object.entries(detector).map(([field, value]) => `  ${field}: ${value}`),
    "",
  ].join("\n");
}

/** Why the gateway cannot be told this; undefined where it can. */
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
