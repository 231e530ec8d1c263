/**
 * The kinds of values in a configuration: durations, sizes, addresses, names. Each kind reads the
 * usual notation (`50ms`, `1MiB`, `[::1]:80`). If it cannot, it says in one sentence what it got
 * and what is allowed; the caller knows where the sentence is shown and at which line. Each kind
 * also has its JSON Schema and its range in words, from which `json-schema.ts` makes the texts for
 * editors and for the guide's tables. It is one file because the kinds share their notations.
 */
import { nearestName } from "ground-station-failover/core";
import { z } from "zod";
import { isAddressRange } from "../adapters/http/trusted-proxies.ts";
import { listenAddressIn, serviceUrlIn } from "../adapters/process/addresses.ts";
import type { ListenSettings } from "../fleet/settings.ts";
import type { HeaderList, StatusRange } from "../fleet/uplink.ts";

/**
 * Most problems that are shown of one file; the others are only counted. More would not help, and
 * each one takes time to find.
 */
export const MAX_PROBLEMS = 100;

/**
 * JSON Schema of a kind of value, never stricter than the reader, and its text in the guide's
 * tables: either the allowed values, or the name of a kind that the guide explains in one place.
 */
type Shape = Readonly<Record<string, unknown>> & ({ readonly range: string } | { readonly kind: string });

/** A duration, in milliseconds once read. A bare number counts milliseconds. */
export function duration(minMs: number, maxMs: number): z.ZodType<number> {
  const [min, max] = [shownDuration(minMs), shownDuration(maxMs)];
  const shape = {
    anyOf: [{ type: "number", minimum: minMs, maximum: maxMs }, textWithUnit(DURATION_UNITS)],
    range: `${minMs === 0 ? 0 : min} … ${max}`,
  };
  return value(`a duration from ${min} to ${max}, such as 50ms, 1s or 2m`, shape, (given) =>
    within(withUnit(given, DURATION_UNITS), minMs, maxMs),
  );
}

/** An amount of memory, in bytes once read. A bare number counts bytes. */
export function size(minBytes: number, maxBytes: number): z.ZodType<number> {
  const [min, max] = [shownSize(minBytes), shownSize(maxBytes)];
  const shape = {
    anyOf: [{ type: "integer", minimum: minBytes, maximum: maxBytes }, textWithUnit(SIZE_UNITS)],
    range: `${minBytes === 0 ? 0 : min} … ${max}`,
  };
  return value(`a size from ${min} to ${max}, such as 64KiB or 1MiB`, shape, (given) => {
    const bytes = within(withUnit(given, SIZE_UNITS), minBytes, maxBytes);
    return Number.isInteger(bytes) ? bytes : undefined;
  });
}

export function wholeNumber(min: number, max: number): z.ZodType<number> {
  const shape = { type: "integer", minimum: min, maximum: max, range: `${shownNumber(min)} … ${shownNumber(max)}` };
  return value(`a whole number from ${min} to ${max}`, shape, (given) =>
    Number.isInteger(given) ? within(given as number, min, max) : undefined,
  );
}

export function decimal(min: number, max: number): z.ZodType<number> {
  const shape = { type: "number", minimum: min, maximum: max, range: `${shownNumber(min)} … ${shownNumber(max)}` };
  return value(`a number from ${min} to ${max}`, shape, (given) =>
    typeof given === "number" ? within(given, min, max) : undefined,
  );
}

export function trueOrFalse(): z.ZodType<boolean> {
  return value("true or false", { type: "boolean", range: "true, false" }, (given) =>
    typeof given === "boolean" ? given : undefined,
  );
}

export function oneOf<Word extends string>(...words: readonly Word[]): z.ZodType<Word> {
  const shape = { enum: words, range: words.map((word) => `\`${word}\``).join(", ") };
  return value(words.join(" or "), shape, (given) => words.find((word) => word === given));
}

/**
 * The name of a group or station. It appears in addresses, metrics and datagrams, so few characters
 * are allowed.
 */
export function plainName(): z.ZodType<string> {
  const allowed = "1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit";
  return value(allowed, { ...matching(PLAIN_NAME), kind: "name" }, (given) =>
    typeof given === "string" && PLAIN_NAME.test(given) ? given : undefined,
  );
}

export function text(what: string): z.ZodType<string> {
  return value(what, { ...FILLED, range: what }, (given) =>
    typeof given === "string" && given.trim() !== "" ? given : undefined,
  );
}

/** One text, or a list of at most `max` texts. */
export function oneOrMore(what: string, max: number): z.ZodType<readonly string[]> {
  const allowed = `${what}, or a list of at most ${max}`;
  const shape = { anyOf: [FILLED, { type: "array", items: FILLED, minItems: 1, maxItems: max }], range: allowed };
  return value(allowed, shape, (given) => {
    const texts: unknown[] = Array.isArray(given) ? given : [given];
    const sound = texts.every((text): text is string => typeof text === "string" && text.trim() !== "");
    return sound && texts.length > 0 && texts.length <= max ? texts : undefined;
  });
}

/** Address to listen on. Without a host: all IPv4 addresses of the machine. */
export function listenAddress(): z.ZodType<ListenSettings> {
  const allowed = "host:port, such as 127.0.0.1:8080, :8080 (all addresses) or [::1]:8080 (in quotes)";
  return value(allowed, { ...matching(/:\d{1,5}$/), kind: "address" }, (given) =>
    typeof given === "string" ? listenAddressIn(given) : undefined,
  );
}

/** An address or a range of addresses, such as `10.0.0.0/8`. */
export function addressRange(): z.ZodType<string> {
  const allowed = "an address or a range of addresses, such as 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32";
  return value(allowed, { ...FILLED, range: "address or range" }, (given) =>
    typeof given === "string" && isAddressRange(given) ? given : undefined,
  );
}

/**
 * The base address of a service: scheme, host and port only, because path and query come from the
 * caller.
 */
export function serviceUrl(): z.ZodType<string> {
  const allowed = "http://host:port or https://host:port, without path, query or password";
  return value(allowed, { ...matching(HTTP), kind: "url" }, (given) => {
    const url = typeof given === "string" ? serviceUrlIn(given) : undefined;
    if (url === undefined) return undefined;
    const plain = url.pathname === "/" && url.search === "" && url.hash === "" && url.username + url.password === "";
    return plain ? url.origin : undefined;
  });
}

/** A path to request; may include a query. */
export function requestPath(): z.ZodType<string> {
  return value("a path beginning with /, without #, such as /healthz", { ...matching(PATH), kind: "path" }, (given) =>
    typeof given === "string" && PATH.test(given) ? given : undefined,
  );
}

/**
 * The whole address of a page. Unlike a {@link serviceUrl} it may have a path and a query, but no
 * password.
 */
export function pageUrl(): z.ZodType<string> {
  const allowed = "a whole address, such as http://10.0.0.5:9990/healthz, without fragment or password";
  return value(allowed, { ...matching(HTTP), kind: "whole address" }, (given) => {
    const url = typeof given === "string" ? serviceUrlIn(given) : undefined;
    return url !== undefined && url.hash + url.username + url.password === "" ? url.href : undefined;
  });
}

/** Value of a Host field: a name or address, with or without a port. */
export function hostName(): z.ZodType<string> {
  const allowed = "a host name with or without a port, such as uplink.example:8443";
  return value(allowed, { ...FILLED, kind: "name, with or without a port" }, (given) => {
    if (typeof given !== "string" || given.startsWith(":")) return undefined;
    return listenAddressIn(/:\d+$/.test(given) && !given.endsWith("]") ? given : `${given}:1`) && given;
  });
}

/**
 * The name of a header field. Not allowed: names in `taken` (in lower case), and fields with a
 * general meaning, which a number would break. Nor names with `_`: servers related to CGI drop them
 * or confuse them with names with `-`.
 */
export function headerName(taken: ReadonlySet<string>): z.ZodType<string> {
  const allowed = `the name of a header field of its own, such as x-deadline or gsf-deadline, without _; none that has a meaning already, such as ${[...taken].slice(0, 3).join(", ")}, content-type or via`;
  return value(allowed, { ...matching(HEADER_NAME), kind: "name of a header field" }, (given) => {
    if (typeof given !== "string" || !HEADER_NAME.test(given) || given.includes("_")) return undefined;
    const name = given.toLowerCase();
    return taken.has(name) || (COMMON.test(name) && name !== "gsf-deadline") ? undefined : given;
  });
}

/** The name of any header field that a request may carry. */
export function fieldName(): z.ZodType<string> {
  const shape = { ...matching(HEADER_NAME), kind: "name of a header field" };
  return value("the name of a header field, such as x-api-key", shape, (given) =>
    typeof given === "string" && HEADER_NAME.test(given) ? given : undefined,
  );
}

/** Header fields by name. Fields that frame a message or belong to a connection cannot be set. */
export function headerFields(): z.ZodType<HeaderList> {
  const allowed = `a section of header fields and their values (ASCII), but none of ${[...FRAMING].join(", ")}`;
  const shape = {
    type: "object",
    propertyNames: { pattern: HEADER_NAME.source },
    additionalProperties: { type: ["string", "number", "boolean"] },
    range: "section of fields and values",
  };
  return value(allowed, shape, (given) => {
    if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
    const fields = Object.entries(given).map(([name, text]) => [name, String(text)] as const);
    const sound = fields.every(
      ([name, text]) => HEADER_NAME.test(name) && !FRAMING.has(name.toLowerCase()) && /^[\x20-\x7e]*$/.test(text),
    );
    return sound && Object.values(given).every((text) => typeof text !== "object") ? fields : undefined;
  });
}

/** HTTP statuses of final answers: `200`, `200-299`, or a list of these. */
export function statuses(): z.ZodType<readonly StatusRange[]> {
  const one = { anyOf: [{ type: "integer", minimum: 200, maximum: 599 }, matching(STATUS_RANGE)] };
  const shape = {
    anyOf: [...one.anyOf, { type: "array", items: one, minItems: 1 }],
    range: "status, range, or a list: `200`, `200-299`, `[200, 204]`",
  };
  return value("a status, a range such as 200-299, or a list of them, from 200 to 599", shape, (given) => {
    const ranges = (Array.isArray(given) ? given : [given]).map(statusRange);
    return ranges.length > 0 && ranges.every((range) => range !== undefined) ? ranges : undefined;
  });
}

function statusRange(given: unknown): StatusRange | undefined {
  const parts = STATUS_RANGE.exec(String(given));
  const [first, last] = [Number(parts?.[1]), Number(parts?.[2] ?? parts?.[1])];
  return parts !== null && first <= last ? [first, last] : undefined;
}

const STATUS_RANGE = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/;
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const HTTP = /^[Hh][Tt][Tt][Pp][Ss]?:\/\//;
/** A fragment is never sent. */
const PATH = /^\/[\x21\x22\x24-\x7e]*$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
export const FRAMING: ReadonlySet<string> = new Set([
  ...["host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "keep-alive", "te", "trailer"],
]);

/** Fields of HTTP itself (RFC 9110, 9111, 9112), of proxies, of browsers, and of the gateway. */
const COMMON = new RegExp(
  `^(?:${[
    "(?:accept|access-control|content|cross-origin|gsf|if|proxy|sec|x-forwarded|x-envoy|x-b3|x-content-type)-.*",
    "accept|age|allow|alt-svc|authorization|authentication-info|b3|baggage|cache-control|cdn-loop|clear-site-data|cookie2?",
    "date|dnt|early-data|etag|expires|forwarded|from|last-event-id|last-modified|link|location|max-forwards|origin|pragma",
    "prefer|priority|range|referer|refresh|retry-after|server|server-timing|set-cookie2?|strict-transport-security",
    "traceparent|tracestate|user-agent|vary|via|warning|www-authenticate|x-client-ip|x-http-method-override|x-real-ip",
    "x-frame-options|x-powered-by|x-request-id|x-requested-with|constructor|prototype",
  ].join("|")})$`,
);

const KEYED_PATH = /^\/.*\{key\}/;

/** A path in which `{key}` stands for an idempotency key. */
export function keyedPath(): z.ZodType<string> {
  const allowed = "a path beginning with / in which {key} stands once for the key, such as /commands/{key}";
  return value(allowed, { ...matching(KEYED_PATH), kind: "path with `{key}`" }, (given) =>
    typeof given === "string" && PATH.test(given) && given.split("{key}").length === 2 ? given : undefined,
  );
}

const FIELD_PLACE = /^[^.\s]+(\.[^.\s]+)*$/;

/** The path of a field in a JSON document: names with dots between them. */
export function fieldPlace(): z.ZodType<string> {
  const shape = { ...matching(FIELD_PLACE), kind: "place in the JSON, dots for fields of fields" };
  return value("the name of a JSON field, with dots for fields of fields, such as result.answer", shape, (given) =>
    typeof given === "string" && FIELD_PLACE.test(given) && given.length <= 200 ? given : undefined,
  );
}

/**
 * A map with known fields. An unknown field is an error that suggests the most similar known field.
 */
export function section<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape> {
  const fields = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      // One line for each unknown field; config.ts splits them again.
      if (issue.code === "unrecognized_keys")
        return issue.keys
          .slice(0, MAX_PROBLEMS)
          .map((key) => unknownField(key, fields))
          .join("\n");
      const got = issue.input === undefined ? "it is missing" : `${shown(issue.input)} is not allowed`;
      return `${got}; allowed is a section with the fields ${fields.join(", ")}`;
    },
  }) as unknown as z.ZodObject<Shape>;
}

/**
 * Returns `schema`. At compile time it checks that `schema` reads exactly the fields of `Settings`:
 * none is missing, and none is too many. (The types are not inferred from the schemas, because
 * `isolatedDeclarations` requires explicit types for exports.)
 */
export function exactly<Settings, Output extends Settings>(
  schema: z.ZodType<Output>,
  ..._excess: Exclude<keyof Output, keyof Settings> extends never ? [] : [noSetting: never]
): z.ZodType<Settings> {
  return schema;
}

/** A list of at least `min` items. */
export function list<Item extends z.ZodType>(item: Item, what: string, min: number): z.ZodArray<Item> {
  const allowed = `a list of ${what}, at least ${min}`;
  return z
    .array(item, {
      error: (issue) =>
        `${issue.input === undefined ? "it is missing" : `${shown(issue.input)} is not allowed`}; allowed is ${allowed}`,
    })
    .min(min, { error: (issue) => `there are ${(issue.input as unknown[]).length}; allowed is ${allowed}` });
}

/** Duration for messages: `1.5s`, `2m`, `250ms`. */
export function shownDuration(ms: number): string {
  const [unit, factor] = largestUnit(ms, DURATION_UNITS);
  return `${Math.round((ms / factor) * 1_000) / 1_000}${unit}`;
}

function shownSize(bytes: number): string {
  const [unit, factor] = largestUnit(bytes, SIZE_UNITS);
  return `${Math.round((bytes / factor) * 1_000) / 1_000}${unit}`;
}

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["KiB", 1_024],
  ["MiB", 1_024 ** 2],
  ["GiB", 1_024 ** 3],
]);

function largestUnit(amount: number, units: ReadonlyMap<string, number>): [string, number] {
  const smallest = [...units][0] as [string, number];
  return [...units].findLast(([, factor]) => amount >= factor) ?? smallest;
}

function withUnit(given: unknown, units: ReadonlyMap<string, number>): number | undefined {
  if (typeof given === "number") return given;
  if (typeof given !== "string") return undefined;
  const parts = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(given.trim());
  const factor = units.get(parts?.[2] ?? "");
  return factor === undefined ? undefined : Number(parts?.[1]) * factor;
}

function within(given: number | undefined, min: number, max: number): number | undefined {
  return given !== undefined && given >= min && given <= max ? given : undefined;
}

/**
 * A schema for `read`, which returns undefined for a value that is not allowed. `shape` must never
 * be stricter than `read`, so that editors do not mark a valid file.
 */
export function value<T>(allowed: string, shape: Shape, read: (given: unknown) => T | undefined): z.ZodType<T> {
  return z
    .unknown()
    .transform((given, context): T => {
      const result = given === undefined ? undefined : read(given);
      if (result !== undefined) return result;
      const got = given === undefined ? "it is missing" : `${shown(given)} is not allowed`;
      context.addIssue({ code: "custom", message: `${got}; allowed is ${allowed}` });
      return z.NEVER;
    })
    .meta({ ...shape, allowed });
}

/** A text that is not only white space. */
const FILLED = { type: "string", pattern: "\\S" };

function matching(pattern: RegExp): { readonly type: "string"; readonly pattern: string } {
  return { type: "string", pattern: pattern.source };
}

function textWithUnit(units: ReadonlyMap<string, number>): ReturnType<typeof matching> {
  return matching(new RegExp(`^\\s*\\d+(\\.\\d+)? ?(${[...units.keys()].join("|")})\\s*$`));
}

/** Number for the guide: 10⁶ if that is shorter. */
function shownNumber(given: number): string {
  const power = Math.log10(given);
  return given >= 1e6 && Number.isInteger(power) ? `10${SUPERSCRIPTS[power]}` : String(given);
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function unknownField(field: string, fields: readonly string[]): string {
  const meant = nearestName(field, fields);
  const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return `there is no such field${guess}; allowed are ${fields.join(", ")}`;
}

const LONGEST_SHOWN = 60;

function shown(given: unknown): string {
  if (given === null) return "an empty value";
  if (Array.isArray(given)) return "a list";
  if (typeof given === "object") return "a section";
  const written = typeof given === "string" ? JSON.stringify(given) : String(given);
  return written.length > LONGEST_SHOWN ? `${written.slice(0, LONGEST_SHOWN)}…` : written;
}
