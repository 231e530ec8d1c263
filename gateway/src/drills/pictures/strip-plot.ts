/**
 * A strip plot: one row for each drill, one mark for each time it was held, the target as a line
 * across the row. Nothing is averaged, because a mean of three runs hides the one that took a
 * minute. What was never detected stands in a column of its own, outside of the axis.
 */
import { shownDuration } from "./durations.ts";
import { plainText } from "./escaping.ts";
import { element, legend, picture, point, type Shape, words } from "./svg.ts";
import { timeGrid, timeScale } from "./time-scale.ts";

interface StripPoint {
  /** Milliseconds; null: it did not happen. */
  readonly ms: number | null;
  readonly shape: Shape;
  readonly title: string;
}

export interface StripRow {
  readonly group: string;
  readonly label: string;
  readonly targetMs: number | undefined;
  readonly points: readonly StripPoint[];
}

export interface StripPlot {
  readonly title: string;
  /** What a point without a duration means, such as "not detected". */
  readonly absent: string;
  readonly rows: readonly StripRow[];
}

const WIDTH = 860;
const LEFT = 250;
const RIGHT = 120;
const ROW = 20;
const GROUP = 24;
const TOP = 34;
/** Points of a row that are drawn; the newest ones. Every one is in the JSON report. */
export const MAX_POINTS = 500;

export function stripPlot({ title, absent, rows }: StripPlot): string {
  const width = WIDTH - LEFT - RIGHT;
  const drawn = rows.map((row) => ({ ...row, points: row.points.slice(-MAX_POINTS) }));
  const scale = timeScale(
    drawn.flatMap(({ targetMs, points }) => [targetMs ?? [], ...points.map(({ ms }) => ms ?? [])].flat()),
  );
  const parts: string[] = [];
  let y = TOP;
  let group: string | undefined;
  for (const row of drawn) {
    if (row.group !== group) {
      y += GROUP;
      parts.push(words(10, y - 6, row.group, { class: "strong" }));
      group = row.group;
    }
    parts.push(...rowParts(row, y + ROW / 2, (ms) => LEFT + width * scale.position(ms)));
    y += ROW;
  }
  const absentX = WIDTH - RIGHT / 2;
  const frame = [
    element("path", { class: "axis", d: `M${LEFT} ${TOP}V${y}H${WIDTH - RIGHT}` }),
    words(absentX, TOP - 8, absent, { class: "soft", "text-anchor": "middle" }),
    element("rect", { class: "outside", x: WIDTH - RIGHT + 10, y: TOP, width: RIGHT - 20, height: y - TOP }),
  ];
  const explained = legend(LEFT, y + 42, [
    ["good", "held"],
    ["slow", "held, above this target"],
    ["bad", "deviated"],
    ["stopped", "stopped"],
    ["absent", absent],
  ]);
  const key = element("path", { class: "target", d: `M${LEFT - 96} ${y + 31}v14` });
  return picture({ width: WIDTH, height: y + 54, title }, [
    ...timeGrid(scale, LEFT, width, TOP, y),
    ...frame,
    ...parts,
    key,
    words(LEFT - 88, y + 42, "target", { class: "soft" }),
    ...explained,
  ]);
}

/** Marks at nearly the same place are moved up and down by turns, within their row. */
function rowParts(row: StripRow, y: number, x: (ms: number) => number): string[] {
  const crowded = new Map<number, number>();
  const shift = (place: number): number => {
    const before = crowded.get(place) ?? 0;
    crowded.set(place, before + 1);
    return (before % 2 === 0 ? 1 : -1) * Math.min(6, Math.ceil(before / 2) * 2.5);
  };
  const target =
    row.targetMs === undefined
      ? []
      : [
          element(
            "path",
            { class: "target", d: `M${x(row.targetMs).toFixed(1)} ${y - 8}v16` },
            element("title", {}, `target ${shownDuration(row.targetMs)}`),
          ),
        ];
  return [
    element("path", { class: "grid", d: `M${LEFT} ${y}H${WIDTH - RIGHT}` }),
    words(LEFT - 10, y + 4, plainText(row.label, 34), { "text-anchor": "end" }),
    ...target,
    ...row.points.map(({ ms, shape, title }) => {
      if (ms !== null) return point(shape, x(ms), y + shift(Math.round(x(ms) / 6)), title);
      // A column of its own; a crowd of them is spread to both sides.
      const before = crowded.get(-1) ?? 0;
      crowded.set(-1, before + 1);
      return point("absent", WIDTH - RIGHT / 2 + ((before % 8) - 3.5) * 10, y, title);
    }),
  ];
}
