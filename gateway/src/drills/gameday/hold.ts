/**
 * The day itself: `run`, `mark`, `halt`, and the words that end a day. A run is begun in the record
 * before the drill's process starts, so a prediction can no longer slip in; its result is taken
 * from the drill's journal, never from what the process printed. If this process dies, the drill
 * goes on under its own guardrails, and `run --collect` fetches its result later.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { readInstant } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { type JournalOfRun, journalNames, journalsDirectory, readJournal, regularFile } from "../rotation/journals.ts";
import { authorOf, chosenDay, chosenExperiment, type DayOptions, print, storeOf } from "./day.ts";
import {
  type GameDayEvent,
  MARK_KEYS,
  MARK_KINDS,
  type MarkKind,
  type PlannedExperiment,
  type RunEnded,
} from "./events.ts";
import { type DayRun, type DayView, foldDay } from "./fold.ts";
import { GSF, runGsf } from "./gsf-child.ts";
import { append, dayFile } from "./ledger.ts";
import { bounded, refuseClosed } from "./prepare.ts";

export interface RunOptions extends DayOptions {
  readonly unbriefed: boolean;
  readonly collect: boolean;
  readonly journal?: string;
}

/**
 * `gsf gameday run`. Ends with the drill's own exit code. `program`: what plays the drill; a test
 * may give another one.
 */
export async function run(
  asked: string,
  more: readonly string[],
  options: RunOptions,
  program: readonly string[] = GSF,
): Promise<void> {
  const store = storeOf(options);
  const view = chosenDay(store, options);
  if (options.collect) return await collect(store, view, options);
  const experiment = chosenExperiment(view, asked);
  if (options.journal !== undefined) return await takeJournal(store, view, experiment, options.journal, options);
  const started = await begin(store, view, experiment, options);
  print(`run ${started.run} of game day ${view.id}: ${experiment.id}`);
  const path = journalOfRun(store, view.id, started.run);
  rmSync(path, { force: true });
  const args = ["drill", "run", experiment.file, "--store", store, "--environment", view.plan.environment];
  const { code } = await runGsf([...args, "--journal", path, ...more], { isShown: true, program });
  const journal = ownJournal(path);
  const ended = journal === undefined ? endedWithout(started.run, code) : endedWith(started.run, code, journal);
  await append(store, view.id, authorOf(options), () => [ended]);
  print(`run ${started.run}: ${ended.outcome}${ended.reason === "" ? "" : `, ${plainText(ended.reason)}`}`);
  process.exitCode = code;
}

async function begin(
  store: string,
  { id }: DayView,
  experiment: PlannedExperiment,
  options: RunOptions,
): Promise<{ run: number }> {
  const content = regularFile(experiment.file, 1024 * 1024);
  if (typeof content !== "string") throw new UserError("usage", `${experiment.file}: ${content.problem}`);
  const fileHash = createHash("sha256").update(content).digest("hex");
  const commit = commitOf(dirname(experiment.file));
  let number = 0;
  await append(store, id, authorOf(options), (chain) => {
    const view = foldDay(id, chain);
    refuseClosed(view);
    const unfinished = view.runs.find(({ ended }) => ended === undefined);
    if (unfinished !== undefined)
      throw new UserError(
        "promiseBroken",
        `run ${unfinished.number} (${unfinished.experiment}) has not ended; if its process is gone, take its result with: gsf gameday run ${unfinished.number} --collect`,
      );
    if (!view.isBriefed && !options.unbriefed)
      throw new UserError(
        "promiseBroken",
        `game day ${id} is not briefed; gsf gameday brief says what is missing (--unbriefed runs all the same)`,
      );
    number = view.runs.length + 1;
    return [
      {
        kind: "run-started",
        run: number,
        experiment: experiment.id,
        file: experiment.file,
        commit,
        fileHash,
      },
    ];
  });
  return { run: number };
}

/** The commit of a directory, with `-dirty` if there are changes; "" if it is in no repository. */
function commitOf(directory: string): string {
  const git = (...args: readonly string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", ["-C", directory, ...args], { encoding: "utf8", timeout: 3_000 });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "HEAD");
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)) return "";
  return git("status", "--porcelain") === "" ? commit : `${commit}-dirty`;
}

/** Where the drill of a run writes a journal of its own, besides the store's. */
function journalOfRun(store: string, id: string, run: number): string {
  return dayFile(store, id).replace(/\.jsonl$/, `.run-${run}.json`);
}

function ownJournal(path: string): JournalOfRun | undefined {
  const read = readJournal(path);
  return read.kind === "run" ? read.run : undefined;
}

function endedWithout(run: number, code: number | null): RunEnded {
  return {
    kind: "run-ended",
    run,
    outcome: "unknown",
    reason: code === null ? "no journal was found" : `the drill ended with exit code ${code} and left no journal`,
    exitCode: code,
    ...{ runId: "", specHash: "", seed: null, environment: "", targets: [] },
    ...{ t0Ms: null, t1Ms: null, mttdMs: null, mttrMs: null, detectWithinMs: null, recoverWithinMs: null },
    ...{ trips: [], felt: {}, marks: [] },
  };
}

/** What the journal says, as the end of a run. A fault that nobody felt makes a run invalid. */
export function endedWith(run: number, code: number | null, journal: JournalOfRun): RunEnded {
  const { held, marks, trips, felt } = journal;
  const unfelt = Object.entries(felt).filter(([, proof]) => proof === null);
  const isVacuous = unfelt.length > 0 && held.outcome === "held";
  const t0Ms = marks.find(({ kind }) => kind === "fault")?.atMs ?? null;
  const t1Ms = marks.findLast(({ kind, atMs }) => kind === "lifted" && atMs >= (t0Ms ?? 0))?.atMs ?? null;
  return {
    kind: "run-ended",
    run,
    outcome: isVacuous ? "invalid" : held.outcome,
    reason: isVacuous
      ? `no proof that the fault was felt: ${unfelt.map(([activity]) => activity).join(", ")}`
      : (held.reason ?? ""),
    exitCode: code,
    runId: held.runId,
    specHash: held.specHash,
    seed: held.seed,
    environment: held.environment,
    targets: held.targets,
    t0Ms,
    t1Ms,
    mttdMs: held.mttdMs,
    mttrMs: held.mttrMs,
    detectWithinMs: held.detectWithinMs ?? null,
    recoverWithinMs: held.recoverWithinMs ?? null,
    trips,
    felt,
    marks,
  };
}

/** Takes the result of the run that has not ended from its journal. */
async function collect(store: string, { id }: DayView, options: RunOptions): Promise<void> {
  let ended: RunEnded | undefined;
  await append(store, id, authorOf(options), (chain) => {
    const unfinished = foldDay(id, chain).runs.find((one) => one.ended === undefined);
    if (unfinished === undefined) throw new UserError("usage", `game day ${id} has no run that has not ended`);
    const journal = ownJournal(journalOfRun(store, id, unfinished.number));
    ended = journal === undefined ? endedWithout(unfinished.number, null) : endedWith(unfinished.number, null, journal);
    return [ended];
  });
  print(`run ${ended?.run}: ${ended?.outcome}${ended?.reason === "" ? "" : `, ${plainText(ended?.reason ?? "")}`}`);
  if (ended?.outcome !== "held") process.exitCode = 1;
}

/** Takes a run that was held without the game day, by its journal. */
async function takeJournal(
  store: string,
  { id }: DayView,
  experiment: PlannedExperiment,
  runId: string,
  options: RunOptions,
): Promise<void> {
  const name = journalNames(store).find((one) => one === `${runId}.json`);
  if (name === undefined)
    throw new UserError("usage", `there is no journal "${plainText(runId, 80)}" in ${journalsDirectory(store)}`);
  const read = readJournal(join(journalsDirectory(store), name));
  if (read.kind !== "run")
    throw new UserError("usage", `${name}: ${read.kind === "broken" ? read.problem : "it has no member gsf"}`);
  if (read.run.held.id !== experiment.id)
    throw new UserError("usage", `${name} is of ${read.run.held.id}, not of ${experiment.id}`);
  await append(store, id, authorOf(options), (chain) => {
    const view = foldDay(id, chain);
    refuseClosed(view);
    if (view.runs.some(({ ended }) => ended?.runId === runId))
      throw new UserError("usage", `${runId} is a run of this day already`);
    const number = view.runs.length + 1;
    const { file } = experiment;
    const begun = {
      kind: "run-started",
      run: number,
      experiment: experiment.id,
      file,
      commit: "",
      fileHash: "",
    } as const;
    return [begun, endedWith(number, null, read.run)];
  });
  print(`${experiment.id}: ${read.run.held.outcome}, from ${name}`);
}

export interface MarkOptions extends DayOptions {
  readonly at?: string;
  readonly ago?: number;
  readonly run?: string;
}

/** `gsf gameday mark`. */
export async function mark(key: string, words: readonly string[], options: MarkOptions): Promise<void> {
  const kind = MARK_KEYS[key] ?? MARK_KINDS.find((one) => one === key);
  if (kind === undefined) {
    const keys = Object.entries(MARK_KEYS).map(([one, meaning]) => `${one} ${meaning}`);
    throw new UserError("usage", `"${plainText(key, 20)}" is no mark; allowed: ${keys.join(", ")}`);
  }
  const store = storeOf(options);
  const { id } = chosenDay(store, options);
  const author = authorOf(options);
  const happenedAtMs = happenedAt(options, author.nowMs);
  const event = await writeMark(store, id, author, kind, words.join(" "), happenedAtMs, options.run);
  print(
    `${new Date(happenedAtMs).toISOString().slice(11, 19)} ${kind}${event.run === null ? "" : ` (run ${event.run})`}`,
  );
}

type MarkEvent = Extract<GameDayEvent, { kind: "mark" }>;

async function writeMark(
  store: string,
  id: string,
  author: { readonly by: string; readonly nowMs: number },
  kind: MarkKind,
  text: string,
  happenedAtMs: number,
  run: string | undefined,
): Promise<MarkEvent> {
  // In the heat nobody counts characters: a long text is cut, never refused.
  const said = text.slice(0, 2_000);
  const [entry] = await append(store, id, author, (chain) => {
    const view = foldDay(id, chain);
    return [{ kind: "mark", mark: kind, run: runOfMark(view.runs, run, happenedAtMs), happenedAtMs, text: said }];
  });
  return entry?.event as MarkEvent;
}

/** The run that is named; else the last one that had begun when it happened. */
function runOfMark(runs: readonly DayRun[], asked: string | undefined, happenedAtMs: number): number | null {
  if (asked === undefined) return runs.findLast(({ startedMs }) => startedMs <= happenedAtMs)?.number ?? null;
  if (asked === "none") return null;
  const found = runs.find(({ number }) => String(number) === asked);
  if (found !== undefined) return found.number;
  throw new UserError(
    "usage",
    `there is no run "${plainText(asked, 20)}"; the day has ${runs.length}, or say --run none`,
  );
}

function happenedAt({ at, ago }: MarkOptions, nowMs: number): number {
  if (at !== undefined && ago !== undefined) throw new UserError("usage", "--at and --ago exclude each other");
  const atMs = at === undefined ? nowMs - (ago ?? 0) : readInstant(at);
  if (atMs === undefined || atMs > nowMs + 5_000 || atMs < 0)
    throw new UserError("usage", "--at needs a time that is over, such as 2026-12-01T14:03:05Z");
  return Math.round(atMs);
}

/** `gsf gameday halt`: first the lever, then the record. */
export async function halt(
  words: readonly string[],
  options: DayOptions,
  program: readonly string[] = GSF,
): Promise<void> {
  const store = storeOf(options);
  const author = authorOf(options);
  const reason = words.join(" ").trim() || "halted on a game day";
  const startedMs = performance.now();
  const { code, stderr } = await runGsf(
    ["chaos", "halt", "--by", author.by, "--store", store, "--reason", reason.slice(0, 500)],
    { program },
  );
  const latencyMs = Math.round(performance.now() - startedMs);
  const isEngaged = code === 0;
  if (!isEngaged) process.exitCode = 1;
  print(isEngaged ? `halted after ${latencyMs} ms` : `THE HALT FAILED (exit code ${code}): ${plainText(stderr)}`);
  if (isEngaged) print("drills are blocked until: gsf chaos release --by NAME");
  const said = isEngaged
    ? `${reason} (lever engaged after ${latencyMs} ms)`
    : `${reason} (THE LEVER FAILED, exit code ${code})`;
  try {
    const { id } = chosenDay(store, options);
    await writeMark(store, id, author, "halt", said, author.nowMs, undefined);
  } catch (error) {
    // The lever is what counts. Which day it was can be said later, with a mark.
    process.stderr.write(`gsf: the mark is not written: ${plainText((error as Error).message)}\n`);
  }
}

/** `gsf gameday debrief` and `close`. */
export async function endDay(
  status: "debriefed" | "closed",
  words: readonly string[],
  options: DayOptions,
): Promise<void> {
  const store = storeOf(options);
  const { id } = chosenDay(store, options);
  await append(store, id, authorOf(options), (chain) => {
    const view = foldDay(id, chain);
    refuseClosed(view);
    const unfinished = view.runs.find(({ ended }) => ended === undefined);
    if (unfinished !== undefined)
      throw new UserError(
        "promiseBroken",
        `run ${unfinished.number} has not ended; gsf gameday run ${unfinished.number} --collect`,
      );
    return [{ kind: "status", status, text: bounded("the text", words.join(" "), 2_000) }];
  });
  print(`game day ${id} is ${status}`);
}
