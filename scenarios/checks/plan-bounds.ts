/**
 * What a group's plan promises while nothing is wrong: how long a command takes at most, how long a
 * healthy station is silent at most, and whether its settings bear both. A promise to serve, or to
 * accuse nobody, holds where they do; where they do not (a timeout below the round trip, a detector
 * that one late beat sets off), a group is simply not watched for it. All are upper ends of sums
 * whose terms are in the plan; delays have upper ends themselves
 * (`resilience/src/sim/faults/draws.ts`).
 */
import type { Delay, LinkConditions } from "ground-station-failover/sim";
import { HEALTHY_LINK } from "ground-station-failover/sim";
import type { Fleet } from "../fleet/fleet.ts";
import type { GroupPlan } from "../fleet/plan.ts";
import { isWide } from "../fleet/plan.ts";
import { bornMs } from "./detection/model-bounds.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";

export interface PlanBounds {
  /**
   * The slowest message between two machines. Infinity where the plan's network has no upper end.
   */
  readonly mostMs: number;
  /** One attempt of the gateway at a station, connecting and waiting for a lane included. */
  readonly attemptMs: number;
  /** A command, from its source and back to it. */
  readonly latencyMs: number;
  /** The longest silence of a healthy station, as the gateway hears it. */
  readonly silenceMs: number;
  /** Is no healthy station ever declared down? */
  readonly quiet: boolean;
  /** Is every command of an ordinary day served, with room to spare? */
  readonly serves: boolean;
}

/** What `fleet`'s plan promises of `group`. */
export function planBoundsOf(fleet: Fleet, group: string): PlanBounds {
  const settings = documentedGroups(fleet).get(group) as DocumentedGroup;
  const { plan } = fleet.group(group);
  const network = { ...HEALTHY_LINK, ...fleet.plan.network };
  const { leastMs, mostMs } = steady(network)
    ? rangeOf(network.delay)
    : { leastMs: 0, mostMs: Number.POSITIVE_INFINITY };
  const skew = skewOf(fleet);
  const { attemptMs, peak } = demandsOf(plan, mostMs, mostMs - leastMs, skew);
  const rounds = Math.ceil(peak / settings.commands.maxConcurrent);
  const latencyMs = skew * (4 * mostMs + rounds * attemptMs) + 5;
  const silenceMs = longestSilenceMs(settings, plan, network, { leastMs, mostMs, skew });
  return {
    mostMs,
    attemptMs,
    latencyMs,
    silenceMs,
    quiet: isQuiet(settings, silenceMs, mostMs, skew),
    // Of stations that slow down, callers in a hurry and routes of their own the sums here know
    // nothing.
    serves: !isWide(plan) && bears(settings, plan, { attemptMs, peak, rounds, latencyMs, skew }),
  };
}

/** An exponential draw is at most so many means. */
const MOST_MEANS = 22.2;

/** Nothing but time and the fate of single datagrams. */
function steady(network: LinkConditions): boolean {
  const { lossRate, corruptRate, clogMs, cut, held, bytesPerSecond } = network;
  return (
    lossRate === 0 && corruptRate === 0 && clogMs === 0 && !cut && !held && bytesPerSecond === Number.POSITIVE_INFINITY
  );
}

function rangeOf(delay: Delay): { readonly leastMs: number; readonly mostMs: number } {
  switch (delay.kind) {
    case "fixed":
      return { leastMs: delay.ms, mostMs: delay.ms };
    case "uniform":
      return { leastMs: delay.minMs, mostMs: delay.maxMs };
    case "exponential":
      return { leastMs: delay.minMs, mostMs: delay.minMs + MOST_MEANS * delay.meanMs };
    case "pareto":
      return { leastMs: delay.minMs, mostMs: delay.capMs };
    case "bursts":
      return {
        leastMs: rangeOf(delay.calm).leastMs,
        mostMs: Math.max(rangeOf(delay.calm).mostMs, rangeOf(delay.burst).mostMs),
      };
  }
}

/** How far two clocks of the plan run apart at most, as a factor. */
function skewOf({ plan }: Fleet): number {
  const rates = [1, ...Object.values(plan.clockRates)];
  return Math.max(...rates) / Math.min(...rates);
}

/** Sources send at most at twice their pace, and what was sent apart may arrive together. */
function demandsOf(
  { commandsPerSecond, sources, serviceMs, lanes }: GroupPlan,
  mostMs: number,
  jitterMs: number,
  skew: number,
): { readonly attemptMs: number; readonly peak: number } {
  const peakPerMs = (2 * commandsPerSecond * skew) / 1_000;
  const together = sources + peakPerMs * 3 * jitterMs;
  const attemptMs = skew * (8 * mostMs + serviceMs * (1 + Math.ceil(together / lanes)));
  return { attemptMs, peak: sources + Math.ceil(peakPerMs * (attemptMs + 3 * jitterMs)) };
}

/**
 * Stations that work at more than this share of what they can, on average, have queues that no sum
 * here bounds.
 */
const MOST_BUSY = 0.34;

function bears(
  { commands, stations }: DocumentedGroup,
  { commandsPerSecond, serviceMs, lanes, patienceMs = Number.POSITIVE_INFINITY }: GroupPlan,
  demands: {
    readonly attemptMs: number;
    readonly peak: number;
    readonly rounds: number;
    readonly latencyMs: number;
    readonly skew: number;
  },
): boolean {
  const { attemptMs, peak, rounds, latencyMs, skew } = demands;
  const busy = (skew * commandsPerSecond * serviceMs) / (1_000 * lanes);
  return (
    busy <= MOST_BUSY &&
    // Who waits for a slot waits for half a timeout at most, and must not take longer than that
    // itself.
    commands.timeoutMs / 2 > skew * attemptMs * Math.max(1, rounds - 1) &&
    Math.min(commands.deadlineMs, patienceMs) > skew * latencyMs &&
    commands.maxConcurrent + commands.maxWaiting >= peak + 1 &&
    // Who comes while as many are out as may be waits for a place, if it may.
    (rounds <= 1 || commands.maxWaitMs > skew * attemptMs * (rounds - 1)) &&
    stations.every(({ capacityPerSecond }) => capacityPerSecond >= 2.5 * skew * commandsPerSecond + peak)
  );
}

/** One in so many runs of missing beats is not asked about. */
const RARE = 1e-11;

function longestSilenceMs(
  { heartbeat: { kind, intervalMs } }: DocumentedGroup,
  { beatLossRate = 0 }: GroupPlan,
  { reorderRate }: LinkConditions,
  { leastMs, mostMs, skew }: { readonly leastMs: number; readonly mostMs: number; readonly skew: number },
): number {
  if (kind === "http") return skew * (intervalMs + 4 * mostMs) + 1;
  // A beat that is overtaken by the next one counts as little as one that is lost.
  const missingRate = beatLossRate + reorderRate;
  const missing =
    missingRate === 0
      ? 0
      : missingRate >= 1
        ? Number.POSITIVE_INFINITY
        : Math.ceil(Math.log(RARE) / Math.log(missingRate));
  return skew * ((1 + missing) * intervalMs + mostMs - leastMs) + 1;
}

function isQuiet({ heartbeat, detector }: DocumentedGroup, silenceMs: number, mostMs: number, skew: number): boolean {
  const answersInTime = heartbeat.kind === "udp" || heartbeat.timeoutMs > skew * 5 * mostMs;
  return (
    bornMs(detector, heartbeat.intervalMs / skew) > silenceMs &&
    answersInTime &&
    detector.gracePeriodMs > 2 * silenceMs + 6 * mostMs
  );
}
