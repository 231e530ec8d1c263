/**
 * The trade-off as a picture (SVG 1.1, no script, no embedded font). There is one line for each
 * model, solid where false alarms were seen and dashed where the tail is extrapolated; the
 * requested region; and the recommendation. Labels and positions distinguish the models as well as
 * colours (Okabe and Ito's palette, which colour-blind readers can tell apart).
 */
import { shownDuration, shownRate } from "./amounts.ts";
import type { DrawnCurve, DrawnPoint, TradeOff } from "./trade-off.ts";

const WIDTH = 860;
const HEIGHT = 520;
const LEFT = 110;
const RIGHT = 210;
const TOP = 56;
const BOTTOM = 64;
const COLOURS: readonly string[] = ["#555555", "#0072b2", "#d55e00", "#009e73", "#cc79a7"];

export function svgChart(tradeOff: TradeOff, title: string): string {
  const { curves, goal, chosen, fromMs, toMs, leastPerMs, mostPerMs } = tradeOff;
  const x = (ms: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(ms / fromMs)) / Math.log(toMs / fromMs);
  const y = (perMs: number): number =>
    TOP + ((HEIGHT - TOP - BOTTOM) * Math.log(mostPerMs / perMs)) / Math.log(mostPerMs / leastPerMs);
  const askedX = x(goal.silenceMs).toFixed(1);
  const askedY = y(goal.alarmsPerMs).toFixed(1);
  const floor = HEIGHT - BOTTOM;
  const parts = [
    `<rect x="${LEFT}" y="${askedY}" width="${(Number(askedX) - LEFT).toFixed(1)}" height="${(floor - Number(askedY)).toFixed(1)}" fill="#e8f3e8"/>`,
    ...decades(leastPerMs, mostPerMs).map((perMs) => gridLine(y(perMs), shownRate(perMs))),
    ...ticks(fromMs, toMs).map((ms) => tick(x(ms), shownDuration(ms))),
    `<path d="M${LEFT} ${TOP}V${floor}H${WIDTH - RIGHT}" fill="none" stroke="#222"/>`,
    `<path d="M${LEFT} ${askedY}H${askedX}V${floor}" fill="none" stroke="#2a7d2a" stroke-width="1.5"/>`,
    `<text x="${LEFT + 6}" y="${(Number(askedY) + 14).toFixed(1)}" fill="#2a7d2a">asked for: ${shownRate(goal.alarmsPerMs)} within ${shownDuration(goal.silenceMs)}</text>`,
    ...curves.flatMap((curve, place) => curveParts(curve, COLOURS[place % COLOURS.length] as string, place, x, y)),
    ...(chosen === undefined ? [] : chosenParts(chosen, x(chosen.silenceMs), y(chosen.alarmsPerMs))),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 16}" text-anchor="middle">mean silence until it is declared</text>`,
    `<text transform="translate(20 ${(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">false alarms of one node</text>`,
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<title id="title">${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="28" font-size="15">${escaped(title)}</text>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

type Scale = (value: number) => number;

function curveParts({ label, points }: DrawnCurve, colour: string, place: number, x: Scale, y: Scale): string[] {
  const first = points.findIndex(({ seen }) => !seen);
  const seen = first < 0 ? points : points.slice(0, first + 1);
  const continued = first < 0 ? [] : points.slice(first);
  const path = (part: readonly DrawnPoint[], dashes: string): string[] =>
    part.length < 2
      ? []
      : [
          `<polyline points="${part.map(({ silenceMs, alarmsPerMs }) => `${x(silenceMs).toFixed(1)},${y(alarmsPerMs).toFixed(1)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>`,
        ];
  const legendY = TOP + 16 + 20 * place;
  return [
    ...path(seen, ""),
    ...path(continued, ' stroke-dasharray="5 4"'),
    `<path d="M${WIDTH - RIGHT + 16} ${legendY - 4}h22" stroke="${colour}" stroke-width="2"/>`,
    `<text x="${WIDTH - RIGHT + 44}" y="${legendY}">${escaped(label)}</text>`,
  ];
}

function chosenParts({ silenceMs, alarmsPerMs }: DrawnPoint, x: number, y: number): string[] {
  const anchor = x > (LEFT + WIDTH - RIGHT) / 2 ? "end" : "start";
  const line = (above: number, text: string): string =>
    `<text x="${(anchor === "end" ? x - 8 : x + 8).toFixed(1)}" y="${(y - above).toFixed(1)}" text-anchor="${anchor}" font-weight="bold">${text}</text>`;
  return [
    `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="5" fill="none" stroke="#000" stroke-width="2"/>`,
    line(26, `recommended: ${shownDuration(silenceMs)},`),
    line(11, `at most ${shownRate(alarmsPerMs)}`),
    `<text x="${WIDTH - RIGHT + 16}" y="${HEIGHT - BOTTOM - 20}" fill="#555">dashed: none seen in the</text>`,
    `<text x="${WIDTH - RIGHT + 16}" y="${HEIGHT - BOTTOM - 4}" fill="#555">trace, its tail continued</text>`,
  ];
}

function gridLine(y: number, label: string): string {
  return (
    `<path d="M${LEFT} ${y.toFixed(1)}H${WIDTH - RIGHT}" stroke="#e2e2e2"/>` +
    `<text x="${LEFT - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end">${label}</text>`
  );
}

function tick(x: number, label: string): string {
  return (
    `<path d="M${x.toFixed(1)} ${HEIGHT - BOTTOM}v5" stroke="#222"/>` +
    `<text x="${x.toFixed(1)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${label}</text>`
  );
}

const HOUR_MS = 3_600_000;
/** Rates at which a grid line is drawn. */
const RATES: readonly number[] = [
  1 / 1_000,
  1 / 60_000,
  1 / HOUR_MS,
  1 / (24 * HOUR_MS),
  1 / (7 * 24 * HOUR_MS),
  1 / (365 * 24 * HOUR_MS),
];

function decades(least: number, most: number): readonly number[] {
  return RATES.filter((rate) => rate >= least && rate <= most);
}

/** 1, 2 and 5 of each decade within the range. */
function ticks(fromMs: number, toMs: number): number[] {
  const found: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(fromMs)); decade <= toMs; decade *= 10) {
    found.push(...[1, 1.5, 2, 3, 5, 7].map((step) => step * decade).filter((ms) => ms >= fromMs && ms <= toMs));
  }
  return found;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
