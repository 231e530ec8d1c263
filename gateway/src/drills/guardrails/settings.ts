/**
 * The settings of the guardrails: the member `guardrails` of a drill. Each field has a default that
 * is on the safe side, so a drill that says nothing may hit one target, for ten minutes, with an
 * other healthy station beside it; and outside of the lowest environment it has to say who is on
 * call, and when. Problems name the field, what it holds and what is allowed.
 */
import { nearestName } from "ground-station-failover/core";
import { z } from "zod";
import type { JsonObject } from "../experiment/experiment.ts";
import type { BlastRadius } from "./blast-radius.ts";
import type { Condition } from "./condition.ts";
import { readCondition } from "./condition-parser.ts";
import { type BusinessHours, DAYS, isTimezone, timeOfDay } from "./hours.ts";
import { type ContactPass, passList } from "./protected-passes.ts";
import { cronProblem, type Schedule } from "./schedule.ts";
import { jsonPathProblem, type SignalSource } from "./signal-source.ts";

/** A stop condition as written, and as read. */
export interface StopRule {
  readonly text: string;
  readonly condition: Condition;
}

/** What a list of names is read from. */
export interface NameSource {
  readonly url: string;
  /** JSONPath (RFC 9535) of the names. */
  readonly jsonpath: string;
}

/** Who is asked whether somebody is on call. */
export type OnCall =
  /** A program, without a shell: exit code 0 is staffed, its first line says by whom. */
  | { readonly command: readonly string[] }
  /** 2xx is staffed; the answer's first line, or its member `who`, says by whom. */
  | { readonly url: string }
  /** Staffed if the file was written within `maxAgeMs`; its first line says by whom. */
  | { readonly file: string; readonly maxAgeMs: number };

/** Where open incidents are listed. */
export type IncidentSource =
  /** Open if the file holds anything; not there, or empty: none. */
  | { readonly file: string }
  /** None only if the answer is `[]` or `{"open": false}`. */
  | { readonly url: string };

export interface GuardrailSettings {
  /** Stop conditions, each as a text; at most 32. Default none. */
  readonly stop: readonly StopRule[];
  /**
   * Where the signals of the conditions come from. Default: members of the stage's own document.
   */
  readonly signals: Readonly<Record<string, SignalSource>>;
  /**
   * A signal that is missing for longer stops the drill, in ms, from 1,000 to 60,000. Default
   * 5,000: five looks, so one late answer is no stop.
   */
  readonly blindAfterMs: number;
  /**
   * For so long the hypothesis must hold before the first fault, in ms, from 0 to 3,600,000.
   * Default 30,000, after Chaos Engineering's habit of a baseline that is longer than one window of
   * it.
   */
  readonly baselineMs: number;
  /**
   * A baseline that is missed begins anew as long as it can be over within this time from its first
   * begin, in ms, from 0 to 3,600,000. Default 0: one miss refuses the drill, because a system that
   * is not steady is not to be hurt.
   */
  readonly baselineWithinMs: number;
  readonly blastRadius: BlastRadius;
  /** Which stations are healthy. Default: not known, so a drill that hits a station is refused. */
  readonly stations: NameSource | undefined;
  /** Default: nobody is asked. */
  readonly incident: IncidentSource | undefined;
  /** Contact passes in which nobody experiments, at most 10,000. Default none. */
  readonly protectedPasses: readonly ContactPass[];
  /** A file with more of them. Default none. */
  readonly protectedPassesFile: string | undefined;
  /** Kept free before a pass, in ms, from 0 to 86,400,000. Default 600,000: time to set up. */
  readonly passMarginMs: number;
  /** From the lowest to the highest. Default local, staging, production. */
  readonly environments: readonly string[];
  /**
   * Where the experiment must have held before: the name of an environment, "previous" (the next
   * lower one) or "none". Default "previous".
   */
  readonly requirePassedIn: string;
  /** How old that run may be, in ms, from 60,000 to one year. Default 30 days. */
  readonly passedMaxAgeMs: number;
  /** "any": at all hours. Default: any in the lowest environment, else it must be said. */
  readonly businessHours: BusinessHours | "any" | undefined;
  /** "none": nobody. Default: none in the lowest environment, else it must be said. */
  readonly onCall: OnCall | "none" | undefined;
  /** When the drill is due. Default: only when a person starts it. */
  readonly schedule: Schedule | undefined;
  /**
   * The longest time for which a run may have faults in force and for which one injection may ask,
   * in ms, from 1,000 to 3,600,000. Default 900,000.
   */
  readonly maxDurationMs: number;
}

/** Settings, or all that is wrong with them. */
export type ReadSettings =
  | { readonly settings: GuardrailSettings; readonly problems?: undefined }
  | { readonly settings?: undefined; readonly problems: readonly string[] };

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MAX_NAMES = 1_000;
/** A text in which a value is yet to be filled in. */
const TEMPLATE = /\$\{[^}]+\}/;

/** Reads the settings. Texts may still hold `${name}` where an address is expected. */
export function readSettings(given: JsonObject): ReadSettings {
  const read = guardrails.safeParse(given);
  if (!read.success) return { problems: read.error.issues.flatMap(sentences) };
  const problems: string[] = [];
  const { stop, ...others } = read.data;
  const rules = stop.flatMap((text, index): StopRule[] => {
    const { condition, problems: found } = readCondition(text);
    for (const { column, message } of found ?? [])
      problems.push(`guardrails.stop.${index}, column ${column}: ${message}`);
    return condition === undefined ? [] : [{ text, condition }];
  });
  const { environments, requirePassedIn } = others;
  if (!["previous", "none", ...environments].includes(requirePassedIn))
    problems.push(
      `guardrails.requirePassedIn: ${JSON.stringify(requirePassedIn)} is not in environments; ${allowed(["previous", "none", ...environments], requirePassedIn)}`,
    );
  if (problems.length > 0) return { problems };
  return { settings: { ...others, stop: rules } as GuardrailSettings };
}

function milliseconds(min: number, max: number, usual: number): z.ZodType<number> {
  return z
    .number({ error: `allowed is a number of ms from ${min} to ${max}` })
    .min(min, { error: `allowed is ${min} to ${max} ms` })
    .max(max, { error: `allowed is ${min} to ${max} ms` })
    .default(usual);
}

function text(what: string): z.ZodString {
  return z
    .string({ error: `allowed is ${what}` })
    .min(1, { error: `allowed is ${what}` })
    .max(4_096);
}

const url = text("an address that begins with http:// or https://").refine(
  (written) => TEMPLATE.test(written) || (URL.canParse(written) && /^https?:$/.test(new URL(written).protocol)),
  { error: "allowed is an address that begins with http:// or https://" },
);

const path = text("a JSONPath, such as $.latency.p99").superRefine((written, context) => {
  const problem = jsonPathProblem(written);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `no JSONPath: ${problem}` });
});

const timezone = text("a time zone, such as Europe/Berlin").refine(isTimezone, {
  error: "no such time zone; allowed are names such as Europe/Berlin and UTC",
});

const time = text("a time of day, HH:MM").refine((written) => timeOfDay(written) !== undefined, {
  error: "allowed is a time of day, 00:00 to 24:00",
});

const names = z.array(text("a name")).max(MAX_NAMES);

/** Exactly one of the members, by which the shape is chosen. */
function oneShape<Shape extends z.ZodType>(shapes: Readonly<Record<string, Shape>>): z.ZodType<z.output<Shape>> {
  return z.unknown().transform((given, context): z.output<Shape> => {
    const members = typeof given === "object" && given !== null ? Object.keys(given) : [];
    const chosen = Object.keys(shapes).filter((name) => members.includes(name));
    if (chosen.length !== 1) {
      context.addIssue({ code: "custom", message: `needs exactly one of ${Object.keys(shapes).join(", ")}` });
      return z.NEVER;
    }
    const read = (shapes[chosen[0] as string] as Shape).safeParse(given);
    if (read.success) return read.data;
    for (const { message, path, code, ...rest } of read.error.issues)
      context.addIssue({
        code: "custom",
        message: shownIssue({ message, path, code, ...rest } as z.core.$ZodIssue),
        path: [...path],
      });
    return z.NEVER;
  }) as unknown as z.ZodType<z.output<Shape>>;
}

const signalSource = oneShape<z.ZodType<SignalSource>>({
  jsonpath: z.strictObject({ url, jsonpath: path }),
  metric: z.strictObject({
    url,
    metric: z.string().regex(/^[A-Za-z_:][\w:]*$/, { error: "allowed is the name of a Prometheus sample" }),
    labels: z.record(z.string(), z.string()).default({}),
  }),
});

const blastRadius = z.strictObject({
  maxTargets: z
    .int({ error: "allowed is a whole number from 1 to 1000" })
    .min(1, { error: "allowed is 1 to 1000" })
    .max(1_000, { error: "allowed is 1 to 1000" })
    .default(1),
  maxShare: z
    .number({ error: "allowed is a number above 0, up to 1" })
    .gt(0, { error: "allowed is above 0, up to 1" })
    .max(1, { error: "allowed is above 0, up to 1" })
    .default(1),
  never: names.default([]),
  allowTotalOutage: z.boolean({ error: "allowed is true or false" }).default(false),
});

const businessHours = z
  .strictObject({
    timezone,
    days: z
      .array(z.enum(DAYS, { error: `allowed are ${DAYS.join(", ")}` }))
      .min(1, { error: "names at least one day" })
      .default(["mon", "tue", "wed", "thu", "fri"]),
    from: time.default("09:00"),
    to: time.default("16:00"),
  })
  .refine(({ from, to }) => from !== to, { error: "from and to are the same; for a whole day: 00:00 to 24:00" });

const onCall = oneShape<z.ZodType<OnCall>>({
  command: z.strictObject({ command: z.array(text("a program and its arguments")).min(1).max(100) }),
  url: z.strictObject({ url }),
  file: z.strictObject({ file: text("a path"), maxAgeMs: milliseconds(1_000, 7 * DAY_MS, 12 * 60 * MINUTE_MS) }),
});

const schedule = z.strictObject({
  cron: text("a cron pattern, such as 0 10 * * 2").superRefine((written, context) => {
    const problem = cronProblem(written);
    if (problem !== undefined) context.addIssue({ code: "custom", message: `no cron pattern: ${problem}` });
  }),
  timezone: timezone.default("UTC"),
  offsetMs: milliseconds(0, DAY_MS, 0),
});

const DEFAULT_ENVIRONMENTS = ["local", "staging", "production"];

const guardrails = z.strictObject({
  stop: z.array(text("a condition, such as acked_loss > 0")).max(32, { error: "allowed are at most 32" }).default([]),
  signals: z
    .record(z.string().regex(/^[A-Za-z_][\w.:-]*$/, { error: "allowed is a name such as error_ratio" }), signalSource)
    .default({}),
  blindAfterMs: milliseconds(1_000, MINUTE_MS, 5_000),
  baselineMs: milliseconds(0, 60 * MINUTE_MS, 30_000),
  baselineWithinMs: milliseconds(0, 60 * MINUTE_MS, 0),
  blastRadius: blastRadius.prefault({}),
  stations: z.strictObject({ url, jsonpath: path }).optional(),
  incident: oneShape<z.ZodType<IncidentSource>>({
    file: z.strictObject({ file: text("a path") }),
    url: z.strictObject({ url }),
  }).optional(),
  protectedPasses: passList.default([]),
  protectedPassesFile: text("a path").optional(),
  passMarginMs: milliseconds(0, DAY_MS, 10 * MINUTE_MS),
  environments: names
    .min(1, { error: "names at least one environment" })
    .refine((given) => new Set(given).size === given.length, { error: "names one twice" })
    .default(DEFAULT_ENVIRONMENTS),
  requirePassedIn: text("the name of an environment, previous or none").default("previous"),
  passedMaxAgeMs: milliseconds(MINUTE_MS, 366 * DAY_MS, 30 * DAY_MS),
  businessHours: z.union([z.literal("any"), businessHours]).optional(),
  onCall: z.union([z.literal("none"), onCall]).optional(),
  schedule: schedule.optional(),
  maxDurationMs: milliseconds(1_000, 60 * MINUTE_MS, 15 * MINUTE_MS),
});

/** One sentence for each thing that is wrong; a union tells what is wrong with its sections. */
function sentences(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const inner = issue.errors.at(-1) as readonly z.core.$ZodIssue[];
    return inner.flatMap((one) => sentences({ ...one, path: [...issue.path, ...one.path] } as z.core.$ZodIssue));
  }
  if (issue.code === "unrecognized_keys")
    return issue.keys.map(
      (key) => `${shownPath([...issue.path, key])}: there is no such field; ${allowed(fieldsAt(issue.path), key)}`,
    );
  return [`${shownPath(issue.path)}: ${shownIssue(issue)}`];
}

function shownIssue(issue: z.core.$ZodIssue): string {
  return issue.code === "unrecognized_keys" ? `there is no field ${issue.keys.join(", ")}` : issue.message;
}

function shownPath(path: readonly PropertyKey[]): string {
  return ["guardrails", ...path].join(".");
}

function fieldsAt(path: readonly PropertyKey[]): string[] {
  const sections: Readonly<Record<string, { readonly shape: object }>> = { blastRadius, businessHours, schedule };
  const section = path.length === 0 ? guardrails : sections[String(path[0])];
  return section === undefined ? [] : Object.keys(section.shape);
}

function allowed(words: readonly string[], given: string): string {
  const meant = nearestName(given, words);
  const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return words.length === 0 ? "remove it" : `allowed are ${words.join(", ")}${guess}`;
}
