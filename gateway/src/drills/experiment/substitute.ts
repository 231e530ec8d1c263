/**
 * Fills values in: `${name}` becomes what the configuration, or else a secret, holds under that
 * name. The rules are those of Python's `string.Template`, which Chaos Toolkit uses: `$name` is
 * filled in too where the name is known, `$$` stands for one `$`, and what is not known stays as it
 * is written. Names of fields are never filled in, and a value that was filled in is not looked at
 * again, so nothing can refer to itself. Source: chaoslib's `substitute`.
 */
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject, Values } from "./experiment.ts";

/**
 * `$$`, `$name` or `${name}`; a name begins with a letter or `_` and has letters, digits and `_`.
 */
const PATTERN = /\$(?:(\$)|([_a-zA-Z][_a-zA-Z0-9]*)|\{([_a-zA-Z][_a-zA-Z0-9]*)\})/g;
const WHOLE = /^\$\{([_a-zA-Z][_a-zA-Z0-9]*)\}$/;

/**
 * Longest text that filling in may make, in UTF-16 units: a long value many times would fill the
 * memory.
 */
const MAX_TEXT = 4_194_304;

/**
 * `value` with all values filled in; the value given is not changed. A text that is only one
 * `${name}` becomes the value with its type; inside of a longer text a value is written as Python
 * writes it (`True`, `None`), lists and objects as JSON. Throws a `UserError` if a text becomes
 * longer than 4 Mi characters.
 */
export function substituted(value: Json, values: Values): Json {
  if (typeof value === "string") return inText(value, values);
  if (Array.isArray(value)) return value.map((item) => substituted(item, values));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, substituted(item, values)]));
  return value;
}

/** The names that `value` asks for with `${name}` and that `values` does not have. */
export function unknownNames(value: Json, values: Values): ReadonlySet<string> {
  const unknown = new Set<string>();
  const look = (item: Json): void => {
    if (typeof item === "string") {
      for (const [, , , name] of item.matchAll(PATTERN))
        if (name !== undefined && lookedUp(name, values) === undefined) unknown.add(name);
    } else if (typeof item === "object" && item !== null) for (const inner of Object.values(item)) look(inner);
  };
  look(value);
  return unknown;
}

function inText(text: string, values: Values): Json {
  const only = WHOLE.exec(text)?.[1];
  const whole = only === undefined ? undefined : lookedUp(only, values);
  if (whole !== undefined) return whole;
  let length = text.length;
  return text.replaceAll(PATTERN, (written, dollar?: string, plain?: string, braced?: string) => {
    if (dollar !== undefined) return "$";
    const name = (plain ?? braced) as string;
    const value = lookedUp(name, values);
    if (value === undefined) return written;
    const filled = writtenIn(value);
    length += filled.length;
    if (length > MAX_TEXT)
      throw new UserError("configuration", `a text with the value of ${name} has more than ${MAX_TEXT} characters`);
    return filled;
  });
}

function lookedUp(name: string, { configuration, secrets }: Values): Json | undefined {
  for (const names of [configuration, ...Object.values(secrets)] as readonly JsonObject[])
    if (Object.hasOwn(names, name)) return names[name];
  return undefined;
}

function writtenIn(value: Json): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}
