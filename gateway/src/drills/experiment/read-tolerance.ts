/**
 * Checks that a tolerance has one of the shapes that mean something: a boolean, a whole number, a
 * text, a list, or an object of type regex, jsonpath, range or probe. What cannot be decided later
 * (a pattern that is none, a path of another dialect) is refused here, before anything is hurt.
 * Whether an output meets a tolerance is decided in `tolerance.ts`.
 */
import type { Json, JsonObject } from "./experiment.ts";
import { Fields } from "./fields.ts";
import { compiledPath } from "./json-path.ts";
import { fieldOf, guess, isList, isObject, type Path, type ProblemList, shown } from "./problem.ts";
import { compiledPattern } from "./python-regex.ts";

const TYPES = ["regex", "jsonpath", "range", "probe"] as const;

/**
 * Reports what is wrong with the tolerance at `path`. `readProbe`: checks a tolerance that is a
 * probe.
 */
export function checkTolerance(
  given: Json | undefined,
  path: Path,
  problems: ProblemList,
  readProbe: (probe: JsonObject, path: Path) => unknown,
): void {
  if (given === undefined || given === null) {
    problems.add(path, "it is missing; a probe of a hypothesis says what its output has to be");
  } else if (typeof given === "number" && !Number.isInteger(given)) {
    problems.add(path, `${shown(given)} is not allowed; a number has to be a whole one, or a range [from, to]`);
  } else if (isObject(given)) checkObject(given, path, problems, readProbe);
}

function checkObject(
  given: JsonObject,
  path: Path,
  problems: ProblemList,
  readProbe: (probe: JsonObject, path: Path) => unknown,
): void {
  const type = fieldOf(given, "type");
  switch (type) {
    case "regex":
      return checkRegex(new Fields(given, path, ["type", "pattern", "target"], problems));
    case "jsonpath":
      return checkJsonPath(new Fields(given, path, ["type", "path", "expect", "count", "target"], problems));
    case "range":
      return checkRange(new Fields(given, path, ["type", "range", "target"], problems));
    case "probe":
      return checkProbe(given, path, problems, readProbe);
    default: {
      const meant = typeof type === "string" ? guess(type, TYPES) : "";
      const got = type === undefined ? "it is missing" : `${shown(type)} is not allowed`;
      problems.add([...path, "type"], `${got}${meant}; a tolerance is of type ${TYPES.join(", ")}`);
    }
  }
}

/**
 * A probe as tolerance gets the output as its argument `value`: so its arguments are an object, and
 * it is no Python function, of which none that is stood in for has such a parameter.
 */
function checkProbe(
  given: JsonObject,
  path: Path,
  problems: ProblemList,
  readProbe: (probe: JsonObject, path: Path) => unknown,
): void {
  const isRead = readProbe(given, path) !== undefined;
  const provider = fieldOf(given, "provider");
  if (!isRead || !isObject(provider)) return;
  const at = [...path, "provider"];
  if (fieldOf(provider, "type") === "python") {
    const name = `${String(fieldOf(provider, "module"))}.${String(fieldOf(provider, "func"))}`;
    problems.add([...at, "func"], `${name} cannot be a tolerance: it has no argument value, which gets the output`);
  } else if (!isObject(fieldOf(provider, "arguments") ?? {})) {
    const message = "they have to be an object, because the output is passed as its field value";
    problems.add([...at, "arguments"], message);
  }
}

/** A text that is filled in only later (`${name}`) cannot be checked yet. */
function isComplete(text: string): boolean {
  return !/\$\{[_a-zA-Z]/.test(text);
}

function checkRegex(fields: Fields): void {
  fields.optionalText("target");
  const pattern = fields.get("pattern");
  if (typeof pattern !== "string") {
    fields.problem("pattern", `${pattern === undefined ? "it is missing" : `${shown(pattern)} is no text`}`);
  } else if (isComplete(pattern)) {
    const compiled = compiledPattern(pattern);
    if ("problem" in compiled) fields.problem("pattern", compiled.problem);
  }
}

function checkJsonPath(fields: Fields): void {
  fields.optionalText("target");
  const path = fields.text("path");
  if (path !== undefined && isComplete(path)) {
    const compiled = compiledPath(path);
    if ("problem" in compiled) fields.problem("path", compiled.problem);
  }
  const count = fields.get("count") ?? null;
  if (count !== null && !(Number.isInteger(count) && Number(count) >= 0))
    fields.problem("count", `${shown(count)} is not allowed; allowed is a whole number from 0`);
}

function checkRange(fields: Fields): void {
  fields.optionalText("target");
  const range = fields.get("range");
  const isRange = isList(range) && range.length === 2 && range.every((end) => typeof end === "number");
  if (!isRange) {
    const got = range === undefined ? "it is missing" : `${shown(range)} is not allowed`;
    fields.problem("range", `${got}; allowed is a list of two numbers: [from, to]`);
  } else if (Number(range[0]) > Number(range[1])) {
    fields.problem("range", `no number is from ${range[0]} to ${range[1]}; swap them`);
  }
}
