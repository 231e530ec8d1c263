/**
 * How long the phases of a run last. Drain and verification follow from the written configuration.
 * The drain is over when the slowest consequence of the chaos has ended (a station kept down for
 * its dwell, an open circuit, a window that remembers failures). The verification has room for
 * commands that must all be served, and for their deadlines.
 */
import type { Random } from "ground-station-failover";
import { between, logUniform } from "ground-station-failover/sim";
import { documented } from "../checks/documented.ts";
import type { Phases, WrittenConfiguration, WrittenGroup } from "../fleet/plan.ts";
import type { WrittenSections } from "./written.ts";

/** The kind of a seed; the table is at the top of `swarm.ts`. */
export type KindOfSeed = NarrowKind | "overload" | "ordinary";

/** Kinds whose stations never break, and whose callers are careful. */
type NarrowKind = "storm" | "pressure" | "calm-neighbour" | "loss" | "relapse" | "healthy";

/** The product's settings if nothing is written. */
const UNWRITTEN = documented({ name: "by default", listen: "", stations: [] });
const DEFAULTS = {
  dwell: UNWRITTEN.detector.minDwellMs,
  grace: UNWRITTEN.detector.gracePeriodMs,
  deadline: UNWRITTEN.commands.deadlineMs,
  /** No command waits for longer. */
  wait: UNWRITTEN.commands.maxWaitMs,
  openDuration: UNWRITTEN.breaker.openDurationMs,
  window: UNWRITTEN.breaker.windowMs,
  holdDown: UNWRITTEN.failback.holdDownMs,
};
/** Where the doubling of the dwell ends. */
const LONGEST_DWELL_MS = 30_000;
/** Sources stop sending this long before the end, besides the longest deadline (source-node.ts). */
const QUIET_MS = 5_000;

export function drawPhases(random: Random, configuration: WrittenConfiguration, kind: NarrowKind): Phases {
  const warmUpMs = longest(configuration, leastWarmUpMs) + Math.round(between(random, 1_000, 5_000));
  const stormMs = Math.round(logUniform(random.fork("chaos"), 8_000, kind === "pressure" ? 20_000 : 60_000));
  const chaosMs = kind === "healthy" ? Math.round(stormMs / 2) : kind === "loss" ? 25_000 : stormMs;
  const drainMs = kind === "healthy" ? 1_000 : recoveryMs(configuration, chaosMs);
  const servingMs = Math.round(between(random, 6_000, 10_000));
  const verifyMs = longest(configuration, deadlineMsOf) + QUIET_MS + servingMs;
  return { warmUpMs, chaosMs, drainMs, verifyMs };
}

/**
 * How long it may take, after faults of `chaosMs`, until every group serves as if there had been
 * none.
 */
export function recoveryMs(configuration: WrittenConfiguration, chaosMs: number): number {
  return longest(configuration, (group) => {
    const { detector, breaker, heartbeat } = sectionsOf(group);
    const { minDwell, sustain = 0, gracePeriod = DEFAULTS.grace } = numbers(detector);
    const { openDuration = DEFAULTS.openDuration, window = DEFAULTS.window } = numbers(breaker);
    const dwell = minDwell ?? DEFAULTS.dwell;
    const interval = Number(heartbeat?.interval ?? 1_000);
    // Each declaration doubles the dwell of the one before, which must be over by then: together
    // they fill the chaos.
    const dwellMs = dwell === 0 ? 0 : Math.min(LONGEST_DWELL_MS, chaosMs + 2 * dwell);
    const knownMs = Math.max(dwellMs, gracePeriod) + sustain + 4 * interval;
    const servedMs = Math.max(knownMs + openDuration, window, longestWaitMs(group) + 3_000);
    return Math.ceil(servedMs + 3_000 + failbackMs(group));
  });
}

/** One failback, well before the verification. */
function failbackMs(group: WrittenGroup): number {
  const { failback } = sectionsOf(group);
  return failback?.mode === "automatic" ? Number(failback.holdDown ?? DEFAULTS.holdDown) + 2_000 : 0;
}

function leastWarmUpMs(group: WrittenGroup): number {
  const { detector, heartbeat } = sectionsOf(group);
  return Math.min(10_000, Number(detector?.gracePeriod ?? DEFAULTS.grace)) + 2 * Number(heartbeat?.interval ?? 1_000);
}

function deadlineMsOf(group: WrittenGroup): number {
  return Number(sectionsOf(group).commands?.deadline ?? DEFAULTS.deadline);
}

function longestWaitMs(group: WrittenGroup): number {
  return Number(sectionsOf(group).commands?.deadline ?? DEFAULTS.wait);
}

function longest(configuration: WrittenConfiguration, ofGroup: (group: WrittenGroup) => number): number {
  return Math.max(...configuration.groups.map(ofGroup));
}

/** A group as this folder writes it; its durations are numbers. */
function sectionsOf(group: WrittenGroup): WrittenSections {
  return group as WrittenSections;
}

function numbers<Section extends object>(section: Section | undefined): { readonly [Name in keyof Section]?: number } {
  return (section ?? {}) as { readonly [Name in keyof Section]?: number };
}
