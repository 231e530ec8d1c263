/**
 * Prints the two timelines of the incident for a terminal: instants side by side, then the three
 * reasons with their numbers, then the half minutes of the storm.
 */
import type { IncidentTimelines } from "./both-systems.ts";
import { LEGACY_SETTINGS } from "./legacy-gateway.ts";
import type { HalfMinute, IncidentTimeline } from "./recorder.ts";
import { STEADY_WITHIN_MS } from "./recorder.ts";

const LABEL_COLUMNS = 38;
const COLUMNS = 26;
/** 11:23Z, the fault. */
const FAULT_SECOND_OF_DAY = (11 * 60 + 23) * 60;

export function sideBySide(seed: number | string, { old, ours, oursMistuned }: IncidentTimelines): string {
  const line = (label: string, ofOne: (timeline: IncidentTimeline) => string): string =>
    `  ${label.padEnd(LABEL_COLUMNS)}${ofOne(old).padEnd(COLUMNS)}${ofOne(ours)}`;
  return [
    `Incident CN-2702-003 from seed ${seed}: one network, one load, one fault, two gateways`,
    "",
    `  ${"".padEnd(LABEL_COLUMNS)}${"as it was that day".padEnd(COLUMNS)}ours`,
    line("the primary's uplink dies", () => instant(0)),
    line("declared down", ({ declaredMs }) => instant(declaredMs)),
    line("backup active", ({ promotedMs }) => instant(promotedMs)),
    line("a later command is served", ({ firstServedMs }) => instant(firstServedMs)),
    line(`all are, within ${STEADY_WITHIN_MS / 1_000} s each`, ({ steadyMs }) => instant(steadyMs)),
    line("commands sent until then", ({ commands }) => String(commands)),
    line("  given up by their sources", ({ givenUp }) => String(givenUp)),
    line("  the slowest that was served took", ({ slowestMs }) => duration(slowestMs)),
    "",
    ...reasons(old, ours),
    "",
    "  Ours with that day's detector (nothing else of that day can be set):",
    `     active ${instant(oursMistuned.promotedMs)}, because ${oursMistuned.declaredBecause};`,
    `     all served ${instant(oursMistuned.steadyMs)}; ${storm(oursMistuned)}`,
    "",
    ...halfMinutes(old.halfMinutes, ours.halfMinutes, Math.min(Math.max(old.steadyMs, ours.steadyMs), MOST_SHOWN_MS)),
  ].join("\n");
}

function reasons(old: IncidentTimeline, ours: IncidentTimeline): string[] {
  const { failuresToOpen } = LEGACY_SETTINGS;
  const opened = (at: number | undefined): string => (at === undefined ? "never opened" : `opened at ${instant(at)}`);
  return [
    "  1. The detector",
    `     that day  ${old.declaredBecause}: the settings of another path`,
    `     ours      ${ours.declaredBecause}`,
    "  2. The breaker",
    `     that day  ${old.failuresAtDeclaration} of ${failuresToOpen} failures after minutes in which nothing succeeded; ${opened(old.circuitOpenedMs)}`,
    `     ours      rates failures, and was not needed: ${ours.failuresAtDeclaration} had failed when the station was replaced; ${opened(ours.circuitOpenedMs)}`,
    "  3. The retry storm",
    `     that day  ${storm(old)}`,
    `     ours      ${storm(ours)}`,
  ];
}

function storm({ backlog, offeredPeakPerSecond, capacityPerSecond, attempts, commands }: IncidentTimeline): string {
  return (
    `${backlog} in hand at the promotion; offered ${offeredPeakPerSecond} in the worst second, capacity ` +
    `${capacityPerSecond}; backup tried ${attempts} times for ${commands} commands`
  );
}

/** Later half minutes are like the last one. */
const MOST_SHOWN_MS = 15 * 60_000;

function halfMinutes(old: readonly HalfMinute[], ours: readonly HalfMinute[], untilMs: number): string[] {
  const cells = (half: HalfMinute | undefined): string => {
    const { offered = 0, acknowledged = 0, givenUp = 0 } = half ?? {};
    return [offered, acknowledged, givenUp].map((count) => String(count).padStart(8)).join("");
  };
  const lines = [
    `  ${"".padEnd(11)}${"as it was that day".padStart(24)}${"ours".padStart(27)}`,
    `  ${"half minute".padEnd(11)}${" offered  served given up".padStart(24)}${" offered  served given up".padStart(27)}`,
  ];
  for (let place = 0; place * 30_000 <= untilMs; place++) {
    const mine = place < ours.length ? cells(ours[place]) : "";
    lines.push(`  ${clockTime(place * 30_000).padEnd(11)}${cells(old[place])}   ${mine}`.trimEnd());
  }
  return [...lines, "  offered: attempts at the backup; served, given up: commands, as their sources were told"];
}

function instant(ms: number | undefined): string {
  if (ms === undefined || ms === Number.POSITIVE_INFINITY) return "never";
  return `${clockTime(ms)}  +${duration(ms)}`;
}

function duration(ms: number): string {
  if (ms >= 60_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
  return `${(ms / 1_000).toFixed(1)} s`;
}

function clockTime(ms: number): string {
  const seconds = FAULT_SECOND_OF_DAY + Math.floor(ms / 1_000);
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}Z`;
}
