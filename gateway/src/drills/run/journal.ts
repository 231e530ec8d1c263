/**
 * The journal of a run, with Chaos Toolkit's names, and ours in the member `gsf`. Secrets are taken
 * out before anything is written. A file is replaced in one step (written beside it, synced,
 * renamed), so that a reader, and a crash, see the old journal or the new one and never a half.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { arch, hostname, platform, release } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Experiment, Json, Values } from "../experiment/experiment.ts";
import { redacted } from "../experiment/redact.ts";
import { substituted } from "../experiment/substitute.ts";
import type { DrillOutcome, DrillRecord, Journal } from "../injection.ts";
import { type Played, resultOf } from "./experiment-run.ts";
import type { StopReason } from "./run-stop.ts";

/**
 * The version of chaostoolkit-lib whose format this journal has. Readers of journals show it; none
 * decides by it.
 */
const FORMAT_VERSION = "1.54.0";

export interface JournalParts {
  readonly experiment: Experiment;
  readonly played: Played;
  readonly stop: StopReason | undefined;
  /** RFC 3339, UTC. */
  readonly start: string;
  readonly end: string;
  /** Seconds. */
  readonly duration: number;
  readonly outcome: DrillOutcome;
  /** The guardrails let it begin; false: skipped, refused, or nothing could be hit. */
  readonly wasBegun: boolean;
  /** Undefined: the experiment is no drill. */
  readonly record: DrillRecord | undefined;
}

/** The journal without the values of secrets. */
export function journalOf(parts: JournalParts, values: Values): Journal {
  const { experiment, played, start, end, duration, record } = parts;
  const { status, deviated } = resultOf(played, parts.stop);
  const journal: Journal = {
    "chaoslib-version": FORMAT_VERSION,
    platform: `${platform()}-${release()}-${arch()}`,
    node: hostname(),
    // The title is shown with its values filled in, as Chaos Toolkit does.
    experiment: { ...experiment.source, title: substituted(experiment.title, values) },
    start,
    status: parts.wasBegun || parts.stop !== undefined ? status : "aborted",
    deviated: deviated || (record !== undefined && parts.outcome === "deviated"),
    steady_states: { before: played.before, after: played.after, during: played.during.map(({ look }) => look) },
    run: played.run,
    rollbacks: played.rollbacks,
    end,
    duration,
    ...(record === undefined ? {} : { gsf: record }),
  };
  return redacted(journal as unknown as Json, values.secrets) as unknown as Journal;
}

/** Writes the journal to `path`; makes the directory. Throws the operating system's error. */
export function writeJournal(path: string, journal: Journal): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true });
  const beside = join(directory, `.${basename(path)}.${process.pid}.${randomBytes(4).toString("hex")}`);
  try {
    const file = openSync(beside, "wx", 0o600);
    try {
      writeFileSync(file, `${JSON.stringify(journal, undefined, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

let runsOfProcess = 0;

/** Sorts by time; unique on this machine. For example `20270208T031502117Z-4711-1`. */
export function newRunId(wallMs: number): string {
  runsOfProcess += 1;
  return `${new Date(wallMs).toISOString().replaceAll(/[-:.]/g, "")}-${process.pid}-${runsOfProcess}`;
}
