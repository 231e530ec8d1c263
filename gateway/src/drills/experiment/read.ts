/**
 * Reads an experiment of Chaos Toolkit's format, JSON or YAML, and says all that is wrong with it
 * at once. Published experiments are taken as they are written; what this program cannot do (other
 * Python than the mapped functions, Python controls) is refused by its name, before anything runs.
 * References are resolved here. It looks at no environment, no file and no program. Source:
 * chaostoolkit-lib and its specification.
 */
import { DRILL_EXTENSION, readDrillExtension } from "./drill-extension.ts";
import type {
  Activity,
  Experiment,
  Hypothesis,
  HypothesisStrategy,
  Json,
  JsonObject,
  RollbackStrategy,
} from "./experiment.ts";
import { Fields } from "./fields.ts";
import { fieldOf, guess, isObject, type Path, type Problem, ProblemList, shown, shownPath } from "./problem.ts";
import { mappedPython } from "./python-map.ts";
import { DRY_STRATEGIES, isReference, readActivity, readControls } from "./read-activity.ts";
import { checkTolerance } from "./read-tolerance.ts";
import { readSourceText } from "./source-text.ts";
import { VARIABLE_TYPES } from "./variables.ts";

/** Most activities of an experiment, with its hypothesis and its rollbacks. */
const MAX_ACTIVITIES = 500;

const HYPOTHESIS_STRATEGIES: readonly HypothesisStrategy[] = [
  "default",
  "before-method-only",
  "after-method-only",
  "during-method-only",
  "continuously",
  "skip",
];
const ROLLBACK_STRATEGIES: readonly RollbackStrategy[] = ["default", "always", "never", "deviated"];

const EXPERIMENT_FIELDS = [
  "title",
  "description",
  "method",
  "steady-state-hypothesis",
  "rollbacks",
  "tags",
  "configuration",
  "secrets",
  "controls",
  "runtime",
  "contributions",
  "extensions",
  "version",
  "dry",
];

/**
 * Reads `text`, the content of a file called `name` (its ending decides on JSON or YAML). The
 * problems are all that were found, in the order of the file, at most 100.
 */
export function readExperiment(
  text: string,
  name: string,
): { readonly experiment: Experiment } | { readonly problems: readonly Problem[] } {
  const source = readSourceText(text, name);
  if ("problems" in source) return source;
  const { data, positionOf } = source;
  const problems = new ProblemList();
  const experiment = isObject(data) ? experimentIn(data, problems) : undefined;
  if (!isObject(data)) problems.add([], `${shown(data)} is no experiment; allowed is an object with title and method`);
  if (experiment !== undefined && problems.found.length === 0) return { experiment };
  const found = problems.found.map(({ path, message }): Problem => {
    const place = positionOf(path);
    return { where: path.length === 0 ? "1:1" : shownPath(path), message, ...place };
  });
  return { problems: found.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0)) };
}

function experimentIn(data: JsonObject, problems: ProblemList): Experiment | undefined {
  const fields = new Fields(data, [], EXPERIMENT_FIELDS, problems);
  const title = fields.text("title");
  const description = fields.text("description");
  checkTags(fields);
  const contributions = readContributions(fields);
  const configuration = readConfiguration(fields, problems);
  const secrets = readSecrets(fields);
  const controls = readControls(fields.list("controls"), ["controls"], problems);
  if ((fields.get("method") ?? null) === null)
    fields.problem("method", "it is missing; allowed is a list of activities, which may be empty");
  const activities = new ActivityReader(data, problems);
  const hypothesis = readHypothesis(fields, activities, problems);
  const method = activities.list(fields.list("method"), ["method"]);
  const rollbacks = activities.list(fields.list("rollbacks"), ["rollbacks"]);
  const dry = fields.optionalWord("dry", DRY_STRATEGIES);
  const strategies = readRuntime(fields, problems);
  const drill = readDrillExtension(readExtensions(fields, problems), problems);
  checkNeeds([...(hypothesis?.probes ?? []), ...method, ...rollbacks], configuration, problems);
  if (title === undefined || description === undefined) return undefined;
  return {
    title,
    description,
    tags: fields.list("tags").filter((tag): tag is string => typeof tag === "string"),
    contributions,
    configuration,
    secrets,
    controls,
    hypothesis,
    method,
    rollbacks,
    ...strategies,
    dry,
    drill,
    source: data,
  };
}

/** Some Python activities take what they need to know from the configuration. */
function checkNeeds(activities: readonly Activity[], configuration: JsonObject, problems: ProblemList): void {
  for (const { name, provider } of activities) {
    const needs = provider.type === "python" ? (mappedPython(provider.module, provider.func)?.needs ?? []) : [];
    if (needs.length === 0 || needs.some((needed) => Object.hasOwn(configuration, needed))) continue;
    problems.add(["configuration", needs[0] as string], `it is missing; ${shown(name)} needs ${needs.join(" or ")}`);
    return;
  }
}

function checkTags(fields: Fields): void {
  for (const [index, tag] of fields.list("tags").entries())
    if (typeof tag !== "string" || tag === "")
      fields.problem("tags", `item ${index} is ${shown(tag)}; allowed are texts that are not empty`);
}

function readContributions(fields: Fields): Readonly<Record<string, string>> {
  const given = fields.optionalObject("contributions") ?? {};
  for (const [name, value] of Object.entries(given))
    if (typeof value !== "string") fields.problem("contributions", `${name} is ${shown(value)}; allowed is a text`);
  return given as Readonly<Record<string, string>>;
}

/** The configuration as written; entries of type probe are checked as activities. */
function readConfiguration(fields: Fields, problems: ProblemList): JsonObject {
  const given = fields.optionalObject("configuration") ?? {};
  for (const [name, entry] of Object.entries(given)) {
    const path = ["configuration", name];
    const type = isObject(entry) ? fieldOf(entry, "type") : undefined;
    if (type === "probe") readActivity(entry, path, problems);
    if (type === "env" && isObject(entry)) checkEnvironmentEntry(entry, path, problems);
  }
  return given;
}

function checkEnvironmentEntry(entry: JsonObject, path: Path, problems: ProblemList): void {
  const fields = new Fields(entry, path, ["type", "key", "default", "env_var_type"], problems);
  fields.text("key");
  fields.optionalWord("env_var_type", VARIABLE_TYPES);
}

/** Secrets stand in groups: `{group: {name: value}}`. */
function readSecrets(fields: Fields): Readonly<Record<string, JsonObject>> {
  const given = fields.optionalObject("secrets") ?? {};
  const groups: [string, JsonObject][] = [];
  for (const [name, group] of Object.entries(given)) {
    const type = isObject(group) ? fieldOf(group, "type") : undefined;
    if (isObject(group) && type !== "env" && type !== "vault") groups.push([name, group]);
    else fields.problem("secrets", `${name} is no group; secrets stand in groups: {"group": {"name": …}}`);
  }
  return Object.fromEntries(groups);
}

function readExtensions(fields: Fields, problems: ProblemList): readonly (readonly [JsonObject, Path])[] {
  return fields.list("extensions").flatMap((given, index) => {
    const path: Path = ["extensions", index];
    const name = isObject(given) ? fieldOf(given, "name") : undefined;
    if (typeof name !== "string" || name.trim() === "") {
      problems.add(
        [...path, "name"],
        `${name === undefined ? "it is missing" : `${shown(name)} is not allowed`}; an extension has a name`,
      );
      return [];
    }
    return name === DRILL_EXTENSION ? [[given as JsonObject, path] as const] : [];
  });
}

function readRuntime(
  fields: Fields,
  problems: ProblemList,
): { readonly rollbackStrategy: RollbackStrategy; readonly hypothesisStrategy: HypothesisStrategy } {
  const given = fields.optionalObject("runtime") ?? {};
  const runtime = new Fields(given, ["runtime"], ["rollbacks", "hypothesis"], problems);
  const strategyOf = <Word extends string>(name: string, words: readonly Word[]): Word | undefined => {
    const part = runtime.optionalObject(name) ?? {};
    return new Fields(part, ["runtime", name], ["strategy"], problems).optionalWord("strategy", words);
  };
  return {
    rollbackStrategy: strategyOf("rollbacks", ROLLBACK_STRATEGIES) ?? "default",
    hypothesisStrategy: strategyOf("hypothesis", HYPOTHESIS_STRATEGIES) ?? "default",
  };
}

function readHypothesis(experiment: Fields, activities: ActivityReader, problems: ProblemList): Hypothesis | undefined {
  const given = experiment.optionalObject("steady-state-hypothesis");
  if (given === undefined) return undefined;
  const path = ["steady-state-hypothesis"];
  const fields = new Fields(given, path, ["title", "probes", "controls"], problems);
  const title = fields.text("title") ?? "";
  const probes = activities.list(fields.list("probes"), [...path, "probes"], true);
  const controls = readControls(fields.list("controls"), [...path, "controls"], problems);
  return { title, probes, controls };
}

/** Reads lists of activities, of which some refer to others by name. */
class ActivityReader {
  readonly #problems: ProblemList;
  readonly #named: ReadonlyMap<string, Json>;
  #count: number = 0;

  constructor(experiment: JsonObject, problems: ProblemList) {
    this.#problems = problems;
    this.#named = namedActivities(experiment);
  }

  list(given: readonly Json[], path: Path, isHypothesis: boolean = false): readonly Activity[] {
    return given.flatMap((written, index) => {
      if (++this.#count === MAX_ACTIVITIES + 1)
        this.#problems.add([...path, index], `there are more than ${MAX_ACTIVITIES} activities`);
      if (this.#count > MAX_ACTIVITIES) return [];
      const at = [...path, index];
      const activity = isReference(written)
        ? this.#referred(written, at, isHypothesis)
        : readActivity(written, at, this.#problems, isHypothesis);
      return activity === undefined ? [] : [activity];
    });
  }

  /**
   * The activity that `ref` names. In a hypothesis its tolerance stands beside `ref`, or else in
   * the activity that is meant. Its own problems are reported where it is written.
   */
  #referred(written: JsonObject, path: Path, isHypothesis: boolean): Activity | undefined {
    const name = fieldOf(written, "ref");
    const meant = typeof name === "string" ? this.#named.get(name) : undefined;
    if (typeof name !== "string" || name === "" || meant === undefined) {
      const near = typeof name === "string" ? guess(name, this.#named.keys()) : "";
      const names = [...this.#named.keys()].slice(0, 10).map((known) => JSON.stringify(known));
      const allowed = names.length === 0 ? "there are none with a name" : `there are ${names.join(", ")}`;
      const message = `${shown(name)} is no activity of the method or of the hypothesis${near}; ${allowed}`;
      this.#problems.add([...path, "ref"], message);
      return undefined;
    }
    if (isReference(meant)) {
      this.#problems.add([...path, "ref"], `${shown(name)} is itself a reference; name the activity that it refers to`);
      return undefined;
    }
    const activity = readActivity(meant, path, new ProblemList());
    if (!isHypothesis) return activity;
    const tolerance = fieldOf(written, "tolerance") ?? activity?.tolerance;
    checkTolerance(tolerance, [...path, "tolerance"], this.#problems, (probe, at) =>
      readActivity(probe, at, this.#problems),
    );
    return activity === undefined || tolerance === undefined ? undefined : { ...activity, tolerance };
  }
}

/**
 * The activities that can be referred to. As in Chaos Toolkit, those of the method and then those
 * of the hypothesis; of two with one name the last counts.
 */
function namedActivities(experiment: JsonObject): ReadonlyMap<string, Json> {
  const hypothesis = fieldOf(experiment, "steady-state-hypothesis");
  const lists = [fieldOf(experiment, "method"), isObject(hypothesis) ? fieldOf(hypothesis, "probes") : undefined];
  const named = new Map<string, Json>();
  for (const list of lists)
    for (const activity of Array.isArray(list) ? (list as readonly Json[]) : []) {
      const name = isObject(activity) ? fieldOf(activity, "name") : undefined;
      if (typeof name === "string" && name !== "") named.set(name, activity);
    }
  return named;
}
