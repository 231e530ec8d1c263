/**
 * `gsf check`: proves from a configuration file alone that each group takes over in time, or says
 * which terms are too long and what to change. A table for people; `--json` for programs. The sums
 * are in `config/timing-proof.ts`; the same check runs at every start.
 */
import type { Command } from "commander";
import { EXIT } from "./adapters/process/exit-codes.ts";
import { visible } from "./adapters/telemetry/visible.ts";
import { loadConfiguration } from "./config/config.ts";
import { ConfigurationProblems } from "./config/problems.ts";
import type { LocatedFault, LocatedPart, LocatedTiming } from "./config/timing.ts";
import { shownTime } from "./config/timing-proof.ts";

export function registerCheckCommand(program: Command): void {
  program
    .command("check")
    .description("prove from a configuration file alone that each group takes over in time")
    .argument("<file>", "configuration file (YAML or JSON)")
    .option("--json", "answer in JSON", false)
    .option("--terms", "list every part of every term, with its line in the file", false)
    .addHelpText(
      "after",
      `
Reports everything that is wrong with the file, as check-config does, and for each group the longest takeover after
each kind of fault, term by term, beside its objective (30 s, or the group's \`objective\`). Exit code 0: every group
keeps its objective; 3: one may not, or the file is not valid. docs/guide/timing-budget.md says what the terms mean.

Examples:
  $ gsf check fleet.yaml
  $ gsf check fleet.yaml --terms
  $ gsf check fleet.yaml --json`,
    )
    .action(check);
}

interface CheckOptions {
  readonly json: boolean;
  readonly terms: boolean;
}

function check(file: string, { json, terms }: CheckOptions): void {
  try {
    const { timing, warnings } = loadConfiguration(file, process.env);
    if (json) return write(JSON.stringify({ valid: true, groups: timing, warnings }));
    write([...timing.flatMap((group) => groupTable(group, terms)), verdictOf(file, timing)].join("\n"));
    for (const warning of warnings) process.stderr.write(`gsf: ${visible(warning)}\n`);
  } catch (error) {
    if (!(error instanceof ConfigurationProblems)) throw error;
    const { problems, timing } = error;
    process.exitCode = EXIT.configuration;
    if (json) return write(JSON.stringify({ valid: false, groups: timing, problems }));
    for (const group of timing) write(groupTable(group, terms).join("\n"));
    throw error;
  }
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

const FAULTS: Readonly<Record<LocatedFault["fault"], string>> = {
  silence: "heartbeats stop",
  "never-heard": "down at the start",
  refused: "connections refused",
  unanswered: "commands not answered",
  lost: "commands lost",
  failed: "commands fail",
  circuit: "circuit opens",
};

const COLUMNS = ["detect", "sustain", "decide", "lease", "promote", "drain", "in all"] as const;

function groupTable(group: LocatedTiming, terms: boolean): string[] {
  const { group: name, objectiveMs, worstMs, faults, notes } = group;
  const isInTime = worstMs <= objectiveMs;
  const rows = faults.map((fault) => [
    FAULTS[fault.fault],
    ...fault.terms.map(({ ms }) => (ms === 0 ? "-" : shownTime(ms))),
    shownTime(fault.totalMs),
    fault.isJudged ? (fault.isInTime ? "" : "too long") : "not judged",
  ]);
  return [
    `group ${visible(name)}: at most ${shownTime(worstMs)} of ${shownTime(objectiveMs)} (objective): ` +
      (isInTime ? `${Math.round(100 * (1 - worstMs / objectiveMs))} % left` : "too long"),
    ...table([["after", ...COLUMNS, ""], ...rows]).map((line) => `  ${line}`),
    ...(terms ? faults.flatMap(termLines) : []),
    ...[...assumptionLines(group), ...notes.map((note) => `note: ${visible(note)}`)].map((line) => `  ${line}`),
    "",
  ];
}

/** Names to the left, numbers to the right, in columns. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 || column === row.length - 1 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function termLines({ fault, terms }: LocatedFault): string[] {
  const parts = terms.flatMap(({ term, parts }) => parts.filter(({ ms }) => ms > 0).map((part) => ({ term, part })));
  const rows = parts.map(({ term, part }) => [term, shownTime(part.ms), part.what, sourceOf(part)]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return [
    `  ${FAULTS[fault]}:`,
    ...rows.map(([term = "", ms = "", what = "", source = ""]) =>
      `    ${term.padEnd(widths[0] ?? 0)}  ${ms.padStart(widths[1] ?? 0)}  ${what.padEnd(widths[2] ?? 0)}  ${source}`.trimEnd(),
    ),
  ];
}

function sourceOf({ field, line }: LocatedPart): string {
  if (field === undefined) return "fixed";
  const below = field.replace(/^groups\[\d+\]\./, "");
  return `${below} (${line === undefined ? "default" : `line ${line}`})`;
}

function assumptionLines({ assumptions }: LocatedTiming): string[] {
  const { pathMs, lostInRow, stallMs, answerMs, callIntervalMs, loadRatio } = assumptions;
  return [
    `assumed: another station is eligible, and the usual load is ${Math.round(100 * loadRatio)} % of what it takes; a ` +
      `message takes up to ${shownTime(pathMs)};`,
    `  ${lostInRow} heartbeats are lost in a row at most; 99 of 100 answers come within ${shownTime(answerMs)}; commands come at ` +
      `least every ${shownTime(callIntervalMs)};`,
    `  the gateway's process stands still for at most ${shownTime(stallMs)} at a time`,
  ];
}

function verdictOf(file: string, timing: readonly LocatedTiming[]): string {
  const count = timing.length === 1 ? "its group takes" : `each of its ${timing.length} groups takes`;
  return `${visible(file)} is valid, and ${count} over in time.`;
}
