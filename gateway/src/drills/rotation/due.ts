/**
 * Which drill is due. A drill whose last run deviated comes first, because the weakness is known
 * and nobody knows whether it is gone; then what was never run, then what was held longest ago.
 * Within each of these the categories take turns, so that a program does not become twelve ways to
 * kill a process. Schedules and windows are the guardrails' business, not this file's.
 */
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import { DAY_MS, shownDay, shownDuration } from "../pictures/durations.ts";
import type { CatalogueDrill } from "./catalogue.ts";
import type { HeldDrill } from "./journals.ts";

type DueRank = "deviated" | "never-run" | "held" | "cannot-run";

export interface DueDrill {
  readonly drill: CatalogueDrill;
  readonly rank: DueRank;
  /** The run that decides; undefined: there is none. */
  readonly last: HeldDrill | undefined;
  /** One line for people. */
  readonly reason: string;
}

/**
 * Whether a run says something about the system. A run that a guardrail refused before the fault
 * says nothing, nor does one that was skipped, interrupted or invalid.
 */
export function isCounted({ outcome, isInjected }: HeldDrill): boolean {
  return outcome === "held" || outcome === "deviated" || outcome === "dirty" || (outcome === "aborted" && isInjected);
}

/** A drill that was skipped more recently than this is asked for last. */
const SKIPPED_FOR_MS = 30 * DAY_MS;

/** Drills in the order in which they are due. `runs`: oldest first. */
export function dueDrills(drills: readonly CatalogueDrill[], runs: readonly HeldDrill[], nowMs: number): DueDrill[] {
  const byDrill = Map.groupBy(runs, ({ id }) => id);
  const all = drills.map((drill) => assessed(drill, byDrill.get(drill.id) ?? [], nowMs));
  const taken = new Map<Category, number>(CATEGORIES.map((category) => [category, 0]));
  const lastOfCategory = new Map<Category, number>();
  for (const run of runs)
    if (isCounted(run)) lastOfCategory.set(run.category, Math.max(run.startMs, lastOfCategory.get(run.category) ?? 0));
  const order: DueDrill[] = [];
  for (const rank of ["deviated", "never-run", "held", "cannot-run"] as const) {
    const waiting = new Map<Category, DueDrill[]>();
    for (const due of all.filter((one) => one.rank === rank).toSorted(earlierFirst)) {
      waiting.set(due.drill.category, [...(waiting.get(due.drill.category) ?? []), due]);
    }
    while (waiting.size > 0) {
      const category = nextCategory([...waiting.keys()], taken, lastOfCategory);
      const queue = waiting.get(category) as DueDrill[];
      order.push(queue.shift() as DueDrill);
      taken.set(category, (taken.get(category) ?? 0) + 1);
      if (queue.length === 0) waiting.delete(category);
    }
  }
  return order;
}

/** The category that had fewest turns; among equals, the one whose last run is longest ago. */
function nextCategory(
  categories: readonly Category[],
  taken: ReadonlyMap<Category, number>,
  lastMs: ReadonlyMap<Category, number>,
): Category {
  return categories.toSorted(
    (a, b) =>
      (taken.get(a) ?? 0) - (taken.get(b) ?? 0) ||
      (lastMs.get(a) ?? 0) - (lastMs.get(b) ?? 0) ||
      CATEGORIES.indexOf(a) - CATEGORIES.indexOf(b),
  )[0] as Category;
}

function earlierFirst(a: DueDrill, b: DueDrill): number {
  return (
    (a.last?.startMs ?? 0) - (b.last?.startMs ?? 0) ||
    b.drill.weight - a.drill.weight ||
    (a.drill.id < b.drill.id ? -1 : 1)
  );
}

function assessed(drill: CatalogueDrill, runs: readonly HeldDrill[], nowMs: number): DueDrill {
  const last = runs.findLast(isCounted);
  const newest = runs.at(-1);
  if (newest?.outcome === "skipped" && nowMs - newest.startMs < SKIPPED_FOR_MS && last?.outcome !== "deviated")
    return {
      drill,
      rank: "cannot-run",
      last: newest,
      reason: `was skipped ${ago(newest, nowMs)}${because(newest)}`,
    };
  if (last === undefined) {
    const tried =
      newest === undefined ? "" : `; the last try ${ago(newest, nowMs)} was ${newest.outcome}${because(newest)}`;
    return { drill, rank: "never-run", last: undefined, reason: `was never run to an end${tried}` };
  }
  if (last.outcome === "held") return { drill, rank: "held", last, reason: `was held ${ago(last, nowMs)}` };
  const what =
    last.outcome === "aborted"
      ? "was stopped by a guardrail"
      : last.outcome === "dirty"
        ? "left something behind"
        : "deviated";
  return { drill, rank: "deviated", last, reason: `${what} ${ago(last, nowMs)}${because(last)}` };
}

function because({ reason }: HeldDrill): string {
  return reason === undefined || reason === "" ? "" : `: ${reason}`;
}

/** The age; a run of the future (a clock that was wrong) is named as such. */
function ago({ startMs }: HeldDrill, nowMs: number): string {
  if (startMs > nowMs + DAY_MS) return `on ${shownDay(startMs)}, which is in the future`;
  return `${shownDuration(Math.max(0, nowMs - startMs))} ago (${shownDay(startMs)})`;
}
