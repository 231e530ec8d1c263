/**
 * Checks of options, for callers without types. A refusal names the part, the option, its value and
 * what is allowed. An unknown name is refused together with the option that was probably meant.
 * NaN, text and missing values are refused like any other value out of range. Contradictions
 * between options are checked elsewhere (see `pipeline-hazards.ts`).
 */
import { ConfigurationError } from "./errors.ts";
import { nearestName } from "./nearest-name.ts";
import { readOf } from "./unknown-value.ts";

/** Bounds of a numeric option. Both ends are allowed, except `min` with `aboveMin`. */
export interface Range {
  readonly min: number;
  readonly max: number;
  /** Only whole numbers. Default false. */
  readonly integer?: boolean;
  /** `min` itself is not allowed. Default false. */
  readonly aboveMin?: boolean;
}

/** A duration in milliseconds, more than zero; at most about 24.8 days. */
export const DURATION_MS: Range = { min: 0, aboveMin: true, max: 2 ** 31 - 1 };
/** A duration that may also be zero or endless. */
export const WAIT_MS: Range = { min: 0, max: Number.POSITIVE_INFINITY };
/** A share, more than 0 and at most 1. */
export const RATE: Range = { min: 0, aboveMin: true, max: 1 };
/** Any number that can be ordered: everything but NaN. */
export const PRIORITY: Range = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
/** A count of at least one. */
export const COUNT: Range = { min: 1, max: 2 ** 31 - 1, integer: true };

/**
 * Returns `value` if it lies in `range`, otherwise throws {@link ConfigurationError} with hazard
 * `out-of-range`.
 */
export function checked(part: string, option: string, value: number, range: Range): number {
  const inside =
    typeof value === "number" &&
    value <= range.max &&
    (range.aboveMin === true ? value > range.min : value >= range.min) &&
    (range.integer !== true || Number.isInteger(value));
  if (inside) return value;
  const kind = range.integer === true ? "a whole number" : "a number";
  const low = range.aboveMin === true ? `above ${range.min}` : `from ${range.min}`;
  throw refusal(part, option, value, `${kind} ${low} up to ${range.max}`);
}

/** What to call the options object of the part itself. */
const OWN_OPTIONS = "its options object";

/** Options with all defaults filled in. */
export type Complete<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

/** The names of all options in `Options`: the compiler reports a missing or an extra one. */
export type Names<Options> = { readonly [Name in keyof Options]-?: true };

/**
 * Throws {@link ConfigurationError} if `given` is no object, or has a field that is not in `names`.
 * `option`: the option that holds it, for example `retry`; by default the options of `part` itself.
 */
export function checkNames(
  part: string,
  given: unknown,
  names: Readonly<Record<string, true>>,
  option: string = OWN_OPTIONS,
): void {
  if (!isOptions(given)) throw refusal(part, option, given, `an object with any of ${Object.keys(names).join(", ")}`);
  // Inherited fields count too, except those that were added to all objects.
  for (const name in given) {
    if (Object.hasOwn(names, name) || (name in Object.prototype && !Object.hasOwn(given, name))) continue;
    const meant = nearestName(name, Object.keys(names));
    const advice = meant === undefined ? `there are ${Object.keys(names).join(", ")}.` : `did you mean ${meant}?`;
    const where = option === OWN_OPTIONS ? name : `${option}.${name}`;
    throw new ConfigurationError("unknown-option", `${part}: there is no option ${where}; ${advice}`);
  }
}

/** Throws {@link ConfigurationError} if `given` is no object. */
export function checkObject(part: string, given: unknown, option: string): void {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw refusal(part, option, given, "an object");
}

/**
 * The options of a part, ready for destructuring: `given` itself, or a copy if it inherits some,
 * because destructuring would lose these. Throws {@link ConfigurationError} if it is no object with
 * options.
 */
export function optionsOf<Options extends object>(part: string, given: Options, option: string = OWN_OPTIONS): Options {
  if (!isOptions(given)) throw refusal(part, option, given, "an object");
  let inherited: Partial<Options> | undefined;
  for (const name in given) {
    if (!Object.hasOwn(given, name) && !(name in Object.prototype)) inherited = { ...inherited, [name]: given[name] };
  }
  return inherited === undefined ? given : { ...inherited, ...given };
}

/**
 * Can `given` hold options? A `Map`, a date, a promise (of an async function) or an array holds its
 * content in another way, or holds none.
 */
function isOptions(given: unknown): given is object {
  if (typeof given !== "object" || given === null) return false;
  const tag = tagOf(given);
  return tag === "Object" || tag === "Module";
}

/** The kind of object, by its own tag: "Object", "Map", "Promise", … */
function tagOf(given: object): string {
  const tag = readOf(() => Object.prototype.toString.call(given));
  return typeof tag === "string" ? tag.slice("[object ".length, -1) : "Object";
}

/** The refusal of a value that is no function to run. */
export function noOperation(part: string, given: unknown): ConfigurationError {
  return new ConfigurationError("no-operation", `${part}: the operation is ${shown(given)}; it must be a function.`);
}

/** Throws {@link ConfigurationError} if `given` is defined and no function. */
export function checkFunction(part: string, option: string, given: unknown): void {
  if (given !== undefined && typeof given !== "function") throw refusal(part, option, given, "a function");
}

/** Throws {@link ConfigurationError} if `given` is defined and no boolean. */
export function checkBoolean(part: string, option: string, given: unknown): void {
  if (given !== undefined && typeof given !== "boolean") throw refusal(part, option, given, "true or false");
}

/** Throws {@link ConfigurationError} if `given` is no text, or an empty one. */
export function checkName(part: string, option: string, given: unknown): void {
  if (typeof given !== "string" || given === "") throw refusal(part, option, given, "a text that is not empty");
}

/** Throws {@link ConfigurationError} if `given` is no abort signal. */
export function checkSignal(part: string, given: unknown, option: string = "signal"): void {
  const what = "an AbortSignal (the signal of an AbortController, not the controller)";
  checkMethods(part, option, given ?? null, ["addEventListener", "removeEventListener"], what);
  if (typeof (given as { aborted?: unknown }).aborted !== "boolean") throw refusal(part, option, given, what);
}

/**
 * Throws {@link ConfigurationError} if `given` is defined and lacks one of `methods`. `what`: what
 * it must be, in words.
 */
export function checkMethods(
  part: string,
  option: string,
  given: unknown,
  methods: readonly string[],
  what: string,
): void {
  if (given !== undefined && !hasMethods(given, methods)) throw refusal(part, option, given, what);
}

/** Is `given` an object that has all of `methods`? */
function hasMethods(given: unknown, methods: readonly string[]): boolean {
  if (typeof given !== "object" || given === null) return false;
  return methods.every((method) => typeof (given as Record<string, unknown>)[method] === "function");
}

/** The refusal of an option: its name, the value it got, and what it must be. */
export function refusal(part: string, option: string, given: unknown, allowed: string): ConfigurationError {
  const is = given === undefined ? "is missing" : `is ${shown(given)}`;
  return new ConfigurationError("out-of-range", `${part}: ${option} ${is}; it must be ${allowed}.`);
}

function aKind(tag: string): string {
  const isPlain = tag === "Object" || tag === "Array";
  return `${/^[AEIOU]/.test(tag) ? "an" : "a"} ${isPlain ? tag.toLowerCase() : tag.slice(0, LONGEST_SHOWN)}`;
}

/** Longer values are cut when they are shown. */
const LONGEST_SHOWN = 60;

/** `value` as it would be written in code: text in quotes. Never throws. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string": {
      const text = JSON.stringify(value);
      return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
    }
    case "function":
      return "a function";
    case "object":
      if (value === null) return "null";
      return aKind(tagOf(value));
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}
