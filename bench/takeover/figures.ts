/**
 * From what a run recorded to its figures: pure arithmetic on the callers' outcomes, the stations'
 * execution logs, the arrivals at the backup and, where there is one, the capture of the wire.
 * README.md says what each figure means.
 */
import type { FaultCase, StationName } from "./cases.ts";
import type { Call } from "./load.ts";
import { capacityPerSecond, isOverloaded, type Setting } from "./setting.ts";
import type { Attempt } from "./wire.ts";

export interface Execution {
  readonly key: string;
  readonly atMs: number;
  readonly station: string;
}

/** What is left of a run when it is over. */
export interface Recording {
  readonly setting: Setting;
  readonly faultCase: FaultCase;
  /** Instant of second 0. */
  readonly startMs: number;
  /** Instant at which the first fault really happened. */
  readonly faultMs: number;
  readonly calls: readonly Call[];
  readonly executions: readonly Execution[];
  readonly backupArrivalsMs: readonly number[];
  readonly backupRefusals: number;
  readonly wire: readonly Attempt[] | undefined;
}

/**
 * Numbers of a run; null where there is nothing to measure, infinite where something never
 * happened.
 */
export interface Figures {
  readonly calls: number;
  readonly errors: number;
  readonly errorsBeforeFault: number;
  readonly lost: number;
  readonly doubled: number;
  readonly ghosts: number;
  readonly outageS: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly baselineP50Ms: number | null;
  readonly baselineP99Ms: number | null;
  readonly goodputBackS: number;
  readonly lateGoodputPerSecond: number;
  readonly refusalP99Ms: number | null;
  readonly backupRefusals: number;
  readonly backupPeakPerSecond: number;
  readonly primaryTries: number | null;
  readonly triesPerCall: number | null;
}

/** Goodput is looked at in windows of this length … */
const WINDOW_MS = 1_000;
/** … that begin this far apart … */
const STRIDE_MS = 250;
/**
 * … and is back where this share of what is asked is answered, or of the capacity where more is
 * asked for good.
 */
const BACK_RATIO = 0.9;
const OVERLOADED_BACK_RATIO = 0.8;
/** Calls due so shortly before the fault were sent after it. */
const SLACK_MS = 2;
/**
 * So long after service became possible, a front has had the time to learn that the backup is too
 * small.
 */
const LEARNING_MS = 2_000;
/** … and so long after it, goodput has to be what it will stay. */
const LATE_MS = 5_000;

export function quantile(values: readonly number[], ratio: number): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length, Math.ceil(ratio * sorted.length)) - 1] ?? null;
}

export function figuresOf(recording: Recording): Figures {
  const { calls, executions, faultMs } = recording;
  const counts = new Map<string, number>();
  for (const { key } of executions) counts.set(key, (counts.get(key) ?? 0) + 1);
  const errors = calls.filter(({ outcome }) => outcome !== "ok");
  const after = calls.filter(({ dueMs }) => dueMs >= faultMs - SLACK_MS);
  const served = after.filter(({ outcome }) => outcome === "ok");
  const baseline = agesOf(calls.filter(({ doneMs, outcome }) => doneMs < faultMs && outcome === "ok"));
  const servableMs = recording.startMs + 1_000 * recording.faultCase.servableFromS;
  const lateErrors = errors.filter(({ dueMs }) => dueMs >= servableMs + LEARNING_MS);
  const lastErrorMs = Math.max(faultMs, ...errors.map(({ doneMs }) => doneMs));
  return {
    calls: calls.length,
    errors: errors.length,
    errorsBeforeFault: errors.filter(({ doneMs }) => doneMs < faultMs).length,
    lost: calls.filter(({ key, outcome }) => outcome === "ok" && !counts.has(key)).length,
    doubled: [...counts.values()].filter((count) => count > 1).length,
    ghosts: errors.filter(({ key }) => counts.has(key)).length,
    outageS: (lastErrorMs - faultMs) / 1_000,
    p50Ms: quantile(agesOf(served), 0.5),
    p99Ms: quantile(agesOf(served), 0.99),
    maxMs: quantile(agesOf(served), 1),
    baselineP50Ms: quantile(baseline, 0.5),
    baselineP99Ms: quantile(baseline, 0.99),
    refusalP99Ms: quantile(agesOf(lateErrors), 0.99),
    ...goodputOf(recording),
    backupRefusals: recording.backupRefusals,
    backupPeakPerSecond: busiest(recording.backupArrivalsMs, 1_000),
    ...triesOf(recording, after.length),
  };
}

function agesOf(calls: readonly Call[]): number[] {
  return calls.map(({ dueMs, doneMs }) => doneMs - dueMs);
}

/** Most instants in any window of that length. */
export function busiest(instantsMs: readonly number[], windowMs: number): number {
  const sorted = [...instantsMs].sort((one, other) => one - other);
  let most = 0;
  let first = 0;
  sorted.forEach((atMs, last) => {
    while (atMs - (sorted[first] as number) >= windowMs) first++;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/**
 * When the answers came back to what they should be, counted from the instant at which service was
 * possible again, and how many a second there were from 5 s after it on.
 */
function goodputOf(recording: Recording): { goodputBackS: number; lateGoodputPerSecond: number } {
  const { setting, faultCase, startMs, calls } = recording;
  const endMs = startMs + 1_000 * setting.durationS;
  const fromMs = startMs + 1_000 * faultCase.servableFromS;
  const answeredMs = calls.filter(({ outcome }) => outcome === "ok").map(({ doneMs }) => doneMs);
  const within = (sinceMs: number, untilMs: number): number =>
    answeredMs.filter((atMs) => atMs >= sinceMs && atMs < untilMs).length;
  const least = isOverloaded(setting) ? OVERLOADED_BACK_RATIO * capacityPerSecond(setting) : BACK_RATIO * setting.rate;
  let backMs = 0;
  for (let sinceMs = fromMs; sinceMs + WINDOW_MS <= endMs; sinceMs += STRIDE_MS) {
    const isGood = within(sinceMs, sinceMs + WINDOW_MS) >= Math.floor((least * WINDOW_MS) / 1_000);
    if (!isGood) backMs = sinceMs + WINDOW_MS - fromMs;
  }
  const isNever = backMs > 0 && fromMs + backMs > endMs - STRIDE_MS;
  const lateFromMs = fromMs + LATE_MS;
  return {
    goodputBackS: isNever ? Number.POSITIVE_INFINITY : backMs / 1_000,
    lateGoodputPerSecond: within(lateFromMs, endMs) / ((endMs - lateFromMs) / 1_000),
  };
}

function triesOf(recording: Recording, callsAfter: number): Pick<Figures, "primaryTries" | "triesPerCall"> {
  const { wire, faultCase, startMs, faultMs } = recording;
  if (wire === undefined) return { primaryTries: null, triesPerCall: null };
  const isFailing = (atMs: number): boolean =>
    faultCase.failing.some(([from, to]) => atMs >= startMs + 1_000 * from && atMs < startMs + 1_000 * to);
  const primary: StationName = "primary";
  return {
    primaryTries: wire.filter(({ to, atMs }) => to === primary && isFailing(atMs)).length,
    triesPerCall: wire.filter(({ atMs }) => atMs >= faultMs).length / Math.max(1, callsAfter),
  };
}
