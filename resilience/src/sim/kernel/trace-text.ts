/**
 * Trace records as lines: aligned ones for people, one JSON object each for tools. Details may
 * contain text from an adversary, so no character passes that controls a terminal, and every field
 * has a greatest width. `sequence-diagram.ts` draws the picture of a run's last seconds.
 */
import type { TraceRecord } from "./trace.ts";

/**
 * Formats each record as one aligned line: time in seconds, step, node (`a → b` for a message),
 * kind, detail. The text is empty if there is no record; otherwise it ends with a line feed.
 *
 * @example
 * ```ts
 * import { traceText, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * world.node("north", ({ note }) => note("antenna", "parked")).start();
 * await world.run(1_000);
 * console.log(traceText(world.trace.records).includes("antenna  parked")); // true
 * ```
 */
export function traceText(records: readonly TraceRecord[]): string {
  const rows = records.map((record) => ({
    time: secondsText(record.atMs),
    step: `#${record.step}`,
    where: cut(placeText(record), MOST_WHERE),
    kind: cut(printable(record.kind), MOST_KIND),
    detail: cut(printable(record.detail), MOST_DETAIL),
  }));
  const width = (column: "time" | "step" | "where" | "kind"): number =>
    rows.reduce((widest, row) => Math.max(widest, row[column].length), 0);
  const [time, step, where, kind] = [width("time"), width("step"), width("where"), width("kind")];
  const lines = rows.map((row) =>
    [
      row.time.padStart(time),
      row.step.padStart(step),
      row.where.padEnd(where),
      `${row.kind.padEnd(kind)}  ${row.detail}`.trimEnd(),
    ].join("  "),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/**
 * Formats each record as one line with a JSON object that has the fields of {@link TraceRecord}.
 *
 * @example
 * ```ts
 * import { traceJsonl, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * world.node("north", ({ note }) => note("antenna", "parked")).start();
 * await world.run(1_000);
 * const lines = traceJsonl(world.trace.records).trimEnd().split("\n");
 * const noted = lines.map((line) => JSON.parse(line)).find(({ kind }) => kind === "antenna");
 * console.log(noted.node, noted.detail); // north parked
 * ```
 */
export function traceJsonl(records: readonly TraceRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

/** `12.345678`: to the microsecond, which is finer than any decision of a world. */
export function secondsText(atMs: number): string {
  return (atMs / 1000).toFixed(6);
}

/** The place of the record: a node, or the sender and receiver of a message. */
export function placeText(record: TraceRecord): string {
  return printable(record.peer === undefined ? record.node : `${record.node} → ${record.peer}`);
}

/**
 * `text` without anything that would move a terminal's cursor: line ends become `⏎`, other control
 * characters `·`.
 */
export function printable(text: string): string {
  return text.replace(/\r?\n\s*/g, " ⏎ ").replace(CONTROL, "·");
}

/** At most `most` characters, with `…` in place of the rest. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Also the characters that reverse the direction of writing. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const MOST_WHERE = 40;
const MOST_KIND = 20;
const MOST_DETAIL = 400;
