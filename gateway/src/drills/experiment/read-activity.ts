/**
 * Reads one activity (a probe or an action), its provider and its controls. An activity that only
 * refers to another one by name is resolved by `read.ts`. A Python activity that ours has no
 * equivalent for is refused here by its name, as is every Python control: this program runs no
 * Python, and to skip a step silently would make the experiment another one.
 */
import {
  type Activity,
  type Control,
  type HttpProvider,
  INJECTORS,
  type InjectorName,
  type Json,
  type JsonObject,
  type Pauses,
  type ProcessProvider,
  type Provider,
  type PythonProvider,
} from "./experiment.ts";
import { Fields } from "./fields.ts";
import { fieldOf, isObject, type Path, type ProblemList, shown } from "./problem.ts";
import { mappedModules, mappedPython, nearestFunction } from "./python-map.ts";
import { checkTolerance } from "./read-tolerance.ts";

/** The values of `dry`: what a dry run leaves out. */
export const DRY_STRATEGIES = ["probes", "actions", "activities", "pause"] as const;

const ACTIVITY_FIELDS = [
  "type",
  "name",
  "provider",
  "background",
  "pauses",
  "controls",
  "timeout",
  "dry",
  "tolerance",
  "ref",
];
const PROVIDER_TYPES = ["http", "process", "python", ...INJECTORS];
const PROVIDER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  http: ["type", "url", "method", "headers", "arguments", "timeout", "verify_tls", "max_retries", "secrets"],
  process: ["type", "path", "arguments", "timeout", "secrets"],
  python: ["type", "module", "func", "arguments", "secrets", "secret"],
};

/** Reads the activity at `path`; undefined if it has a problem, which is in `problems` then. */
export function readActivity(
  given: Json,
  path: Path,
  problems: ProblemList,
  isInHypothesis: boolean = false,
): Activity | undefined {
  if (!isObject(given)) {
    problems.add(
      path,
      `${shown(given)} is not allowed; allowed is an activity: an object with type, name and provider`,
    );
    return undefined;
  }
  const fields = new Fields(given, path, ACTIVITY_FIELDS, problems);
  const type = fields.word("type", ["probe", "action"]);
  const name = fields.text("name");
  const provider = readProvider(fields, problems);
  const background = fields.boolean("background", false);
  const pauses = readPauses(fields, problems);
  const controls = readControls(fields.list("controls"), [...path, "controls"], problems);
  const timeout = fields.get("timeout") ?? null;
  if (timeout !== null && typeof timeout !== "number")
    fields.problem("timeout", `${shown(timeout)} is not allowed; allowed is a number of seconds`);
  const dry = fields.optionalWord("dry", DRY_STRATEGIES);
  const tolerance = fields.get("tolerance");
  if (isInHypothesis)
    checkTolerance(tolerance, [...path, "tolerance"], problems, (probe, at) => readActivity(probe, at, problems));
  if (type === undefined || name === undefined || provider === undefined) return undefined;
  return {
    type,
    name,
    provider,
    background,
    pauses,
    controls,
    ...(tolerance === undefined ? {} : { tolerance }),
    ...(dry === undefined ? {} : { dry }),
    source: given,
  };
}

/** Reads the field `provider` of an activity. */
function readProvider(activity: Fields, problems: ProblemList): Provider | undefined {
  const given = activity.get("provider");
  if (!isObject(given)) {
    const got = given === undefined ? "it is missing" : `${shown(given)} is not allowed`;
    activity.problem("provider", `${got}; allowed is an object with type (${PROVIDER_TYPES.join(", ")})`);
    return undefined;
  }
  const path = [...activity.path, "provider"];
  const written = fieldOf(given, "type");
  const known = typeof written === "string" ? (PROVIDER_FIELDS[written] ?? ["type", "arguments"]) : ["type"];
  const fields = new Fields(given, path, known, problems);
  const type = fields.word("type", PROVIDER_TYPES);
  switch (type) {
    case undefined:
      return undefined;
    case "http":
      return readHttp(fields);
    case "process":
      return readProcess(fields);
    case "python":
      return readPython(fields);
    default:
      return { type: type as InjectorName, arguments: fields.optionalObject("arguments") ?? {} };
  }
}

function readHttp(fields: Fields): HttpProvider | undefined {
  const url = fields.text("url");
  const method = fields.optionalText("method");
  const headers = fields.optionalObject("headers");
  if (url !== undefined && !url.includes("$") && !/^https?:\/\/[^/]/i.test(url))
    fields.problem("url", `${shown(url)} is not allowed; allowed is a URL that begins with http:// or https://`);
  return url === undefined
    ? undefined
    : {
        type: "http",
        url,
        ...(method === undefined ? {} : { method }),
        ...(headers === undefined ? {} : { headers }),
        ...present(fields.object, ["arguments", "timeout", "verify_tls", "max_retries"]),
      };
}

function readProcess(fields: Fields): ProcessProvider | undefined {
  const path = fields.text("path");
  const given = fields.get("arguments") ?? null;
  if (given !== null && typeof given !== "string" && typeof given !== "object")
    fields.problem("arguments", `${shown(given)} is not allowed; allowed is a text, a list or an object`);
  return path === undefined
    ? undefined
    : { type: "process", path, ...present(fields.object, ["arguments", "timeout"]) };
}

function readPython(fields: Fields): PythonProvider | undefined {
  const module = fields.text("module");
  const func = fields.text("func");
  const args = fields.optionalObject("arguments") ?? {};
  const given = fields.get("secrets");
  const secrets = (typeof given === "string" ? [given] : fields.list("secrets")).filter(
    (name) => typeof name === "string",
  );
  if (module === undefined || func === undefined) return undefined;
  const mapping = mappedPython(module, func);
  if (mapping === undefined) {
    fields.problem(
      "module",
      `the Python activity ${module}.${func} cannot be run${nearestFunction(module, func)}; ` +
        `this program runs no Python and stands in only for functions of ${mappedModules().join(", ")}`,
    );
    return undefined;
  }
  for (const message of mapping.problems(args)) fields.problem("arguments", message);
  return { type: "python", module, func, arguments: args, ...(secrets.length === 0 ? {} : { secrets }) };
}

/** The fields of `object` among `names` that are there. */
function present(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = fieldOf(object, name) ?? null;
      return value === null ? [] : [[name, value]];
    }),
  );
}

function readPauses(activity: Fields, problems: ProblemList): Pauses {
  const given = activity.optionalObject("pauses");
  if (given === undefined) return {};
  const fields = new Fields(given, [...activity.path, "pauses"], ["before", "after"], problems);
  const before = readPause(fields, "before");
  const after = readPause(fields, "after");
  return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

/** Longest pause, a day, in seconds: a longer one is a mistake of units. */
const MAX_PAUSE = 86_400;

function readPause(fields: Fields, name: "before" | "after"): number | string | undefined {
  const given = fields.get(name) ?? null;
  if (given === null) return undefined;
  if (typeof given === "number" && given >= 0 && given <= MAX_PAUSE) return given;
  if (typeof given === "string" && /^\$\{.*\}$/s.test(given)) return given;
  fields.problem(
    name,
    `${shown(given)} is not allowed; allowed is a number of seconds from 0 to ${MAX_PAUSE}, or one $` +
      "{name} of the configuration",
  );
  return undefined;
}

const CONTROL_FIELDS = ["name", "provider", "scope", "automatic", "ref"];

/** Reads the controls at `path`. One that has a problem is left out. */
export function readControls(given: readonly Json[], path: Path, problems: ProblemList): readonly Control[] {
  return given.flatMap((written, index) => {
    const control = readControl(written, [...path, index], problems);
    return control === undefined ? [] : [control];
  });
}

function readControl(given: Json, path: Path, problems: ProblemList): Control | undefined {
  if (!isObject(given)) {
    problems.add(path, `${shown(given)} is not allowed; allowed is a control: an object with name and provider`);
    return undefined;
  }
  const fields = new Fields(given, path, CONTROL_FIELDS, problems);
  const name = fields.text("name");
  const scope = fields.optionalWord("scope", ["before", "after"]);
  const automatic = fields.boolean("automatic", true);
  const written = fields.get("provider");
  if (isObject(written) && fieldOf(written, "type") === "python") {
    const module = fieldOf(written, "module");
    fields.problem(
      "provider",
      `the Python control ${typeof module === "string" ? module : shown(module)} cannot be run; ` +
        "controls of type http and process are allowed",
    );
    return undefined;
  }
  const provider = readProvider(fields, problems);
  if (provider === undefined || name === undefined) return undefined;
  if (provider.type !== "http" && provider.type !== "process") {
    fields.problem("provider", `a control cannot be of type ${provider.type}; allowed is http, process`);
    return undefined;
  }
  return { name, provider, ...(scope === undefined ? {} : { scope }), automatic };
}

/** Is it an activity that refers to another one, `{ref: "name"}`? */
export function isReference(given: Json): given is JsonObject {
  return isObject(given) && (fieldOf(given, "ref") ?? null) !== null;
}
