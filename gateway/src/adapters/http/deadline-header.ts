/**
 * Deadlines as instants of the wall clock. The time left, which is sent as well, is useless to a
 * process that was stopped in between, because it counts from when it is read. An instant stays
 * valid if the machines agree on the time of day; the operator knows how far they may differ.
 * Formats: seconds and milliseconds since 1970, and RFC 3339.
 */
import type { DeadlineHeader } from "../../fleet/settings.ts";

type Format = DeadlineHeader["format"];

/**
 * A number below this must be seconds since 1970, a number above it milliseconds: in the other unit
 * it would be years away from now. A number in the wrong unit is refused.
 */
const SECONDS_END_MS = 1e11;

/**
 * The value for the instant `epochMs`, rounded down. Seconds get three decimals, because the time
 * left may be less than one second.
 */
export function deadlineText(format: Format, epochMs: number): string {
  const wholeMs = Math.floor(epochMs);
  if (format === "epoch-ms") return String(wholeMs);
  if (format === "epoch-s") return (wholeMs / 1_000).toFixed(3);
  return new Date(wholeMs).toISOString();
}

/** The instant in `text`, in milliseconds since 1970; undefined if it cannot be read. */
export function readDeadline(format: Format, text: string): number | undefined {
  if (format === "rfc3339") {
    const epochMs = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(epochMs) ? undefined : epochMs;
  }
  if (!/^\d{1,15}(\.\d{1,9})?$/.test(text)) return undefined;
  const amount = Number(text);
  if (format === "epoch-ms") return amount < SECONDS_END_MS ? undefined : amount;
  return amount >= SECONDS_END_MS ? undefined : amount * 1_000;
}

/** The allowed form, as the end of a sentence that says what was received. */
export const ALLOWED_DEADLINES: Readonly<Record<Format, string>> = {
  "epoch-ms": "milliseconds since 1970, such as 1764350000000",
  "epoch-s": "seconds since 1970, such as 1764350000 or 1764350000.250",
  rfc3339: "a date and time of RFC 3339, such as 2026-11-28T17:13:20.250Z",
};

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
