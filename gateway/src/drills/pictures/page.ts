/**
 * An HTML page in one file: no script, nothing is loaded, readable on light and dark and in print.
 * The page forbids scripts and requests itself (Content-Security-Policy), in case that a text gets
 * through the escaping. Colours are Okabe and Ito's, which colour-blind readers can tell apart.
 */
import { htmlText } from "./escaping.ts";

/** `body`: HTML that is escaped already. */
export function htmlPage(title: string, body: readonly string[]): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${htmlText(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
    "<body>",
    "<main>",
    ...body,
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** A table; cells are HTML that is escaped already. Wide ones scroll by themselves. */
export function htmlTable(caption: string, head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const cells = (row: readonly string[]): string =>
    row.map((cell, place) => (place === 0 ? `<th scope="row">${cell}</th>` : `<td>${cell}</td>`)).join("");
  return [
    `<div class="table"><table><caption>${htmlText(caption)}</caption>`,
    `<thead><tr>${head.map((cell) => `<th scope="col">${htmlText(cell)}</th>`).join("")}</tr></thead>`,
    `<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}</tbody></table></div>`,
  ].join("\n");
}

/** A picture with its caption. */
export function htmlFigure(svg: string, caption: string): string {
  return svg === ""
    ? ""
    : `<figure><div class="table">${svg}</div><figcaption>${htmlText(caption)}</figcaption></figure>`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59626d; --line: #d3d9df; --paper: #fff; --outside: #f3f5f7;
  --good: #00785a; --slow: #0072b2; --bad: #c04a00; --stopped: #8c4474; --absent: #59626d; --band: #f7e3b0; --target: #1b1f24; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #a4adb7; --line: #3a424b; --paper: #14181c;
  --outside: #1d2329; --good: #2bc79b; --slow: #56b4e9; --bad: #f08c3a; --stopped: #dc9cc4; --absent: #a4adb7;
  --band: #4d3f14; --target: #e6eaee; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, ul, figure { margin: .5rem 0; } ul { padding-left: 1.25rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; min-width: 60%; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--soft); }
caption { text-align: left; color: var(--soft); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
td, th { overflow-wrap: anywhere; } thead th { white-space: nowrap; }
tbody th { font-weight: 600; } code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
pre { background: var(--outside); padding: .75rem; overflow-x: auto; } figcaption, .soft { color: var(--soft); }
.warning { border-left: 4px solid var(--bad); padding: .25rem .75rem; background: var(--outside); }
svg.picture { font: 12px system-ui, sans-serif; display: block; }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); } svg .strong { font-weight: 600; }
svg .grid { stroke: var(--line); fill: none; } svg .axis { stroke: var(--soft); fill: none; }
svg .outside { fill: var(--outside); } svg .target { stroke: var(--target); stroke-width: 2.5; fill: none; }
svg .band { fill: var(--band); } svg .stem { stroke: var(--line); fill: none; }
svg .trend { stroke: var(--soft); fill: none; stroke-dasharray: 2 3; }
svg .mark { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
svg .shape { stroke-width: 1.5; fill-opacity: .85; } svg .good { fill: var(--good); stroke: var(--good); }
svg .slow { fill: none; stroke: var(--slow); stroke-width: 2; } svg .bad { fill: none; stroke: var(--bad); stroke-width: 2.5; }
svg .stopped { fill: none; stroke: var(--stopped); stroke-width: 2; } svg .absent { fill: none; stroke: var(--absent); stroke-width: 2; }
svg .system { fill: var(--slow); stroke: var(--slow); }
svg .bar.held { fill: var(--good); } svg .bar.slow { fill: var(--slow); stroke: none; } svg .bar.deviated { fill: var(--bad); }
svg .on-bar { fill: var(--paper); font-weight: 600; } svg .hatch { stroke: var(--soft); stroke-width: 1.5; } svg .not-run { stroke: var(--line); }
@media print { .table { overflow: visible; } }
`;
