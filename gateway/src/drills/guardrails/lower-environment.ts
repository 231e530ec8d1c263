/**
 * Whether an experiment has passed in a lower environment. The journals of the store are the
 * evidence: the newest run of exactly this experiment (the hash of its text) in that environment
 * must have held, and not too long ago. A run that was skipped or interrupted says nothing; one
 * that deviated after one that held takes the pass back.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { DrillOutcome } from "../injection.ts";
import { STORE } from "../store.ts";
import { readUpTo } from "./durable-file.ts";

/** Most journals that are read, newest first. */
const MAX_JOURNALS = 2_000;
/** Most bytes of a journal, 64 MiB. */
const MAX_BYTES = 2 ** 26;
/** Clocks of two machines may differ by so much, 5 min. */
const MAX_AHEAD_MS = 300_000;

/** Outcomes that say something about the experiment. */
const TELLING: ReadonlySet<string> = new Set<DrillOutcome>(["held", "deviated", "aborted", "dirty", "invalid"]);

export interface LowerEnvironment {
  readonly specHash: string;
  readonly environment: string;
  readonly maxAgeMs: number;
  /** Ms since 1970. */
  readonly wallMs: number;
}

/** Why the experiment has not passed there; undefined: it has. */
export function missingPass(store: string, asked: LowerEnvironment): string | undefined {
  const { specHash, environment, maxAgeMs, wallMs } = asked;
  const runs = runsIn(store).filter((run) => run.environment === environment);
  const own = runs.filter((run) => run.specHash === specHash).sort((one, other) => other.endMs - one.endMs);
  const [newest] = own;
  if (newest === undefined) {
    const others = runs.length === 0 ? "" : "; runs of other texts do not count";
    return `no run of it (hash ${specHash.slice(0, 12)}) in ${environment}${others}`;
  }
  const at = new Date(newest.endMs).toISOString();
  if (newest.endMs > wallMs + MAX_AHEAD_MS) return `its run in ${environment} is of ${at}, which is not yet`;
  if (newest.outcome !== "held") return `its newest run in ${environment} (${at}) ended as ${newest.outcome}`;
  const ageMs = wallMs - newest.endMs;
  if (ageMs > maxAgeMs)
    return `its run in ${environment} is ${inDays(ageMs)} days old; allowed are ${inDays(maxAgeMs)}`;
  return undefined;
}

interface Run {
  readonly specHash: string;
  readonly environment: string;
  readonly outcome: string;
  readonly endMs: number;
}

function runsIn(store: string): Run[] {
  return journalNames(join(store, STORE.journals)).flatMap((path) => {
    const run = runIn(path);
    return run === undefined || !TELLING.has(run.outcome) ? [] : [run];
  });
}

/** Run ids sort by time, so the last names are the newest. */
function journalNames(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    return names
      .sort()
      .slice(-MAX_JOURNALS)
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

/** Undefined: no journal of a drill that can be read, which proves nothing. */
function runIn(path: string): Run | undefined {
  try {
    const bytes = readUpTo(path, MAX_BYTES);
    if (typeof bytes === "string") return undefined;
    const { gsf, end } = JSON.parse(bytes.toString("utf8")) as { gsf?: Record<string, unknown>; end?: unknown };
    const [specHash, environment, outcome] = [gsf?.["specHash"], gsf?.["environment"], gsf?.["outcome"]];
    const endMs = typeof end === "string" ? Date.parse(end) : Number.NaN;
    if (typeof specHash !== "string" || typeof environment !== "string" || typeof outcome !== "string")
      return undefined;
    return Number.isNaN(endMs) ? undefined : { specHash, environment, outcome, endMs };
  } catch {
    return undefined;
  }
}

function inDays(ms: number): number {
  return Math.floor(ms / 86_400_000);
}
