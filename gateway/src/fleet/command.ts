/**
 * Turns an HTTP request into a guarded call: whether it may be repeated, its deadline, and how a
 * reply is judged. A request with an `Idempotency-Key` (IETF httpapi draft) may be sent again under
 * that key. Safe methods (RFC 9110 §9.2.1) may be repeated by definition. Any other request is sent
 * once. A request with a streamed body is sent only once, even if it has a key.
 */
import type { Classification, Classifier } from "ground-station-failover";
import { fromGrpcTimeout, fromTimeLeftHeader, httpStatus, TIME_LEFT_HEADER } from "ground-station-failover";
import { reportsError } from "ground-station-failover/core";
import type { CommandReply, CommandRequest, HeaderList } from "./uplink.ts";

/** Methods that only read. Repeating one does no harm. */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Longest key accepted, in characters. A key need not be longer to identify a command, and the
 * limit bounds memory.
 */
export const MAX_KEY_LENGTH = 256;

/**
 * A longer time left is reduced to this: one day. The limit keeps instants within the range of the
 * clock.
 */
export const MAX_TIME_LEFT_MS = 86_400_000;

/**
 * Why a request is refused before anything is sent: a sentence for its sender, and the faulty
 * field.
 */
export interface RequestRefusal {
  readonly field: string;
  readonly detail: string;
}

/** How a request may be treated, as the request says. */
export interface CommandTerms {
  readonly idempotencyKey: string | undefined;
  readonly idempotent: boolean;
  /** How long the sender waits; undefined if the request does not say. */
  readonly timeLeftMs: number | undefined;
  /**
   * Source of the command: sender, method and route. Failures of many sources count against a
   * station; failures of a single source may be its own fault. Undefined if the sender is not
   * known.
   */
  readonly source?: string;
}

/** Reads the terms of a request, or returns what is wrong with them. */
export function termsOf(request: CommandRequest): CommandTerms | RequestRefusal {
  const keys = valuesOf(request.headers, "idempotency-key");
  const key = keys[0];
  if (keys.length > 1)
    return { field: "Idempotency-Key", detail: `there are ${keys.length} of it; at most one is allowed` };
  if (key !== undefined && !isKey(key)) {
    return {
      field: "Idempotency-Key",
      detail: `it must be 1 to ${MAX_KEY_LENGTH} visible ASCII characters; it has ${key.length} characters`,
    };
  }
  const timeLeftMs = timeLeftOf(request);
  if (typeof timeLeftMs === "object") return timeLeftMs;
  // A tunnel that nobody uses would be a second session at another station.
  const once = request.body.kind === "stream" || request.upgrade !== undefined;
  return {
    idempotencyKey: once ? undefined : key,
    idempotent: !once && SAFE_METHODS.has(request.method),
    timeLeftMs,
    ...sourceOf(request),
  };
}

/**
 * Longest path that distinguishes sources, in characters. A longer path is not needed to identify a
 * route, and the limit bounds memory.
 */
const MAX_SOURCE_PATH = 120;

/**
 * Path segments that identify a single item: a number, a UUID or a hash, or a long token that
 * contains digits.
 */
const NAMES_ONE_OF_MANY = /\/(?:\d+|(?=[^/]*\d)[\da-f-]{8,}|(?=[^/]*\d)[\w-]{20,})(?=\/|$)/gi;

/**
 * The source with its route: without the query and without identifiers of single items, which
 * distinguish commands but not routes.
 */
function sourceOf({ caller, method, target }: CommandRequest): Pick<CommandTerms, "source"> {
  if (caller === undefined) return {};
  const path = (target.split("?", 1)[0] as string).slice(0, MAX_SOURCE_PATH);
  return { source: `${caller} ${method} ${path.replace(NAMES_ONE_OF_MANY, "/*")}` };
}

/** All values of a header; the case of its name does not matter. */
function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([header]) => header.toLowerCase() === name).map(([, value]) => value);
}

/**
 * Judges replies by status and, if `errorBody` is set, also by the error that a JSON body reports.
 */
export function replyClassifier(errorBody: boolean): Classifier<CommandReply> {
  return {
    result(reply, calendar): Classification {
      const judged = httpStatus.result?.({ status: reply.status, headers: hintsOf(reply) }, calendar) as Classification;
      return judged.outcome === "success" && lies(reply, errorBody) ? { outcome: "failure" } : judged;
    },
  };
}

/**
 * The outcome under which a command with a reply is counted: the class of its status, or
 * `error-body` for a 2xx that reports an error.
 */
export function outcomeOf(reply: CommandReply, errorBody: boolean): string {
  return lies(reply, errorBody) ? "error-body" : `${Math.floor(reply.status / 100)}xx`;
}

/** True if a reply has a 2xx status but its body reports an error, and such errors count. */
function lies(reply: CommandReply, errorBody: boolean): boolean {
  return errorBody && reply.status < 300 && reportsError(reply.json);
}

/**
 * What a reply says about when to come back. A date in `Retry-After` is compared with the station's
 * own `Date`.
 */
function hintsOf({ headers }: CommandReply): Record<string, string | undefined> {
  return { "retry-after": valuesOf(headers, "retry-after")[0], date: valuesOf(headers, "date")[0] };
}

/** The earliest deadline that the request gives, as time left. */
function timeLeftOf({ headers, timeLeftMs }: CommandRequest): number | undefined | RequestRefusal {
  let leastMs = timeLeftMs === undefined ? undefined : Math.min(timeLeftMs, MAX_TIME_LEFT_MS);
  for (const { field, read, allowed } of TIME_LEFT_FIELDS) {
    const values = valuesOf(headers, field);
    const [value] = values;
    if (value === undefined) continue;
    if (values.length > 1) return { field, detail: `there are ${values.length} of it; at most one is allowed` };
    const readMs = read(value);
    if (readMs === undefined) return { field, detail: `"${value.slice(0, 40)}" is not allowed; allowed ${allowed}` };
    leastMs = Math.min(readMs, leastMs ?? MAX_TIME_LEFT_MS);
  }
  return leastMs;
}

/** Fields in which a sender may say how long it waits. If it uses both, the shorter time counts. */
const TIME_LEFT_FIELDS = [
  { field: TIME_LEFT_HEADER, read: fromTimeLeftHeader, allowed: "is a whole number of milliseconds" },
  { field: "grpc-timeout", read: fromGrpcTimeout, allowed: "are 1 to 8 digits and one of H M S m u n" },
] as const;

function isKey(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(key);
}
