/**
 * Reads a list of production incidents (CSV or JSON: date, category, minutes) and counts them
 * beside the drills. What comes out is a correlation of two counts: it does not show that drills
 * prevent incidents, and the report says so.
 */
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import { DAY_MS, readInstant } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { isCounted } from "./due.ts";
import { type HeldDrill, regularFile } from "./journals.ts";

const MAX_BYTES = 8 * 1024 * 1024;
const MAX_INCIDENTS = 100_000;
/** Length of a period. */
const PERIOD_MS: number = 30 * DAY_MS;
const MAX_PERIODS = 12;

export interface Incident {
  readonly atMs: number;
  readonly category: Category;
  readonly minutes: number;
}

const incidentSchema = z.object({ date: z.string(), category: z.string(), minutes: z.number().finite().nonnegative() });

/** The incidents of a file. Throws a `UserError` that names the place of the first mistake. */
export function readIncidents(path: string): Incident[] {
  const content = regularFile(path, MAX_BYTES);
  if (typeof content !== "string") throw new UserError("usage", `${path}: ${content.problem}`);
  const text = content.replace(/^\ufeff/, "");
  const rows = /^\s*\[/.test(text) ? jsonRows(path, text) : csvRows(path, text);
  if (rows.length > MAX_INCIDENTS) throw new UserError("usage", `${path} has more than ${MAX_INCIDENTS} incidents`);
  return rows.map(({ place, row }) => incident(path, place, row));
}

interface Row {
  readonly place: string;
  readonly row: unknown;
}

function jsonRows(path: string, text: string): Row[] {
  try {
    return (JSON.parse(text) as unknown[]).map((row, index) => ({ place: `[${index}]`, row }));
  } catch (error) {
    throw new UserError("usage", `${path} is no JSON: ${(error as Error).message}`);
  }
}

function csvRows(path: string, text: string): Row[] {
  const lines = text.split(/\r?\n/);
  const head = cells(lines[0] ?? "").map((name) => name.toLowerCase());
  const missing = ["date", "category", "minutes"].filter((name) => !head.includes(name));
  if (missing.length > 0)
    throw new UserError(
      "usage",
      `${path}: the first line must name the columns date, category and minutes; ${missing.join(", ")} is missing`,
    );
  return lines.slice(1).flatMap((line, index) => {
    if (line.trim() === "") return [];
    const values = cells(line);
    const named = Object.fromEntries(head.map((name, column) => [name, values[column] ?? ""]));
    const minutes = named["minutes"] ?? "";
    return [{ place: `line ${index + 2}`, row: { ...named, minutes: minutes === "" ? Number.NaN : Number(minutes) } }];
  });
}

/** The cells of a line of CSV (RFC 4180, without line feeds inside of quotes). */
function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    (quoted?.replaceAll('""', '"') ?? plain ?? "").trim(),
  );
}

function incident(path: string, place: string, row: unknown): Incident {
  const read = incidentSchema.safeParse(row);
  const wrong = (what: string): UserError => new UserError("usage", `${path}, ${place}: ${what}`);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw wrong(`${issue?.path.map(String).join(".") || "the incident"} is wrong: ${issue?.message}`);
  }
  const { date, category, minutes } = read.data;
  const atMs = readInstant(date);
  if (atMs === undefined)
    throw wrong(`"${plainText(date, 40)}" is no date; allowed is 2026-12-31, or an RFC 3339 time`);
  const known = CATEGORIES.find((one) => one === category.trim().toLowerCase());
  if (known === undefined)
    throw wrong(`"${plainText(category, 40)}" is no category; allowed are ${CATEGORIES.join(", ")}`);
  return { atMs, category: known, minutes };
}

interface IncidentCount {
  readonly incidents: number;
  readonly minutes: number;
  readonly drills: number;
  /** Per 30 days. */
  readonly incidentRate: number;
  readonly drillRate: number;
}

export interface IncidentReport {
  readonly fromMs: number;
  readonly toMs: number;
  readonly categories: ReadonlyArray<IncidentCount & { readonly category: Category }>;
  /** Periods of 30 days, oldest first; the last one ends now. */
  readonly periods: ReadonlyArray<IncidentCount & { readonly fromMs: number }>;
}

/** Incidents and drills since `sinceMs`, by category and by period. */
export function incidentReport(
  incidents: readonly Incident[],
  runs: readonly HeldDrill[],
  sinceMs: number,
  nowMs: number,
): IncidentReport {
  const drills = runs.filter((run) => isCounted(run) && run.startMs >= sinceMs && run.startMs <= nowMs);
  const happened = incidents.filter(({ atMs }) => atMs >= sinceMs && atMs <= nowMs);
  const spanMs = Math.max(DAY_MS, nowMs - sinceMs);
  const periods = Math.min(MAX_PERIODS, Math.max(1, Math.ceil(spanMs / PERIOD_MS)));
  return {
    fromMs: sinceMs,
    toMs: nowMs,
    categories: CATEGORIES.map((category) => ({
      category,
      ...counted(
        happened.filter((one) => one.category === category),
        drills.filter((one) => one.category === category).length,
        spanMs,
      ),
    })),
    periods: Array.from({ length: periods }, (_, index) => {
      const fromMs = nowMs - (periods - index) * PERIOD_MS;
      const isIn = (atMs: number): boolean => atMs > fromMs && atMs <= fromMs + PERIOD_MS;
      const lengthMs = Math.min(PERIOD_MS, fromMs + PERIOD_MS - sinceMs);
      return {
        fromMs: Math.max(fromMs, sinceMs),
        ...counted(
          happened.filter(({ atMs }) => isIn(atMs)),
          drills.filter(({ startMs }) => isIn(startMs)).length,
          Math.max(DAY_MS, lengthMs),
        ),
      };
    }),
  };
}

function counted(incidents: readonly Incident[], drills: number, spanMs: number): IncidentCount {
  return {
    incidents: incidents.length,
    minutes: incidents.reduce((sum, { minutes }) => sum + minutes, 0),
    drills,
    incidentRate: (incidents.length * PERIOD_MS) / spanMs,
    drillRate: (drills * PERIOD_MS) / spanMs,
  };
}
