/**
 * How long a takeover may take by the product's own proof (`takeoverBounds`, which `gsf check`
 * prints), for a group of a plan. The settings are those that the manual promises
 * (`documented.ts`), and what the proof assumes of the surroundings comes from the plan. Unlike the
 * sums of `isolated-faults.ts`, which are written by hand and tighter, this is the claim itself.
 *
 *   silence        heartbeats stop, for whatever reason
 *   refused        the process is gone, the machine is not: its heartbeats stop, too
 *   unanswered     heartbeats go on, nothing is answered, and it is known how long answers take
 *
 * Services that answer with errors are left to the sums by hand: how often a repeatable command
 * comes is chance there.
 */
import type { TakeoverFault, TimingSettings } from "ground-station-failover/core";
import { takeoverBounds } from "ground-station-failover/core";
import type { Fleet } from "../../fleet/fleet.ts";
import type { DocumentedGroup } from "../documented.ts";
import { planBoundsOf } from "../plan-bounds.ts";

export interface ProvenTime {
  /** Until another station has served a command that was sent after the fault. */
  readonly ms: number;
  /**
   * Until another station is active; undefined where commands show the fault: the role may follow
   * later there.
   */
  readonly promotedMs?: number | undefined;
  /** The terms, in words. */
  readonly terms: string;
}

/** Clocks of a plan run up to this much apart, and the sums are on the gateway's own. */
const CLOCKS_APART = 1.11;
/** `LivenessSupervisor`: how often it checks a station that is not alive. */
const RECHECK_MS = 50;
/** Each source sends a command in at most this many of its intervals. */
const LATEST_COMMAND = 1.5;

/** The shortest of the proofs for `faults`, all of which apply. */
export function provenTimeOf(fleet: Fleet, group: DocumentedGroup, faults: readonly TakeoverFault[]): ProvenTime {
  const { plan } = fleet.group(group.name);
  const { mostMs, silenceMs, attemptMs, latencyMs } = planBoundsOf(fleet, group.name);
  const callIntervalMs = (LATEST_COMMAND * 1_000) / plan.commandsPerSecond;
  const bounds = takeoverBounds(settingsOf(group), {
    pathMs: CLOCKS_APART * mostMs,
    lostInRow: Math.ceil(silenceMs / group.heartbeat.intervalMs),
    // Groups whose gateway is paused are not watched.
    stallMs: 0,
    answerMs: Math.max(attemptMs, latencyMs),
    callIntervalMs,
    // All sources may have sent just before, and take turns.
    callDelayMs: 2 * plan.sources * callIntervalMs,
  });
  const [shortest] = bounds
    .filter(({ fault }) => faults.includes(fault))
    .toSorted((one, other) => one.firstServedMs - other.firstServedMs);
  if (shortest === undefined) throw new Error(`no proof for ${faults.join()}`);
  const parts = shortest.terms.flatMap(({ term, parts }) =>
    parts.map(({ what, ms }) => `${term}: ${what} ${Math.round(ms)}`),
  );
  const silence = bounds.find(({ fault }) => fault === "silence");
  const promotedMs =
    silence === undefined || !faults.includes("silence")
      ? undefined
      : silence.terms.reduce((sum, { term, ms }) => (term === "drain" ? sum : sum + ms), 0);
  return {
    ms: CLOCKS_APART * shortest.firstServedMs,
    promotedMs: promotedMs && CLOCKS_APART * promotedMs,
    terms: `${shortest.fault}: ${parts.join(" + ")}`,
  };
}

function settingsOf({
  heartbeat,
  detector,
  commandPath,
  breaker,
  commands,
  retry,
  stations,
}: DocumentedGroup): TimingSettings {
  const isPulled = heartbeat.kind === "http";
  return {
    intervalMs: heartbeat.intervalMs,
    ...(isPulled ? { timeoutMs: heartbeat.timeoutMs } : {}),
    ceilingMs: detector.ceilingMs,
    sustainMs: detector.sustainMs,
    gracePeriodMs: detector.gracePeriodMs,
    maxAbstentionMs: isPulled ? Math.max(heartbeat.intervalMs, heartbeat.timeoutMs) : heartbeat.intervalMs,
    recheckMs: RECHECK_MS,
    ...commandPath,
    breakerWindowMs: breaker.windowMs,
    leaseMs: 0,
    keyStatusTimeoutMs: 0,
    capacityPerSecond: Math.min(...stations.map(({ capacityPerSecond }) => capacityPerSecond)),
    maxWaitMs: commands.maxWaitMs,
    budgetRatio: retry.budgetRatio,
  };
}
