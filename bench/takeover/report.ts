/**
 * The tables of a takeover bench as Markdown: figures of every front beside the floor, then what
 * our fronts promised and did not keep. The same text goes to the terminal and into the committed
 * results.
 */
import { CASES } from "./cases.ts";
import type { Figures } from "./figures.ts";
import { isOurs } from "./fronts/fronts.ts";
import type { Row, Spread } from "./rows.ts";
import { nameOf } from "./setting.ts";
import { type Verdict, verdictsOf } from "./verdicts.ts";

type Cells = readonly (string | number)[];

const COLUMNS: readonly (readonly [head: string, figure: keyof Figures, digits: number])[] = [
  ["p50 ms", "p50Ms", 0],
  ["p99 ms", "p99Ms", 0],
  ["max ms", "maxMs", 0],
  ["lost", "lost", 0],
  ["goodput back s", "goodputBackS", 2],
  ["outage s", "outageS", 2],
  ["backup refused", "backupRefusals", 0],
  ["backup peak /s", "backupPeakPerSecond", 0],
  ["tries on failing primary", "primaryTries", 0],
  ["tries/call", "triesPerCall", 2],
];

/** The whole report, a section a setting. */
export function report(rows: readonly Row[]): string {
  const settings = [...new Set(rows.map(({ setting }) => nameOf(setting)))];
  const sections = settings.map((name) => {
    const these = rows.filter(({ setting }) => nameOf(setting) === name);
    return `## ${name}\n\n${shortTable(these)}\n${figureTable(these)}`;
  });
  return [...sections, promiseSection(allVerdicts(rows))].join("\n");
}

/**
 * The verdicts on every row of ours, each beside the peers of the same case at the same setting.
 */
export function allVerdicts(rows: readonly Row[]): readonly Verdict[] {
  return rows
    .filter(({ front }) => isOurs(front))
    .flatMap((row) => {
      const peers = rows.filter(
        (other) => !isOurs(other.front) && other.case === row.case && nameOf(other.setting) === nameOf(row.setting),
      );
      return verdictsOf(row, peers).map((verdict) => ({ ...verdict, case: `${verdict.case}, ${nameOf(row.setting)}` }));
    });
}

/** Cases down, fronts across: errors / doubled / reported failed yet executed, p99. */
function shortTable(rows: readonly Row[]): string {
  const fronts = [...new Set(rows.map(({ front }) => front))];
  const cases = [...new Set(rows.map((row) => row.case))];
  const lines = cases.map((name): Cells => {
    const cells = fronts.map((front) => {
      const row = rows.find((one) => one.case === name && one.front === front);
      if (row === undefined) return "–";
      if (row.figures === null) return "did not start";
      const { errors, doubled, ghosts, p99Ms } = row.figures;
      const p99 = p99Ms === null ? "" : `, ${p99Ms.median.toFixed(0)} ms`;
      return `${[errors, doubled, ghosts].map((spread) => cell(spread, 0)).join(" / ")}${p99}`;
    });
    const floor = rows.find((one) => one.case === name && one.figures !== null)?.floor;
    const least = floor === undefined ? "–" : `${floor.errors} / ${floor.doubled} / ${floor.ghosts}`;
    return [`${name} ${CASES[name]?.name ?? ""}`, ...cells, least];
  });
  return `errors / doubled / reported failed yet executed, p99 after the fault\n\n${markdown(["case", ...fronts, "floor"], lines)}`;
}

function figureTable(rows: readonly Row[]): string {
  const lines = rows.map(({ front, case: name, figures, runs, disturbed, isDisturbed }): Cells => {
    const cells = COLUMNS.map(([, figure, digits]) => cell(figures?.[figure] ?? null, digits));
    const others = disturbed > 0 ? `${runs} (+${disturbed} disturbed)` : runs;
    return [name, front, isDisturbed ? `${runs} disturbed` : others, ...cells];
  });
  return markdown(["case", "front", "runs", ...COLUMNS.map(([head]) => head)], lines);
}

function promiseSection(verdicts: readonly Verdict[]): string {
  const kept = verdicts.filter(({ isKept }) => isKept).length;
  const missed = verdicts.filter(({ isKept }) => !isKept);
  const fronts = [...new Set(verdicts.map(({ front }) => front))];
  const sums = fronts.map((front): Cells => {
    const these = verdicts.filter((one) => one.front === front);
    return [front, these.filter(({ isKept }) => isKept).length, these.length];
  });
  const lines = missed.map(
    ({ front, case: name, promise, found, bound }): Cells => [name, front, promise, found, bound],
  );
  const table = missed.length === 0 ? "" : `\n${markdown(["case", "front", "promise", "found", "bound"], lines)}`;
  return `## Promises: ${kept} of ${verdicts.length} kept\n\n${markdown(["front", "kept", "of"], sums)}${table}`;
}

function cell(spread: Spread | null, digits: number): string {
  if (spread === null) return "–";
  const { median, min, max } = spread;
  const shown = (value: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "never");
  return shown(min) === shown(max) ? shown(median) : `${shown(median)} [${shown(min)}..${shown(max)}]`;
}

function markdown(heads: readonly string[], lines: readonly Cells[]): string {
  const line = (cells: Cells): string => `| ${cells.join(" | ")} |`;
  const rule = `|${heads.map((_, column) => (column === 0 ? " --- |" : " ---: |")).join("")}`;
  return [line(heads), rule, ...lines.map(line), ""].join("\n");
}
