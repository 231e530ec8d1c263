/**
 * Compares the source's records with the spacecraft's ledger. Both are needed: the source cannot
 * know which commands ran, and the spacecraft cannot know which answers the callers got.
 */
import type { Ledger } from "./spacecraft.ts";

/** One command as its source saw it. Instants are on the machine's monotonic axis. */
export interface CommandRecord {
  readonly command: string;
  readonly sentMs: number;
  readonly endedMs: number;
  /** Undefined if there was no answer. */
  readonly status: number | undefined;
  /** The station that served it, if the answer names it. */
  readonly station: string | undefined;
  /** Why this is an error for the caller; undefined if it is not. */
  readonly error: string | undefined;
}

export interface Sums {
  readonly sent: number;
  /**
   * Not answered with a 2xx without an error body, or broken off, or not answered by the deadline.
   */
  readonly callerErrors: number;
  readonly executedTwice: number;
  /** Acknowledged but never executed, or neither answered nor executed. */
  readonly lost: number;
  /**
   * The longest gap between two successful answers of which the later one came after the fault,
   * minus the usual spacing.
   */
  readonly outageMs: number;
  /**
   * From the fault to the first successful answer by another station; undefined if there was none.
   */
  readonly takeoverMs: number | undefined;
  readonly slowestMs: number;
  /** Commands that reached the spacecraft again or too late, and had no effect there. */
  readonly absorbed: { readonly repeatedKey: number; readonly olderEpoch: number };
  /** The first few errors, for finding their cause. */
  readonly errors: readonly string[];
}

/** The fault whose effects are computed. */
export interface FaultMark {
  readonly atMs: number;
  /** The station that was active when the fault began. */
  readonly station: string;
}

const ERRORS_SHOWN = 5;

/** `spacingMs`: the usual time between two commands. */
export function sumUp(records: readonly CommandRecord[], ledger: Ledger, fault: FaultMark, spacingMs: number): Sums {
  const executions = new Map(ledger.commands.map(([command, , runs]) => [command, runs]));
  const failed = records.filter((record) => record.error !== undefined);
  const isLost = (record: CommandRecord): boolean =>
    (executions.get(record.command) ?? 0) === 0 && (record.error === undefined || record.status === undefined);
  return {
    sent: records.length,
    callerErrors: failed.length,
    executedTwice: [...executions.values()].filter((runs) => runs > 1).length,
    lost: records.filter(isLost).length,
    outageMs: longestGapMs(records, fault, spacingMs),
    takeoverMs: firstByAnother(records, fault),
    slowestMs: records.reduce((slowest, { sentMs, endedMs }) => Math.max(slowest, endedMs - sentMs), 0),
    absorbed: { repeatedKey: ledger.replayed, olderEpoch: ledger.refusedStale },
    errors: failed.slice(0, ERRORS_SHOWN).map(({ command, error }) => `${command}: ${error}`),
  };
}

function longestGapMs(records: readonly CommandRecord[], fault: FaultMark, spacingMs: number): number {
  const answers = records
    .filter((record) => record.error === undefined)
    .map((record) => record.endedMs)
    .sort((a, b) => a - b);
  // If service never returned, the gap lasts until the last command ended.
  answers.push(records.reduce((last, { endedMs }) => Math.max(last, endedMs), 0));
  let longest = 0;
  for (const [place, answeredMs] of answers.entries()) {
    const before = answers[place - 1];
    if (before !== undefined && answeredMs > fault.atMs) longest = Math.max(longest, answeredMs - before - spacingMs);
  }
  return longest;
}

function firstByAnother(records: readonly CommandRecord[], fault: FaultMark): number | undefined {
  const served = records.filter((record) => isTakeover(record, fault)).map((record) => record.endedMs);
  return served.length === 0 ? undefined : served.reduce((first, atMs) => Math.min(first, atMs)) - fault.atMs;
}

/** True if a station other than the faulty one served this command after the fault. */
export function isTakeover(record: CommandRecord, fault: FaultMark): boolean {
  const { error, station, endedMs } = record;
  return error === undefined && station !== undefined && station !== fault.station && endedMs > fault.atMs;
}
