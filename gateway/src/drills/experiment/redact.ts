/**
 * Takes secrets out of what is written down: journals, logs, reports. Every form of a value that a
 * program usually writes is looked for: as it is, escaped for JSON, percent-encoded, in base64
 * (also inside of a longer one, such as `user:password`) and in hexadecimal. It is a net under
 * mistakes, not a proof: a value that was hashed, reversed or cut in two is not found.
 */
import type { Json, JsonObject } from "./experiment.ts";

/** What stands in the place of a secret. */
const REDACTED = "*****";

/**
 * Shorter secrets than this many characters are taken out only where a text is nothing else: to
 * look for `1` or `no` inside of texts would blank everything.
 */
const MIN_SEARCHED = 4;
/** Names of fields are redacted only for secrets of this length: `status` could be a secret. */
const MIN_IN_NAMES = 8;
/**
 * A line of a longer secret, such as a private key, is one itself if it has this many characters.
 */
const MIN_LINE = 16;
/** Characters of a base64 text that do not depend on what stands before and behind. */
const MIN_BASE64 = 6;

/** `json` without any of the secrets. For many texts, make a {@link redactor} once. */
export function redacted(json: Json, secrets: Readonly<Record<string, JsonObject>>): Json {
  return redactor(secrets)(json);
}

/** A function that takes all of `secrets` out of what it is given. */
export function redactor(secrets: Readonly<Record<string, JsonObject>>): (json: Json) => Json {
  const values = [...new Set(leavesOf(secrets))].filter((value) => value !== "" && !/^\*+$/.test(value));
  const exact = new Set(values.filter((value) => value.length < MIN_SEARCHED));
  const searched = values.filter((value) => value.length >= MIN_SEARCHED);
  const inTexts = expressionOf(searched);
  const inNames = expressionOf(searched.filter((value) => value.length >= MIN_IN_NAMES));
  const ofValue = (value: Json): Json => {
    if (typeof value === "string") return exact.has(value) ? REDACTED : without(value, inTexts);
    if (typeof value === "number") return searched.includes(String(value)) ? REDACTED : value;
    if (Array.isArray(value)) return value.map(ofValue);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [without(name, inNames), ofValue(item)]));
  };
  return ofValue;
}

/** All texts and numbers in the secrets, as texts, and the long lines of texts. */
function leavesOf(value: unknown): string[] {
  if (typeof value === "string") {
    const lines = value.split(/\r?\n/).filter((line) => line.length >= MIN_LINE);
    return [value, ...(value.includes("\n") ? lines : [])];
  }
  if (typeof value === "number") return [String(value)];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(leavesOf);
}

function expressionOf(values: readonly string[]): RegExp | undefined {
  const forms = [...new Set(values.flatMap(formsOf))].sort((one, other) => other.length - one.length);
  if (forms.length === 0) return undefined;
  return new RegExp(forms.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
}

/** A replacement can make a new occurrence of a strange secret (`*a`); then the whole text goes. */
const MAX_ROUNDS = 4;

function without(text: string, forms: RegExp | undefined): string {
  if (forms === undefined) return text;
  let rest = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = rest.replaceAll(forms, REDACTED);
    if (next === rest) return rest;
    rest = next;
  }
  return REDACTED;
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const percent = encodeURIComponent(secret);
  const strict = percent.replaceAll(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const escaped = JSON.stringify(secret).slice(1, -1);
  const plain = [secret, escaped, JSON.stringify(escaped).slice(1, -1), percent, strict];
  const encoded = [...plain, percent.replaceAll("%20", "+"), strict.replaceAll("%20", "+")];
  const lower = encoded.map((form) => form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
  const hex = bytes.toString("hex");
  return [...encoded, ...lower, hex, hex.toUpperCase(), ...base64FormsOf(bytes)];
}

/** The base64 of the secret alone, and the part of it that any longer text with it has. */
function base64FormsOf(bytes: Buffer): string[] {
  const whole = bytes.toString("base64");
  const inner = [0, 1, 2].map((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    const length = Math.floor((padded.length * 8) / 6);
    return padded.toString("base64").slice(Math.ceil((offset * 8) / 6), length);
  });
  const forms = [whole, whole.replace(/=+$/, ""), ...inner.filter((form) => form.length >= MIN_BASE64)];
  return [...forms, ...forms.map((form) => form.replaceAll("+", "-").replaceAll("/", "_"))];
}
