/**
 * The configuration as it is in effect: every field with its value and where the value comes from,
 * which is a line of the file, a fixed default, or a default that follows from other fields.
 * Secrets are not in a configuration; header values may be, and are not shown. The fields are those
 * of the schema that reads the file, so none can be missing here.
 */
import type { GroupSettings } from "../fleet/settings.ts";
import { type FieldPath, shownPath } from "./field-path.ts";
import { type DescribedField, defaultOf, describedConfiguration } from "./json-schema.ts";
import { problemAt } from "./problems.ts";
import { shownDuration } from "./values.ts";
import { readYaml, type YamlFile } from "./yaml.ts";

export interface EffectiveField {
  /** In the usual notation: `groups[0].listen`. */
  readonly field: string;
  /** Undefined if nothing is in effect. */
  readonly value: unknown;
  /**
   * `file`: as written there. `default`: a fixed one. `derived`: a default that follows from other
   * fields. `unset`: nothing is set, which `note` explains.
   */
  readonly source: "file" | "default" | "derived" | "unset";
  /** Line in the file. */
  readonly line?: number | undefined;
  /** The rule of a default, in words. */
  readonly note?: string;
}

const REDACTED = "(not shown)";

/** Headers and queries of health pages may hold passwords. */
function withoutSecrets(path: FieldPath, given: unknown): unknown {
  if (path.includes("headers")) return REDACTED;
  return typeof given === "string" && /^(?:https?:\/\/|\/)/i.test(given)
    ? given.replace(/\?.*/s, `?${REDACTED}`)
    : given;
}

/** Defaults that follow from other fields, by the field's place in its group. */
const DERIVED: Readonly<Record<string, (group: GroupSettings) => unknown>> = {
  "heartbeat.timeout": ({ heartbeat }) => (heartbeat.kind === "http" ? shownDuration(heartbeat.timeoutMs) : undefined),
  "detector.windowSize": ({ detector }) => detector.windowSize,
  "detector.threshold": ({ detector }) => detector.threshold,
  "detector.suspectThreshold": ({ supervisor }) => supervisor.suspectThreshold,
  "detector.logThreshold": ({ detector }) => detector.logThreshold,
  "detector.minDeviation": ({ detector }) => shownDuration(detector.minDeviationMs),
  "detector.ceiling": ({ detector }) => shownDuration(detector.ceilingMs),
  "detector.gracePeriod": ({ supervisor }) =>
    supervisor.gracePeriodMs === undefined ? undefined : shownDuration(supervisor.gracePeriodMs),
  "commands.timeout": ({ commands }) => shownDuration(commands.timeoutMs),
  "commands.maxWait": ({ commands }) => shownDuration(commands.maxWaitMs),
  "commands.maxConcurrent": ({ commands }) => commands.maxConcurrent,
};

/** The fields of the valid file `source`; `groups`: its settings. */
export function effectiveFields(source: string, name: string, groups: readonly GroupSettings[]): EffectiveField[] {
  return new Effective(readYaml(source, name), groups).fields();
}

class Effective {
  readonly #file: YamlFile;
  readonly #groups: readonly GroupSettings[];
  readonly #found: EffectiveField[] = [];

  constructor(file: YamlFile, groups: readonly GroupSettings[]) {
    this.#file = file;
    this.#groups = groups;
  }

  fields(): EffectiveField[] {
    this.#section(describedConfiguration(), this.#file.data, []);
    return this.#found;
  }

  #section(described: DescribedField, given: unknown, path: FieldPath): void {
    const values = (given ?? {}) as Readonly<Record<string, unknown>>;
    for (const [name, field] of Object.entries(described.properties ?? {})) {
      this.#field(field, values[name], [...path, name]);
    }
  }

  #field(field: DescribedField, given: unknown, path: FieldPath): void {
    const kinds = field.oneOf?.filter(({ properties }) => properties?.["kind"] !== undefined) ?? [];
    if (kinds.length > 0) return this.#kinds(kinds, given, path);
    if (field.properties !== undefined) {
      if (given === undefined && field.byDefault !== undefined) return this.#absent(field, path);
      return this.#section(field, given, path);
    }
    const { items } = field;
    if (Array.isArray(given) && items?.properties !== undefined) {
      for (const [place, item] of given.entries()) this.#section(items, item, [...path, place]);
      return;
    }
    if (given === undefined) return this.#absent(field, path);
    const { line } = problemAt(this.#file.document, this.#file.lines, path, "");
    this.#found.push({ field: shownPath(path), value: withoutSecrets(path, given), source: "file", line });
  }

  /** A section of one of several kinds; `udp` is the default of the only one. */
  #kinds(kinds: readonly DescribedField[], given: unknown, path: FieldPath): void {
    const { kind = "udp" } = (given ?? {}) as { readonly kind?: string };
    const meant = kinds.find(({ properties }) => properties?.["kind"]?.const === kind);
    if (meant === undefined) return;
    const { kind: described, ...others } = meant.properties as Record<string, DescribedField>;
    const values = (given ?? {}) as Readonly<Record<string, unknown>>;
    this.#field({ ...described, default: kind }, values["kind"], [...path, "kind"]);
    this.#section({ properties: others }, given, path);
  }

  #absent(field: DescribedField, path: FieldPath): void {
    const shown = shownPath(path);
    if (field.default !== undefined) {
      this.#found.push({ field: shown, value: field.default, source: "default" });
      return;
    }
    // Links lead to pages of the guide.
    const note = (defaultOf(field) ?? "none").replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1");
    const value = this.#derived(path);
    if (value !== undefined) this.#found.push({ field: shown, value, source: "derived", note });
    else this.#found.push({ field: shown, value: undefined, source: "unset", note });
  }

  #derived([groups, place, ...rest]: FieldPath): unknown {
    const group = groups === "groups" ? this.#groups[place as number] : undefined;
    return group === undefined ? undefined : DERIVED[rest.map(String).join(".")]?.(group);
  }
}
