/**
 * The trade-off in characters, for a terminal of 80 columns. The horizontal axis is the silence
 * until a declaration, the vertical axis the rate of false alarms on a logarithmic scale. Each
 * model is a letter: upper case where false alarms were seen, lower case where the tail is
 * extrapolated. The requested region is the corner at bottom left of the two lines.
 */
import { shownDuration, shownRate } from "./amounts.ts";
import type { TradeOff } from "./trade-off.ts";

const COLUMNS = 60;
const ROWS = 16;
const LABEL = 15;

export function terminalChart(tradeOff: TradeOff): string[] {
  const { curves, goal, chosen, fromMs, toMs, leastPerMs, mostPerMs } = tradeOff;
  const grid = Array.from({ length: ROWS }, () => Array.from({ length: COLUMNS }, () => " "));
  const column = (ms: number): number => Math.round(((COLUMNS - 1) * Math.log(ms / fromMs)) / Math.log(toMs / fromMs));
  const row = (perMs: number): number =>
    Math.round(((ROWS - 1) * Math.log(mostPerMs / perMs)) / Math.log(mostPerMs / leastPerMs));
  const put = (ms: number, perMs: number, mark: string): void => {
    const line = grid[row(perMs)];
    const place = column(ms);
    if (line !== undefined && place >= 0 && place < COLUMNS) line[place] = mark;
  };
  const askedRow = row(goal.alarmsPerMs);
  const askedColumn = column(goal.silenceMs);
  for (let place = 0; place < COLUMNS; place++) (grid[askedRow] as string[])[place] = "-";
  for (const line of grid) line[askedColumn] = "|";
  for (const { model, points } of curves.toReversed()) {
    const letter = model.slice(0, 1);
    for (const [place, point] of points.entries()) {
      put(point.silenceMs, point.alarmsPerMs, point.seen ? letter.toUpperCase() : letter);
      const next = points[place + 1];
      if (next === undefined) continue;
      for (let step = 1; step < STEPS_BETWEEN; step++) {
        const share = step / STEPS_BETWEEN;
        const ms = point.silenceMs * (next.silenceMs / point.silenceMs) ** share;
        const perMs = point.alarmsPerMs * (next.alarmsPerMs / point.alarmsPerMs) ** share;
        put(ms, perMs, next.seen ? letter.toUpperCase() : letter);
      }
    }
  }
  if (chosen !== undefined) put(chosen.silenceMs, chosen.alarmsPerMs, "*");
  const label = (place: number): string => {
    if (place === askedRow) return shownRate(goal.alarmsPerMs);
    if (place % 3 !== 0 || Math.abs(place - askedRow) < 2) return "";
    return shownRate(mostPerMs * (leastPerMs / mostPerMs) ** (place / (ROWS - 1)));
  };
  const ends = `${shownDuration(fromMs)}${shownDuration(goal.silenceMs).padStart(askedColumn - shownDuration(fromMs).length + 1)}`;
  return [
    "False alarms against the silence that is declared (*: recommended; lines: asked for)",
    ...grid.map((line, place) => `${label(place).padStart(LABEL)} |${line.join("").trimEnd()}`),
    `${" ".repeat(LABEL)} +${"-".repeat(COLUMNS)}`,
    `${" ".repeat(LABEL + 2)}${ends}`,
    `  ${curves.map(({ model, label: name }) => `${model.slice(0, 1).toUpperCase()} ${name}`).join(", ")}`,
    "  small letters: none seen in the trace, its tail continued",
  ];
}

const STEPS_BETWEEN = 8;
