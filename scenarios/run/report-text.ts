/** Formats a batch, a failure and a replay for the terminal. */
import type { Failure, ReplayFile, ReplayReport, TraceRecord, Violation } from "ground-station-failover/sim";
import { sequenceDiagram, traceJsonl, traceText } from "ground-station-failover/sim";
import type { BatchProgress, BatchReport } from "./batch.ts";

/** A failure that was examined. */
export interface KeptFailure {
  readonly failure: Failure;
  /** The file that keeps it; undefined if it did not repeat. */
  readonly file: string | undefined;
  /** The violation of the smallest case. */
  readonly smallest: Violation | undefined;
  /** How far it was shrunk. */
  readonly summary: string | undefined;
}

export function progressText(scenario: string, { runs, seeds, failures, simulatedMs }: BatchProgress): string {
  return `${scenario}: ${runs} of ${seeds} seeds, ${failures} failed, ${rounded(simulatedMs / 1_000)} simulated s`;
}

export function batchText(scenario: string, firstSeed: number, report: BatchReport): string {
  const { runs, failed, ranTwice, met, dark, simulatedMs, cpuMs } = report;
  const last = firstSeed + runs - 1;
  const perSecond = rounded(simulatedMs / cpuMs);
  const perMinute = rounded((runs * 60_000) / cpuMs);
  const lines = [
    `${scenario}: ${runs} seeds (${firstSeed} … ${last}), ${failed === 0 ? "none failed" : `${failed} failed`}`,
    `  ${rounded(simulatedMs / 1_000)} simulated s in ${(cpuMs / 1_000).toFixed(1)} CPU s: ${perSecond} a second, ${perMinute} seeds a minute`,
  ];
  if (ranTwice > 0) lines.push(`  ${ranTwice} seeds ran twice, to see whether the two runs are the same`);
  const situations = [...met].toSorted(([left], [right]) => (left < right ? -1 : 1));
  if (situations.length > 0) {
    lines.push("  rare situations, and how often they were met:");
    for (const [situation, times] of situations) lines.push(`    ${situation.padEnd(48)} ${times}`);
  }
  for (const situation of dark) lines.push(`  NEVER MET: ${situation}: what it stands for has not been tested`);
  return lines.join("\n");
}

export function failureText(scenario: string, { failure, file, smallest, summary }: KeptFailure): string {
  const { seed, violation } = failure;
  const { invariant, detail, atMs, step } = violation;
  const lines = [
    `\nseed ${seed} violates ${invariant} at ${(atMs / 1_000).toFixed(3)} s (step ${step}):`,
    indented(detail),
  ];
  if (summary !== undefined) lines.push(`  shrunk: ${summary}`);
  if (smallest !== undefined && smallest.detail !== detail)
    lines.push(`  there, at ${(smallest.atMs / 1_000).toFixed(3)} s: ${smallest.detail}`);
  if (file === undefined) lines.push("  it did not come again: run it with --determinism 1");
  else lines.push(`  shown by: npm run sim -- --replay ${file}`);
  lines.push(`  found by: npm run sim -- --scenario ${scenario} --first-seed ${seed} --seeds 1`);
  return lines.join("\n");
}

/** If there are more, they are only counted. */
const MOST_NAMED = 100;

/** Failures that were not examined, one line each. */
export function furtherText(failures: readonly Failure[]): string {
  const lines = failures
    .slice(0, MOST_NAMED)
    .map(({ seed, violation }) => `  seed ${seed}: ${violation.invariant} at ${(violation.atMs / 1_000).toFixed(3)} s`);
  if (failures.length > MOST_NAMED) lines.push(`  … and ${failures.length - MOST_NAMED} more`);
  return [`\n${failures.length} further seeds failed:`, ...lines].join("\n");
}

const VERDICTS: Readonly<Record<ReplayReport["verdict"], string>> = {
  exact: "the same run again, to the bit",
  "same-violation": "violated again, on another way",
  "other-violation": "something else is violated now",
  fixed: "nothing is violated any more",
};

export function replayText(file: ReplayFile, { run, verdict, remark }: ReplayReport, lastMs: number): string {
  const { simulation, seed, invariant, detail, atMs } = file;
  const lines = [`${simulation}, seed ${seed}: ${invariant} at ${(atMs / 1_000).toFixed(3)} s`, indented(detail)];
  lines.push(`  now: ${VERDICTS[verdict]}`);
  if (run.violation !== undefined && verdict !== "exact")
    lines.push(`  ${run.violation.invariant}:`, indented(run.violation.detail));
  if (remark !== undefined) lines.push(`  ${remark}`);
  lines.push("", `faults (${run.plan.faults.length}):`);
  for (const fault of run.plan.faults) lines.push(`  ${JSON.stringify(fault)}`);
  lines.push("", `the last ${lastMs / 1_000} s:`, "", sequenceDiagram(run.records, { lastMs }));
  return lines.join("\n");
}

export function traceOf(records: readonly TraceRecord[], form: "text" | "jsonl" | "diagram", lastMs: number): string {
  if (form === "diagram") return sequenceDiagram(records, { lastMs });
  return form === "text" ? traceText(records) : traceJsonl(records);
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
