/**
 * From an HTTP request to a guarded call: what may be repeated, until when it is wanted, and what a
 * reply means. A request with an `Idempotency-Key` (IETF httpapi draft) may be sent again under
 * that key; safe methods (RFC 9110 §9.2.1) may be repeated by definition; anything else is sent
 * once. A body that is streamed can be sent only once whatever its key says.
 */
import type { Classification, Classifier } from "ground-station-failover";
import { fromGrpcTimeout, fromTimeLeftHeader, httpStatus, TIME_LEFT_HEADER } from "ground-station-failover";
import { reportsError } from "ground-station-failover/core";
import type { CommandReply, CommandRequest, HeaderList } from "./uplink.ts";

/** Methods that ask and do not act: repeating one does no harm. */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Longest key accepted; what identifies a command need not be longer, and a bound keeps memory
 * bounded.
 */
export const MAX_KEY_LENGTH = 256;

/**
 * More time left than this is taken for this: a day is for ever here, and instants stay on the
 * clock's axis.
 */
export const MAX_TIME_LEFT_MS = 86_400_000;

/**
 * Why a request is refused before anything is sent: a sentence for its sender, and the field at
 * fault.
 */
export interface RequestRefusal {
  readonly field: string;
  readonly detail: string;
}

/** What the request says about how it may be treated. */
export interface CommandTerms {
  readonly idempotencyKey: string | undefined;
  readonly idempotent: boolean;
  /** How long its sender will wait; undefined where it does not say. */
  readonly timeLeftMs: number | undefined;
  /**
   * What it is one of: sender, method and path. Failures of many sources speak against a station,
   * those of one may be its own. Undefined where the sender is not known.
   */
  readonly source?: string;
}

/** Reads the terms of a request, or says what is wrong with them. */
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
  const once = request.body.kind === "stream";
  return {
    idempotencyKey: once ? undefined : key,
    idempotent: !once && SAFE_METHODS.has(request.method),
    timeLeftMs,
    ...sourceOf(request),
  };
}

/**
 * Longest path that tells sources apart: what identifies a route is short, and a bound keeps memory
 * bounded.
 */
const MAX_SOURCE_PATH = 120;

/**
 * Segments that name one of many things: a number, a UUID or a hash, a long token with digits in
 * it.
 */
const NAMES_ONE_OF_MANY = /\/(?:\d+|(?=[^/]*\d)[\da-f-]{8,}|(?=[^/]*\d)[\w-]{20,})(?=\/|$)/gi;

/**
 * The route: without the query and the names of single things, which tell commands apart and not
 * routes.
 */
function sourceOf({ caller, method, target }: CommandRequest): Pick<CommandTerms, "source"> {
  if (caller === undefined) return {};
  const path = (target.split("?", 1)[0] as string).slice(0, MAX_SOURCE_PATH);
  return { source: `${caller} ${method} ${path.replace(NAMES_ONE_OF_MANY, "/*")}` };
}

/** All values of a header, however it is written. */
function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([header]) => header.toLowerCase() === name).map(([, value]) => value);
}

/**
 * How replies are judged: by status, and where `errorBody` is set also by what a JSON body reports.
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
 * How a command that got a reply is counted: the class of its status, or `error-body` for a 2xx
 * that reports an error.
 */
export function outcomeOf(reply: CommandReply, errorBody: boolean): string {
  return lies(reply, errorBody) ? "error-body" : `${Math.floor(reply.status / 100)}xx`;
}

/** Does a reply claim success and report an error, where that counts? */
function lies(reply: CommandReply, errorBody: boolean): boolean {
  return errorBody && reply.status < 300 && reportsError(reply.json);
}

/** What a reply says of when to come back; a date in it is read against the station's own. */
function hintsOf({ headers }: CommandReply): Record<string, string | undefined> {
  return { "retry-after": valuesOf(headers, "retry-after")[0], date: valuesOf(headers, "date")[0] };
}

/** The earliest of all deadlines that its sender says, as the time left until then. */
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

/** Where a sender may say how long it will wait; where it says so twice, the shorter time holds. */
const TIME_LEFT_FIELDS = [
  { field: TIME_LEFT_HEADER, read: fromTimeLeftHeader, allowed: "is a whole number of milliseconds" },
  { field: "grpc-timeout", read: fromGrpcTimeout, allowed: "are 1 to 8 digits and one of H M S m u n" },
] as const;

function isKey(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(key);
}
