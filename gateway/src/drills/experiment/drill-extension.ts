/**
 * The extension named "gsf", which makes an experiment a drill of the catalogue: its id, category
 * and weight, what it needs, the system that is started for it, and what detection and recovery are
 * held to. Chaos Toolkit ignores it, so a drill stays an experiment that other programs can read.
 * The members `stage` and `guardrails` are checked by the rooms of those names.
 */
import { z } from "zod";
import { CATEGORIES, type DrillExtension, type Json, type JsonObject } from "./experiment.ts";
import { guess, type Path, type ProblemList, shown } from "./problem.ts";

/**
 * Guardrails of a drill that starts its own system, for what it does not say itself. The stage
 * knows which stations are healthy. It was steady before the run begins, so one window of its
 * steady state is baseline enough; it may begin anew, because the watchdog that starts meanwhile
 * needs the same processors. Nothing but the drill is lost with it, but a lost command is
 * evidence that should not be washed away by what follows.
 */
const STAGE_GUARDRAILS: JsonObject = {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a value that the run fills in.
  stations: { url: "${stations_url}", jsonpath: "$.healthy[*]" },
  baselineMs: 3_000,
  baselineWithinMs: 20_000,
  stop: ["acked_loss > 0"],
};

/** The name under `extensions`. */
export const DRILL_EXTENSION = "gsf";

/** A day: a drill that lasts longer is a mistake of units. */
const MAX_DURATION_MS = 86_400_000;

const durationMs = z.number().min(0).max(MAX_DURATION_MS);
const anyObject = z.record(z.string(), z.unknown());

const EXPECTATION = z.strictObject({
  detectWithinMs: z.union([durationMs, z.literal("never")]).optional(),
  recoverWithinMs: durationMs.optional(),
  recoverFrom: z.enum(["fault", "lift"]).default("fault"),
});

const EXTENSION = z.strictObject({
  name: z.literal(DRILL_EXTENSION),
  id: z
    .string()
    .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/)
    .max(64),
  category: z.enum(CATEGORIES),
  weight: z.int().min(1).max(10).default(1),
  requires: z.array(z.string().min(1).max(100)).max(20).default([]),
  stage: anyObject.optional(),
  expect: EXPECTATION.prefault({}),
  guardrails: anyObject.default({}),
});

/** What is allowed in each field, for its problem's sentence. */
const ALLOWED: Readonly<Record<string, string>> = {
  id: "lower-case letters, digits and single hyphens between them, at most 64 characters, such as station-killed",
  category: CATEGORIES.join(", "),
  weight: "a whole number from 1 to 10",
  requires: "a list of at most 20 names of programs, privileges or platforms",
  stage: "an object",
  expect: "an object with detectWithinMs, recoverWithinMs, recoverFrom",
  "expect.detectWithinMs": `milliseconds from 0 to ${MAX_DURATION_MS}, or "never"`,
  "expect.recoverWithinMs": `milliseconds from 0 to ${MAX_DURATION_MS}`,
  "expect.recoverFrom": "fault, lift",
  guardrails: "an object",
};
const NAMES = ["name", ...Object.keys(ALLOWED).filter((name) => !name.includes("."))];
const EXPECTATION_NAMES = ["detectWithinMs", "recoverWithinMs", "recoverFrom"];

/**
 * Reads the extensions named "gsf"; there may be one. Undefined: there is none, or it has problems.
 */
export function readDrillExtension(
  given: readonly (readonly [JsonObject, Path])[],
  problems: ProblemList,
): DrillExtension | undefined {
  const [first, ...others] = given;
  for (const [, path] of others) problems.add(path, `there are two extensions named ${DRILL_EXTENSION}; keep one`);
  if (first === undefined) return undefined;
  const [extension, path] = first;
  const read = EXTENSION.safeParse(extension);
  if (!read.success) {
    for (const issue of read.error.issues) report(issue, extension, path, problems);
    return undefined;
  }
  const { name: _name, stage, guardrails, expect, ...rest } = read.data;
  const { detectWithinMs, recoverWithinMs, recoverFrom } = expect;
  return {
    ...rest,
    stage: stage as JsonObject | undefined,
    guardrails: { ...(stage === undefined ? {} : STAGE_GUARDRAILS), ...(guardrails as JsonObject) },
    expect: {
      ...(detectWithinMs === undefined ? {} : { detectWithinMs }),
      ...(recoverWithinMs === undefined ? {} : { recoverWithinMs }),
      recoverFrom,
    },
  };
}

function report(issue: z.core.$ZodIssue, extension: JsonObject, path: Path, problems: ProblemList): void {
  const steps = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  if (issue.code === "unrecognized_keys") {
    const names = steps.length === 0 ? NAMES : EXPECTATION_NAMES;
    for (const key of issue.keys)
      problems.add(
        [...path, ...steps, key],
        `there is no such field${guess(key, names)}; allowed are ${names.join(", ")}`,
      );
    return;
  }
  let value: Json | undefined = extension;
  for (const step of steps)
    value = typeof value === "object" && value !== null ? (value as Record<string, Json>)[step] : undefined;
  const field = steps.filter((step) => typeof step === "string").join(".");
  const allowed = ALLOWED[field] ?? issue.message;
  const words = field === "category" ? CATEGORIES : [];
  const got = value === undefined ? "it is missing" : `${shown(value)} is not allowed`;
  problems.add(
    [...path, ...steps],
    `${got}${typeof value === "string" ? guess(value, words) : ""}; allowed is ${allowed}`,
  );
}
