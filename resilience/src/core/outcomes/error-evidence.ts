/**
 * What an error proves about the request that it ended: the request was never sent, this machine
 * lacked a resource, the connection was lost and the outcome is unknown, or the operation itself
 * has a bug. Clients wrap the system's error, so the whole chain of causes is read, and the members
 * of an `AggregateError`.
 *
 * Errors are read by their properties and never by `instanceof`: an error from another realm (Jest,
 * a `vm` context, a frame) has another `Error`, and every client and engine has its own classes.
 * Node, undici and Bun give a code. Deno gives a name, or a sentence of its HTTP client (hyper)
 * that ends in the system's number. Browsers give a sentence and no cause. An error that is not
 * understood here proves nothing: it counts as a failure, and is not assumed to be safe to send
 * again. The same holds for an error that cannot be read: no error makes this code throw
 * (`unknown-value.ts`).
 */
import { ResilienceError, StaleEpochError } from "../errors.ts";
import { hasProperty, itemsOf, propertyOf, readOf, textOf } from "../unknown-value.ts";

/** Maximum depth in a chain of causes, or of errors in errors. */
const MAX_DEPTH = 5;
/** Maximum number of errors read in total: aggregates of aggregates prove nothing beyond that. */
const MAX_LINKS = 256;
/**
 * An aggregate of more errors than this proves nothing: a name has only a few addresses, and a call
 * only a few attempts.
 */
const MAX_MEMBERS = 64;

/** Codes of errors that were raised before a byte of the request was sent. */
const NEVER_SENT_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  // Bun
  "ConnectionRefused",
  "FailedToOpenSocket",
]);
/**
 * System calls that come before the first byte. An `EHOSTUNREACH` of a `read` proves nothing,
 * because the request was out by then.
 */
const BEFORE_SENDING = new Set(["connect", "getaddrinfo"]);
/** Hyper, the base of Deno's `fetch`: the connection, TLS included, could not be made. */
const NEVER_SENT_SENTENCE = /\bclient error \(Connect\)|\berror trying to connect\b/;

/**
 * Codes of resources that this machine has run out of: descriptors, buffers, memory, ports, or the
 * name server that knew the address. The service is not involved.
 */
const LOCAL_SHORTAGE_CODES = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EAI_MEMORY",
  "ENOTFOUND",
  "ESERVFAIL",
  "ETIMEOUT",
]);
/** System calls on a connection that is open: the request may be out by then. */
const AFTER_SENDING = new Set(["read", "write", "writev", "recv", "send"]);
/** Hyper: the name could not be resolved. */
const LOCAL_SHORTAGE_SENTENCE = /\bdns error\b/;

/** Codes of a connection that was lost, or went silent, after the request may have been sent. */
const CONNECTION_LOST_CODES = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ATTEMPT_TIMEOUT",
  "AMBIGUOUS_OUTCOME",
  // Bun
  "ConnectionClosed",
  "ConnectionReset",
]);
/** Hyper: the connection was there, and ended before the answer did. */
const CONNECTION_LOST_SENTENCE =
  /\bclient error \(SendRequest\)|\bconnection closed before message completed\b|\berror reading a body\b/;

/** Deno's class names for system errors. */
const CODE_OF_NAME: ReadonlyMap<string, string> = new Map([
  ["ConnectionRefused", "ECONNREFUSED"],
  ["ConnectionReset", "ECONNRESET"],
  ["ConnectionAborted", "ECONNABORTED"],
  ["BrokenPipe", "EPIPE"],
  ["TimedOut", "ETIMEDOUT"],
  ["AddrNotAvailable", "EADDRNOTAVAIL"],
]);

/**
 * The numbers of Linux, of macOS and the BSDs, and of Windows, as Rust prints them: "Connection
 * refused (os error 111)".
 */
const CODE_OF_NUMBER: ReadonlyMap<number, string> = new Map(
  (
    [
      ["ECONNREFUSED", 111, 61, 10061],
      ["ECONNRESET", 104, 54, 10054],
      ["ECONNABORTED", 103, 53, 10053],
      ["ETIMEDOUT", 110, 60, 10060],
      ["EPIPE", 32],
      ["EMFILE", 24, 10024],
      ["ENFILE", 23],
      ["ENOMEM", 12],
      ["ENOBUFS", 105, 55, 10055],
      ["EADDRNOTAVAIL", 99, 49, 10049],
    ] as const
  ).flatMap(([code, ...numbers]) => numbers.map((number) => [number, code] as const)),
);

/** Names of the errors that the language itself throws for a bug. */
const BUGS = new Set(["TypeError", "ReferenceError", "RangeError", "SyntaxError", "EvalError"]);
/** What engines say about a failed fetch if they give it no cause. */
const FETCH_FAILED = /fetch|network|load failed|connection|connect to|error sending request|client error|terminated/i;

/**
 * True for an error of any realm. A plain object with a `code` is no error, because it may be the
 * body of an answer: a service that reports `{"code": "ECONNREFUSED"}` was reached.
 */
export function isError(value: unknown): value is Error {
  if (typeof value !== "object" || value === null) return false;
  if (readOf(() => Object.prototype.toString.call(value)) === "[object Error]") return true;
  return textOf(value, "stack") !== undefined && textOf(value, "message") !== undefined;
}

/**
 * True if `error`, or an error that caused it, proves that the request was not sent. This is proof
 * only for an operation that sends one request; an operation that sends several must classify its
 * errors itself. Errors of this library are never proof, whatever caused them: an *ambiguous
 * outcome* may be caused by a refused connection of its last attempt.
 *
 * @example
 * ```ts
 * import { wasNeverSent } from "ground-station-failover";
 *
 * const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
 * const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
 * console.log(wasNeverSent(refused), wasNeverSent(reset)); // true false
 * ```
 */
export function wasNeverSent(error: unknown): boolean {
  return proves(error, saysNeverSent);
}

function saysNeverSent(error: Error): boolean | undefined {
  if (error instanceof ResilienceError) return false;
  const code = systemCodeOf(error);
  if (code !== undefined && NEVER_SENT_CODES.has(code)) return true;
  if (BEFORE_SENDING.has(textOf(error, "syscall") ?? "")) return true;
  return NEVER_SENT_SENTENCE.test(textOf(error, "message") ?? "") ? true : undefined;
}

/**
 * True if `error`, or an error that caused it, is a shortage of this machine that kept the request
 * from being sent: no descriptor, port, memory or name. It says nothing about the service, and a
 * retry at another station does not help.
 *
 * @example
 * ```ts
 * import { wasLocalShortage } from "ground-station-failover";
 *
 * const error = Object.assign(new Error("too many open files"), { code: "EMFILE" });
 * console.log(wasLocalShortage(error)); // true
 * console.log(wasLocalShortage(new Error("HTTP 503"))); // false
 * ```
 */
export function wasLocalShortage(error: unknown): boolean {
  return proves(error, saysLocalShortage);
}

function saysLocalShortage(error: Error): boolean | undefined {
  if (error instanceof ResilienceError) return false;
  const code = systemCodeOf(error);
  // If the operation could not open a file because no descriptor was left, the shortage is just as
  // local.
  if (code !== undefined && LOCAL_SHORTAGE_CODES.has(code)) return !AFTER_SENDING.has(textOf(error, "syscall") ?? "");
  return LOCAL_SHORTAGE_SENTENCE.test(textOf(error, "message") ?? "") ? true : undefined;
}

/**
 * True if `error`, or an error that caused it, says that no answer came: the request may have been
 * executed or not.
 *
 * @example
 * ```ts
 * import { wasConnectionLost } from "ground-station-failover";
 *
 * const error = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
 * console.log(wasConnectionLost(error)); // true
 * console.log(wasConnectionLost(new Error("fetch failed", { cause: error }))); // true
 * ```
 */
export function wasConnectionLost(error: unknown): boolean {
  return linksOf(error).some(saysConnectionLost);
}

function saysConnectionLost(error: Error): boolean {
  const code = systemCodeOf(error);
  if (code !== undefined && CONNECTION_LOST_CODES.has(code)) return true;
  return CONNECTION_LOST_SENTENCE.test(textOf(error, "message") ?? "");
}

/**
 * True for an error in the code of the operation: a `TypeError`, `ReferenceError`, `RangeError` or
 * `SyntaxError` without a cause. This is a bug of the caller: it says nothing about the service,
 * and no retry repairs it, so it is thrown at once. `fetch` also throws a `TypeError` for a lost
 * connection; that error has a cause, or says so in its message.
 *
 * @example
 * ```ts
 * import { isProgrammingError } from "ground-station-failover";
 *
 * console.log(isProgrammingError(new TypeError("undefined is not a function"))); // true
 * console.log(isProgrammingError(new Error("connection lost"))); // false
 * ```
 */
export function isProgrammingError(error: unknown): boolean {
  if (!isError(error) || !isOfLanguage(error)) return false;
  const message = textOf(error, "message");
  // An error of the language can be read; this one was made or changed by other code.
  if (message === undefined || textOf(error, "name") === undefined) return false;
  // Node throws this before sending, and keeps the parser's error as the cause.
  if (message.startsWith("Failed to parse URL")) return true;
  if (propertyOf(error, "cause") !== undefined) return false;
  if (hasProperty(error, "code")) return textOf(error, "code")?.startsWith("ERR_") === true;
  return !FETCH_FAILED.test(message) && systemCodeOf(error) === undefined;
}

/**
 * Is it an error of the language? Checked by the name that its prototype chain has, in any realm.
 */
function isOfLanguage(error: object): boolean {
  let at = readOf(() => Object.getPrototypeOf(error));
  for (let depth = 0; typeof at === "object" && at !== null && depth < MAX_DEPTH; depth++) {
    const type = at;
    // Read through the descriptor: some prototypes have a getter that throws (that of
    // `DOMException`).
    const name = readOf(() => Object.getOwnPropertyDescriptor(type, "name")?.value);
    if (BUGS.has(name as string)) return true;
    at = readOf(() => Object.getPrototypeOf(type));
  }
  return false;
}

/**
 * True for a refusal of this library (`LocalRejection`), and for an error that was caused only by
 * one: an operation that uses a client of this library may wrap its refusals.
 */
export function wasRefusedLocally(error: unknown): boolean {
  return proves(error, (link) =>
    link instanceof ResilienceError ? propertyOf(link, "origin") === "local" : undefined,
  );
}

/** A station's refusal of an old epoch, in `error` or in its causes. */
export function staleEpochIn(error: unknown): StaleEpochError | undefined {
  return linksOf(error).find((link): link is StaleEpochError => link instanceof StaleEpochError);
}

/** The code of the error or of its causes; "UNKNOWN" if there is none. */
export function codeIn(error: unknown): string {
  for (const link of linksOf(error)) {
    const code = systemCodeOf(link) ?? propertyOf(link, "code");
    if (typeof code === "string" || typeof code === "number") return String(code);
  }
  return "UNKNOWN";
}

/**
 * The verdict on the error itself; else the verdict that all its members share; else that on its
 * cause; false if there is none.
 */
function proves(error: unknown, says: (error: Error) => boolean | undefined): boolean {
  return provesWithin({ links: MAX_LINKS }, error, says, 0);
}

function provesWithin(
  left: { links: number },
  error: unknown,
  says: (error: Error) => boolean | undefined,
  depth: number,
): boolean {
  if (depth >= MAX_DEPTH || !isError(error) || left.links-- <= 0) return false;
  const said = says(error);
  if (said !== undefined) return said;
  const members = membersOf(error);
  if (members === undefined) return provesWithin(left, propertyOf(error, "cause"), says, depth + 1);
  return members.length <= MAX_MEMBERS && members.every((member) => provesWithin(left, member, says, depth + 1));
}

/**
 * The error and the errors that it contains, the outermost first: its members, its cause, and
 * theirs.
 */
function linksOf(error: unknown): readonly Error[] {
  const links: Set<Error> = new Set();
  const add = (values: readonly unknown[]): void => {
    for (const value of values) if (isError(value) && links.size < MAX_MEMBERS) links.add(value);
  };
  add([error]);
  // The loop continues with what is added to the set meanwhile. A set holds each error once, so a
  // ring of causes ends.
  for (const link of links) add([...(membersOf(link) ?? []), propertyOf(link, "cause")]);
  return [...links];
}

/**
 * The errors in an `AggregateError` of any realm. Other lists named `errors` (a form's mistakes) do
 * not count.
 */
export function membersOf(error: unknown): readonly Error[] | undefined {
  const members = itemsOf(propertyOf(error, "errors"), MAX_MEMBERS + 1);
  return members !== undefined && members.length > 0 && members.every(isError) ? members : undefined;
}

/** The system's code: a code, or a name or number that stands for one. */
function systemCodeOf(error: Error): string | undefined {
  const code = textOf(error, "code");
  if (code !== undefined) return code;
  const named = CODE_OF_NAME.get(textOf(error, "name") ?? "");
  if (named !== undefined) return named;
  const number = /\(os error (\d{1,5})\)/.exec(textOf(error, "message") ?? "")?.[1];
  return number === undefined ? undefined : CODE_OF_NUMBER.get(Number(number));
}
