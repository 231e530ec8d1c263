/**
 * The demo's result for people and for programs: the figures, what each of them means, and whether
 * the promise was kept. The promise: no error reached a caller, no command was lost, none was
 * executed twice, and the backup took over.
 */
import type { DemoFault } from "./faults.ts";
import type { Outcome } from "./play.ts";
import type { Timeline } from "./timeline.ts";

/** What `--json` prints. */
export interface DemoReport {
  readonly fault: DemoFault;
  readonly ok: boolean;
  /** Why the demo ended early; absent if it did not. */
  readonly problem?: string;
  readonly sent?: number;
  readonly callerErrors?: number;
  readonly executedTwice?: number;
  readonly lost?: number;
  readonly outageMs?: number;
  /** Null: no other station took over. */
  readonly takeoverMs?: number | null;
  readonly epoch?: number;
  readonly slowestMs?: number;
  readonly absorbed?: { readonly repeatedKey: number; readonly olderEpoch: number; readonly byStation: number };
  readonly healed?: { readonly wellAfterMs: number; readonly switchBackMs: number };
  /** The first few errors that callers saw. */
  readonly errors?: readonly string[];
}

/** True if the promise was kept. */
export function isKept({ sums }: Outcome): boolean {
  const { callerErrors, executedTwice, lost, takeoverMs } = sums;
  return callerErrors === 0 && executedTwice === 0 && lost === 0 && takeoverMs !== undefined;
}

export function reportOf(fault: DemoFault, outcome: Outcome): DemoReport {
  const { sums, epoch, absorbedByStation, healed } = outcome;
  return {
    fault,
    ok: isKept(outcome),
    sent: sums.sent,
    callerErrors: sums.callerErrors,
    executedTwice: sums.executedTwice,
    lost: sums.lost,
    outageMs: Math.round(sums.outageMs),
    takeoverMs: sums.takeoverMs === undefined ? null : Math.round(sums.takeoverMs),
    epoch,
    slowestMs: Math.round(sums.slowestMs),
    absorbed: { ...sums.absorbed, byStation: absorbedByStation },
    ...(healed === undefined
      ? {}
      : {
          healed: { wellAfterMs: Math.round(healed.wellAfterMs), switchBackMs: Math.round(healed.switchBackMs) },
        }),
    errors: sums.errors,
  };
}

export function tellOutcome(timeline: Timeline, title: string, outcome: Outcome): void {
  const { sums, epoch, absorbedByStation, healed } = outcome;
  const { repeatedKey, olderEpoch } = sums.absorbed;
  const none = (value: number): "green" | "red" => (value === 0 ? "green" : "red");
  const ms = (value: number | undefined): string => (value === undefined ? "never" : `${Math.round(value)} ms`);
  timeline.title(title);
  timeline.figure("commands sent", `${sums.sent}`, "each with a key and a deadline of 5 s");
  timeline.figure(
    "caller-visible errors",
    `${sums.callerErrors}`,
    "any answer but a clean 2xx, or none",
    none(sums.callerErrors),
  );
  timeline.figure("executed twice", `${sums.executedTwice}`, "by the spacecraft's own count", none(sums.executedTwice));
  timeline.figure("lost", `${sums.lost}`, "acknowledged or unanswered, never executed", none(sums.lost));
  timeline.figure(
    "duplicates absorbed",
    `${repeatedKey + olderEpoch}`,
    `at the spacecraft: ${repeatedKey} repeated keys, ${olderEpoch} of an older epoch`,
  );
  if (absorbedByStation > 0) {
    timeline.figure("dropped by the station", `${absorbedByStation}`, "late commands that it never passed on");
  }
  timeline.figure("time without service", ms(sums.outageMs), "longest gap between answers, less the usual one");
  timeline.figure("take-over", ms(sums.takeoverMs), "fault to first command served by backup");
  timeline.figure("slowest command", ms(sums.slowestMs));
  timeline.figure("epoch", `${epoch}`);
  if (healed !== undefined) {
    timeline.figure("held well again after", ms(healed.wellAfterMs), "from the end of the fault");
    timeline.figure("switched back in", ms(healed.switchBackMs), "order to first command served");
  }
  for (const error of sums.errors) timeline.note(`  ${error}`, "red");
}
