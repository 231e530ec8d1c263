/**
 * A timeline: the fault as a band, marks in lanes (what the system did, what people did). Labels
 * that would overlap go to further lines of their lane; a lane grows as it needs.
 */
import { shownDuration, shownTime } from "./durations.ts";
import { plainText } from "./escaping.ts";
import { element, picture, point, type Shape, textWidth, words } from "./svg.ts";

interface TimelineMark {
  readonly atMs: number;
  readonly shape: Shape;
  readonly text: string;
}

interface TimelineLane {
  readonly label: string;
  readonly marks: readonly TimelineMark[];
}

export interface Timeline {
  readonly title: string;
  /** When the fault was in force; `toMs` null: its end is not known. */
  readonly bands: ReadonlyArray<{ readonly fromMs: number; readonly toMs: number | null; readonly text: string }>;
  readonly lanes: readonly TimelineLane[];
}

const WIDTH = 860;
const LEFT = 80;
const RIGHT = 20;
const TOP = 34;
const LINE = 17;
/** Marks of a lane that are drawn; the rest is in the table. */
const MAX_MARKS = 60;
const MAX_LINES = 12;

export function timeline({ title, bands, lanes }: Timeline): string {
  const drawn = lanes.map((lane) => ({
    ...lane,
    marks: lane.marks.toSorted((a, b) => a.atMs - b.atMs).slice(0, MAX_MARKS),
  }));
  const instants = [
    ...bands.flatMap(({ fromMs, toMs }) => [fromMs, toMs ?? fromMs]),
    ...drawn.flatMap(({ marks }) => marks.map(({ atMs }) => atMs)),
  ];
  if (instants.length === 0) return "";
  const first = Math.min(...instants);
  const spanMs = Math.max(1_000, Math.max(...instants) - first);
  const fromMs = first - 0.05 * spanMs;
  const wholeMs = 1.1 * spanMs;
  const x = (atMs: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * (atMs - fromMs)) / wholeMs;
  let y = TOP;
  const parts: string[] = [];
  for (const lane of drawn) {
    const placed = placedMarks(lane.marks, x);
    const height = LINE * (1 + Math.max(0, ...placed.map(({ line }) => line))) + 14;
    parts.push(...laneParts(lane.label, placed, y, height));
    y += height;
  }
  const zeroMs = bands[0]?.fromMs ?? first;
  return picture({ width: WIDTH, height: y + 26, title }, [
    ...bands.flatMap(({ fromMs: from, toMs, text }) => {
      const end = toMs === null ? WIDTH - RIGHT : x(toMs);
      const band = { class: "band", x: x(from), y: TOP - 16, width: Math.max(2, end - x(from)), height: y - TOP + 16 };
      return [element("rect", band), words(x(from) + 4, TOP - 20, plainText(text, 80), { class: "soft" })];
    }),
    ...parts,
    element("path", { class: "axis", d: `M${LEFT} ${y}H${WIDTH - RIGHT}` }),
    ...ticks(fromMs, wholeMs, zeroMs).flatMap((atMs) => [
      element("path", { class: "axis", d: `M${x(atMs).toFixed(1)} ${y}v5` }),
      words(x(atMs), y + 18, atMs === zeroMs ? shownTime(atMs).slice(0, 8) : shownDuration(atMs - zeroMs), {
        class: "soft",
        "text-anchor": "middle",
      }),
    ]),
  ]);
}

interface PlacedMark {
  readonly mark: TimelineMark;
  readonly x: number;
  readonly line: number;
  readonly isLeftOf: boolean;
}

/** Each label goes to the first line that is free at its place. */
function placedMarks(marks: readonly TimelineMark[], x: (atMs: number) => number): PlacedMark[] {
  const ends: number[] = [];
  return marks.map((mark) => {
    const at = x(mark.atMs);
    const width = textWidth(plainText(mark.text, 60)) + 14;
    const isLeftOf = at + width > WIDTH - RIGHT && at - width > LEFT;
    const begin = isLeftOf ? at - width : at - 6;
    const free = ends.findIndex((end) => end <= begin);
    const line = free >= 0 ? free : Math.min(ends.length, MAX_LINES - 1);
    ends[line] = isLeftOf ? at + 8 : at + width;
    return { mark, x: at, line, isLeftOf };
  });
}

function laneParts(label: string, placed: readonly PlacedMark[], y: number, height: number): string[] {
  return [
    element("path", { class: "grid", d: `M${LEFT} ${y}H${WIDTH - RIGHT}` }),
    words(LEFT - 10, y + 20, label, { class: "strong", "text-anchor": "end" }),
    ...placed.flatMap(({ mark, x, line, isLeftOf }) => {
      const middle = y + 15 + line * LINE;
      return [
        element("path", { class: "stem", d: `M${x.toFixed(1)} ${middle}V${y + height}` }),
        point(mark.shape, x, middle, `${shownTime(mark.atMs)} ${mark.text}`),
        words(isLeftOf ? x - 8 : x + 8, middle + 4, plainText(mark.text, 60), {
          class: "mark",
          ...(isLeftOf ? { "text-anchor": "end" } : {}),
        }),
      ];
    }),
  ];
}

const STEPS_MS: readonly number[] = [
  100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000,
];

/** Even steps from the fault on, at most nine of them. */
function ticks(fromMs: number, wholeMs: number, zeroMs: number): number[] {
  const stepMs = STEPS_MS.find((step) => wholeMs / step <= 9) ?? wholeMs / 8;
  const first = Math.ceil((fromMs - zeroMs) / stepMs);
  const found: number[] = [];
  for (let step = first; zeroMs + step * stepMs <= fromMs + wholeMs && found.length < 12; step++)
    found.push(zeroMs + step * stepMs);
  return found;
}
