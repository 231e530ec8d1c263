/**
 * Durations and instants as the reports of drills show and read them: `850 ms`, `1.2 s`, `3 min`.
 * Shown values have three digits at most. A missing duration is never shown as a number.
 */
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

const UNITS: ReadonlyArray<readonly [fromMs: number, unitMs: number, unit: string]> = [
  [3 * DAY_MS, DAY_MS, "d"],
  [2 * HOUR_MS, HOUR_MS, "h"],
  [2 * MINUTE_MS, MINUTE_MS, "min"],
  [SECOND_MS, SECOND_MS, "s"],
  [0, 1, "ms"],
];

/** `850 ms`, `1.2 s`, `3.5 min`, `2 h`, `4 d`; a negative duration keeps its sign. */
export function shownDuration(ms: number): string {
  const size = Math.abs(ms);
  const [, unitMs, unit] = UNITS.find(([fromMs]) => size >= fromMs) ?? ([0, 1, "ms"] as const);
  const digits = Number((size / unitMs).toPrecision(3));
  return `${ms < 0 ? "−" : ""}${unit === "ms" ? Math.round(size) : digits} ${unit}`;
}

const WRITTEN_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", SECOND_MS],
  ["m", MINUTE_MS],
  ["min", MINUTE_MS],
  ["h", HOUR_MS],
  ["d", DAY_MS],
]);

/**
 * Milliseconds of `500ms`, `1.5s`, `2m`, `3h` or `30d`; undefined if it is not written like this.
 */
export function readDuration(text: string): number | undefined {
  const parts = /^(\d{1,9}(?:\.\d{1,6})?) ?(ms|s|min|m|h|d)$/.exec(text.trim());
  const unitMs = WRITTEN_UNITS_MS.get(parts?.[2] ?? "");
  return parts === null || unitMs === undefined ? undefined : Number(parts[1]) * unitMs;
}

/** `2026-12-01 14:03` in UTC. */
export function shownMinute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace("T", " ");
}

/** `2026-12-01` in UTC. */
export function shownDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** `14:03:07.250` in UTC. */
export function shownTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

/** Milliseconds since 1970 of an RFC 3339 time or of a date; undefined if it is neither. */
export function readInstant(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined;
  // Without a zone it is UTC: a report that two people make must not depend on where they sit.
  const hasTime = text.length > 10;
  const hasZone = /(?:Z|[+-]\d\d:\d\d)$/.test(text) && hasTime;
  const atMs = Date.parse(hasTime && !hasZone ? `${text.replace(" ", "T")}Z` : text.replace(" ", "T"));
  return Number.isNaN(atMs) || (!hasTime && new Date(atMs).toISOString().slice(0, 10) !== text) ? undefined : atMs;
}
