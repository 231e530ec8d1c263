/**
 * The runs of one front in one case at one setting, put together: median, least and most of every
 * figure. Runs in which the load client itself stalled are left out where there are others.
 */
import { CASE_NAMES } from "./cases.ts";
import type { Figures } from "./figures.ts";
import type { Floor } from "./floor.ts";
import { FRONTS } from "./fronts/fronts.ts";
import type { RunOutcome } from "./one-run.ts";
import { nameOf, type Setting } from "./setting.ts";

/**
 * A run as it is kept; `isDisturbed` where the bench itself, and not the front, may explain its
 * figures.
 */
export interface KeptRun extends RunOutcome {
  readonly isDisturbed: boolean;
  /** The code that was measured (`productOf`); undefined for other programs. */
  readonly product: string | undefined;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Row {
  readonly front: string;
  readonly case: string;
  readonly setting: Setting;
  /** 0 where the front did not start. */
  readonly runs: number;
  /** Runs in which the bench itself stalled, or something failed before the fault. */
  readonly disturbed: number;
  /** True where no run was calm, so that the figures are those of disturbed ones. */
  readonly isDisturbed: boolean;
  /** Null where no run has the figure. */
  readonly figures: Readonly<Record<keyof Figures, Spread | null>> | null;
  readonly floor: Floor;
  readonly outcomes: Readonly<Record<string, number>>;
}

export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const sorted = values.filter((value) => value !== null).sort((one, other) => one - other);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  const upper = sorted[Math.floor(sorted.length / 2)];
  if (lower === undefined || upper === undefined) return null;
  // Two equal values first: the mean of two infinities is one, but not their difference.
  return {
    median: lower === upper ? lower : (lower + upper) / 2,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
  };
}

/** One row from the runs of one front in one case at one setting. */
export function rowOf(runs: readonly KeptRun[]): Row {
  const first = runs[0];
  if (first === undefined) throw new Error("A row needs at least one run.");
  const calm = runs.filter(({ isDisturbed }) => !isDisturbed);
  const used = calm.length > 0 ? calm : runs;
  const names = Object.keys(first.figures) as (keyof Figures)[];
  const figures = Object.fromEntries(names.map((name) => [name, spreadOf(used.map((run) => run.figures[name]))]));
  const middle = (pick: (floor: Floor) => number): number =>
    spreadOf(used.map(({ floor }) => pick(floor)))?.median ?? 0;
  const outcomes: Record<string, number> = {};
  for (const run of used)
    for (const [outcome, count] of Object.entries(run.outcomes))
      outcomes[outcome] = Math.round(10 * ((outcomes[outcome] ?? 0) + count / used.length)) / 10;
  return {
    front: first.front,
    case: first.case,
    setting: first.setting,
    runs: used.length,
    disturbed: runs.length - calm.length,
    isDisturbed: calm.length === 0,
    figures: figures as Row["figures"],
    floor: {
      errors: middle(({ errors }) => errors),
      doubled: middle(({ doubled }) => doubled),
      ghosts: middle(({ ghosts }) => ghosts),
    },
    outcomes,
  };
}

/** One row for each front, case and setting that was run. */
export function rowsOf(runs: readonly KeptRun[]): readonly Row[] {
  const groups = new Map<string, KeptRun[]>();
  for (const run of runs) {
    const key = [nameOf(run.setting), run.case, run.front].join("|");
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map(rowOf);
}

/** The row of a front that did not start. */
export function emptyRow(front: string, faultCase: string, setting: Setting): Row {
  const floor = { errors: 0, doubled: 0, ghosts: 0 };
  return {
    front,
    case: faultCase,
    setting,
    runs: 0,
    disturbed: 0,
    isDisturbed: false,
    figures: null,
    floor,
    outcomes: {},
  };
}

/** Rows in the order in which the settings came, then of cases, then of fronts. */
export function inOrder(rows: readonly Row[]): readonly Row[] {
  const settings = [...new Set(rows.map(({ setting }) => nameOf(setting)))];
  const fronts = Object.keys(FRONTS);
  const place = (row: Row): number =>
    10_000 * settings.indexOf(nameOf(row.setting)) + 100 * CASE_NAMES.indexOf(row.case) + fronts.indexOf(row.front);
  return [...rows].sort((one, other) => place(one) - place(other));
}
