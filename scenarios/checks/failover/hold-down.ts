/**
 * How long a station must have been well before failback returns to it, given the written settings
 * and how often the station failed.
 */
import type { DocumentedGroup } from "../documented.ts";

/** `FailbackOptions`: each failure within this time doubles the hold-down, up to the maximum. */
const FAILED_WITHIN_MS = 600_000;
const LONGEST_HOLD_DOWN_MS = 600_000;

/** `failedAtMs`: when it failed, in any order, on the axis of `nowMs`. */
export function holdDownMs({ failback }: DocumentedGroup, failedAtMs: readonly number[], nowMs: number): number {
  const failures = failedAtMs.filter((failedMs) => nowMs - failedMs <= FAILED_WITHIN_MS).length;
  const longestMs = Math.max(LONGEST_HOLD_DOWN_MS, failback.holdDownMs);
  return Math.min(longestMs, failback.holdDownMs * 2 ** Math.max(0, failures - 1));
}
