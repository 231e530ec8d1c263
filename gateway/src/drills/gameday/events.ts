/**
 * What can happen on a game day, as data: the events of its file. Each is small, and none is ever
 * changed; what the day looks like is computed from them (`fold.ts`). Texts come from people and
 * from journals, so each has a bound.
 */
import { z } from "zod";
import { CATEGORIES, type Category } from "../experiment/experiment.ts";

/** Who does what. One person may have several roles, but the one who halts does not drive. */
export const ROLES = ["owner", "driver", "observer", "scribe", "halt"] as const;
export type Role = (typeof ROLES)[number];

export const MARK_KINDS = [
  "detected",
  "paged",
  "acknowledged",
  "diagnosed",
  "mitigated",
  "recovered",
  "surprise",
  "note",
  "halt",
] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

/** The keys of `gsf gameday mark`. */
export const MARK_KEYS: Readonly<Record<string, MarkKind>> = {
  d: "detected",
  p: "paged",
  a: "acknowledged",
  g: "diagnosed",
  m: "mitigated",
  r: "recovered",
  s: "surprise",
  n: "note",
  h: "halt",
};

export const FINDING_CLASSES = ["design", "config", "detection", "runbook", "tooling", "people"] as const;
export type FindingClass = (typeof FINDING_CLASSES)[number];

const FINDING_STATES = ["open", "accepted", "fixed", "verified", "wontfix"] as const;
export type FindingState = (typeof FINDING_STATES)[number];

const RUN_OUTCOMES = ["held", "deviated", "aborted", "interrupted", "invalid", "dirty", "skipped", "unknown"] as const;
/** "unknown": the run left no journal. */
type RunOutcome = (typeof RUN_OUTCOMES)[number];

/** An experiment that the day is to play. */
export interface PlannedExperiment {
  /** From 1 on; `gsf gameday run` takes it. */
  readonly number: number;
  readonly id: string;
  readonly title: string;
  readonly category: Category;
  /** Absolute path. */
  readonly file: string;
}

export interface Planned {
  readonly kind: "planned";
  readonly id: string;
  readonly title: string;
  readonly objective: string;
  readonly systems: readonly string[];
  readonly environment: string;
  /** RFC 3339; "" if none was said. */
  readonly from: string;
  readonly until: string;
  readonly experiments: readonly PlannedExperiment[];
}

export interface Prediction {
  readonly kind: "prediction";
  readonly experiment: string;
  /** "" if none was said. */
  readonly team: string;
  readonly expected: "held" | "deviated";
  readonly text: string;
  /** null: nothing was said about it. */
  readonly detectWithinMs: number | null;
  readonly recoverWithinMs: number | null;
  /** 0 to 100: how sure of `expected`. */
  readonly confidence: number;
}

export interface Check {
  readonly name: "roles" | "halt-tested" | "rollback-rehearsed" | "predictions" | "experiments";
  readonly isMet: boolean;
  readonly text: string;
}

export interface RunEnded {
  readonly kind: "run-ended";
  readonly run: number;
  readonly outcome: RunOutcome;
  readonly reason: string;
  /** Exit code of `gsf drill run`; null: it was taken from a journal. */
  readonly exitCode: number | null;
  /** Name of the journal in the store; "" if there is none. */
  readonly runId: string;
  readonly specHash: string;
  readonly seed: number | null;
  readonly environment: string;
  readonly targets: readonly string[];
  /** Milliseconds since 1970; null: the journal has no such mark. */
  readonly t0Ms: number | null;
  readonly t1Ms: number | null;
  readonly mttdMs: number | null;
  readonly mttrMs: number | null;
  readonly detectWithinMs: number | "never" | null;
  readonly recoverWithinMs: number | null;
  readonly trips: ReadonlyArray<{
    readonly rule: string;
    readonly observed: string;
    readonly abortLatencyMs: number | null;
  }>;
  readonly felt: Readonly<Record<string, string | null>>;
  /** What the machine saw. */
  readonly marks: ReadonlyArray<{ readonly atMs: number; readonly kind: string; readonly text: string }>;
}

export interface Finding {
  readonly kind: "finding";
  /** F1, F2, … of its day. */
  readonly id: string;
  /** null: it belongs to no run. */
  readonly run: number | null;
  readonly title: string;
  /** 1 is the worst. */
  readonly severity: 1 | 2 | 3 | 4;
  readonly class: FindingClass;
  readonly expected: string;
  readonly observed: string;
  readonly evidence: readonly string[];
  readonly owner: string;
  /** A date, such as 2026-12-31. */
  readonly due: string;
  readonly ticket: string;
}

export interface FindingChanged {
  readonly kind: "finding-changed";
  readonly finding: string;
  /** "verified" only comes with a run that proves it. */
  readonly status?: Exclude<FindingState, "verified">;
  readonly owner?: string;
  readonly due?: string;
  readonly ticket?: string;
  readonly text: string;
}

export type GameDayEvent =
  | Planned
  | { readonly kind: "role"; readonly role: Role; readonly name: string }
  | Prediction
  | { readonly kind: "rehearsed"; readonly experiment: string; readonly text: string }
  | { readonly kind: "halt-tested"; readonly isReleased: boolean; readonly latencyMs: number; readonly text: string }
  | { readonly kind: "brief"; readonly checks: readonly Check[] }
  | {
      readonly kind: "run-started";
      readonly run: number;
      readonly experiment: string;
      readonly file: string;
      /** Commit of the directory in which it was started; "" if there is none. */
      readonly commit: string;
      /** SHA-256 of the experiment's file. */
      readonly fileHash: string;
    }
  | RunEnded
  | {
      readonly kind: "mark";
      readonly mark: MarkKind;
      /** null: no run was in progress. */
      readonly run: number | null;
      readonly happenedAtMs: number;
      readonly text: string;
    }
  | Finding
  | FindingChanged
  | {
      readonly kind: "action";
      readonly finding: string;
      readonly text: string;
      readonly owner: string;
      readonly due: string;
    }
  | { readonly kind: "verified"; readonly finding: string; readonly runId: string; readonly specHash: string }
  | { readonly kind: "status"; readonly status: "debriefed" | "closed"; readonly text: string }
  /** An append found that the end of the file was not as it had been written. */
  | { readonly kind: "damage"; readonly text: string };

const short = z.string().max(400);
const named = z.string().min(1).max(200);
const long = z.string().max(2_000);
const instantMs = z.number().int().min(0).max(32_503_680_000_000);
const durationMs = z.number().finite().nonnegative();
const experimentId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/);
const findingId = z.string().regex(/^F[1-9]\d{0,4}$/);
const date = z.string().regex(/^\d{4}-\d\d-\d\d$/);
const run = z.number().int().min(1).max(9_999);
const trips = z.array(z.object({ rule: short, observed: short, abortLatencyMs: durationMs.nullable() })).max(50);

const eventSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("planned"),
    id: z.string(),
    title: named,
    objective: long,
    systems: z.array(named).max(50),
    environment: named,
    from: short,
    until: short,
    experiments: z
      .array(
        z.object({
          number: run,
          id: experimentId,
          title: short,
          category: z.enum(CATEGORIES),
          file: z.string().max(4_096),
        }),
      )
      .max(100),
  }),
  z.object({ kind: z.literal("role"), role: z.enum(ROLES), name: named }),
  z.object({
    kind: z.literal("prediction"),
    experiment: experimentId,
    team: short,
    expected: z.enum(["held", "deviated"]),
    text: long,
    detectWithinMs: durationMs.nullable(),
    recoverWithinMs: durationMs.nullable(),
    confidence: z.number().min(0).max(100),
  }),
  z.object({ kind: z.literal("rehearsed"), experiment: experimentId, text: long }),
  z.object({ kind: z.literal("halt-tested"), isReleased: z.boolean(), latencyMs: durationMs, text: short }),
  z.object({
    kind: z.literal("brief"),
    checks: z
      .array(
        z.object({
          name: z.enum(["roles", "halt-tested", "rollback-rehearsed", "predictions", "experiments"]),
          isMet: z.boolean(),
          text: long,
        }),
      )
      .max(20),
  }),
  z.object({
    kind: z.literal("run-started"),
    run,
    experiment: experimentId,
    file: z.string().max(4_096),
    commit: short,
    fileHash: short,
  }),
  z.object({
    kind: z.literal("run-ended"),
    run,
    outcome: z.enum(RUN_OUTCOMES),
    reason: long,
    exitCode: z.number().int().nullable(),
    runId: short,
    specHash: short,
    seed: z.number().nullable(),
    environment: short,
    targets: z.array(short).max(50),
    t0Ms: instantMs.nullable(),
    t1Ms: instantMs.nullable(),
    mttdMs: durationMs.nullable(),
    mttrMs: durationMs.nullable(),
    detectWithinMs: z.union([durationMs, z.literal("never")]).nullable(),
    recoverWithinMs: durationMs.nullable(),
    trips,
    felt: z.record(z.string(), short.nullable()),
    marks: z.array(z.object({ atMs: instantMs, kind: short, text: short })).max(200),
  }),
  z.object({
    kind: z.literal("mark"),
    mark: z.enum(MARK_KINDS),
    run: run.nullable(),
    happenedAtMs: instantMs,
    text: long,
  }),
  z.object({
    kind: z.literal("finding"),
    id: findingId,
    run: run.nullable(),
    title: named,
    severity: z.literal([1, 2, 3, 4]),
    class: z.enum(FINDING_CLASSES),
    expected: long,
    observed: long,
    evidence: z.array(short).max(20),
    owner: named,
    due: date,
    ticket: short,
  }),
  z.object({
    kind: z.literal("finding-changed"),
    finding: findingId,
    status: z.enum(["open", "accepted", "fixed", "wontfix"]).optional(),
    owner: named.optional(),
    due: date.optional(),
    ticket: short.optional(),
    text: long,
  }),
  z.object({ kind: z.literal("action"), finding: findingId, text: named, owner: named, due: date }),
  z.object({ kind: z.literal("verified"), finding: findingId, runId: named, specHash: named }),
  z.object({ kind: z.literal("status"), status: z.enum(["debriefed", "closed"]), text: long }),
  z.object({ kind: z.literal("damage"), text: long }),
]);

/** The event in `value`, or what is wrong with it. */
export function readEvent(value: unknown): GameDayEvent | { readonly problem: string } {
  const read = eventSchema.safeParse(value);
  if (read.success) return read.data as GameDayEvent;
  const [issue] = read.error.issues;
  return { problem: `${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "not an event"}` };
}
