/**
 * What the source saw and what the spacecraft did, held against each other. Neither alone would do:
 * the source cannot know what ran, and the spacecraft cannot know what was promised.
 */
import type { Ledger } from "./spacecraft.ts";

/** One command as its source saw it. Instants are on the machine's monotonic axis. */
export interface CommandRecord {
  readonly command: string;
  readonly sentMs: number;
  readonly endedMs: number;
  /** Undefined where there was no answer. */
  readonly status: number | undefined;
  /** The station that served it, where the answer says so. */
  readonly station: string | undefined;
  /** Why this is an error in the eyes of the caller; undefined where it is none. */
  readonly error: string | undefined;
}

export interface Sums {
  readonly sent: number;
  /** Answered with anything but a clean 2xx, or broken off, or not answered by the deadline. */
  readonly callerErrors: number;
  readonly executedTwice: number;
  /** Acknowledged and never executed, or neither answered nor executed. */
  readonly lost: number;
  /**
   * The longest gap between two successful answers of which the later came after the fault, less
   * the usual spacing.
   */
  readonly outageMs: number;
  /**
   * From the fault to the first successful answer by another station; undefined where there was
   * none.
   */
  readonly takeoverMs: number | undefined;
  readonly slowestMs: number;
  /** Commands that reached the spacecraft more than once or too late, and were absorbed there. */
  readonly absorbed: { readonly repeatedKey: number; readonly olderEpoch: number };
  /** The first few errors, for whoever has to find out why. */
  readonly errors: readonly string[];
}

/** The fault whose consequences are summed up. */
export interface FaultMark {
  readonly atMs: number;
  /** Who was active when it struck. */
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
  // Service that never came back was away until the last thing that was heard of any command.
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

/** Has another station than the one struck served this command after the fault? */
export function isTakeover(record: CommandRecord, fault: FaultMark): boolean {
  const { error, station, endedMs } = record;
  return error === undefined && station !== undefined && station !== fault.station && endedMs > fault.atMs;
}
