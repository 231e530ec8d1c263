/**
 * The kinds of values that a configuration is made of: durations, sizes, addresses, names. Each
 * reads what a person writes (`50ms`, `1MiB`, `[::1]:80`) and, where it cannot, says what it got
 * and what is allowed in one sentence; where the sentence is shown, and at which line, is not known
 * here.
 */
import { nearestName } from "ground-station-failover/core";
import { z } from "zod";
import { isAddressRange } from "../adapters/http/trusted-proxies.ts";
import { listenAddressIn, serviceUrlIn } from "../adapters/process/addresses.ts";
import type { ListenSettings } from "../fleet/settings.ts";
import type { HeaderList, StatusRange } from "../fleet/uplink.ts";

/**
 * So many problems are told of one file; the others are counted. Nobody mends more at once, and
 * each takes its time to find.
 */
export const MAX_PROBLEMS = 100;

/** A length of time, in milliseconds once read. A bare number counts milliseconds. */
export function duration(minMs: number, maxMs: number): z.ZodType<number> {
  const allowed = `a duration from ${shownDuration(minMs)} to ${shownDuration(maxMs)}, such as 50ms, 1s or 2m`;
  return value(allowed, (given) => within(withUnit(given, DURATION_UNITS), minMs, maxMs));
}

/** An amount of memory, in bytes once read. A bare number counts bytes. */
export function size(minBytes: number, maxBytes: number): z.ZodType<number> {
  const allowed = `a size from ${shownSize(minBytes)} to ${shownSize(maxBytes)}, such as 64KiB or 1MiB`;
  return value(allowed, (given) => {
    const bytes = within(withUnit(given, SIZE_UNITS), minBytes, maxBytes);
    return Number.isInteger(bytes) ? bytes : undefined;
  });
}

export function wholeNumber(min: number, max: number): z.ZodType<number> {
  return value(`a whole number from ${min} to ${max}`, (given) =>
    Number.isInteger(given) ? within(given as number, min, max) : undefined,
  );
}

export function decimal(min: number, max: number): z.ZodType<number> {
  return value(`a number from ${min} to ${max}`, (given) =>
    typeof given === "number" ? within(given, min, max) : undefined,
  );
}

export function trueOrFalse(): z.ZodType<boolean> {
  return value("true or false", (given) => (typeof given === "boolean" ? given : undefined));
}

export function oneOf<Word extends string>(...words: readonly Word[]): z.ZodType<Word> {
  return value(words.join(" or "), (given) => words.find((word) => word === given));
}

/**
 * The name of a group or station: it appears in addresses, metrics and datagrams, so it is kept
 * plain.
 */
export function plainName(): z.ZodType<string> {
  return value("1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit", (given) =>
    typeof given === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(given) ? given : undefined,
  );
}

export function text(what: string): z.ZodType<string> {
  return value(what, (given) => (typeof given === "string" && given.trim() !== "" ? given : undefined));
}

/** One text, or a list of at most `max` of them. */
export function oneOrMore(what: string, max: number): z.ZodType<readonly string[]> {
  return value(`${what}, or a list of at most ${max}`, (given) => {
    const texts: unknown[] = Array.isArray(given) ? given : [given];
    const sound = texts.every((text): text is string => typeof text === "string" && text.trim() !== "");
    return sound && texts.length > 0 && texts.length <= max ? texts : undefined;
  });
}

/** Where to listen. Without a host: on all IPv4 addresses of the machine. */
export function listenAddress(): z.ZodType<ListenSettings> {
  return value("host:port, such as 127.0.0.1:8080, :8080 (all addresses) or [::1]:8080 (in quotes)", (given) =>
    typeof given === "string" ? listenAddressIn(given) : undefined,
  );
}

/** An address or a range of addresses, such as `10.0.0.0/8`. */
export function addressRange(): z.ZodType<string> {
  return value("an address or a range of addresses, such as 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32", (given) =>
    typeof given === "string" && isAddressRange(given) ? given : undefined,
  );
}

/**
 * The base address of a service: scheme, host and port, because path and query are the caller's.
 */
export function serviceUrl(): z.ZodType<string> {
  return value("http://host:port or https://host:port, without path, query or password", (given) => {
    const url = typeof given === "string" ? serviceUrlIn(given) : undefined;
    if (url === undefined) return undefined;
    const plain = url.pathname === "/" && url.search === "" && url.hash === "" && url.username + url.password === "";
    return plain ? url.origin : undefined;
  });
}

/** A path to ask for, query allowed. */
export function requestPath(): z.ZodType<string> {
  return value("a path beginning with /, without #, such as /healthz", (given) =>
    typeof given === "string" && PATH.test(given) ? given : undefined,
  );
}

/**
 * The whole address of a page: what is left out of a {@link serviceUrl} is allowed, but for a
 * password.
 */
export function pageUrl(): z.ZodType<string> {
  return value("a whole address, such as http://10.0.0.5:9990/healthz, without fragment or password", (given) => {
    const url = typeof given === "string" ? serviceUrlIn(given) : undefined;
    return url !== undefined && url.hash + url.username + url.password === "" ? url.href : undefined;
  });
}

/** What goes into a Host field: a name or address, with or without a port. */
export function hostName(): z.ZodType<string> {
  return value("a host name with or without a port, such as uplink.example:8443", (given) => {
    if (typeof given !== "string" || given.startsWith(":")) return undefined;
    return listenAddressIn(/:\d+$/.test(given) && !given.endsWith("]") ? given : `${given}:1`) && given;
  });
}

/**
 * The name of a header field, but none of `taken` (in lower case), and none that means something to
 * everybody, which a number in it would break. Names with `_` are dropped or mixed up with those
 * with `-` by servers of CGI's descent.
 */
export function headerName(taken: ReadonlySet<string>): z.ZodType<string> {
  const allowed = `the name of a header field of its own, such as x-deadline or gsf-deadline, without _; none that has a meaning already, such as ${[...taken].slice(0, 3).join(", ")}, content-type or via`;
  return value(allowed, (given) => {
    if (typeof given !== "string" || !HEADER_NAME.test(given) || given.includes("_")) return undefined;
    const name = given.toLowerCase();
    return taken.has(name) || (COMMON.test(name) && name !== "gsf-deadline") ? undefined : given;
  });
}

/**
 * Header fields by name. Those that frame a message or belong to a connection are not a person's to
 * set.
 */
export function headerFields(): z.ZodType<HeaderList> {
  const allowed = `a section of header fields and their values (ASCII), but none of ${[...FRAMING].join(", ")}`;
  return value(allowed, (given) => {
    if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
    const fields = Object.entries(given).map(([name, text]) => [name, String(text)] as const);
    const sound = fields.every(
      ([name, text]) => HEADER_NAME.test(name) && !FRAMING.has(name.toLowerCase()) && /^[\x20-\x7e]*$/.test(text),
    );
    return sound && Object.values(given).every((text) => typeof text !== "object") ? fields : undefined;
  });
}

/** HTTP statuses that end an answer: `200`, `200-299`, or a list of such. */
export function statuses(): z.ZodType<readonly StatusRange[]> {
  return value("a status, a range such as 200-299, or a list of them, from 200 to 599", (given) => {
    const ranges = (Array.isArray(given) ? given : [given]).map(statusRange);
    return ranges.length > 0 && ranges.every((range) => range !== undefined) ? ranges : undefined;
  });
}

function statusRange(given: unknown): StatusRange | undefined {
  const parts = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(String(given));
  const [first, last] = [Number(parts?.[1]), Number(parts?.[2] ?? parts?.[1])];
  return parts !== null && first <= last ? [first, last] : undefined;
}

/** A fragment is never sent. */
const PATH = /^\/[\x21\x22\x24-\x7e]*$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
export const FRAMING: ReadonlySet<string> = new Set([
  ...["host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "keep-alive", "te", "trailer"],
]);

/** Of HTTP itself (RFC 9110, 9111, 9112), of proxies, of browsers, of ours. */
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

/** A path in which `{key}` stands for an idempotency key. */
export function keyedPath(): z.ZodType<string> {
  return value("a path beginning with / in which {key} stands once for the key, such as /commands/{key}", (given) =>
    typeof given === "string" && PATH.test(given) && given.split("{key}").length === 2 ? given : undefined,
  );
}

/** The place of a field in a JSON document: names with dots between them. */
export function fieldPlace(): z.ZodType<string> {
  return value("the name of a JSON field, with dots for fields of fields, such as result.answer", (given) =>
    typeof given === "string" && /^[^.\s]+(\.[^.\s]+)*$/.test(given) && given.length <= 200 ? given : undefined,
  );
}

/**
 * A map with known fields: every other field is an error that names the field most likely meant.
 */
export function section<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape> {
  const fields = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      // One line for each unknown field; config-problems.ts takes them apart again.
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

/** At least `min` of something, in order. */
export function list<Item extends z.ZodType>(item: Item, what: string, min: number): z.ZodArray<Item> {
  const allowed = `a list of ${what}, at least ${min}`;
  return z
    .array(item, {
      error: (issue) =>
        `${issue.input === undefined ? "it is missing" : `${shown(issue.input)} is not allowed`}; allowed is ${allowed}`,
    })
    .min(min, { error: (issue) => `there are ${(issue.input as unknown[]).length}; allowed is ${allowed}` });
}

/** For messages: `1.5s`, `2m`, `250ms`. */
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

/** A schema around `read`, which returns undefined for what it does not take. */
function value<T>(allowed: string, read: (given: unknown) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((given, context): T => {
    const result = given === undefined ? undefined : read(given);
    if (result !== undefined) return result;
    const got = given === undefined ? "it is missing" : `${shown(given)} is not allowed`;
    context.addIssue({ code: "custom", message: `${got}; allowed is ${allowed}` });
    return z.NEVER;
  });
}

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
