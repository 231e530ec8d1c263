/**
 * Reads from a request's header fields whether it is to be answered asynchronously, and under which
 * terms. `Prefer: respond-async` and `wait=<seconds>` are those of RFC 7240; `gsf-priority` and
 * `gsf-expires-after` are the gateway's own. The gateway's own urgency is used instead of RFC
 * 9218's `Priority`, because that one orders the answers of one connection and not commands.
 * Preferences that the gateway has taken over are not passed on to the station; all others are.
 */
import type { RequestRefusal } from "../command.ts";
import type { HeaderList } from "../uplink.ts";

/** In order of importance. `command` is the default. */
const COMMAND_PRIORITIES = ["emergency", "command", "telemetry"] as const;
export type CommandPriority = (typeof COMMAND_PRIORITIES)[number];

const PRIORITY_HEADER = "gsf-priority";
const EXPIRES_HEADER = "gsf-expires-after";

/** A week: a command that old is rarely still meant. */
export const MAX_EXPIRES_AFTER_MS: number = 7 * 86_400_000;
/** Longest time for which `wait` keeps a request open, in ms; below the usual limits of proxies. */
const MAX_WAIT_MS = 50_000;

/** Only methods that change something: a GET with the preference is answered as usual. */
const ASYNC_METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** What a request says about its asynchronous answer. */
export interface AsyncTerms {
  /** How long its sender would rather wait for the answer itself, in ms. */
  readonly waitMs: number;
  readonly priority: CommandPriority;
  /** Undefined: as the group's settings say. */
  readonly expiresAfterMs: number | undefined;
}

/** The terms of a request; undefined if it is to be answered as usual. */
export function asyncTermsOf(method: string, fields: HeaderList): AsyncTerms | RequestRefusal | undefined {
  if (!ASYNC_METHODS.has(method)) return undefined;
  const preferences = preferencesIn(fields);
  if (!preferences.has("respond-async")) return undefined;
  const priority = onlyValue(fields, PRIORITY_HEADER) ?? "command";
  if (typeof priority !== "string") return priority;
  if (!isPriority(priority)) {
    const detail = `"${priority.slice(0, 40)}" is not allowed; allowed are ${COMMAND_PRIORITIES.join(", ")}`;
    return { field: PRIORITY_HEADER, detail };
  }
  const expires = onlyValue(fields, EXPIRES_HEADER);
  if (typeof expires === "object") return expires;
  const expiresAfterMs = expires === undefined ? undefined : secondsIn(expires);
  if (expires !== undefined && !(Number(expiresAfterMs) >= 1_000 && Number(expiresAfterMs) <= MAX_EXPIRES_AFTER_MS)) {
    const most = MAX_EXPIRES_AFTER_MS / 1_000;
    return {
      field: EXPIRES_HEADER,
      detail: `"${expires.slice(0, 40)}" is not allowed; allowed are 1 to ${most} whole seconds`,
    };
  }
  const wait = preferences.get("wait");
  // A preference that cannot be read is no error (RFC 7240 §2).
  const waitMs = wait === undefined ? 0 : Math.min(MAX_WAIT_MS, secondsIn(wait) ?? 0);
  return { waitMs, priority, expiresAfterMs };
}

/**
 * The fields of a request as its station gets them: without the preferences that are served here.
 */
export function withoutAsyncPreferences(fields: HeaderList): HeaderList {
  return fields.flatMap(([name, value]): HeaderList => {
    if (name.toLowerCase() !== "prefer") return [[name, value]];
    const kept = itemsOf(value).filter((item) => !SERVED_HERE.has(nameAndValue(item).name));
    return kept.length === 0 ? [] : [[name, kept.join(", ")]];
  });
}

export function isPriority(text: unknown): text is CommandPriority {
  return COMMAND_PRIORITIES.some((known) => known === text);
}

const SERVED_HERE: ReadonlySet<string> = new Set(["respond-async", "wait"]);

/** By name in lower case. The first of several equal names counts (RFC 7240 §2). */
function preferencesIn(fields: HeaderList): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [field, text] of fields) {
    if (field.toLowerCase() !== "prefer") continue;
    for (const item of itemsOf(text)) {
      const { name, value } = nameAndValue(item);
      if (name !== "" && !found.has(name)) found.set(name, value);
    }
  }
  return found;
}

/** The items of a list, split at commas that are not inside quotes. */
function itemsOf(text: string): string[] {
  const items = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"]|")+/g) ?? [];
  return items.map((item) => item.trim()).filter((item) => item !== "");
}

/** A preference without its parameters. */
function nameAndValue(item: string): { readonly name: string; readonly value: string } {
  const parts = /^([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/.exec(item);
  return { name: (parts?.[1] ?? "").toLowerCase(), value: parts?.[2] ?? parts?.[3] ?? "" };
}

function onlyValue(fields: HeaderList, name: string): string | undefined | RequestRefusal {
  const values = fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value.trim());
  if (values.length > 1) return { field: name, detail: `there are ${values.length} of it; at most one is allowed` };
  return values[0];
}

/** Whole seconds as ms; undefined if `text` is no such number. */
function secondsIn(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) * 1_000 : undefined;
}
