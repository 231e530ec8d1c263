/**
 * Reads the journals of a store and keeps of each what a report needs: some hundred bytes of a file
 * that may have megabytes. A journal that cannot be read is named and skipped, because one broken
 * file must not hide a year of drills. What is no regular file is not opened for long: a named pipe
 * would block for ever.
 */
import { closeSync, constants, fstatSync, opendirSync, openSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { CATEGORIES, type Category } from "../experiment/experiment.ts";
import type { DrillOutcome } from "../injection.ts";
import { readInstant } from "../pictures/durations.ts";
import { plainText } from "../pictures/escaping.ts";
import { STORE } from "../store.ts";

/** Longest journal that is read. */
const MAX_JOURNAL_BYTES = 16 * 1024 * 1024;
/** Journals of a store that are read; the newest ones, by name. */
const MAX_JOURNALS = 100_000;
/** Names of broken journals that are kept; all of them are counted. */
const MAX_NAMED = 20;
const MAX_TARGETS = 50;
const MAX_MARKS = 200;
const MAX_TEXT = 400;

/** One run of a drill, as its journal tells it. */
export interface HeldDrill {
  /** What the journal says; sorts by time. */
  readonly runId: string;
  readonly id: string;
  readonly title: string;
  readonly category: Category;
  readonly weight: number;
  readonly specHash: string;
  readonly seed: number;
  readonly environment: string;
  readonly outcome: DrillOutcome;
  readonly reason: string | undefined;
  readonly targets: readonly string[];
  readonly mttdMs: number | null;
  readonly mttrMs: number | null;
  readonly detectWithinMs: number | "never" | undefined;
  readonly recoverWithinMs: number | undefined;
  /** A fault was put in force; a guardrail may have refused the run before. */
  readonly isInjected: boolean;
  /** Rules that stopped the run. */
  readonly trips: readonly string[];
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
}

/** A mark of a journal. */
interface JournalMark {
  readonly atMs: number;
  readonly kind: string;
  readonly text: string;
}

/** A run with what only its own report shows. */
export interface JournalOfRun {
  readonly held: HeldDrill;
  readonly marks: readonly JournalMark[];
  readonly trips: ReadonlyArray<{
    readonly rule: string;
    readonly observed: string;
    readonly abortLatencyMs: number | null;
  }>;
  /** Proof that each fault was felt, by the activity's name; null: it was not. */
  readonly felt: Readonly<Record<string, string | null>>;
}

const text = (max: number = MAX_TEXT): z.ZodType<string> => z.string().transform((value) => plainText(value, max));
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/);
const durationMs = z.number().finite().nonnegative();

const recordSchema = z.object({
  runId: z
    .string()
    .regex(/^[\w.:-]{1,120}$/)
    .optional(),
  id: name,
  category: z.enum(CATEGORIES),
  weight: z.number().min(0.1).max(100).default(1),
  specHash: text(128).default(""),
  seed: z.number().default(0),
  environment: text(100).default("local"),
  outcome: z.enum(["held", "deviated", "aborted", "interrupted", "invalid", "dirty", "skipped"]),
  reason: text().optional(),
  targets: z.array(z.object({ name: text(100) })).default([]),
  felt: z.record(z.string(), z.string().nullable()).default({}),
  mttdMs: durationMs.nullable().default(null),
  mttrMs: durationMs.nullable().default(null),
  detectWithinMs: z.union([durationMs, z.literal("never")]).optional(),
  recoverWithinMs: durationMs.optional(),
  trips: z
    .array(
      z.object({
        rule: text(100),
        observed: text().default(""),
        abortLatencyMs: durationMs.nullable().default(null),
      }),
    )
    .default([]),
  marks: z.array(z.object({ at: z.string(), kind: text(40), text: text().default("") })).default([]),
});

const journalSchema = z.object({
  start: z.string(),
  end: z.string(),
  experiment: z.object({ title: text(200).default("") }),
  gsf: z.unknown().optional(),
});

/** What a file was: a run, one without our extension (of another tool), or nothing of use. */
export type ReadJournal =
  | { readonly kind: "run"; readonly run: JournalOfRun }
  | { readonly kind: "foreign" }
  | { readonly kind: "broken"; readonly problem: string };

/** Reads one journal. */
export function readJournal(path: string): ReadJournal {
  const content = regularFile(path, MAX_JOURNAL_BYTES);
  if (typeof content !== "string") return { kind: "broken", problem: content.problem };
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    return { kind: "broken", problem: content.trim() === "" ? "it is empty" : "it is no JSON, or only a part of it" };
  }
  const journal = journalSchema.safeParse(parsed);
  if (!journal.success) return { kind: "broken", problem: problemOf(journal.error) };
  const { start, end, experiment, gsf } = journal.data;
  if (gsf === undefined || gsf === null) return { kind: "foreign" };
  const record = recordSchema.safeParse(gsf);
  if (!record.success) return { kind: "broken", problem: problemOf(record.error, "gsf") };
  const startMs = journalInstant(start);
  const endMs = journalInstant(end);
  if (startMs === undefined || endMs === undefined || endMs < startMs)
    return { kind: "broken", problem: "start and end must be RFC 3339 times, and the end not before the start" };
  const { marks, trips, targets, felt, ...rest } = record.data;
  const held: HeldDrill = {
    ...rest,
    runId: rest.runId ?? basename(path, ".json"),
    title: experiment.title,
    reason: rest.reason,
    detectWithinMs: rest.detectWithinMs,
    recoverWithinMs: rest.recoverWithinMs,
    targets: targets.slice(0, MAX_TARGETS).map((target) => target.name),
    isInjected: marks.some(({ kind }) => kind === "fault"),
    trips: trips.slice(0, MAX_TARGETS).map(({ rule }) => rule),
    startMs,
    endMs,
  };
  const shownMarks = marks.slice(0, MAX_MARKS).flatMap(({ at, kind, text: said }) => {
    const atMs = journalInstant(at);
    return atMs === undefined ? [] : [{ atMs, kind, text: said }];
  });
  const shownFelt = Object.entries(felt).slice(0, MAX_TARGETS);
  return {
    kind: "run",
    run: {
      held,
      marks: shownMarks,
      trips: trips.slice(0, MAX_TARGETS),
      felt: Object.fromEntries(
        shownFelt.map(([activity, proof]) => [plainText(activity, 100), proof === null ? null : plainText(proof)]),
      ),
    },
  };
}

/** Chaos Toolkit writes UTC without a zone. */
function journalInstant(written: string): number | undefined {
  const atMs = readInstant(written);
  return atMs !== undefined && atMs > 0 && atMs < 32_503_680_000_000 ? atMs : undefined;
}

function problemOf({ issues }: z.ZodError, prefix = ""): string {
  const [first] = issues;
  const path = [prefix, ...(first?.path ?? []).map(String)].filter((part) => part !== "").join(".");
  return plainText(`${path === "" ? "the journal" : path}: ${first?.message ?? "not as it should be"}`, 200);
}

/** The text of a regular file of at most `maxBytes`. */
export function regularFile(path: string, maxBytes: number): string | { readonly problem: string } {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { problem: `it cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})` };
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile()) return { problem: "it is no regular file" };
    if (status.size > maxBytes) return { problem: `it has ${status.size} bytes; at most ${maxBytes} are read` };
    const bytes = Buffer.allocUnsafe(status.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.toString("utf8", 0, length);
  } catch (error) {
    return { problem: `it cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})` };
  } finally {
    closeSync(file);
  }
}

/** The runs of a store. */
export interface Runs {
  /** Oldest first. */
  readonly runs: readonly HeldDrill[];
  readonly broken: {
    readonly count: number;
    readonly named: ReadonlyArray<{ readonly file: string; readonly problem: string }>;
  };
  /** Journals without our extension. */
  readonly foreign: number;
  /** Journals that were not read because there are more than the limit. */
  readonly leftOut: number;
}

/** Where the journals of a store are. */
export function journalsDirectory(store: string): string {
  return join(store, STORE.journals);
}

/** Names of the journals of a store, oldest first. A store without any is an empty one. */
export function journalNames(store: string): string[] {
  const names: string[] = [];
  try {
    using directory = opendirSync(journalsDirectory(store));
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (/^[^.].*\.json$/.test(entry.name)) names.push(entry.name);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new UserError("usage", `the journals of ${store} cannot be read: ${(error as Error).message}`);
  }
  return names.sort();
}

/** Reads all runs of a store. */
export function readRuns(store: string): Runs {
  const names = journalNames(store);
  const runs: HeldDrill[] = [];
  const named: Array<{ file: string; problem: string }> = [];
  let broken = 0;
  let foreign = 0;
  for (const file of names.slice(-MAX_JOURNALS)) {
    const read = readJournal(join(journalsDirectory(store), file));
    if (read.kind === "run") runs.push(read.run.held);
    else if (read.kind === "foreign") foreign++;
    else {
      broken++;
      if (named.length < MAX_NAMED) named.push({ file, problem: read.problem });
    }
  }
  runs.sort((a, b) => a.startMs - b.startMs || (a.runId < b.runId ? -1 : 1));
  return { runs, broken: { count: broken, named }, foreign, leftOut: Math.max(0, names.length - MAX_JOURNALS) };
}
