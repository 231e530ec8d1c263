/**
 * Decides whether the output of a probe is what the hypothesis asks for. The rules are those of
 * Chaos Toolkit; values are compared as JSON, so `true` and 1 are not equal here, as they are in
 * Python. Where Python would raise an error because the output is of another kind (text against a
 * number), the tolerance is not met. A tolerance has been checked (`read-tolerance.ts`) and filled
 * in (`substitute.ts`) before. Source: chaoslib's `within_tolerance`.
 */
import type { Activity, Json, JsonObject } from "./experiment.ts";
import { compiledPath } from "./json-path.ts";
import { fieldOf, isList, isObject, ProblemList } from "./problem.ts";
import { compiledPattern } from "./python-regex.ts";
import { readActivity } from "./read-activity.ts";

/** Plays a probe that is a tolerance: its arguments hold the output as `value`. */
export type RunProbe = (probe: Activity) => Promise<{ readonly status: "succeeded" | "failed"; readonly output: Json }>;

/** A tolerance could not be decided: the reason is the message. The probe counts as failed. */
export class UndecidedTolerance extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UndecidedTolerance";
  }
}

/**
 * Whether `output` is within `tolerance`, whose values are filled in. `runProbe` is needed for a
 * tolerance of type probe only; such a probe that fails means no. Throws
 * {@link UndecidedTolerance} if a pattern takes too long, or a filled-in pattern or path is none.
 */
export function meetsTolerance(tolerance: Json, output: Json, runProbe?: RunProbe): boolean | Promise<boolean> {
  if (typeof tolerance === "boolean" || typeof tolerance === "string") return output === tolerance;
  if (typeof tolerance === "number") return output === tolerance || statusOf(output) === tolerance;
  if (isList(tolerance)) return meetsList(tolerance, output);
  if (!isObject(tolerance)) return false;
  const type = fieldOf(tolerance, "type");
  if (type === "probe") return meetsProbe(tolerance, output, runProbe);
  const value = targetOf(tolerance, output);
  if (value === undefined) return false;
  switch (type) {
    case "regex":
      return meetsRegex(tolerance, value);
    case "jsonpath":
      return meetsJsonPath(tolerance, value);
    case "range":
      return meetsRange(tolerance, value);
    default:
      return false;
  }
}

function statusOf(output: Json): Json | undefined {
  return isObject(output) ? fieldOf(output, "status") : undefined;
}

function meetsList(tolerance: readonly Json[], output: Json): boolean {
  const status = statusOf(output);
  if (status !== undefined) return tolerance.some((allowed) => isSame(allowed, status));
  if (tolerance.length !== 2) return tolerance.some((allowed) => isSame(allowed, output));
  const [from, to] = tolerance;
  if (typeof output === "number" && typeof from === "number" && typeof to === "number")
    return from <= output && output <= to;
  if (typeof output === "string" && typeof from === "string" && typeof to === "string")
    return from <= output && output <= to;
  return false;
}

/**
 * The field of the output that `target` names; the output itself if it has no such field. Undefined
 * if it can have no fields: that is an error in Python, so the tolerance is not met.
 */
function targetOf(tolerance: JsonObject, output: Json): Json | undefined {
  const target = fieldOf(tolerance, "target");
  if (typeof target !== "string" || target === "") return output;
  if (!isObject(output)) return undefined;
  const field = fieldOf(output, target);
  return field === undefined ? output : field;
}

function meetsRegex(tolerance: JsonObject, value: Json): boolean {
  if (typeof value !== "string") return false;
  const pattern = fieldOf(tolerance, "pattern");
  const compiled = compiledPattern(typeof pattern === "string" ? pattern : String(pattern));
  if ("problem" in compiled) throw new UndecidedTolerance(compiled.problem);
  const found = compiled.isFound(value);
  if (typeof found !== "boolean") throw new UndecidedTolerance(found.problem);
  return found;
}

function meetsJsonPath(tolerance: JsonObject, value: Json): boolean {
  const path = fieldOf(tolerance, "path");
  const compiled = compiledPath(typeof path === "string" ? path : String(path));
  if ("problem" in compiled) throw new UndecidedTolerance(compiled.problem);
  const found = compiled.find(parsedIfText(value));
  if ("problem" in found) throw new UndecidedTolerance(found.problem);
  const expected = fieldOf(tolerance, "expect");
  if (expected !== undefined) return isSame(found, isList(expected) ? expected : [expected]);
  const count = fieldOf(tolerance, "count") ?? null;
  return count === null ? found.length > 0 : found.length === count;
}

function parsedIfText(value: Json): Json {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return value;
  }
}

function meetsRange(tolerance: JsonObject, value: Json): boolean {
  const range = fieldOf(tolerance, "range");
  const number = decimalIn(value);
  if (number === undefined || !isList(range)) return false;
  const [from, to] = range.map(decimalIn);
  return from !== undefined && to !== undefined && from <= number && number <= to;
}

/** A number, or a text that is nothing but one, with white space round it. */
function decimalIn(value: Json | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/.test(value)) return undefined;
  return Number(value);
}

async function meetsProbe(tolerance: JsonObject, output: Json, runProbe: RunProbe | undefined): Promise<boolean> {
  if (runProbe === undefined) throw new UndecidedTolerance("a tolerance of type probe cannot be played here");
  const written = fieldOf(tolerance, "provider");
  const provider = isObject(written) ? written : {};
  const args = fieldOf(provider, "arguments");
  const given = { ...(isObject(args) ? args : {}), value: output };
  const problems = new ProblemList();
  const probe = readActivity({ ...tolerance, provider: { ...provider, arguments: given } }, [], problems);
  if (probe === undefined) throw new UndecidedTolerance(problems.found[0]?.message ?? "the probe is not valid");
  const { status, output: answer } = await runProbe(probe);
  return status === "succeeded" && isTruthy(answer);
}

/** What Python takes for true. */
function isTruthy(value: Json): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Are they equal as JSON? The order of an object's fields does not matter. */
function isSame(one: Json, other: Json): boolean {
  if (isList(one))
    return isList(other) && one.length === other.length && one.every((item, at) => isSame(item, other[at] as Json));
  if (!isObject(one)) return one === other;
  if (!isObject(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name] as Json, other[name] as Json))
  );
}
