/**
 * A trade-off picture as plain SVG: mistakes an hour across (logarithmic, rarer to the right),
 * detection time p50 up (logarithmic), one line a detector. No library: axes, lines and a legend
 * are forty lines.
 */
import { ADAPTIVE, type Study } from "./study.ts";

const WIDTH = 860;
const HEIGHT = 480;
const LEFT = 70;
const RIGHT = 200;
const TOP = 44;
const BOTTOM = 50;
const COLOURS = [
  "#777777",
  "#444444",
  "#000000",
  "#1f77b4",
  "#17a2b8",
  "#9467bd",
  "#2ca02c",
  "#8c564b",
  "#e377c2",
  "#bcbd22",
  "#ff7f0e",
  "#7f9fcf",
] as const;
const ADAPTIVE_COLOUR = "#d62728";
const RATES = [100, 10, 1, 0.1, 0.03] as const;

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly width: number;
  readonly points: readonly { readonly rate: number; readonly p50Ms: number }[];
}

export function tradeOffChart(study: Study): string {
  const lines = linesOf(study);
  const times = lines.flatMap(({ points }) => points.map(({ p50Ms }) => p50Ms));
  const lowest = Math.min(...times) * 0.9;
  const highest = Math.min(Math.max(...times), lowest * 60) * 1.1;
  const across = (rate: number): number =>
    LEFT + ((Math.log(RATES[0]) - Math.log(rate)) / Math.log(RATES[0] / 0.03)) * (WIDTH - LEFT - RIGHT);
  const up = (p50Ms: number): number =>
    HEIGHT - BOTTOM - (Math.log(p50Ms / lowest) / Math.log(highest / lowest)) * (HEIGHT - TOP - BOTTOM);
  const body = [...axes(across, up, lowest, highest), ...lines.flatMap((line, row) => drawn(line, row, across, up))];
  const title = `${study.regime}, ${study.sender} sender: detection time against mistakes`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<clipPath id="plot"><rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}"/></clipPath>`,
    `<text x="${LEFT}" y="24" font-size="15">${title}</text>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

function linesOf({ rows }: Study): readonly Line[] {
  return rows.map(({ detector, curve }, row) => ({
    name: detector,
    colour: detector === ADAPTIVE ? ADAPTIVE_COLOUR : (COLOURS[row % COLOURS.length] as string),
    width: detector === ADAPTIVE ? 3 : 1.3,
    points: curve
      .map(({ mistakesPerHour, detectionP50Ms }) => ({ rate: mistakesPerHour, p50Ms: detectionP50Ms }))
      .filter(({ rate, p50Ms }) => rate <= RATES[0] && rate >= 0.02 && p50Ms > 0 && Number.isFinite(p50Ms)),
  }));
}

type Scale = (value: number) => number;

function axes(across: Scale, up: Scale, lowest: number, highest: number): string[] {
  const bottom = HEIGHT - BOTTOM;
  const parts = [`<text x="${LEFT}" y="${HEIGHT - 12}">mistakes an hour (rarer to the right)</text>`];
  for (const rate of RATES) {
    parts.push(
      `<line x1="${round(across(rate))}" x2="${round(across(rate))}" y1="${TOP}" y2="${bottom}" stroke="#dddddd"/>`,
    );
    parts.push(`<text x="${round(across(rate))}" y="${bottom + 16}" text-anchor="middle">${rate}</text>`);
  }
  for (let decade = 1; decade < 1e7; decade *= 10) {
    for (const digit of [1, 2, 5]) {
      const ms = digit * decade;
      if (ms < lowest || ms > highest) continue;
      parts.push(
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(up(ms))}" y2="${round(up(ms))}" stroke="#dddddd"/>`,
      );
      parts.push(`<text x="${LEFT - 6}" y="${round(up(ms) + 4)}" text-anchor="end">${ms} ms</text>`);
    }
  }
  return parts;
}

function drawn({ name, colour, width, points }: Line, row: number, across: Scale, up: Scale): string[] {
  const path = points.map(({ rate, p50Ms }) => `${round(across(rate))},${round(up(p50Ms))}`).join(" ");
  const legendY = TOP + 14 + row * 18;
  const legendX = WIDTH - RIGHT + 14;
  return [
    `<polyline clip-path="url(#plot)" fill="none" stroke="${colour}" stroke-width="${width}" points="${path}"/>`,
    `<line x1="${legendX}" x2="${legendX + 22}" y1="${legendY - 4}" y2="${legendY - 4}" stroke="${colour}" stroke-width="${width}"/>`,
    `<text x="${legendX + 28}" y="${legendY}">${name}</text>`,
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
