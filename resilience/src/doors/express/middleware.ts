/**
 * Middleware for servers: the time that a caller still waits becomes the deadline of all calls that
 * the request causes, and requests beyond what the process can serve are refused at once. It needs
 * no type of Express, and works with whatever takes middleware of this form.
 */
import { fromTimeLeftHeader, TIME_LEFT_HEADER } from "../../core/deadline.ts";
import { COUNT, checked, checkNames, type Names, WAIT_MS } from "../../core/options.ts";
import { deadlineAfter, withDeadline } from "../../runtime/time/ambient-deadline.ts";

/** What a middleware reads of a request. */
export interface MiddlewareRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** How a middleware answers. */
export interface MiddlewareResponse {
  statusCode: number;
  /** Sets a header. */
  setHeader(name: string, value: string): unknown;
  /** Sends the answer. */
  end(text: string): unknown;
  /** Tells of the end of the answer or of its connection. */
  once(event: "close", listener: () => void): unknown;
}

/** Middleware of Express. */
export type Middleware = (request: MiddlewareRequest, response: MiddlewareResponse, next: () => void) => void;

/** Options of {@link requestDeadline}. */
export interface DeadlineOptions {
  /**
   * The longest time that a request gets, also if its caller says more, or nothing. In ms, above 0.
   * Default `Infinity`, no limit: only you know how long your callers wait.
   */
  readonly maxMs?: number | undefined;
}

/** Options of {@link shedLoad}. */
export interface ShedOptions {
  /** How many requests are served at the same time; a whole number from 1. No default. */
  readonly maxConcurrent: number;
  /**
   * What a refused caller is told to wait, in ms from 0; rounded up to whole seconds for
   * `Retry-After`. Default 1,000: the least that the header can say.
   */
  readonly retryAfterMs?: number | undefined;
}

const DEADLINE_NAMES: Names<DeadlineOptions> = { maxMs: true };
const SHED_NAMES: Names<ShedOptions> = { maxConcurrent: true, retryAfterMs: true };

/**
 * Makes the time that the caller still waits (`x-time-left-ms`) the ambient deadline of the
 * request: every client call that it causes ends by then. A request whose time is over is answered
 * with 504 and not served. A header that cannot be read counts as none. Throws `ConfigurationError`
 * for invalid options.
 *
 * @example
 * ```ts
 * import { ambientDeadline, systemClock, timeLeftMs } from "ground-station-failover";
 * import { requestDeadline } from "ground-station-failover/express";
 * import express from "express";
 *
 * const app = express();
 * app.use(requestDeadline({ maxMs: 30_000 }));
 * app.get("/", (_, response) => {
 *   response.json(timeLeftMs(ambientDeadline(), systemClock.nowMs()) <= 2_000);
 * });
 * const server = app.listen(0, "127.0.0.1", async () => {
 *   const { port } = server.address() as { port: number };
 *   const headers = { "x-time-left-ms": "2000", connection: "close" };
 *   const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
 *   console.log(await response.json()); // true
 *   server.close();
 * });
 * await new Promise((closed) => server.once("close", closed));
 * ```
 */
export function requestDeadline(options: DeadlineOptions = {}): Middleware {
  checkNames("requestDeadline", options, DEADLINE_NAMES);
  const limit = { ...WAIT_MS, aboveMin: true };
  const maxMs = checked("requestDeadline", "maxMs", options.maxMs ?? Number.POSITIVE_INFINITY, limit);
  return (request, response, next) => {
    const said = request.headers[TIME_LEFT_HEADER];
    const ms = Math.min((typeof said === "string" ? fromTimeLeftHeader(said) : undefined) ?? maxMs, maxMs);
    if (ms > 0) return withDeadline(deadlineAfter(ms), next);
    answer(response, 504, "The deadline of this request is over.\n");
  };
}

/**
 * Refuses requests with 503 and `Retry-After` while `maxConcurrent` others are being served: a
 * process that takes more than it can serve answers nobody in time. A request counts until its
 * response is sent or its connection is closed. Put it before everything that costs something, and
 * behind the health check. Throws `ConfigurationError` for invalid options.
 *
 * @example
 * ```ts
 * import { shedLoad } from "ground-station-failover/express";
 * import express from "express";
 *
 * const app = express();
 * app.get("/healthz", (_, response) => {
 *   response.send("ok");
 * });
 * app.use(shedLoad({ maxConcurrent: 200 }));
 * console.log(typeof app.listen); // function
 * ```
 */
export function shedLoad(options: ShedOptions): Middleware {
  checkNames("shedLoad", options, SHED_NAMES);
  const maxConcurrent = checked("shedLoad", "maxConcurrent", options.maxConcurrent, COUNT);
  const range = { min: 0, max: 2 ** 31 - 1 };
  const retryAfterMs = checked("shedLoad", "retryAfterMs", options.retryAfterMs ?? 1_000, range);
  const retryAfter = String(Math.ceil(retryAfterMs / 1_000));
  let serving = 0;
  return (_request, response, next) => {
    if (serving >= maxConcurrent) {
      response.setHeader("retry-after", retryAfter);
      return answer(response, 503, `${maxConcurrent} requests are being served already; try again later.\n`);
    }
    serving++;
    response.once("close", () => serving--);
    next();
  };
}

function answer(response: MiddlewareResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(text);
}
