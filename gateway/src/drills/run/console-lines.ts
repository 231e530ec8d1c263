/**
 * What a person sees of drills: one line for each event, a line for each result, and a table at the
 * end. Colours only where they can be shown; `styleText` leaves them out in a file, a pipe, or with
 * `NO_COLOR`.
 */
import { styleText } from "node:util";
import { visible } from "../../adapters/telemetry/visible.ts";
import type { DrillOutcome } from "../injection.ts";
import { shownMs } from "./verdict.ts";

/** What the table shows of a run. */
export interface ShownResult {
  readonly name: string;
  readonly outcome: DrillOutcome;
  readonly reason: string | undefined;
  readonly mttdMs: number | null;
  readonly mttrMs: number | null;
  readonly detectWithinMs?: number | "never";
  readonly recoverWithinMs?: number;
  readonly isDrill: boolean;
  /** What stands in place of the outcome: a dry run has none. */
  readonly word?: string;
}

const COLOURS = {
  held: "green",
  deviated: "red",
  dirty: "red",
  aborted: "yellow",
  interrupted: "yellow",
  invalid: "yellow",
  skipped: "gray",
} as const satisfies Record<DrillOutcome, string>;

/** The outcome as a word, in its colour if `stream` shows colours. */
function shownOutcome({ outcome, word = outcome }: ShownResult, stream: NodeJS.WritableStream, width = 0): string {
  return styleText(COLOURS[outcome], word.padEnd(width), { stream, validateStream: true });
}

/** Seconds since the start, and what happened. */
export function eventLine(sinceMs: number, text: string): string {
  return `${(sinceMs / 1_000).toFixed(1).padStart(7)} s  ${visible(text)}`;
}

/** Such as `0.8 s of 1.0 s`; `none` if nothing was detected and nothing should have been. */
function shownTime(ms: number | null, limit: number | "never" | undefined, isDrill: boolean): string {
  if (!isDrill) return "";
  if (ms === null) return limit === "never" ? "none (none)" : limit === undefined ? "-" : `- (${shownMs(limit)})`;
  if (limit === undefined) return shownMs(ms);
  return `${shownMs(ms)} (${limit === "never" ? "none" : shownMs(limit)})`;
}

const HEADER = ["drill", "outcome", "MTTD (target)", "MTTR (target)", "why"];
const MAX_NAME_WIDTH = 44;
const MAX_REASON = 120;

/** The table at the end, one row for each run. */
export function summaryLines(results: readonly ShownResult[], stream: NodeJS.WritableStream): string[] {
  const rows = results.map((result) => [
    shortened(visible(result.name), MAX_NAME_WIDTH),
    result.word ?? result.outcome,
    shownTime(result.mttdMs, result.detectWithinMs, result.isDrill),
    shownTime(result.mttrMs, result.recoverWithinMs, result.isDrill),
    shortened(visible(result.reason ?? ""), MAX_REASON),
  ]);
  const widths = HEADER.map((title, column) =>
    Math.max(...[HEADER, ...rows].map((row) => row[column]?.length ?? title.length)),
  );
  const line = (cells: readonly string[], result?: ShownResult): string =>
    cells
      .map((cell, column) =>
        column === 1 && result !== undefined
          ? shownOutcome(result, stream, widths[column])
          : column === cells.length - 1
            ? cell
            : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [line(HEADER), ...rows.map((row, index) => line(row, results[index])), "", countLine(results)];
}

function countLine(results: readonly ShownResult[]): string {
  const counts = new Map<string, number>();
  for (const { outcome, word = outcome } of results) counts.set(word, (counts.get(word) ?? 0) + 1);
  const shown = ["possible", ...Object.keys(COLOURS)]
    .filter((word) => counts.has(word))
    .map((word) => `${counts.get(word)} ${word}`);
  return `${results.length} ${results.length === 1 ? "experiment" : "experiments"}: ${shown.join(", ")}`;
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** One line for the result of a run. */
export function resultLine(result: ShownResult, stream: NodeJS.WritableStream): string {
  const times = result.isDrill
    ? `, MTTD ${shownTime(result.mttdMs, result.detectWithinMs, true)}, MTTR ${shownTime(result.mttrMs, result.recoverWithinMs, true)}`
    : "";
  const reason = result.reason === undefined ? "" : `: ${visible(result.reason)}`;
  return `${shownOutcome(result, stream)}${result.outcome === "skipped" ? "" : times}${reason}`;
}
