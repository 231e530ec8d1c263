/**
 * What a type of toxic knows: its attributes, each with a kind, a default and the values that do no
 * harm to the proxy itself. Toxiproxy's rules hold: a missing attribute keeps its value (0 at
 * first), an unknown one is left out, a fraction where a whole number is meant is refused. Values
 * that would stop the reference (a negative rate) are refused too.
 */
import { shownValue } from "./request-fields.ts";
import type { Toxic } from "./toxic.ts";

export type AttributeRule =
  | {
      /** "whole": an integer, as all attributes of Toxiproxy are. "number": fractions too. */
      readonly kind: "whole" | "number";
      readonly default: number;
      readonly min: number;
      readonly max: number;
    }
  | {
      readonly kind: "word";
      /** Not shown while it has this value, since Toxiproxy's clients do not know it. */
      readonly default: string;
      readonly words: readonly string[];
    };

/** A type of toxic: its attributes in the order in which they are shown. */
export type ToxicType = Readonly<Record<string, AttributeRule>>;

/** The types of a protocol, by name. */
export type ToxicTypes = Readonly<Record<string, ToxicType>>;

export type Attributes = Toxic["attributes"];

/** The value of an attribute cannot be used; the message says which, and what is allowed. */
export class AttributeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AttributeError";
  }
}

/** A whole number from 0 to `max`, 0 if it is left out. */
export function wholeNumber(max: number): AttributeRule {
  return { kind: "whole", default: 0, min: 0, max };
}

/** The attributes of a type before anything was said about them. */
export function defaultAttributes(type: ToxicType): Attributes {
  return Object.fromEntries(Object.entries(type).map(([name, rule]) => [name, rule.default]));
}

/**
 * `before` with what `given` says, checked. Names are found whatever their letter case, as in Go.
 * Throws `AttributeError`.
 */
export function mergedAttributes(
  type: ToxicType,
  before: Attributes,
  given: Readonly<Record<string, unknown>>,
): Attributes {
  const merged: Record<string, number | string> = { ...before };
  for (const [key, value] of Object.entries(given)) {
    const name = Object.hasOwn(type, key)
      ? key
      : Object.keys(type).find((known) => known.toLowerCase() === key.toLowerCase());
    // A null leaves things as they are.
    if (name !== undefined && value !== null) merged[name] = checkedAttribute(name, type[name] as AttributeRule, value);
  }
  return merged;
}

/** `value` if the rule allows it for the attribute `name`. Throws `AttributeError`. */
export function checkedAttribute(name: string, rule: AttributeRule, value: unknown): number | string {
  if (rule.kind === "word") {
    if (typeof value === "string" && rule.words.includes(value)) return value;
    throw new AttributeError(`${name} is ${shownValue(value)}; allowed is one of ${rule.words.join(", ")}`);
  }
  const isRight = typeof value === "number" && (rule.kind === "number" || Number.isInteger(value));
  if (isRight && value >= rule.min && value <= rule.max) return value;
  const kind = rule.kind === "whole" ? "a whole number" : "a number";
  throw new AttributeError(`${name} is ${shownValue(value)}; allowed is ${kind} from ${rule.min} to ${rule.max}`);
}

/** The attributes as clients are shown them. */
export function shownAttributes(type: ToxicType, attributes: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(type).flatMap(([name, rule]) => {
      const value = attributes[name] ?? rule.default;
      return rule.kind === "word" && value === rule.default ? [] : [[name, value]];
    }),
  );
}
