/**
 * Reads request bodies as Toxiproxy does: the first JSON value counts and the rest is ignored; the
 * letter case of names does not matter; `null` and an absent field are the same; unknown fields are
 * left out; a value of the wrong type is refused.
 */
import { badBody } from "./fault-proxy-error.ts";

/** The first JSON value in `text`. Throws an `FaultProxyError` (400). */
export function firstJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === "") throw badBody("it is empty; send JSON");
    const end = endOfValue(text);
    if (end !== undefined && text.slice(end).trim() !== "") return firstJson(text.slice(0, end));
    throw badBody((error as Error).message);
  }
}

/** Where the first object or array ends, if it does. Every character is looked at once. */
function endOfValue(text: string): number | undefined {
  let depth = 0;
  for (let place = 0; place < text.length; place++) {
    const sign = text[place];
    if (sign === '"') {
      const end = endOfString(text, place);
      if (end === undefined || depth === 0) return undefined;
      place = end;
    } else if (sign === "{" || sign === "[") depth++;
    else if (sign === "}" || sign === "]") {
      depth--;
      if (depth <= 0) return place + 1;
    }
  }
  return undefined;
}

/** The place of the quote that closes the one at `start`. */
function endOfString(text: string, start: number): number | undefined {
  for (let place = start + 1; place < text.length; place++) {
    if (text[place] === "\\") place++;
    else if (text[place] === '"') return place;
  }
  return undefined;
}

/** The fields of a JSON object. `what`: how errors call it. */
export class Fields {
  readonly #what: string;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(what: string, given: unknown) {
    if (given !== null && (typeof given !== "object" || Array.isArray(given)))
      throw badBody(`${what} is ${shownValue(given)}; send an object`);
    this.#what = what;
    this.#values = new Map(Object.entries(given ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  }

  /**
   * Undefined: absent. Half a surrogate pair becomes U+FFFD, as in Go: in a name, no URL could say
   * it.
   */
  text(name: string): string | undefined {
    return (this.#typed(name, "string", "a text") as string | undefined)?.toWellFormed();
  }

  boolean(name: string): boolean | undefined {
    return this.#typed(name, "boolean", "true or false") as boolean | undefined;
  }

  number(name: string): number | undefined {
    const value = this.#typed(name, "number", "a number") as number | undefined;
    // JSON.parse reads 1e999 so.
    if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
      throw this.#wrong(name, value, "a smaller number");
    return value;
  }

  /** A number of milliseconds from `min` on; whole, as all of Toxiproxy's. */
  milliseconds(name: string, min: number, max: number): number | undefined {
    const value = this.number(name);
    if (value !== undefined && !(Number.isInteger(value) && value >= min && value <= max))
      throw badBody(`${this.#what}.${name} is ${value}; send a whole number of ms from ${min} to ${max}`);
    return value;
  }

  /** The fields of an object in this one; undefined: absent. */
  object(name: string): Fields | undefined {
    const value = this.#value(name);
    return value === undefined ? undefined : new Fields(`${this.#what}.${name}`, value);
  }

  /** An object as it is; undefined: absent. */
  record(name: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#wrong(name, value, "an object");
    return value as Readonly<Record<string, unknown>>;
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.#value(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.#wrong(name, value, "a list");
  }

  /** Whether the field is there and null. */
  isNull(name: string): boolean {
    return this.#values.get(name.toLowerCase()) === null;
  }

  #value(name: string): unknown {
    return this.#values.get(name.toLowerCase()) ?? undefined;
  }

  #typed(name: string, type: string, allowed: string): unknown {
    const value = this.#value(name);
    if (value === undefined || typeof value === type) return value;
    throw this.#wrong(name, value, allowed);
  }

  #wrong(name: string, value: unknown, allowed: string): Error {
    return badBody(`${this.#what}.${name} is ${shownValue(value)}; send ${allowed}`);
  }
}

/** A value as an error shows it: short, and whatever it is. */
export function shownValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  // JSON has no number without end: it would be called null.
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}
