/**
 * Finds the settings that make a takeover too long: those that would be too much even if all others
 * had their defaults, and then, while that is not enough, the one whose default saves most. For
 * each it finds the largest value that would do. Bounds never fall if a setting grows, which is
 * what makes both searches right (tested in `timing-budget.test.ts` of the library).
 */
import type { TakeoverBound, TimingSetting, TimingSettings, TimingSource } from "ground-station-failover/core";
import { takeoverBounds, USUAL_SURROUNDINGS } from "ground-station-failover/core";
import { ceilingOf } from "./group.ts";
import { MIN_TIMEOUT_MS } from "./heartbeat.ts";
import type { WrittenGroup } from "./schema.ts";

/** A setting that is too large, and the largest value that would do; undefined if none would. */
export interface Culprit {
  readonly setting: TimingSetting;
  readonly most: number | undefined;
}

/** What settings are where the file says nothing. Those of the heartbeats depend on their kind. */
const DEFAULTS: Partial<Readonly<Record<TimingSetting, number>>> = {
  sustainMs: 0,
  failingForMs: 1_000,
  minFailures: 5,
  refusalsToDeclare: 2,
  unansweredAfterMs: 250,
  breakerWindowMs: 10_000,
  keyStatusTimeoutMs: 250,
  maxWaitMs: 15_000,
  budgetRatio: 0.1,
};
const DEFAULT_INTERVAL_MS = { udp: 50, http: 200 };

/** A setting above its default. */
interface Candidate {
  readonly setting: TimingSetting;
  /** The default. */
  readonly usual: number;
}

/** The settings that make `bound` of `group` too long. */
export function culpritsOf({ fault, terms }: TakeoverBound, group: WrittenGroup, settings: TimingSettings): Culprit[] {
  const { objective, assume } = group;
  const totalMs = (tried: TimingSettings): number =>
    takeoverBounds(tried, assume).find((one) => one.fault === fault)?.totalMs ?? 0;
  const candidates = candidatesIn(group, settings);
  const without = (all: readonly Candidate[]): TimingSettings =>
    all.reduce((changed, { setting, usual }) => withValue(setting, usual, group, changed), settings);
  const found = candidates.filter((one) => totalMs(without(candidates.filter((other) => other !== one))) > objective);
  while (totalMs(without(found)) > objective) {
    const [best] = candidates
      .filter((one) => !found.includes(one))
      .toSorted((one, other) => totalMs(without([...found, one])) - totalMs(without([...found, other])));
    if (best === undefined) break;
    found.push(best);
  }
  if (found.length === 0) return longestIn(terms).map((setting) => ({ setting, most: undefined }));
  return found.map((one) => {
    const others = without(found.filter((other) => other !== one));
    const isInTime = (value: number): boolean => totalMs(withValue(one.setting, value, group, others)) <= objective;
    return { setting: one.setting, most: largest(one.setting, settings, isInTime) };
  });
}

function candidatesIn({ heartbeat, detector }: WrittenGroup, settings: TimingSettings): Candidate[] {
  const interval = { setting: "intervalMs", usual: DEFAULT_INTERVAL_MS[heartbeat.kind] } as const;
  const ceiling = { setting: "ceilingMs", usual: ceilingOf(heartbeat.kind, settings.intervalMs) } as const;
  const plain = Object.entries(DEFAULTS).map(([setting, usual]) => ({ setting: setting as TimingSetting, usual }));
  const all = [interval, ...(detector.ceilingMs === undefined ? [] : [ceiling]), ...plain];
  return all.filter(({ setting, usual }) => (settings[setting] ?? 0) > usual);
}

/** `settings` with another value of `setting`, and with what follows from it. */
function withValue(
  setting: TimingSetting,
  value: number,
  { heartbeat, detector }: WrittenGroup,
  settings: TimingSettings,
): TimingSettings {
  if (setting !== "intervalMs") return { ...settings, [setting]: value };
  const isDerived = heartbeat.kind === "http" && heartbeat.timeoutMs === Math.max(heartbeat.intervalMs, MIN_TIMEOUT_MS);
  const timeoutMs = isDerived ? Math.max(value, MIN_TIMEOUT_MS) : settings.timeoutMs;
  const ceilingMs = detector.ceilingMs === undefined ? ceilingOf(heartbeat.kind, value) : settings.ceilingMs;
  return { ...settings, intervalMs: value, timeoutMs, ceilingMs, maxAbstentionMs: Math.max(value, timeoutMs ?? 0) };
}

/** The largest value that is in time, found by halving; undefined if none is. */
function largest(
  setting: TimingSetting,
  settings: TimingSettings,
  isInTime: (value: number) => boolean,
): number | undefined {
  const step = setting === "budgetRatio" ? 0.01 : 1;
  let [low, high] = [0, Math.ceil((settings[setting] ?? 0) / step)];
  if (!isInTime(step)) return undefined;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isInTime(middle * step)) low = middle;
    else high = middle;
  }
  return Number((low * step).toFixed(2));
}

/**
 * The setting that takes most of the time, as a list of one; none if it is all taken by
 * assumptions. How long it takes to serve what waited only follows from the terms before.
 */
function longestIn(terms: TakeoverBound["terms"]): TimingSetting[] {
  const parts = terms.flatMap(({ term, parts }) => (term === "drain" ? [] : parts));
  const ofSettings = parts.flatMap(({ source, ms }) => (isSetting(source) && ms > 0 ? [{ source, ms }] : []));
  return ofSettings
    .toSorted((one, other) => other.ms - one.ms)
    .slice(0, 1)
    .map(({ source }) => source);
}

export function isSetting(source: TimingSource): source is TimingSetting {
  return source !== "fixed" && !(source in USUAL_SURROUNDINGS);
}
