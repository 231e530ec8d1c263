/**
 * What comes before the first injection: `new`, `role`, `predict` and `brief`. The briefing refuses
 * to call a day ready until five things are known: who does what, that the experiments can be read,
 * that the halt works (it was tried), that each fault was lifted before (in a rehearsal), and what
 * people expect to happen.
 */
import { resolve } from "node:path";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { leverState, leverTrail } from "../guardrails/lever.ts";
import { readInstant, shownDay, shownDuration } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { readDrillFile } from "../rotation/catalogue.ts";
import { isCounted } from "../rotation/due.ts";
import { readRuns } from "../rotation/journals.ts";
import { authorOf, chosenDay, chosenExperiment, type DayOptions, print, storeOf, viewOf } from "./day.ts";
import { type Check, type GameDayEvent, type PlannedExperiment, type Prediction, ROLES, type Role } from "./events.ts";
import { type DayView, foldDay } from "./fold.ts";
import { runGsf } from "./gsf-child.ts";
import { append, createDay } from "./ledger.ts";

type RoleOptions = Partial<Readonly<Record<Role, string>>>;

export interface NewOptions extends DayOptions, RoleOptions {
  readonly id?: string;
  readonly objective: string;
  readonly system: readonly string[];
  readonly environment: string;
  readonly from?: string;
  readonly until?: string;
}

/** `gsf gameday new`. */
export async function newDay(title: string, files: readonly string[], options: NewOptions): Promise<void> {
  const store = storeOf(options);
  const author = authorOf(options);
  const experiments = files.map((file, place) => plannedExperiment(resolve(file), place + 1));
  const double = experiments.find(({ id }, place) => experiments.findIndex((one) => one.id === id) !== place);
  if (double !== undefined) throw new UserError("usage", `the experiment ${double.id} is named twice`);
  if (title.trim() === "" || title.length > 200)
    throw new UserError("usage", "the title of a game day needs 1 to 200 characters");
  const id = options.id ?? idFrom(title, author.nowMs);
  const planned = {
    kind: "planned" as const,
    id,
    title,
    objective: bounded("--objective", options.objective, 2_000),
    systems: options.system.map((system) => bounded("--system", system, 200)),
    environment: bounded("--environment", options.environment, 200),
    from: windowInstant("--from", options.from),
    until: windowInstant("--until", options.until),
    experiments,
  };
  await createDay(store, planned, author);
  const roles = roleEvents(options);
  if (roles.length > 0) await append(store, id, author, () => roles);
  print(
    `game day ${id}: ${experiments.length} experiment${experiments.length === 1 ? "" : "s"}`,
    ...experiments.map(
      ({ number, id: experiment, title: said }) => `  ${number}  ${experiment}  ${plainText(said, 100)}`,
    ),
    "next: gsf gameday predict 1 --expect held --confidence 80, then gsf gameday brief",
  );
}

function plannedExperiment(file: string, number: number): PlannedExperiment {
  const read = readDrillFile(file);
  if (read === undefined)
    throw new UserError(
      "usage",
      `${file} has no extension "gsf" with an id and a category, so nothing can be said about its result`,
    );
  if ("problem" in read) throw new UserError("usage", `${file}: ${read.problem}`);
  return { number, id: read.id, title: read.title, category: read.category, file };
}

function idFrom(title: string, nowMs: number): string {
  const words = title
    .toLowerCase()
    .normalize("NFKD")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 50);
  return `${shownDay(nowMs)}${words === "" ? "" : `-${words.replace(/-+$/, "")}`}`;
}

function windowInstant(option: string, text: string | undefined): string {
  if (text === undefined) return "";
  const atMs = readInstant(text);
  if (atMs === undefined)
    throw new UserError(
      "usage",
      `${option} needs a time such as 2026-12-01T14:00Z, and this is "${plainText(text, 40)}"`,
    );
  return new Date(atMs).toISOString();
}

/** `text`, if it is not longer than the file takes. */
export function bounded(option: string, text: string, max: number): string {
  if (text.length <= max) return text;
  throw new UserError("usage", `${option} has ${text.length} characters; at most ${max} are kept`);
}

function roleEvents(options: RoleOptions): GameDayEvent[] {
  return ROLES.flatMap((role) => {
    const name = options[role];
    if (name === undefined) return [];
    if (name.trim() === "") throw new UserError("usage", `--${role} needs the name of a person`);
    return [{ kind: "role" as const, role, name: bounded(`--${role}`, name, 200) }];
  });
}

export interface PredictOptions extends DayOptions {
  readonly expect: "held" | "deviated";
  readonly confidence: number;
  readonly detectWithin?: number;
  readonly recoverWithin?: number;
  readonly team: string;
  readonly late: boolean;
}

/** `gsf gameday predict`. */
export async function predict(asked: string, words: readonly string[], options: PredictOptions): Promise<void> {
  const store = storeOf(options);
  const view = chosenDay(store, options);
  const { id: experiment } = chosenExperiment(view, asked);
  const prediction: Prediction = {
    kind: "prediction",
    experiment,
    team: bounded("--team", options.team, 400),
    expected: options.expect,
    text: bounded("the text", words.join(" "), 2_000),
    detectWithinMs: options.detectWithin ?? null,
    recoverWithinMs: options.recoverWithin ?? null,
    confidence: options.confidence,
  };
  const [entry] = await append(store, view.id, authorOf(options), (chain) => {
    refuseClosed(foldDay(view.id, chain));
    const hasBegun = chain.entries.some(({ event }) => event.kind === "run-started" && event.experiment === experiment);
    if (hasBegun && !options.late)
      throw new UserError(
        "promiseBroken",
        `${experiment} was injected already, so this is no prediction any more; --late writes it down as late, and it counts nowhere`,
      );
    return [prediction];
  });
  const seal = viewOf(store, view.id).predictions.find(({ hash }) => hash === entry?.hash)?.seal;
  print(
    `${seal === "sealed" ? "sealed" : `written down, ${seal}`}: ${experiment} will be ${options.expect} (${options.confidence} %)`,
    `hash ${entry?.hash ?? ""}`,
    "Put the hash where others see it, such as in the chat: then nobody can write this day anew.",
  );
}

/** Throws a `UserError` if the day is closed. */
export function refuseClosed({ id, status }: DayView): void {
  if (status === "closed") throw new UserError("usage", `game day ${id} is closed; begin another one`);
}

export interface BriefOptions extends DayOptions, RoleOptions {
  readonly testHalt: boolean;
  readonly rehearsed: readonly string[];
}

/** `gsf gameday brief`: exit code 1 if something is missing. */
export async function brief(options: BriefOptions): Promise<void> {
  const store = storeOf(options);
  const { id } = chosenDay(store, options);
  const author = authorOf(options);
  const said = options.rehearsed.map((text) => {
    const [experiment = "", ...words] = text.split(":");
    const view = viewOf(store, id);
    const rehearsed = words.join(":").trim();
    if (rehearsed === "")
      throw new UserError("usage", "--rehearsed needs EXPERIMENT:TEXT, such as 1:lifted by hand in staging on Monday");
    return {
      kind: "rehearsed" as const,
      experiment: chosenExperiment(view, experiment.trim()).id,
      text: bounded("--rehearsed", rehearsed, 2_000),
    };
  });
  const events = [...roleEvents(options), ...said];
  if (events.length > 0) await append(store, id, author, () => events);
  if (options.testHalt) await testHalt(store, id, options);
  const checks = checksOf(store, viewOf(store, id));
  await append(store, id, authorOf(options), () => [{ kind: "brief", checks }]);
  const missing = checks.filter(({ isMet }) => !isMet).length;
  print(
    `game day ${id}`,
    ...checks.map(({ name, isMet, text }) => `  ${isMet ? "ok     " : "MISSING"}  ${name}: ${plainText(text, 300)}`),
    missing === 0 ? "briefed: gsf gameday run 1" : `${missing} of ${checks.length} checks are not met`,
  );
  if (missing > 0) process.exitCode = 1;
}

/** Pulls the lever and releases it again, as a person would in need. */
async function testHalt(store: string, id: string, options: DayOptions): Promise<void> {
  const before = leverState(store);
  if (before.isEngaged)
    throw new UserError(
      "promiseBroken",
      `the lever is engaged already (by ${before.by ?? "nobody that is known"}: ${before.reason}); release it first with gsf chaos release`,
    );
  const { by } = authorOf(options);
  const startedMs = performance.now();
  const halted = await runGsf([
    "chaos",
    "halt",
    "--by",
    by,
    "--store",
    store,
    "--reason",
    `test of the halt, game day ${id}`,
  ]);
  const latencyMs = Math.round(performance.now() - startedMs);
  const wasEngaged = leverState(store).isEngaged;
  const released = await runGsf(["chaos", "release", "--by", by, "--store", store]);
  const isReleased = halted.code === 0 && wasEngaged && released.code === 0 && !leverState(store).isEngaged;
  const text = isReleased ? "" : plainText(`${halted.stderr} ${released.stderr}`, 400);
  await append(store, id, authorOf(options), () => [{ kind: "halt-tested", isReleased, latencyMs, text }]);
}

/** The five checks. */
export function checksOf(store: string, view: DayView): Check[] {
  return [
    rolesCheck(view),
    experimentsCheck(view),
    haltCheck(store, view),
    rollbackCheck(store, view),
    predictionsCheck(view),
  ];
}

function rolesCheck({ roles }: DayView): Check {
  const empty = ROLES.filter((role) => !roles.has(role));
  const isAlone = roles.get("driver") !== undefined && roles.get("driver") === roles.get("halt");
  const text =
    empty.length > 0
      ? `nobody is ${empty.join(", ")}; say so with --${empty[0]} NAME`
      : isAlone
        ? "the one who drives cannot be the one who halts"
        : [...roles].map(([role, name]) => `${role} ${name}`).join(", ");
  return { name: "roles", isMet: empty.length === 0 && !isAlone, text };
}

function experimentsCheck({ plan }: DayView): Check {
  const wrong = plan.experiments.flatMap(({ file, id }) => {
    const read = readDrillFile(file);
    if (read === undefined) return [`${file} has no extension "gsf" any more`];
    if ("problem" in read) return [`${file}: ${read.problem}`];
    return read.id === id ? [] : [`${file} is ${read.id} now, and was ${id}`];
  });
  const count = plan.experiments.length;
  const text = count === 0 ? "there is none" : wrong.length > 0 ? wrong.slice(0, 3).join("; ") : `${count} can be read`;
  return { name: "experiments", isMet: count > 0 && wrong.length === 0, text };
}

function haltCheck(store: string, view: DayView): Check {
  if (leverState(store).isEngaged)
    return { name: "halt-tested", isMet: false, text: "the lever is engaged: no drill can start; gsf chaos release" };
  if (view.haltTest?.isReleased === true)
    return {
      name: "halt-tested",
      isMet: true,
      text: `pulled and released on ${shownDay(view.haltTest.atMs)}, engaged after ${shownDuration(view.haltTest.latencyMs)}`,
    };
  // Somebody may have tried it by hand: a halt, and a release after it.
  const trail = leverTrail(store);
  const halt = trail.findIndex(({ what, at }) => what === "halt" && Date.parse(at) >= view.plannedMs);
  if (halt >= 0 && trail.slice(halt).some(({ what }) => what === "release"))
    return {
      name: "halt-tested",
      isMet: true,
      text: `pulled by ${trail[halt]?.by} and released since the day was planned`,
    };
  const tried = view.haltTest === undefined ? "" : "the last test failed; ";
  return { name: "halt-tested", isMet: false, text: `${tried}try it with gsf gameday brief --test-halt` };
}

function rollbackCheck(store: string, view: DayView): Check {
  const { runs } = readRuns(store);
  const wrong = view.plan.experiments.flatMap(({ id }) => {
    if (view.rehearsed.has(id)) return [];
    const last = runs.findLast((run) => run.id === id && isCounted(run));
    if (last === undefined) return [`${id} was never played, so nobody knows that its fault can be lifted`];
    return last.outcome === "dirty" ? [`the last run of ${id} left something behind (${last.runId})`] : [];
  });
  const byWord = view.plan.experiments.filter(({ id }) => view.rehearsed.has(id)).length;
  const text =
    wrong.length > 0
      ? `${wrong.slice(0, 3).join("; ")}; play it in a lower environment, or say --rehearsed EXPERIMENT:TEXT`
      : `each fault was lifted before${byWord === 0 ? "" : ` (${byWord} by a person's word)`}`;
  return { name: "rollback-rehearsed", isMet: view.plan.experiments.length > 0 && wrong.length === 0, text };
}

function predictionsCheck({ plan, predictions }: DayView): Check {
  const without = plan.experiments.filter(
    ({ id }) => !predictions.some(({ experiment, seal }) => experiment === id && seal === "sealed"),
  );
  return {
    name: "predictions",
    isMet: without.length === 0,
    text:
      without.length === 0
        ? `${predictions.length} sealed`
        : `nobody has predicted ${without.map(({ id }) => id).join(", ")}; the surprise is the product`,
  };
}
