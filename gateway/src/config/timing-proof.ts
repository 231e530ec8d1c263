/**
 * The timing budget of each group of a configuration: the library's sums (`takeoverBounds`) with
 * the fields of the file as their terms. A group whose takeover may take longer than its
 * `objective` is refused at the field that takes most of the time, with all terms and with the
 * value that would do. What the file cannot bound becomes a note with its number. The sums and why
 * they hold: `resilience/src/core/failover/timing-budget.ts`.
 */
import type {
  TakeoverBound,
  TimingPart,
  TimingSetting,
  TimingSettings,
  TimingSource,
} from "ground-station-failover/core";
import { takeoverBounds } from "ground-station-failover/core";
import { signOfLifeMs } from "../fleet/group-calls.ts";
import { ASSUMPTION_FIELDS } from "./assume.ts";
import type { FieldPath } from "./field-path.ts";
import { ceilingOf, gracePeriodOf } from "./group.ts";
import { lessonOf } from "./incident-lessons.ts";
import type { WrittenGroup } from "./schema.ts";
import type { FaultTiming, GroupTiming } from "./timing.ts";
import { type Culprit, culpritsOf, isSetting } from "./timing-culprits.ts";
import { shownDuration } from "./values.ts";

/** Why a group is refused. */
export interface TimingRefusal {
  /** The field to change, below the group. */
  readonly field: FieldPath;
  readonly sentence: string;
}

/** `LivenessSupervisor`, which the gateway leaves at its default. */
const RECHECK_MS = 50;

/** The library's settings for `group`; undefined if one of its fields could not be read. */
function timingSettingsOf(group: WrittenGroup): TimingSettings | undefined {
  const { heartbeat, detector, commands, commandPath, breaker, retry, stations } = group;
  const { kind, intervalMs } = heartbeat;
  const ceilingMs = detector.ceilingMs ?? ceilingOf(kind, intervalMs);
  const settings = {
    intervalMs,
    ...(heartbeat.kind === "http" ? { timeoutMs: heartbeat.timeoutMs } : {}),
    ceilingMs,
    sustainMs: detector.sustainMs,
    gracePeriodMs: detector.gracePeriodMs ?? gracePeriodOf(kind, ceilingMs),
    maxAbstentionMs: signOfLifeMs(heartbeat),
    recheckMs: RECHECK_MS,
    failingForMs: commandPath.failingForMs,
    minFailures: commandPath.minFailures,
    refusalsToDeclare: commandPath.refusalsToDeclare,
    unansweredAfterMs: commandPath.unansweredAfterMs,
    breakerWindowMs: breaker.windowMs,
    leaseMs: 0,
    keyStatusTimeoutMs: commands.keyStatus?.timeoutMs ?? 0,
    capacityPerSecond: Math.min(...stations.map((station) => station.capacityPerSecond)),
    maxWaitMs: commands.maxWaitMs,
    budgetRatio: retry.budgetRatio,
  };
  // Values that could not be read have been reported already.
  return Object.values(settings).every((value) => typeof value === "number" && value >= 0) ? settings : undefined;
}

/** The timing budget of `group`; undefined if its fields could not be read. */
export function timingOf(group: WrittenGroup): GroupTiming | undefined {
  const settings = timingSettingsOf(group);
  const { objective, assume } = group;
  if (settings === undefined || typeof objective !== "number") return undefined;
  if (!Object.values(assume).every((value) => typeof value === "number")) return undefined;
  const faults = takeoverBounds(settings, assume).map((bound): FaultTiming => {
    const isJudged = bound.fault !== "never-heard";
    return { ...bound, isJudged, isInTime: bound.totalMs <= objective };
  });
  const worstMs = Math.max(...faults.map(({ isJudged, totalMs }) => (isJudged ? totalMs : 0)));
  const notes = notesOn(group, settings, faults);
  return { group: group.name, objectiveMs: objective, assumptions: assume, worstMs, faults, notes };
}

/** Why `group` cannot keep its objective, one refusal for each field to change. */
export function timingRefusals(group: WrittenGroup): readonly TimingRefusal[] {
  const settings = timingSettingsOf(group);
  const timing = timingOf(group);
  if (settings === undefined || timing === undefined) return [];
  const found = new Map<string, TimingRefusal>();
  for (const bound of timing.faults) {
    if (bound.isInTime || !bound.isJudged) continue;
    const culprits: readonly (Culprit | undefined)[] = culpritsOf(bound, group, settings);
    for (const culprit of culprits.length === 0 ? [undefined] : culprits) {
      const field = culprit === undefined ? ["objective"] : fieldOf(culprit.setting, group);
      const key = field.join(".");
      if (!found.has(key)) found.set(key, { field, sentence: sentenceOf(bound, culprit, group) });
    }
  }
  return [...found.values()];
}

const FIELDS: Readonly<Record<TimingSetting, FieldPath>> = {
  ceilingMs: ["detector", "ceiling"],
  sustainMs: ["detector", "sustain"],
  gracePeriodMs: ["detector", "gracePeriod"],
  intervalMs: ["heartbeat", "interval"],
  timeoutMs: ["heartbeat", "timeout"],
  failingForMs: ["commandPath", "failingFor"],
  minFailures: ["commandPath", "minFailures"],
  refusalsToDeclare: ["commandPath", "refusalsToDeclare"],
  unansweredAfterMs: ["commandPath", "unansweredAfter"],
  breakerWindowMs: ["breaker", "window"],
  leaseMs: ["objective"],
  keyStatusTimeoutMs: ["commands", "keyStatus", "timeout"],
  capacityPerSecond: ["stations"],
  maxWaitMs: ["commands", "maxWait"],
  budgetRatio: ["retry", "budgetRatio"],
};

/**
 * The field of `source`, below the group. A ceiling that is not written follows from the interval.
 */
export function fieldOf(source: Exclude<TimingSource, "fixed">, { detector, stations }: WrittenGroup): FieldPath {
  if (source === "callDelayMs") return ASSUMPTION_FIELDS.callIntervalMs;
  if (!isSetting(source)) return ASSUMPTION_FIELDS[source];
  if (source === "ceilingMs" && detector.ceilingMs === undefined) return FIELDS.intervalMs;
  if (source !== "capacityPerSecond") return FIELDS[source];
  const capacities = stations.map(({ capacityPerSecond }) => capacityPerSecond);
  return ["stations", capacities.indexOf(Math.min(...capacities)), "capacityPerSecond"];
}

const AFTER: Readonly<Record<TakeoverBound["fault"], string>> = {
  silence: "the heartbeats of the active station stop",
  "never-heard": "the active station is never heard from",
  refused: "the active station refuses connections",
  unanswered: "the active station answers no command",
  lost: "the active station loses every command",
  failed: "the active station fails every command",
  circuit: "commands fail so often that the circuit opens",
};

function sentenceOf(bound: TakeoverBound, culprit: Culprit | undefined, group: WrittenGroup): string {
  const terms = bound.terms
    .filter(({ ms }) => ms > 0)
    .map(({ term, ms, parts }) => `${term} ${shownTime(ms)}${shownParts(parts, group)}`)
    .join(", ");
  const lesson = culprit === undefined ? undefined : lessonOf(culprit.setting);
  return (
    `after ${AFTER[bound.fault]}, a takeover may take ${shownTime(bound.totalMs)}, which is more than objective ` +
    `(${shownTime(group.objective)}): ${terms}; ${adviceOn(culprit, group)}${lesson === undefined ? "" : ` (${lesson})`}`
  );
}

/** The settings of a term, where there are any. */
function shownParts(parts: readonly TimingPart[], group: WrittenGroup): string {
  const shown = parts
    .filter(({ source, ms }) => isSetting(source) && ms > 0)
    .map(({ source, ms }) => `${shownSource(source as TimingSetting, group)} ${shownTime(ms)}`);
  return shown.length === 0 ? "" : ` (${shown.join(", ")})`;
}

function shownSource(setting: TimingSetting, group: WrittenGroup): string {
  const isDerived = setting === "ceilingMs" && group.detector.ceilingMs === undefined;
  return isDerived ? "detector.ceiling by default" : fieldOf(setting, group).join(".");
}

function adviceOn(culprit: Culprit | undefined, group: WrittenGroup): string {
  const larger = "state a larger objective, or say in assume what you know better of the surroundings";
  if (culprit === undefined) return larger;
  const { setting, most } = culprit;
  const name = fieldOf(setting, group).join(".");
  if (most === undefined) return `no value of ${name} alone keeps it: ${larger}`;
  return `set ${name} to at most ${setting.endsWith("Ms") ? shownDuration(most) : most}, ${larger}`;
}

/** The objective that the incident should have kept. */
const INCIDENT_OBJECTIVE_MS = 30_000;

function notesOn(group: WrittenGroup, settings: TimingSettings, faults: readonly FaultTiming[]): string[] {
  const { breaker, commands, objective, stations } = group;
  const { ceilingMs, gracePeriodMs, minFailures, maxWaitMs } = settings;
  const notes: string[] = [];
  const silence = faults.find(({ fault }) => fault === "silence");
  if (ceilingMs > INCIDENT_OBJECTIVE_MS)
    notes.push(
      `a silence is certain to be declared only after ${shownDuration(ceilingMs)} (detector.ceiling); how much sooner ` +
        "it is declared depends on what the detector has learned by then",
    );
  if (gracePeriodMs > objective)
    notes.push(
      `a station that is down when the gateway starts is declared after ${shownDuration(gracePeriodMs)} ` +
        "(detector.gracePeriod), which is more than objective",
    );
  const undeclared = stations.filter(({ capacityPerSecond }) => capacityPerSecond === Number.POSITIVE_INFINITY);
  if (undeclared.length > 0)
    notes.push(
      `${undeclared.map(({ name }) => name).join(", ")} ${undeclared.length === 1 ? "declares" : "declare"} no ` +
        `capacityPerSecond: up to ${commands.maxWaiting} commands (commands.maxWaiting) may wait, and how fast they are ` +
        "served is learned; how long that takes rests on assume.load",
    );
  const perMinute = (count: number, forMs: number): string => `${Number(((count * 60_000) / forMs).toPrecision(2))}`;
  notes.push(
    `at fewer than ${perMinute(breaker.minimumVolume, breaker.windowMs)} commands a minute (breaker.minimumVolume in ` +
      "breaker.window) no circuit opens; the rules of commandPath judge then",
  );
  const lost = faults.find(({ fault }) => fault === "lost");
  const spareMs = lost === undefined ? 0 : objective - (lost.totalMs - minFailures * group.assume.callIntervalMs);
  if (lost?.isInTime === true)
    notes.push(
      `failures that cannot be compared need ${minFailures} commands (commandPath.minFailures): at fewer than ` +
        `${perMinute(minFailures, spareMs)} commands a minute they take longer than objective`,
    );
  if (commands.timeoutMs >= commands.deadlineMs)
    notes.push(
      "until 20 answers are known, a station that hangs is found by second attempts of repeatable commands after 1s; " +
        "commands that may not run twice end at commands.deadline " +
        `(${shownDuration(commands.deadlineMs)}), because commands.timeout is not shorter`,
    );
  if (silence !== undefined && silence.firstServedMs > maxWaitMs)
    notes.push(
      `a command waits for at most ${shownDuration(maxWaitMs)} (commands.maxWait), and a takeover may take ` +
        `${shownTime(silence.firstServedMs)}: those that come first are refused`,
    );
  return notes;
}

/** Up to ten minutes in milliseconds or seconds, so that terms are easy to compare. */
export function shownTime(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  return ms < 600_000 ? `${Number((ms / 1_000).toFixed(2))}s` : shownDuration(Math.round(ms / 1_000) * 1_000);
}
