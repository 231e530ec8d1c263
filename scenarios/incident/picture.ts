/**
 * The incident as a picture for the README (SVG, no script, no font of its own): for each half
 * minute, the commands that were served and those that their sources gave up, on that day's gateway
 * and on ours. `npm run incident:picture` draws it from seed 1, and a test compares the committed
 * picture with it.
 *
 * The picture does not show the wasted work: attempts at the backup beyond its capacity.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { allTimelines } from "./both-systems.ts";
import type { IncidentTimeline } from "./recorder.ts";

export const PICTURE: string = fileURLToPath(new URL("../../docs/incident.svg", import.meta.url));

const WIDTH = 760;
const LEFT = 44;
const PANEL = 112;
const GAP = 58;
const TOP = 34;
/** Half minutes after the fault. */
const SHOWN = 18;
/** Commands a half minute at the top of a panel. */
const FULL = 12;
/** Okabe and Ito's palette, which colour-blind readers can tell apart. */
const SERVED = "#009e73";
const GIVEN_UP = "#d55e00";

/** That day's gateway and ours, as seed 1 runs them. */
export async function incidentPicture(): Promise<string> {
  const { old, ours } = await allTimelines(1);
  const height = TOP + 2 * PANEL + GAP + 44;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    '<title id="title">Commands served after the primary died: nearly none for eight minutes that day, all of them with this project</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...panel(TOP, `As it was that day: all are served again after ${minutes(old.steadyMs)}`, old),
    ...panel(
      TOP + PANEL + GAP,
      `With this project: the backup is active after ${seconds(ours.promotedMs)}, and the next command is served`,
      ours,
    ),
    ...legend(height - 14),
    "</svg>",
    "",
  ].join("\n");
}

function panel(top: number, title: string, { halfMinutes, promotedMs }: IncidentTimeline): string[] {
  const floor = top + PANEL;
  const wide = (WIDTH - LEFT - 10) / SHOWN;
  const x = (halfMinute: number): string => (LEFT + halfMinute * wide).toFixed(1);
  const tall = (commands: number): number => (Math.min(commands, FULL) / FULL) * PANEL;
  const bar = (place: number, from: number, count: number, colour: string): string[] => {
    if (count === 0) return [];
    const upTo = tall(from + count);
    const size = `width="${(wide - 6).toFixed(1)}" height="${(upTo - tall(from)).toFixed(1)}"`;
    return [`<rect x="${x(place + 3 / wide)}" y="${(floor - upTo).toFixed(1)}" ${size} fill="${colour}"/>`];
  };
  const promoted = promotedMs === undefined ? [] : [promotion(x(promotedMs / 30_000), top, floor)];
  return [
    `<text x="${LEFT}" y="${top - 10}" font-size="14">${title}</text>`,
    ...halfMinutes
      .slice(0, SHOWN)
      .flatMap(({ acknowledged, givenUp }, place) => [
        ...bar(place, 0, acknowledged, SERVED),
        ...bar(place, acknowledged, givenUp, GIVEN_UP),
        ...beyond(acknowledged + givenUp, Number(x(place + 0.5)), top),
      ]),
    `<path d="M${LEFT} ${top}V${floor}H${WIDTH - 10}" fill="none" stroke="#222"/>`,
    ...[0, FULL / 2, FULL].map(
      (count) => `<text x="${LEFT - 6}" y="${(floor - tall(count) + 4).toFixed(1)}" text-anchor="end">${count}</text>`,
    ),
    ...Array.from(
      { length: SHOWN / 2 + 1 },
      (_, minute) => `<text x="${x(2 * minute)}" y="${floor + 15}" text-anchor="middle">${minute}</text>`,
    ),
    ...promoted,
  ];
}

/** The number above a bar that exceeds the top of its panel. */
function beyond(count: number, x: number, top: number): string[] {
  return count > FULL
    ? [`<text x="${x.toFixed(1)}" y="${top + 13}" text-anchor="middle" fill="#fff">${count}</text>`]
    : [];
}

function promotion(x: string, top: number, floor: number): string {
  return (
    `<path d="M${x} ${top}V${floor}" stroke="#0072b2" stroke-width="1.5" stroke-dasharray="4 3"/>` +
    `<text x="${Number(x) + 5}" y="${top + 10}" fill="#0072b2" stroke="#fff" stroke-width="4" paint-order="stroke">backup active</text>`
  );
}

function legend(y: number): string[] {
  return [
    `<rect x="${LEFT}" y="${y - 10}" width="11" height="11" fill="${SERVED}"/>`,
    `<text x="${LEFT + 16}" y="${y}">commands served</text>`,
    `<rect x="${LEFT + 136}" y="${y - 10}" width="11" height="11" fill="${GIVEN_UP}"/>`,
    `<text x="${LEFT + 152}" y="${y}">given up, after four tries of 40 s</text>`,
    `<text x="${WIDTH - 10}" y="${y}" text-anchor="end">each half minute; minutes since the primary died</text>`,
  ];
}

function minutes(ms: number): string {
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "never" : `${(ms / 1_000).toFixed(1)} s`;
}

if (import.meta.main) writeFileSync(PICTURE, await incidentPicture());
