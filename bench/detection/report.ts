/**
 * What was found, for people: the tables in Markdown (which the terminal prints as well), and for
 * the adaptive model a verdict against each target it is held to. Detection times are in
 * milliseconds, p50 over all crashes.
 */
import type { Bootstrap, Outage, Starts, Step } from "./episodes.ts";
import { ADAPTIVE, isOracle, oracleP50Ms, type Row, type Study } from "./study.ts";

/** Episodes of one detector under one sender. */
export interface Lives {
  readonly detector: string;
  readonly sender: string;
  readonly bootstraps: readonly (Bootstrap & { readonly regime: string })[];
  readonly starts: readonly (Starts & { readonly regime: string })[];
  readonly outage: Outage;
  readonly steps: readonly (Step & { readonly kind: string })[];
}

export interface Verdict {
  readonly target: string;
  readonly found: string;
  /** `not judged`: the run left out what the target speaks of. */
  readonly met: boolean | "not judged";
}

type Cells = readonly (string | number)[];

/** Most by which the adaptive model's detection time may lie above the oracle's, by regime. */
const MOST_EXCESS: Readonly<Record<string, number>> = {
  "intra-region": 0.05,
  "cross-region": 0.05,
  leo: 0.05,
  gc: 0.05,
  wan: 0.15,
  "step-level": 0.25,
  "step-jitter": 0.25,
};

export function tables(studies: readonly Study[]): string {
  const parts: string[] = [];
  for (const sender of ["renewal", "periodic"] as const) {
    const these = studies.filter((one) => one.sender === sender);
    if (these.length === 0) continue;
    parts.push(`## ${sender === "renewal" ? "Renewal" : "Periodic"} sender: T_D p50 (p99) at one mistake an hour\n`);
    parts.push(rateTable(these, (row) => row.hourly));
    parts.push(`## ${sender === "renewal" ? "Renewal" : "Periodic"} sender: T_D p50 (p99) at one mistake a day\n`);
    parts.push(rateTable(these, (row) => row.daily));
  }
  if (studies.some((one) => adaptiveRow(one) !== undefined))
    parts.push("## The adaptive model, untuned\n", adaptiveTable(studies));
  return parts.join("\n");
}

function rateTable(studies: readonly Study[], pick: (row: Row) => Row["hourly"]): string {
  const names = [...new Set(studies.flatMap(({ rows }) => rows.map(({ detector }) => detector)))];
  const lines = names.map((name): Cells => {
    const cells = studies.map(({ rows }) => {
      const row = rows.find(({ detector }) => detector === name);
      if (row === undefined) return "–";
      const { detectionP50Ms, detectionP99Ms, mistakesPerHour } = pick(row);
      const rate = row.tuned === "untuned" ? `, ${digits(mistakesPerHour)}/h` : "";
      return `${Math.round(detectionP50Ms)} (${Math.round(detectionP99Ms)}${rate})`;
    });
    return [name, ...cells];
  });
  return markdown(["", ...studies.map(({ regime }) => regime)], lines);
}

function adaptiveTable(studies: readonly Study[]): string {
  const lines: Cells[] = [];
  for (const one of studies) {
    const row = adaptiveRow(one);
    if (row === undefined) continue;
    const oracle = oracleP50Ms(one);
    const { mistakesPerHour, meanMistakeMs, queryAccuracy, detectionP50Ms } = row.hourly;
    lines.push([
      `${one.regime}, ${one.sender}`,
      digits(mistakesPerHour),
      Math.round(detectionP50Ms),
      Math.round(oracle),
      percent(detectionP50Ms / oracle - 1),
      Number.isNaN(row.atHourlyP50Ms) ? "–" : percent(row.atHourlyP50Ms / oracle - 1),
      Math.round(meanMistakeMs),
      queryAccuracy.toFixed(7),
      digits(24 * row.daily.mistakesPerHour),
    ]);
  }
  const heads = [
    "",
    "mistakes/h at level 8",
    "T_D p50",
    "oracle",
    "above oracle",
    "… at exactly 1/h",
    "mean mistake",
    "query accuracy",
    "mistakes/day at level 9.38",
  ];
  return markdown(heads, lines);
}

function adaptiveRow({ rows }: Study): Row | undefined {
  return rows.find(({ detector }) => detector === ADAPTIVE);
}

export function lifeTables(lives: readonly Lives[]): string {
  const boots: Cells[] = [];
  const others: Cells[] = [];
  const firstHours: Cells[] = [];
  for (const { detector, sender, bootstraps, starts, outage, steps } of lives) {
    for (const one of starts)
      firstHours.push([
        `${detector}, ${sender}, ${one.regime}`,
        percent(one.suspectedRate),
        digits(one.mistakes),
        percent(one.declaredRate),
      ]);
    for (const one of bootstraps)
      boots.push([
        `${detector}, ${sender}, ${one.regime}`,
        Math.round(one.detectionP50Ms),
        Math.round(one.detectionP99Ms),
        one.boundMs,
        percent(one.withinBoundRate),
        percent(one.falseStartRate),
      ]);
    const after = `${digits(outage.beforeMs)} → ${digits(outage.firstSecondMs)} → ${digits(outage.laterMs)} ms`;
    others.push([`${detector}, ${sender}`, "60 s outage: deadline before → first second after → later", after]);
    for (const one of steps)
      others.push([
        `${detector}, ${sender}`,
        `${one.kind}: mistakes at the step up, mean (most); deadline 10 s after the step down (steady)`,
        `${digits(one.meanMistakes)} (${one.mostMistakes}); ${digits(one.tenSecondsMs)} (${digits(one.steadyMs)}) ms`,
      ]);
  }
  return [
    "## Five beats, then a crash\n",
    markdown(["", "T_D p50", "T_D p99", "bound", "within", "false starts"], boots),
    "## The first hour of a fresh detector\n",
    markdown(["", "suspected in 100 beats", "mistakes at level 8", "declared by the gateway"], firstHours),
    "## Outage and steps\n",
    markdown(["", "what", "found"], others),
  ].join("\n");
}

/** The adaptive model against its targets. */
export function verdicts(studies: readonly Study[], lives: readonly Lives[]): readonly Verdict[] {
  const found: Verdict[] = [];
  for (const one of studies) {
    const row = adaptiveRow(one);
    if (row === undefined) continue;
    const where = `${one.regime}, ${one.sender}`;
    const rate = row.hourly.mistakesPerHour;
    found.push({ target: `${where}: 0.5 to 2 mistakes an hour`, found: digits(rate), met: rate >= 0.5 && rate <= 2 });
    const most = MOST_EXCESS[one.regime];
    const excess = row.hourly.detectionP50Ms / oracleP50Ms(one) - 1;
    if (most !== undefined)
      found.push({
        target: `${where}: at most ${percent(most)} above the oracle`,
        found: percent(excess),
        met: excess <= most,
      });
    if (most === undefined || one.regime.startsWith("step")) found.push(againstPublished(one, row, where));
  }
  for (const one of lives.filter(({ detector }) => detector === ADAPTIVE)) found.push(...lifeVerdicts(one));
  return found;
}

/**
 * A part of the published detectors cannot show that the adaptive model beats them all; each of
 * them can show that not.
 */
function againstPublished({ rows, leftOut = [] }: Study, row: Row, where: string): Verdict {
  const target = `${where}: better than every published detector tuned in hindsight`;
  const published = rows.filter(({ detector, tuned }) => tuned === "hindsight" && !isOracle(detector));
  const [first, ...others] = published;
  if (first === undefined) return { target, found: "none of them was run", met: "not judged" };
  const best = others.reduce(
    (one, other) => (other.hourly.detectionP50Ms < one.hourly.detectionP50Ms ? other : one),
    first,
  );
  const isBetter = row.hourly.detectionP50Ms < best.hourly.detectionP50Ms;
  const ran = leftOut.length > 0 ? `; ${published.length} of ${published.length + leftOut.length} were run` : "";
  return {
    target,
    found: `${Math.round(row.hourly.detectionP50Ms)} ms; ${best.detector} ${Math.round(best.hourly.detectionP50Ms)} ms${ran}`,
    met: isBetter && leftOut.length > 0 ? "not judged" : isBetter,
  };
}

function lifeVerdicts({ sender, bootstraps, outage, steps }: Lives): Verdict[] {
  const found: Verdict[] = [];
  for (const one of bootstraps)
    found.push({
      target: `bootstrap, ${one.regime}, ${sender}: p99 within 3 base timeouts, under 1 % false starts`,
      found: `${Math.round(one.detectionP99Ms)} of ${one.boundMs} ms, ${percent(one.withinBoundRate)} within; ${percent(one.falseStartRate)}`,
      met: one.detectionP99Ms <= one.boundMs && one.falseStartRate < 0.01,
    });
  for (const one of steps) {
    const excess = one.tenSecondsMs / one.steadyMs - 1;
    found.push({
      target: `${one.kind}, ${sender}: at most 2 mistakes at a step up`,
      found: `${one.mostMistakes}`,
      met: one.mostMistakes <= 2,
    });
    found.push({
      target: `${one.kind}, ${sender}: within 10 % of steady state 10 s after a step down`,
      found: percent(excess),
      met: excess <= 0.1,
    });
  }
  const change = outage.firstSecondMs / outage.beforeMs - 1;
  found.push({
    target: `outage, ${sender}: not learnt (within 10 %)`,
    found: percent(change),
    met: Math.abs(change) <= 0.1,
  });
  return found;
}

export function verdictTable(found: readonly Verdict[]): string {
  if (found.length === 0) return "## Targets: none, because they are the adaptive model's, which was not run\n";
  const words = (met: Verdict["met"]): string => (met === "not judged" ? met : met ? "met" : "MISSED");
  const lines = found.map(({ target, found: what, met }): Cells => [target, what, words(met)]);
  const judged = found.filter(({ met }) => met !== "not judged");
  const others = judged.length < found.length ? `, ${found.length - judged.length} not judged` : "";
  const heading = `## Targets: ${judged.filter(({ met }) => met).length} of ${judged.length} met${others}`;
  return `${heading}\n\n${markdown(["target", "found", ""], lines)}`;
}

function markdown(heads: readonly string[], lines: readonly Cells[]): string {
  const line = (cells: Cells): string => `| ${cells.join(" | ")} |`;
  const rule = `|${heads.map((_, column) => (column === 0 ? " --- |" : " ---: |")).join("")}`;
  return [line(heads), rule, ...lines.map(line), ""].join("\n");
}

function digits(value: number): string {
  return value >= 100 ? `${Math.round(value)}` : value.toPrecision(3);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
