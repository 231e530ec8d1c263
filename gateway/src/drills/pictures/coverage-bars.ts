/**
 * Coverage as bars: how much of each category was run at all, and how that ended. The part that was
 * not run is hatched and takes its room, so that a good score of two drills out of six does not
 * look like a good category. The score stands beside its bar, never alone.
 */
import { element, picture, textWidth, words } from "./svg.ts";

export interface CoverageRow {
  readonly label: string;
  /** Weights; together they are the category. */
  readonly held: number;
  readonly slow: number;
  readonly deviated: number;
  readonly absent: number;
  /** Such as `score 83, 5 of 6 drills`. */
  readonly text: string;
}

const WIDTH = 860;
const LEFT = 130;
const BAR = 380;
const ROW = 26;
const TOP = 12;

export function coverageBars(title: string, rows: readonly CoverageRow[]): string {
  const parts = rows.flatMap((row, place) => rowParts(row, TOP + place * ROW));
  const height = TOP + rows.length * ROW;
  return picture({ width: WIDTH, height: height + 36, title }, [HATCH, ...parts, ...explained(height + 24)]);
}

const HATCH =
  '<defs><pattern id="not-run" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
  '<path class="hatch" d="M0 0V6"/></pattern></defs>';

/** What the parts of a bar mean. The numbers in them say the same in another way. */
function explained(y: number): string[] {
  let x = LEFT;
  return KINDS.flatMap(([kind, text]) => {
    const swatch = { class: `bar ${kind}`, x, y: y - 10, width: 14, height: 12 };
    const parts = [
      element("rect", kind === "not-run" ? { ...swatch, fill: "url(#not-run)" } : swatch),
      words(x + 20, y, text, { class: "soft" }),
    ];
    x += 44 + textWidth(text);
    return parts;
  });
}

const KINDS = [
  ["held", "held"],
  ["slow", "held, above a target"],
  ["deviated", "deviated or stopped"],
  ["not-run", "not run in 30 days"],
] as const;

function rowParts(row: CoverageRow, y: number): string[] {
  const total = row.held + row.slow + row.deviated + row.absent;
  const kinds = [
    ["held", row.held],
    ["slow", row.slow],
    ["deviated", row.deviated],
    ["not-run", row.absent],
  ] as const;
  let x = LEFT;
  const bars = kinds.flatMap(([kind, weight]) => {
    if (total === 0 || weight === 0) return [];
    const width = (BAR * weight) / total;
    const bar = { class: `bar ${kind}`, x, y: y + 2, width, height: ROW - 8 };
    const number = words(x + width / 2, y + 15, String(Math.round(weight * 10) / 10), {
      class: kind === "not-run" ? "mark" : "on-bar",
      "text-anchor": "middle",
    });
    x += width;
    return [element("rect", kind === "not-run" ? { ...bar, fill: "url(#not-run)" } : bar), number];
  });
  return [
    words(LEFT - 10, y + 15, row.label, { "text-anchor": "end" }),
    element("rect", { class: "outside", x: LEFT, y: y + 2, width: BAR, height: ROW - 8 }),
    ...bars,
    words(LEFT + BAR + 12, y + 15, row.text),
  ];
}
