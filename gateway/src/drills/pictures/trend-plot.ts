/**
 * The last runs of each category from left to right, each one a mark at its own duration. No line
 * of a mean is drawn: ten runs are few enough to be looked at. A run without a duration stands at
 * the top, above the line.
 */
import { shownDuration } from "./durations.ts";
import { element, legend, picture, point, type Shape, words } from "./svg.ts";
import { timeScale } from "./time-scale.ts";

interface TrendPoint {
  readonly ms: number | null;
  readonly shape: Shape;
  readonly title: string;
}

export interface TrendRow {
  readonly label: string;
  /** Oldest first. */
  readonly points: readonly TrendPoint[];
}

const WIDTH = 860;
const LEFT = 130;
const COLUMN = 56;
const PANEL = 58;
const GAP = 14;
const TOP = 14;

/** `columns`: how many runs there is room for. `absent`: what a point without a duration means. */
export function trendPlot(title: string, rows: readonly TrendRow[], columns: number, absent: string): string {
  const scale = timeScale(rows.flatMap(({ points }) => points.flatMap(({ ms }) => ms ?? [])));
  const right = LEFT + columns * COLUMN;
  const parts = rows.flatMap((row, place) => {
    const top = TOP + place * (PANEL + GAP);
    const y = (ms: number): number => top + PANEL - 4 - (PANEL - 18) * scale.position(ms);
    // The newest run is at the right edge in every row.
    const first = columns - Math.min(columns, row.points.length);
    const shown = row.points.slice(-columns);
    const xs = shown.map((_, index) => LEFT + (first + index + 0.5) * COLUMN);
    const ys = shown.map(({ ms }) => (ms === null ? top + 5 : y(ms)));
    const lines = shown.flatMap(({ ms }, index) => {
      const before = shown[index - 1];
      return ms === null || before === undefined || before.ms === null
        ? []
        : [
            `M${xs[index - 1]?.toFixed(1)} ${ys[index - 1]?.toFixed(1)}L${xs[index]?.toFixed(1)} ${ys[index]?.toFixed(1)}`,
          ];
    });
    return [
      element("rect", { class: "outside", x: LEFT, y: top, width: right - LEFT, height: PANEL }),
      element("path", { class: "grid", d: `M${LEFT} ${top + 11}H${right}` }),
      words(LEFT - 10, top + PANEL / 2 + 4, row.label, { "text-anchor": "end" }),
      words(right + 8, top + 9, absent, { class: "soft" }),
      words(right + 8, y(scale.toMs) + 8, shownDuration(scale.toMs), { class: "soft" }),
      words(right + 8, y(scale.fromMs), shownDuration(scale.fromMs), { class: "soft" }),
      ...(lines.length === 0 ? [] : [element("path", { class: "trend", d: lines.join("") })]),
      ...shown.map(({ ms, shape, title: text }, index) =>
        point(ms === null ? "absent" : shape, xs[index] as number, ys[index] as number, text),
      ),
    ];
  });
  const bottom = TOP + rows.length * (PANEL + GAP);
  return picture({ width: WIDTH, height: bottom + 30, title }, [
    ...parts,
    words(LEFT, bottom + 4, "older", { class: "soft" }),
    words(right, bottom + 4, "newest", { class: "soft", "text-anchor": "end" }),
    ...legend(LEFT, bottom + 24, [
      ["good", "held"],
      ["slow", "held, above a target"],
      ["bad", "deviated"],
      ["stopped", "stopped"],
      ["absent", absent],
    ]),
  ]);
}
