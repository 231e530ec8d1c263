/**
 * What is wrong with an experiment, and where. All problems of a file are found at once, because a
 * person who repairs a file wants to repair it once. The list is bounded: a file of a million
 * mistakes is not read to its end. It decides nothing about how problems are shown.
 */
import { nearestName } from "ground-station-failover/core";
import type { Json, JsonObject } from "./experiment.ts";

/** One problem of a file. */
export interface Problem {
  /**
   * The field, such as `method[1].provider.url`; or `line:column` where the text is not readable.
   */
  readonly where: string;
  readonly message: string;
  /** The line of the field, from 1; absent if it is not known. */
  readonly line?: number;
  /** The column of the field, from 1; absent if it is not known. */
  readonly column?: number;
}

/** The way to a field: names and positions in lists. */
export type Path = readonly (string | number)[];

/** Most problems that are reported of one file; then the search ends. */
export const MAX_PROBLEMS = 100;

/** The problems of one file, collected while it is read. */
export class ProblemList {
  readonly #found: { readonly path: Path; readonly message: string }[] = [];

  /** Whether a further problem would not be kept. */
  get isFull(): boolean {
    return this.#found.length >= MAX_PROBLEMS;
  }

  get found(): readonly { readonly path: Path; readonly message: string }[] {
    return this.#found;
  }

  add(path: Path, message: string): void {
    if (!this.isFull) this.#found.push({ path, message });
  }
}

/** `["method", 1, "provider"]` → `method[1].provider`. */
export function shownPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

const MAX_SHOWN = 60;

/** A value for a sentence: short, and lists and objects only by their kind. */
export function shown(given: unknown): string {
  if (given === undefined) return "nothing";
  if (given === null) return "an empty value";
  if (Array.isArray(given)) return "a list";
  if (typeof given === "object") return "an object";
  const text = typeof given === "string" ? JSON.stringify(given) : String(given);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** ` (did you mean X?)`, or nothing if no name is near. */
export function guess(given: string, names: Iterable<string>): string {
  const meant = nearestName(given, names);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}

/** Is `given` an object (and no list)? */
export function isObject(given: Json | undefined): given is JsonObject {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}

/** Is `given` a list? */
export function isList(given: Json | undefined): given is readonly Json[] {
  return Array.isArray(given);
}

/** The field `name` of `object` itself, never an inherited one. */
export function fieldOf(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
