/**
 * What a group's plan promises while nothing is wrong: how long a command takes at most, how long a
 * healthy station is silent at most, and whether the group's settings allow for both. The promises
 * to serve every command and to declare no healthy station down hold only for groups whose settings
 * do. Other groups (a timeout below the round trip, a detector that one late heartbeat triggers)
 * are not watched for these promises. All bounds are upper ends of sums whose terms are in the
 * plan; delays have upper ends themselves (`resilience/src/sim/faults/draws.ts`).
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
  /** The slowest message between two machines. Infinity if the plan's network has no upper end. */
  readonly mostMs: number;
  /**
   * One attempt of the gateway at a station, with the time for connecting and for waiting for a
   * lane.
   */
  readonly attemptMs: number;
  /** A command, from its source and back to it. */
  readonly latencyMs: number;
  /** The longest silence of a healthy station, as the gateway observes it. */
  readonly silenceMs: number;
  /** Whether no healthy station is ever declared down. */
  readonly quiet: boolean;
  /** Whether every command of an ordinary day is served, with a margin. */
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
    // These sums do not model stations that slow down, callers with short deadlines, or routes with
    // their own settings.
    serves: !isWide(plan) && bears(settings, plan, { attemptMs, peak, rounds, latencyMs, skew }),
  };
}

/** Upper bound for an exponential draw, in means. */
const MOST_MEANS = 22.2;

/** Whether the network changes nothing except delays and the fate of single datagrams. */
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

/** The largest ratio between the rates of two clocks of the plan. */
function skewOf({ plan }: Fleet): number {
  const rates = [1, ...Object.values(plan.clockRates)];
  return Math.max(...rates) / Math.min(...rates);
}

/**
 * Sources send at most at twice their usual rate, and commands that were sent apart may arrive
 * together.
 */
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
 * A station whose average load is above this share of its capacity has queues that these sums do
 * not bound.
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
    // A command waits for a slot for at most half a timeout, so the attempts before it, and its
    // own, must be shorter than that.
    commands.timeoutMs / 2 > skew * attemptMs * Math.max(1, rounds - 1) &&
    Math.min(commands.deadlineMs, patienceMs) > skew * latencyMs &&
    commands.maxConcurrent + commands.maxWaiting >= peak + 1 &&
    // A command that arrives while all slots are taken waits in the queue, if the settings allow
    // it.
    (rounds <= 1 || commands.maxWaitMs > skew * attemptMs * (rounds - 1)) &&
    stations.every(({ capacityPerSecond }) => capacityPerSecond >= 2.5 * skew * commandsPerSecond + peak)
  );
}

/** Runs of missing heartbeats that are rarer than this are not considered. */
const RARE = 1e-11;

function longestSilenceMs(
  { heartbeat: { kind, intervalMs } }: DocumentedGroup,
  { beatLossRate = 0 }: GroupPlan,
  { reorderRate }: LinkConditions,
  { leastMs, mostMs, skew }: { readonly leastMs: number; readonly mostMs: number; readonly skew: number },
): number {
  if (kind === "http") return skew * (intervalMs + 4 * mostMs) + 1;
  // A heartbeat that the next one overtakes counts as little as a lost one.
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
