/**
 * Finds the values that `${name}` stands for: those of the configuration and of the secrets, from
 * the file, the environment, and what the caller gives. Entries that a probe has to find out are
 * only listed, because nothing is run here. A value that is missing is a problem of the experiment,
 * as in Chaos Toolkit; a secret's value is in no message. Source: chaoslib's `load_configuration`
 * and `load_secrets`.
 */
import type { Activity, Experiment, Json, JsonObject, Values } from "./experiment.ts";
import { fieldOf, guess, isObject, type Path, type Problem, ProblemList, shown, shownPath } from "./problem.ts";
import { readActivity } from "./read-activity.ts";
import { convertedTo, NO_OVERRIDES, type Overrides } from "./variables.ts";

/** An entry of the configuration whose value a probe finds out. */
interface DynamicEntry {
  readonly name: string;
  readonly probe: Activity;
}

/** What an experiment's configuration and secrets are in this run. */
export interface LoadedConfiguration {
  /** Without the dynamic entries. */
  readonly values: Values;
  readonly problems: readonly Problem[];
  /** In the order of the file: a later probe may use what an earlier one found. */
  readonly dynamic: readonly DynamicEntry[];
  /** The environment for the experiment's processes: the given one and the files' lines. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Loads the configuration and the secrets of `experiment`. A given value of a name that the
 * experiment does not have is refused if it came with `--var`, and ignored if it came from a file,
 * because a file can serve several experiments.
 */
export function loadConfiguration(
  experiment: Experiment,
  environment: Readonly<Record<string, string | undefined>>,
  overrides: Overrides = NO_OVERRIDES,
): LoadedConfiguration {
  const loading = new Loading({ ...environment, ...overrides.environment });
  const names = Object.keys(experiment.configuration);
  for (const name of Object.keys(overrides.variables)) if (!names.includes(name)) loading.unknownVariable(name, names);
  for (const name of names) {
    const own = experiment.configuration[name] as Json;
    const fromFile = fieldOf(overrides.configuration, name);
    const given = fieldOf(overrides.variables, name);
    loading.entry(name, given ?? fromFile ?? own, given !== undefined);
  }
  const secrets = Object.entries(experiment.secrets).map(([group, own]): [string, JsonObject] => {
    const given = fieldOf(overrides.secrets as JsonObject, group);
    return [group, loading.secrets(own, isObject(given) ? given : {}, ["secrets", group])];
  });
  return {
    values: { configuration: Object.fromEntries(loading.configuration), secrets: Object.fromEntries(secrets) },
    problems: loading.problems.found.map(({ path, message }) => ({ where: shownPath(path), message })),
    dynamic: loading.dynamic,
    environment: loading.environment,
  };
}

class Loading {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly configuration: [string, Json][] = [];
  readonly dynamic: DynamicEntry[] = [];
  readonly problems: ProblemList = new ProblemList();

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.environment = environment;
  }

  unknownVariable(name: string, names: readonly string[]): void {
    const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    const message = `the experiment has no configuration ${shown(name)}${guess(name, names)}; ${known}`;
    this.problems.add(["configuration", name], message);
  }

  /** `isFinal`: a value that is taken as it is, whatever it looks like. */
  entry(name: string, given: Json, isFinal: boolean): void {
    const type = isObject(given) && !isFinal ? fieldOf(given, "type") : undefined;
    const path = ["configuration", name];
    if (type === "env") {
      const value = this.#fromEnvironment(given as JsonObject, path);
      if (value !== undefined) this.configuration.push([name, value]);
    } else if (type === "probe") {
      const probe = readActivity(given, path, this.problems);
      if (probe !== undefined) this.dynamic.push({ name, probe });
    } else this.configuration.push([name, given]);
  }

  /** The secrets of a group; `given`: those that take their place. */
  secrets(own: JsonObject, given: JsonObject, path: Path): JsonObject {
    const entries = Object.entries(own).flatMap(([name, value]): [string, Json][] => {
      const resolved = this.#secret(fieldOf(given, name) ?? value, [...path, name]);
      return resolved === undefined ? [] : [[name, resolved]];
    });
    return Object.fromEntries(entries);
  }

  #secret(given: Json, path: Path): Json | undefined {
    if (!isObject(given)) return given;
    const type = fieldOf(given, "type");
    if (type === "env") return this.#fromEnvironment(given, path);
    if (type !== "vault") return this.secrets(given, {}, path);
    const from = fieldOf(given, "path") ?? fieldOf(given, "key");
    this.problems.add(
      path,
      `it is in a HashiCorp Vault (${shown(from)}), which this program does not read; ` +
        "read it with the vault's own program into a variable, and use type env",
    );
    return undefined;
  }

  #fromEnvironment(entry: JsonObject, path: Path): Json | undefined {
    const key = fieldOf(entry, "key");
    if (typeof key !== "string" || key === "") {
      this.problems.add([...path, "key"], `${shown(key)} is not allowed; allowed is the name of a variable`);
      return undefined;
    }
    const found = Object.hasOwn(this.environment, key) ? this.environment[key] : undefined;
    const value = found ?? fieldOf(entry, "default");
    if (value === undefined) {
      this.problems.add(path, `the environment has no variable ${key}, and there is no default`);
      return undefined;
    }
    const type = fieldOf(entry, "env_var_type") ?? "str";
    const converted = convertedTo(String(type), value);
    if ("value" in converted) return converted.value;
    this.problems.add(
      path,
      found === undefined ? `the default: ${converted.problem}` : `the variable ${key}: ${converted.problem}`,
    );
    return undefined;
  }
}
