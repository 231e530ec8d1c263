/**
 * Reads the fields of one object of an experiment: each is there or not, of the right kind or not.
 * Fields that nobody knows are allowed, as Chaos Toolkit allows them, unless their name is nearly
 * that of a known field that is missing: then a person meant that one, and its value would be lost
 * silently. What the fields mean together is checked by the callers.
 */
import { nearestName } from "ground-station-failover/core";
import type { Json, JsonObject } from "./experiment.ts";
import { fieldOf, guess, isList, isObject, type Path, type ProblemList, shown } from "./problem.ts";

/** Shorter names are near to too many words that mean something else (`node` and `name`). */
const MIN_GUESSED = 5;

/** One object that is being read. Every method reports what is wrong with its field. */
export class Fields {
  readonly object: JsonObject;
  readonly path: Path;
  readonly #problems: ProblemList;

  /** `known`: the fields that have a meaning here. */
  constructor(object: JsonObject, path: Path, known: readonly string[], problems: ProblemList) {
    this.object = object;
    this.path = path;
    this.#problems = problems;
    this.#refuseMisspelt(known);
  }

  get(name: string): Json | undefined {
    return fieldOf(this.object, name);
  }

  problem(name: string, message: string): void {
    this.#problems.add([...this.path, name], message);
  }

  /** A text that is not empty; undefined (with a problem) if it is none. */
  text(name: string): string | undefined {
    const given = this.get(name);
    if (typeof given === "string" && given.trim() !== "") return given;
    const hint = typeof given === "boolean" ? " (on, off, yes and no are none in YAML: put them in quotes)" : "";
    this.#refuse(name, given, `a text that is not empty${hint}`);
    return undefined;
  }

  /** A text that may be absent; undefined if it is. */
  optionalText(name: string): string | undefined {
    return this.#isAbsent(name) ? undefined : this.text(name);
  }

  /** A boolean that may be absent. */
  boolean(name: string, otherwise: boolean): boolean {
    const given = this.get(name);
    if (typeof given === "boolean") return given;
    if (!this.#isAbsent(name)) this.#refuse(name, given, "true or false");
    return otherwise;
  }

  /** An object that may be absent. */
  optionalObject(name: string): JsonObject | undefined {
    const given = this.get(name);
    if (isObject(given)) return given;
    if (!this.#isAbsent(name)) this.#refuse(name, given, "an object");
    return undefined;
  }

  /** A list that may be absent; then it is empty. */
  list(name: string): readonly Json[] {
    const given = this.get(name);
    if (isList(given)) return given;
    if (!this.#isAbsent(name)) this.#refuse(name, given, "a list");
    return [];
  }

  /** One of some words; it may be absent. */
  optionalWord<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    if (this.#isAbsent(name)) return undefined;
    const given = this.get(name);
    if (words.includes(given as Word)) return given as Word;
    const meant = typeof given === "string" ? guess(given, words) : "";
    this.problem(name, `${shown(given)} is not allowed${meant}; allowed is ${words.join(", ")}`);
    return undefined;
  }

  /** One of some words, which has to be there. */
  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    if (!this.#isAbsent(name)) return this.optionalWord(name, words);
    this.problem(name, `it is missing; allowed is ${words.join(", ")}`);
    return undefined;
  }

  /** `null` counts as absent, as in Chaos Toolkit: an empty line of YAML is one. */
  #isAbsent(name: string): boolean {
    return (this.get(name) ?? null) === null;
  }

  #refuse(name: string, given: Json | undefined, allowed: string): void {
    const got = given === undefined ? "it is missing" : `${shown(given)} is not allowed`;
    this.problem(name, `${got}; allowed is ${allowed}`);
  }

  #refuseMisspelt(known: readonly string[]): void {
    const missing = known.filter((name) => name.length >= MIN_GUESSED && this.get(name) === undefined);
    if (missing.length === 0) return;
    for (const name of Object.keys(this.object)) {
      if (known.includes(name) || name.startsWith("x-")) continue;
      const meant = nearestName(name, missing);
      if (meant !== undefined) this.problem(name, `there is no such field; did you mean ${meant}?`);
    }
  }
}
