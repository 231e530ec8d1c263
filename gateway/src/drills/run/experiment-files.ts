/**
 * Experiments on the disk: which files of a directory are experiments, and what is wrong with one.
 * A file is checked by the format and by everything that will have to play it: the injectors, the
 * guardrails, the stage. All problems are found at once.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readAtMost } from "../../adapters/process/bounded-file.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Activity, Experiment } from "../experiment/experiment.ts";
import type { Problem } from "../experiment/problem.ts";
import { readExperiment } from "../experiment/read.ts";
import type { DrillParts } from "./drill-parts.ts";
import { isOwn } from "./own-injections.ts";

/** A larger file is no experiment that a person wrote, in bytes. */
const MAX_FILE_BYTES = 4_194_304;
/** Files of one directory that are played at most. */
const MAX_FILES = 1_000;

export type ReadFile =
  | { readonly file: string; readonly experiment: Experiment }
  | { readonly file: string; readonly problems: readonly Problem[] };

/** Reads and checks an experiment. Throws a `UserError` if the file cannot be read. */
export function readExperimentFile(file: string, parts: DrillParts): ReadFile {
  const read = readExperiment(textOf(file), file);
  if ("problems" in read) return { file, problems: read.problems };
  const problems = problemsOf(read.experiment, parts);
  return problems.length > 0 ? { file, problems } : { file, experiment: read.experiment };
}

function textOf(file: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readAtMost(file, MAX_FILE_BYTES);
  } catch (error) {
    throw new UserError("usage", `${file} cannot be read: ${(error as Error).message}`);
  }
  if (bytes === undefined) throw new UserError("usage", `${file} is larger than ${MAX_FILE_BYTES} bytes`);
  return bytes.toString("utf8");
}

/** What injectors, guardrails and the stage find wrong with an experiment. */
function problemsOf(experiment: Experiment, parts: DrillParts): readonly Problem[] {
  const { drill } = experiment;
  const lists: ReadonlyArray<readonly [string, readonly Activity[]]> = [
    ["steady-state-hypothesis.probes", experiment.hypothesis?.probes ?? []],
    ["method", experiment.method],
    ["rollbacks", experiment.rollbacks],
  ];
  const ofInjectors = lists.flatMap(([list, activities]) =>
    activities.flatMap((activity, index) => injectorProblems(activity, `${list}[${index}].provider`, parts)),
  );
  if (drill === undefined) return ofInjectors;
  const extensions = experiment.source["extensions"];
  const index = Array.isArray(extensions) ? extensions.findIndex((one) => one?.name === "gsf") : 0;
  const place = `extensions[${index}]`;
  return [
    ...ofInjectors,
    ...parts.guardrails.problems(drill.guardrails).map((message) => ({ where: `${place}.guardrails`, message })),
    ...(drill.stage === undefined
      ? []
      : parts.stages.problems(drill.stage).map((message) => ({ where: `${place}.stage`, message }))),
  ];
}

function injectorProblems(activity: Activity, place: string, parts: DrillParts): readonly Problem[] {
  if (!isOwn(activity)) return [];
  const { type, arguments: args } = activity.provider;
  const injector = parts.injectors.get(type);
  if (injector === undefined) return [{ where: `${place}.type`, message: `there is no injector ${type}` }];
  return injector.problems(args).map((message) => ({ where: `${place}.arguments`, message }));
}

/**
 * False for a file that has nothing of an experiment, such as a configuration that a drill uses.
 */
export function isMeantAsExperiment(read: ReadFile): boolean {
  if (!("problems" in read)) return true;
  const missing = new Set(read.problems.filter(({ line }) => line === 1).map(({ where }) => where));
  return !["title", "description", "method"].every((field) => missing.has(field));
}

/** One line for each problem, such as `kill.yaml:12:3: method[0].name: it is missing`. */
export function problemLines(file: string, problems: readonly Problem[]): string[] {
  return problems.map(({ where, message, line, column }) => {
    const place = line === undefined ? file : `${file}:${line}${column === undefined ? "" : `:${column}`}`;
    return `${place}: ${where}: ${message}`;
  });
}

/**
 * The experiments of a directory and of those in it, by name. Throws a `UserError` if there are
 * none.
 */
export function experimentFilesIn(directory: string): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  } catch (error) {
    throw new UserError("usage", `the directory ${directory} cannot be read: ${(error as Error).message}`);
  }
  const files = names
    .filter((name) => /\.(?:json|ya?ml)$/i.test(name) && !name.split(/[\\/]/).some((part) => part.startsWith(".")))
    .sort();
  if (files.length === 0) throw new UserError("usage", `there is no experiment (.yaml, .yml, .json) in ${directory}`);
  if (files.length > MAX_FILES)
    throw new UserError("usage", `${directory} holds ${files.length} files; at most ${MAX_FILES} are played`);
  return files.map((name) => join(directory, name));
}
