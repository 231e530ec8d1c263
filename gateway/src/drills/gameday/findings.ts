/**
 * Findings: what a game day leaves behind. None comes into being without an owner and a date, since
 * one that nobody owns is never fixed. A finding is verified only by a later run of the same
 * experiment (the same hash of its text) that held; saying "fixed" is not enough.
 */
import { UserError } from "../../adapters/process/exit-codes.ts";
import { readInstant, shownDay } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { isCounted } from "../rotation/due.ts";
import { readRuns } from "../rotation/journals.ts";
import type { FindingCount } from "../rotation/score.ts";
import { allDays, authorOf, chosenDay, type DayOptions, print, storeOf, viewOf } from "./day.ts";
import type { FindingChanged, FindingClass } from "./events.ts";
import { type DayFinding, type DayView, foldDay, isOpen, overdueParts } from "./fold.ts";
import { append } from "./ledger.ts";
import { bounded } from "./prepare.ts";
import type { Entry } from "./seal.ts";

export interface ListOptions extends DayOptions {
  readonly overdue: boolean;
  readonly all: boolean;
  readonly json: boolean;
}

/** `gsf gameday findings`: with `--overdue`, exit code 1 if there are any. */
export function listFindings(options: ListOptions): void {
  const store = storeOf(options);
  const { days, unreadable } =
    options.day === undefined ? allDays(store) : { days: [viewOf(store, options.day)], unreadable: [] };
  const today = shownDay(Date.now());
  const listed = days
    .flatMap((day) => day.findings.map((finding) => ({ day: day.id, finding, overdue: overdueParts(finding, today) })))
    .filter(({ finding, overdue }) => (options.overdue ? overdue.length > 0 : options.all || isOpen(finding)))
    .toSorted((a, b) => (a.finding.due < b.finding.due ? -1 : 1));
  for (const problem of unreadable) process.stderr.write(`gsf: ${plainText(problem)}\n`);
  if (options.json)
    print(
      JSON.stringify({
        version: 1,
        today,
        findings: listed.map(({ day, finding, overdue }) => ({ day, ...finding, overdue })),
        unreadable,
      }),
    );
  else {
    for (const { day, finding, overdue } of listed) print(...findingLines(day, finding, overdue));
    if (listed.length === 0) print(options.overdue ? "no finding is overdue" : "no open finding");
  }
  // A day that cannot be read may hold an overdue finding: CI must not be green because of it.
  if (options.overdue && (listed.length > 0 || unreadable.length > 0)) process.exitCode = 1;
}

function findingLines(day: string, finding: DayFinding, overdue: readonly string[]): string[] {
  const { id, severity, title, status, owner, due, experiment } = finding;
  const where = experiment === undefined ? "" : `, ${experiment}`;
  return [
    `${day}/${id}  severity ${severity}, ${finding.class}, ${status}${where}: ${plainText(title, 200)}`,
    `    owner ${plainText(owner, 80)}, due ${due}${overdue.length === 0 ? "" : `  OVERDUE: ${plainText(overdue.join("; "))}`}`,
  ];
}

export interface AddOptions extends DayOptions {
  readonly severity: 1 | 2 | 3 | 4;
  readonly class: FindingClass;
  readonly owner: string;
  readonly due: string;
  readonly expected: string;
  readonly observed: string;
  readonly evidence: readonly string[];
  readonly ticket: string;
  readonly run?: string;
}

/** `gsf gameday findings add`. */
export async function addFinding(words: readonly string[], options: AddOptions): Promise<void> {
  const store = storeOf(options);
  const { id } = chosenDay(store, options);
  const title = bounded("the title", words.join(" ").trim(), 200);
  if (title === "") throw new UserError("usage", "a finding needs a title");
  const entries = await append(store, id, authorOf(options), (chain) => {
    const view = foldDay(id, chain);
    return [
      {
        kind: "finding",
        id: `F${view.findings.length + 1}`,
        run: runOfFinding(view, options.run),
        title,
        severity: options.severity,
        class: options.class,
        expected: bounded("--expected", options.expected, 2_000),
        observed: bounded("--observed", options.observed, 2_000),
        evidence: options.evidence.slice(0, 20).map((one) => bounded("--evidence", one, 400)),
        owner: person("--owner", options.owner),
        due: date(options.due),
        ticket: bounded("--ticket", options.ticket, 400),
      },
    ];
  });
  print(`${id}/${idIn(entries)}: ${plainText(title)}`);
}

function idIn(entries: readonly Entry[]): string {
  return entries.flatMap(({ event }) => (event.kind === "finding" ? [event.id] : [])).join();
}

function runOfFinding({ runs, id }: DayView, asked: string | undefined): number | null {
  if (asked === "none") return null;
  if (asked === undefined) return runs.at(-1)?.number ?? null;
  if (runs.some(({ number }) => String(number) === asked)) return Number(asked);
  throw new UserError(
    "usage",
    `game day ${id} has no run "${plainText(asked, 20)}"; it has ${runs.length}, or say --run none`,
  );
}

function person(option: string, name: string): string {
  if (name.trim() === "") throw new UserError("usage", `${option} needs the name of a person`);
  return bounded(option, name.trim(), 200);
}

function date(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && readInstant(text) !== undefined) return text;
  throw new UserError("usage", `--due needs a date such as 2026-12-31, and this is "${plainText(text, 40)}"`);
}

/** A finding that a person means: F1 of the chosen day, or DAY/F1. */
function chosenFinding(
  store: string,
  asked: string,
  options: DayOptions,
): { readonly view: DayView; readonly finding: DayFinding } {
  const [, day, id] = /^(?:([^/]+)\/)?(F\d+)$/i.exec(asked) ?? [];
  if (id === undefined) throw new UserError("usage", `"${plainText(asked, 40)}" is no finding; write F1, or DAY/F1`);
  const view = day === undefined ? chosenDay(store, options) : viewOf(store, day);
  const finding = view.findings.find((one) => one.id === id.toUpperCase());
  if (finding !== undefined) return { view, finding };
  const known = view.findings.map((one) => one.id).join(", ");
  throw new UserError("usage", `game day ${view.id} has no finding ${id}; it has ${known === "" ? "none" : known}`);
}

export interface ChangeOptions extends DayOptions {
  readonly status?: FindingChanged["status"];
  readonly owner?: string;
  readonly due?: string;
  readonly ticket?: string;
}

/** `gsf gameday findings set`. */
export async function changeFinding(asked: string, words: readonly string[], options: ChangeOptions): Promise<void> {
  const store = storeOf(options);
  const { view, finding } = chosenFinding(store, asked, options);
  const { status, owner, due, ticket } = options;
  const text = bounded("the text", words.join(" ").trim(), 2_000);
  if (status === "wontfix" && text === "") throw new UserError("usage", "wontfix needs a reason, as text");
  if (status === undefined && owner === undefined && due === undefined && ticket === undefined && text === "")
    throw new UserError("usage", "say what changes: --status, --owner, --due, --ticket or a text");
  const change: FindingChanged = {
    kind: "finding-changed",
    finding: finding.id,
    ...(status === undefined ? {} : { status }),
    ...(owner === undefined ? {} : { owner: person("--owner", owner) }),
    ...(due === undefined ? {} : { due: date(due) }),
    ...(ticket === undefined ? {} : { ticket: bounded("--ticket", ticket, 400) }),
    text,
  };
  await append(store, view.id, authorOf(options), () => [change]);
  print(`${view.id}/${finding.id}: ${status ?? finding.status}`);
}

/** `gsf gameday findings act`: a step towards the fix, with its own owner and date. */
export async function addAction(
  asked: string,
  words: readonly string[],
  options: DayOptions & { readonly owner: string; readonly due: string },
): Promise<void> {
  const store = storeOf(options);
  const { view, finding } = chosenFinding(store, asked, options);
  const text = bounded("the text", words.join(" ").trim(), 200);
  if (text === "") throw new UserError("usage", "an action needs a text: what is to be done");
  const action = {
    kind: "action" as const,
    finding: finding.id,
    text,
    owner: person("--owner", options.owner),
    due: date(options.due),
  };
  await append(store, view.id, authorOf(options), () => [action]);
  print(`${view.id}/${finding.id}: ${plainText(text)}, ${plainText(action.owner)}, ${action.due}`);
}

/** `gsf gameday verify`: exit code 1 if no run proves the fix. */
export async function verify(asked: string, options: DayOptions): Promise<void> {
  const store = storeOf(options);
  const { view, finding } = chosenFinding(store, asked, options);
  const run = view.runs.find(({ number }) => number === finding.run);
  const specHash = run?.ended?.specHash ?? "";
  if (run === undefined || specHash === "")
    throw new UserError(
      "promiseBroken",
      `${view.id}/${finding.id} belongs to no run with a journal, so no later run can be the same experiment; set it with: gsf gameday findings set`,
    );
  const later = readRuns(store).runs.filter(
    (one) => one.specHash === specHash && isCounted(one) && one.startMs > finding.foundMs,
  );
  const last = later.at(-1);
  if (last === undefined)
    throw new UserError(
      "promiseBroken",
      `${run.experiment} was not run since the finding (the same text, hash ${specHash.slice(0, 12)}); play it: gsf drill run ${run.file}`,
    );
  if (last.outcome !== "held")
    throw new UserError(
      "promiseBroken",
      `the last run of ${run.experiment} since the finding (${last.runId}) was ${last.outcome}, not held`,
    );
  await append(store, view.id, authorOf(options), () => [
    { kind: "verified", finding: finding.id, runId: last.runId, specHash },
  ]);
  print(`${view.id}/${finding.id} is verified: ${last.runId} held`);
}

/** Findings of a store by experiment, for the scorecard. */
export function findingCounts(days: readonly DayView[]): Map<string, FindingCount> {
  const counts = new Map<string, FindingCount>();
  for (const finding of days.flatMap(({ findings }) => findings)) {
    if (finding.experiment === undefined) continue;
    const { total, open } = counts.get(finding.experiment) ?? { total: 0, open: 0 };
    counts.set(finding.experiment, { total: total + 1, open: open + (isOpen(finding) ? 1 : 0) });
  }
  return counts;
}
