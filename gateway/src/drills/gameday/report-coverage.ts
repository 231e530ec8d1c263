/**
 * The sixth part of a game day's report: what was not tested. A day that went well is read as "all
 * is well" unless somebody says what nobody looked at.
 */
import { CATEGORIES } from "../experiment/experiment.ts";
import type { Section } from "../pictures/document.ts";
import { shownDuration } from "../pictures/durations.ts";
import { isCounted } from "../rotation/due.ts";
import type { HeldDrill } from "../rotation/journals.ts";
import { isJudged } from "./numbers.ts";
import { type DayReportInput, outcomeText } from "./report-input.ts";

/** What was not tested, and what the store knows of coverage. */
export function untestedSection({ view, runs, nowMs }: DayReportInput): Section {
  const { plan } = view;
  const tested = view.runs.filter(isJudged);
  const targets = new Set(tested.flatMap(({ ended }) => ended?.targets ?? []));
  const categories = new Set(
    plan.experiments
      .filter(({ id }) => tested.some(({ experiment }) => experiment === id))
      .map(({ category }) => category),
  );
  const items = [
    ...plan.experiments
      .filter(({ id }) => !tested.some(({ experiment }) => experiment === id))
      .map(({ id, title }) => {
        const tried = view.runs.findLast(({ experiment }) => experiment === id);
        return `${id} (${title}): ${tried === undefined ? "was planned and not run" : outcomeText(tried)}`;
      }),
    ...plan.systems.filter((system) => !targets.has(system)).map((system) => `${system}: no run had it as a target`),
    ...CATEGORIES.filter((category) => !categories.has(category)).map(
      (category) => `category ${category}: nothing of it on this day`,
    ),
  ];
  const counted = runs.filter(isCounted);
  const rows = CATEGORIES.map((category) => {
    const of = counted.filter((run) => run.category === category);
    const held = of.findLast(({ outcome }) => outcome === "held");
    const components = [...new Set(of.flatMap((run) => run.targets))].toSorted();
    return [
      category,
      lastText(of.at(-1), nowMs),
      lastText(held, nowMs),
      components.length === 0
        ? "none"
        : components
            .slice(0, 20)
            .map(
              (name) =>
                `${name} (last held: ${lastText(
                  of.findLast((run) => run.outcome === "held" && run.targets.includes(name)),
                  nowMs,
                )})`,
            )
            .join(", "),
    ];
  });
  return {
    title: "6. What was not tested",
    blocks: [
      items.length === 0 ? { kind: "text", text: "All that was planned was tested." } : { kind: "list", items },
      {
        kind: "table",
        caption: "Coverage of all runs in the store, by category and component",
        head: ["Category", "Last run", "Last held", "Components"],
        rows,
      },
    ],
  };
}

function lastText(run: HeldDrill | undefined, nowMs: number): string {
  return run === undefined ? "never" : `${shownDuration(Math.max(0, nowMs - run.startMs))} ago`;
}
