/**
 * A recommendation as the gateway's configuration has it: the two sections of a group that it concerns. Suspicion and
 * recovery keep the places between nothing and a declaration that the defaults give them (5 of 8, and 2 of 8).
 */
import type { DetectorRecommendation } from "ground-station-failover/core";
import { shownDuration } from "./amounts.ts";

/** Heartbeats that the gateway takes, in ms. */
const INTERVALS_MS = { min: 5, max: 60_000 };

export interface ConfigurationFragment {
  readonly heartbeat: { readonly kind: "udp"; readonly interval: string };
  readonly detector: {
    readonly model: string;
    readonly windowSize: number;
    readonly threshold: number;
    readonly suspectThreshold: number;
    readonly clearThreshold: number;
    readonly minimumDeviation: string;
    readonly ceiling: string;
  };
}

export function fragmentOf(recommendation: DetectorRecommendation): ConfigurationFragment {
  const { model, windowSize, threshold, intervalMs, minimumDeviationMs, ceilingMs } = recommendation;
  return {
    heartbeat: { kind: "udp", interval: exactDuration(intervalMs) },
    detector: {
      // A fixed timeout is a ceiling below a threshold that nothing reaches; the model then does not matter.
      model: model === "fixed" ? "normal" : model,
      windowSize,
      threshold,
      suspectThreshold: Number(((threshold * 5) / 8).toFixed(2)),
      clearThreshold: Number((threshold / 4).toFixed(2)),
      minimumDeviation: exactDuration(minimumDeviationMs),
      ceiling: exactDuration(ceilingMs),
    },
  };
}

/** As text for the file; `kind` is a guess, because a trace does not tell it. */
export function fragmentYaml({ heartbeat, detector }: ConfigurationFragment): string {
  return [
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
