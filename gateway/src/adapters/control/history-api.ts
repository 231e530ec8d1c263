/**
 * The events of the past over HTTP: `GET /v1/events` with a query, or for a client that accepts
 * JSON and no stream. Answers come in pages; `next` of one is `after` of the following. A query
 * that cannot be read is refused with what is allowed.
 */
import { nearestName } from "ground-station-failover/core";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { type EventHistory, idBefore, isEventId, type PastEvent } from "../../fleet/event-history.ts";

/** Which events are asked for. */
interface EventQuery {
  /** Only events after this id, or after what {@link idBefore} says. */
  readonly after: string | undefined;
  /** Only events before this id. */
  readonly below: string | undefined;
  readonly limit: number;
  readonly types: ReadonlySet<string> | undefined;
  readonly group: string | undefined;
}

const PARAMETERS = ["since", "until", "after", "limit", "type", "group"] as const;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
/** Events that are read at once. */
const READ_AT_ONCE = 500;
const UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
const TIMES = "a time such as 2026-12-01T03:00:00Z, or a duration such as 90s, 15m, 2h or 3d (that long ago)";

/** True if a request for events asks for a page of the past, not for the stream. */
export function asksForPage(context: Context): boolean {
  if (Object.keys(context.req.query()).length > 0) return true;
  const accept = context.req.header("accept") ?? "";
  return /\bapplication\/json\b/i.test(accept) && !/\btext\/event-stream\b/i.test(accept);
}

/** The page that a request asks for. Throws an `HTTPException` if its query cannot be read. */
export async function eventPage(context: Context, history: EventHistory, nowMs: number): Promise<Response> {
  const query = queryOf(context.req.queries(), nowMs);
  const isNewest = query.after === undefined;
  const { events, next } = isNewest ? await newest(history, query) : await onwards(history, query, query.after);
  const body = {
    events,
    /** Asks for the next page, as `after`; null: there is nothing more for now. */
    next: next ?? null,
    /** False: events of the asked time are forgotten. */
    complete: isNewest || history.isCompleteAfter(query.after ?? ""),
    /** The newest event of all, where a stream with `Last-Event-ID` goes on. */
    newest: history.newest ?? null,
    history: history.status,
  };
  return context.json(body, 200, { "cache-control": "no-store" });
}

interface Found {
  readonly events: readonly object[];
  readonly next: string | undefined;
}

async function onwards(history: EventHistory, query: EventQuery, from: string): Promise<Found> {
  const events: object[] = [];
  let after = from;
  for (;;) {
    const read = await history.after(after, READ_AT_ONCE);
    for (const past of read) {
      if (query.below !== undefined && past.id >= query.below) return { events, next: undefined };
      after = past.id;
      const event = fitting(past, query);
      if (event !== undefined && events.push(event) >= query.limit) return { events, next: after };
    }
    if (read.length < READ_AT_ONCE) return { events, next: undefined };
  }
}

/** The newest events, oldest first. */
async function newest(history: EventHistory, query: EventQuery): Promise<Found> {
  const events: object[] = [];
  let below = query.below;
  for (;;) {
    const read = await history.before(below, READ_AT_ONCE);
    for (const past of read) {
      const event = fitting(past, query);
      if (event !== undefined && events.push(event) >= query.limit) break;
    }
    below = read.at(-1)?.id;
    if (events.length >= query.limit || read.length < READ_AT_ONCE)
      return { events: events.reverse(), next: undefined };
  }
}

function fitting({ text }: PastEvent, { types, group }: EventQuery): object | undefined {
  const event = JSON.parse(text) as { readonly type: string; readonly group?: string };
  const fits = (types?.has(event.type) ?? true) && (group === undefined || event.group === group);
  return fits ? event : undefined;
}

function queryOf(given: Readonly<Record<string, string[]>>, nowMs: number): EventQuery {
  for (const [name, values] of Object.entries(given)) {
    if (!PARAMETERS.some((one) => one === name)) {
      const meant = nearestName(name, PARAMETERS);
      const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
      throw refused(`there is no parameter ${name.slice(0, 40)}${guess}; allowed are ${PARAMETERS.join(", ")}`);
    }
    if (name !== "type" && values.length > 1) throw refused(`${name} stands ${values.length} times; give it once`);
  }
  const one = (name: (typeof PARAMETERS)[number]): string | undefined => given[name]?.[0];
  const after = one("after");
  if (after !== undefined && !isEventId(after)) throw refused(`after: ${shown(after)} is no id of an event`);
  const since = one("since");
  if (after !== undefined && since !== undefined) throw refused("since and after exclude each other; give one");
  const until = one("until");
  const types = given["type"]?.flatMap((text) => text.split(",")).filter((type) => type !== "");
  return {
    after: after ?? (since === undefined ? undefined : placeOf("since", since, nowMs)),
    below: until === undefined ? undefined : placeOf("until", until, nowMs),
    limit: limitOf(one("limit")),
    types: types === undefined || types.length === 0 ? undefined : new Set(types),
    group: one("group"),
  };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT)
    throw refused(`limit: ${shown(text)} is not allowed; allowed is a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

function placeOf(name: string, text: string, nowMs: number): string {
  if (isEventId(text)) return text;
  const atMs = timeIn(text, nowMs);
  if (atMs === undefined)
    throw refused(`${name}: ${shown(text)} is not allowed; allowed is ${TIMES}, or an event's id`);
  return idBefore(atMs);
}

/** The instant, in milliseconds since 1970, that a time or a duration means; undefined if none. */
function timeIn(text: string, nowMs: number): number | undefined {
  const [, amount, unit = ""] = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (amount !== undefined) return nowMs - Number(amount) * (UNITS.get(unit) as number);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined;
  // Without a zone, a time is UTC, as in all that the gateway writes.
  const atMs = Date.parse(/T.*(Z|[+-]\d\d:\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`);
  return Number.isFinite(atMs) ? atMs : undefined;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function refused(message: string): HTTPException {
  return new HTTPException(400, { message });
}
