/**
 * Values that the caller of a run gives: `--var key[:type]=value`, and files for `--var-file`. A
 * file in JSON or YAML has the members `configuration` and `secrets`, in the form that they have in
 * an experiment; every other file is one of `NAME=value` lines for the environment. Reading the
 * files is the caller's. Source: chaoslib's `merge_vars` and `convert_vars`.
 */
import { parseEnv } from "node:util";
import type { Json, JsonObject } from "./experiment.ts";
import { fieldOf, guess, isObject, MAX_PROBLEMS, type Problem, shown } from "./problem.ts";
import { MAX_TEXT_BYTES, readSourceText } from "./source-text.ts";

/** Values that take the place of an experiment's own. */
export interface Overrides {
  /** From `--var`: it wins over everything else. */
  readonly variables: JsonObject;
  /** From files: each in the form that it has in an experiment, so `{type: env, …}` too. */
  readonly configuration: JsonObject;
  /** From files. */
  readonly secrets: Readonly<Record<string, JsonObject>>;
  /** From files of `NAME=value` lines: these win over the environment of the process. */
  readonly environment: Readonly<Record<string, string>>;
}

/** No value is given. */
export const NO_OVERRIDES: Overrides = { variables: {}, configuration: {}, secrets: {}, environment: {} };

/** The values of `env_var_type`, with the other names that chaoslib takes for them. */
export const VARIABLE_TYPES = ["str", "string", "int", "integer", "float", "number", "bytes", "bool", "json"] as const;
type VariableType = (typeof VARIABLE_TYPES)[number];

/** A file that was given with `--var-file`. */
export interface VariableFile {
  readonly name: string;
  readonly text: string;
}

/**
 * The values of all `--var` and `--var-file`, in this order: a later file wins over an earlier one,
 * `--var` wins over files. `where` of a problem is the argument or the file.
 */
export function overridesOf(
  variables: readonly string[],
  files: readonly VariableFile[],
): { readonly overrides: Overrides; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const given: [string, Json][] = [];
  for (const argument of variables) {
    const read = variableIn(argument);
    if ("problem" in read) problems.push({ where: `--var ${argument.split("=", 1)[0]}`, message: read.problem });
    else given.push([read.name, read.value]);
  }
  let overrides: Overrides = { ...NO_OVERRIDES, variables: Object.fromEntries(given) };
  for (const file of files) {
    const read = overridesIn(file);
    if ("problems" in read) problems.push(...read.problems);
    else overrides = merged(overrides, read);
  }
  return { overrides, problems: problems.slice(0, MAX_PROBLEMS) };
}

function merged(one: Overrides, other: Partial<Overrides>): Overrides {
  const groups = { ...one.secrets };
  for (const [group, names] of Object.entries(other.secrets ?? {}))
    Object.assign(groups, Object.fromEntries([[group, { ...(fieldOf(groups, group) as JsonObject), ...names }]]));
  return {
    variables: one.variables,
    configuration: { ...one.configuration, ...other.configuration },
    secrets: groups,
    environment: { ...one.environment, ...other.environment },
  };
}

/** Reads one `key[:type]=value`. The value is not in the problem, because it may be a secret. */
function variableIn(argument: string): { readonly name: string; readonly value: Json } | { readonly problem: string } {
  const equals = argument.indexOf("=");
  if (equals <= 0) return { problem: "it has to be key=value or key:type=value" };
  const key = argument.slice(0, equals);
  const text = argument.slice(equals + 1);
  const colon = key.lastIndexOf(":");
  const name = colon === -1 ? key : key.slice(0, colon);
  const type = colon === -1 ? "str" : key.slice(colon + 1);
  if (name === "") return { problem: "it has to be key=value or key:type=value" };
  const converted = convertedTo(type, text);
  return "problem" in converted ? converted : { name, value: converted.value };
}

function overridesIn(file: VariableFile): Partial<Overrides> | { readonly problems: readonly Problem[] } {
  if (Buffer.byteLength(file.text) > MAX_TEXT_BYTES)
    return { problems: [{ where: file.name, message: `it has more than ${MAX_TEXT_BYTES} bytes` }] };
  if (!/\.(?:json|ya?ml)$/i.test(file.name))
    return { environment: parseEnv(file.text) as Readonly<Record<string, string>> };
  const source = readSourceText(file.text, file.name);
  if ("problems" in source)
    return { problems: source.problems.map((one) => ({ ...one, where: `${file.name}:${one.where}` })) };
  const { data } = source;
  const refused = (where: string, message: string): { readonly problems: readonly Problem[] } => ({
    problems: [{ where: `${file.name}${where}`, message }],
  });
  if (!isObject(data)) return refused("", `${shown(data)} is not allowed; allowed is an object`);
  const known = ["configuration", "secrets"];
  for (const name of Object.keys(data))
    if (!known.includes(name) && guess(name, known) !== "")
      return refused(` ${name}`, `there is no such field${guess(name, known)}`);
  const configuration = fieldOf(data, "configuration") ?? {};
  const secrets = fieldOf(data, "secrets") ?? {};
  if (!isObject(configuration)) return refused(" configuration", "allowed is an object");
  if (!isObject(secrets) || !Object.values(secrets).every(isObject))
    return refused(" secrets", 'secrets stand in groups: {"group": {"name": …}}');
  return { configuration, secrets: secrets as Readonly<Record<string, JsonObject>> };
}

/**
 * `value` (a text, or a default that may have its type already) as `type`. Bytes stay text, because
 * a value is JSON here.
 */
export function convertedTo(type: string, value: Json): { readonly value: Json } | { readonly problem: string } {
  if (!VARIABLE_TYPES.includes(type as VariableType))
    return {
      problem: `the type ${shown(type)} is not allowed${guess(type, VARIABLE_TYPES)}; allowed is ${VARIABLE_TYPES.join(", ")}`,
    };
  switch (type as VariableType) {
    case "str":
    case "string":
    case "bytes":
      return { value };
    case "int":
    case "integer":
      return numberIn(value, /^[-+]?\d+(?:_\d+)*$/, "a whole number");
    case "float":
    case "number":
      return numberIn(value, /^[-+]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/, "a number");
    case "bool":
      return {
        value: typeof value === "boolean" ? value : !["false", "0", "no"].includes(String(value).toLowerCase()),
      };
    case "json":
      return parsed(value);
  }
}

function numberIn(value: Json, allowed: RegExp, kind: string): { readonly value: Json } | { readonly problem: string } {
  const text = typeof value === "string" ? value.trim() : String(value);
  const number = allowed.test(text) ? Number(text.replaceAll("_", "")) : Number.NaN;
  if (!Number.isFinite(number)) return { problem: `its value is not ${kind}` };
  if (Number.isInteger(number) && !Number.isSafeInteger(number))
    return { problem: "its value is a number with more than 15 digits, which would lose some; give it as a text" };
  return { value: number };
}

function parsed(value: Json): { readonly value: Json } | { readonly problem: string } {
  if (typeof value !== "string" || value === "") return { value };
  try {
    return { value: JSON.parse(value) as Json };
  } catch {
    return { problem: "its value is not JSON" };
  }
}
