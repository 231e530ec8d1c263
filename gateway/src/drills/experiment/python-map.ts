/**
 * The Python functions that published experiments use and that this program can stand in for: those
 * of Toxiproxy's driver, and a few of Python's own library (a file, a pause). No Python runs. Every
 * other function is refused by its name when an experiment is read.
 */
import { nearestName } from "ground-station-failover/core";
import { guess, shown } from "./problem.ts";
import { mapping, optional, type PythonMapping, required } from "./python-plan.ts";
import { TOXIPROXY_DRIVER } from "./toxiproxy-driver.ts";

/** The mapping of a function; undefined: there is none, and the activity is refused. */
export function mappedPython(module: string, func: string): PythonMapping | undefined {
  const name = `${module}.${func}`;
  return Object.hasOwn(MAPPINGS, name) ? MAPPINGS[name] : undefined;
}

/** The modules that have mapped functions. */
export function mappedModules(): readonly string[] {
  return [...new Set(Object.keys(MAPPINGS).map((name) => name.slice(0, name.lastIndexOf("."))))];
}

/** For the sentence of a refusal: the functions of a known module, or the name that is near. */
export function nearestFunction(module: string, func: string): string {
  const names = Object.keys(MAPPINGS);
  if (!mappedModules().includes(module)) {
    const near = nearestName(module, mappedModules());
    return near === undefined ? "" : ` (did you mean ${near}.${func}?)`;
  }
  const functions = names.filter((name) => name.startsWith(`${module}.`)).map((name) => name.slice(module.length + 1));
  return guess(func, functions) || ` (of ${module} there are ${functions.join(", ")})`;
}

function pathProbe(what: "anything" | "file" | "directory"): PythonMapping {
  return mapping([required("path", "text")], [], (given) => ({
    kind: "path-exists",
    path: String(given["path"]),
    what,
  }));
}

const removeFile = mapping([required("path", "text")], [], (given) => ({
  kind: "remove-file",
  path: String(given["path"]),
}));

/** Longest pause, a day, in seconds: a longer one is a mistake of units. */
const MAX_SLEEP = 86_400;

/** Python takes the seconds by position only; experiments write either name. */
const sleep = mapping([optional("secs", "number", null), optional("seconds", "number", null)], [], (given) => {
  const seconds = given["secs"] ?? given["seconds"] ?? null;
  if (typeof seconds === "number" && seconds >= 0 && seconds <= MAX_SLEEP) return { kind: "sleep", seconds };
  return { problem: `the argument secs is ${shown(seconds)}; allowed is a number of seconds from 0 to ${MAX_SLEEP}` };
});

const MAPPINGS: Readonly<Record<string, PythonMapping>> = {
  "os.path.exists": pathProbe("anything"),
  "os.path.isfile": pathProbe("file"),
  "os.path.isdir": pathProbe("directory"),
  "os.remove": removeFile,
  "os.unlink": removeFile,
  "time.sleep": sleep,
  ...TOXIPROXY_DRIVER,
};
