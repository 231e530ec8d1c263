/**
 * Reads and shows durations and rates in the usual notation: `1.5s`, `1/week`. Reading is exact.
 * Shown values are rounded to three digits, in the unit that makes the number easiest to read.
 */
import { InvalidArgumentError } from "commander";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const DURATION_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", SECOND_MS],
  ["m", 60 * SECOND_MS],
  ["h", HOUR_MS],
  ["d", DAY_MS],
]);

const PERIODS_MS: ReadonlyMap<string, number> = new Map([
  ["second", SECOND_MS],
  ["minute", 60 * SECOND_MS],
  ["hour", HOUR_MS],
  ["day", DAY_MS],
  ["week", 7 * DAY_MS],
  ["month", 30 * DAY_MS],
  ["year", 365 * DAY_MS],
]);

/** A count per period. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** Returns a reader of an option's value: a duration from `minMs` to `maxMs`. */
export function durationFlag(minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    const parts = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text.trim());
    const ms = Number(parts?.[1]) * (DURATION_UNITS_MS.get(parts?.[2] ?? "") ?? Number.NaN);
    if (ms >= minMs && ms <= maxMs) return ms;
    throw new InvalidArgumentError(
      `allowed is a duration from ${shownDuration(minMs)} to ${shownDuration(maxMs)}, such as 500ms, 1s or 2m.`,
    );
  };
}

/** Reads `1/week`, `0.5/day`, `2 per hour`. */
export function rateFlag(text: string): Rate {
  const parts = /^(\d{1,9}(?:\.\d{1,9})?)\s*(?:\/|per)\s*([a-z]+?)s?$/i.exec(text.trim());
  const perMs = PERIODS_MS.get(parts?.[2]?.toLowerCase() ?? "");
  const count = Number(parts?.[1]);
  if (perMs !== undefined && count > 0) return { count, perMs };
  throw new InvalidArgumentError(
    `allowed is a number above 0 per ${[...PERIODS_MS.keys()].join(", ")}, such as 1/week or 0.5/day.`,
  );
}

/** `50ms`, `1.35s`, `2h`, `21d`. The gateway's configuration can read these, up to hours. */
export function shownDuration(ms: number): string {
  let [unit, factor] = ["ms", 1];
  for (const [name, unitMs] of DURATION_UNITS_MS) {
    if (ms >= (unitMs >= HOUR_MS ? 2 * unitMs : unitMs)) [unit, factor] = [name, unitMs];
  }
  return `${threeDigits(ms / factor)}${unit}`;
}

/**
 * `3.1/hour`: per the shortest period in which the rate is at least 1, so that a shown rate is a
 * fraction only if it is below one a year.
 */
export function shownRate(perMs: number): string {
  if (perMs === 0) return "0";
  const period = [...PERIODS_MS].find(([, ms]) => perMs * ms >= 0.995) ?? ["year", 365 * DAY_MS];
  return `${threeDigits(perMs * period[1])}/${period[0]}`;
}

/** `10,000`, `1.35`, `0.0021`. */
export function threeDigits(value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return Number(value.toPrecision(3)).toLocaleString("en-US", {
    maximumFractionDigits: 6,
    useGrouping: value >= 10_000,
  });
}

/** `10,000`. */
export function whole(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1.2 %`. */
export function percent(share: number): string {
  return `${threeDigits(100 * share)} %`;
}
