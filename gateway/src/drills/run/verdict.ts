/**
 * What a run of a drill showed, from the facts: a pure function. What was left behind comes first,
 * because the next drill would run against it; then what stopped the run, then whether the run
 * proved anything, and only then whether the system held.
 */
import type { DrillExpectation } from "../experiment/experiment.ts";
import type { DrillOutcome } from "../injection.ts";
import type { Measured } from "./hooks.ts";
import type { StopReason } from "./run-stop.ts";

export interface Facts {
  readonly stop: StopReason | undefined;
  /** Of our own faults: what is still in place, or could not be lifted. */
  readonly remaining: readonly string[];
  /** The hypothesis held before the method; null: it was not looked at. */
  readonly heldBefore: boolean | null;
  /** The hypothesis held after the method; null: it was not looked at. */
  readonly heldAfter: boolean | null;
  /** In a run without a fault: how often the hypothesis was missed. */
  readonly missedLooks: number;
  /** The hypothesis held in the end, with everything lifted; null: it was not looked at. */
  readonly holdsAgain: boolean | null;
  /** Proof that each fault was felt, by the activity's name. */
  readonly felt: Readonly<Record<string, string | null>>;
  readonly expect: DrillExpectation;
  /** Undefined: nothing was measured. */
  readonly measured: Measured | undefined;
  /** Why the stage could not measure; undefined: it could, or there is none. */
  readonly notMeasured: string | undefined;
}

export interface Verdict {
  readonly outcome: DrillOutcome;
  /** Undefined for "held". */
  readonly reason: string | undefined;
}

/** Judges the run of a drill. */
export function judged(facts: Facts): Verdict {
  const { stop, felt } = facts;
  const early = stoppedOrDirty(facts);
  if (early !== undefined) return early;
  if (facts.heldBefore === false)
    return { outcome: "invalid", reason: "the steady state did not hold before the fault, so nothing was tested" };
  const unfelt = Object.keys(felt).filter((name) => felt[name] === null);
  if (unfelt.length > 0 && stop === undefined)
    return { outcome: "invalid", reason: `no proof that the fault was felt: ${unfelt.join(", ")}` };
  if (facts.notMeasured !== undefined) return { outcome: "invalid", reason: `not measured: ${facts.notMeasured}` };
  return heldOr(missesOf(facts));
}

/** Judges a run without the extension: by the hypothesis alone, as Chaos Toolkit does. */
export function judgedForeign(facts: Facts): Verdict {
  const early = stoppedOrDirty(facts);
  if (early !== undefined) return early;
  if (facts.heldBefore === false)
    return { outcome: "deviated", reason: "the hypothesis did not hold before the method, which was left out" };
  return heldOr(missesOf(facts));
}

function heldOr(misses: readonly string[]): Verdict {
  return misses.length > 0
    ? { outcome: "deviated", reason: misses.join("; ") }
    : { outcome: "held", reason: undefined };
}

function stoppedOrDirty({ stop, remaining, holdsAgain }: Facts): Verdict | undefined {
  const stopped = stop === undefined ? "" : `; ${shownStop(stop)}`;
  if (remaining.length > 0) return { outcome: "dirty", reason: `still in place: ${remaining.join("; ")}${stopped}` };
  if (stop?.kind === "interrupted") return { outcome: "interrupted", reason: shownStop(stop) };
  if (holdsAgain === false)
    return { outcome: "dirty", reason: `the steady state does not hold although everything was lifted${stopped}` };
  return stop?.kind === "aborted" ? { outcome: "aborted", reason: shownStop(stop) } : undefined;
}

function shownStop(stop: StopReason): string {
  switch (stop.kind) {
    case "interrupted":
      return `stopped by ${stop.by}`;
    case "aborted":
      return `guardrail ${stop.trip.rule}: ${stop.trip.observed}`;
    case "failed":
      return `the hypothesis was missed in ${stop.missedPercent.toFixed(0)} % of the looks during the method`;
  }
}

function missesOf({ stop, heldAfter, missedLooks, measured, expect }: Facts): readonly string[] {
  const misses: string[] = [];
  if (stop !== undefined) misses.push(shownStop(stop));
  if (missedLooks > 0) misses.push(`the hypothesis was missed ${missedLooks} times without a fault`);
  if (heldAfter === false) misses.push("the hypothesis did not hold after the method");
  return measured === undefined ? misses : [...misses, ...missedTimes(measured, expect), ...measured.broken];
}

function missedTimes(measured: Measured, expect: DrillExpectation): readonly string[] {
  const { mttdMs, mttrMs, falseAlarm } = measured;
  const { detectWithinMs, recoverWithinMs } = expect;
  const misses: string[] = [];
  if (falseAlarm !== undefined) misses.push(`false alarm: ${falseAlarm}`);
  else if (detectWithinMs === "never" && mttdMs !== null)
    misses.push(`false alarm: detected after ${shownMs(mttdMs)}, and nothing should have been`);
  if (typeof detectWithinMs === "number" && (mttdMs === null || mttdMs > detectWithinMs))
    misses.push(
      `${mttdMs === null ? "not detected" : `detected after ${shownMs(mttdMs)}`}; the limit is ${shownMs(detectWithinMs)}`,
    );
  if (recoverWithinMs !== undefined && (mttrMs === null || mttrMs > recoverWithinMs))
    misses.push(
      `${mttrMs === null ? "not recovered" : `recovered after ${shownMs(mttrMs)}`}; the limit is ${shownMs(recoverWithinMs)}`,
    );
  return misses;
}

/** Such as `830 ms` or `3.2 s`. */
export function shownMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
