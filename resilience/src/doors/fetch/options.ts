/**
 * The options of a guarded `fetch`, of one request, and their checks.
 */
import type { Deadline } from "../../core/deadline.ts";
import { COUNT, checkBoolean, checked, checkFunction, checkNames, type Names } from "../../core/options.ts";
import type { HttpAnswerWithBody } from "../../core/outcomes/outcome.ts";
import type { ClientOptions, ResilientClient } from "../../runtime/guard/client.ts";

/**
 * What a guarded `fetch` calls through: a client with a classifier, which other code may share, or
 * the options for a client. In options, `classify` is `httpStatus` by default, so that a 404 is no
 * failure, and a 500 or a 429 is.
 */
export type FetchPolicies = ResilientClient<HttpAnswerWithBody> | ClientOptions<HttpAnswerWithBody>;

/** Options of a guarded `fetch`. */
export interface FetchOptions {
  /** The `fetch` that sends. Default: that of the platform. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /**
   * The longest body that is read within an attempt, in bytes after decompression; a whole number
   * from 1, below 2^31. A longer one rejects with a `ConfigurationError` (hazard `body-too-large`),
   * which does not count against the service. Default 16,777,216 (16 MiB): bodies are held in
   * memory, and far longer ones are downloads, for which `stream` is made.
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * True: the body of a good answer is handed on while it arrives; see
   * {@link FetchCallOptions.stream}. Default false: only a body that was read can be retried.
   */
  readonly stream?: boolean | undefined;
  /**
   * True: each attempt says in `x-time-left-ms` how much time is left until its deadline, if it has
   * one. Default false: a service of somebody else does not know the header, and a browser asks
   * such a service for leave first.
   */
  readonly sendTimeLeft?: boolean | undefined;
}

/** Options of one request, as `call` among those of `fetch`. */
export interface FetchCallOptions {
  /**
   * When the caller stops waiting: `deadlineAfter(5_000)`. Default: the ambient deadline, or the
   * client's `deadlineMs` from now if that is earlier.
   */
  readonly deadline?: Deadline | undefined;
  /**
   * True if executing the request twice does no harm. Default: true for GET, HEAD, OPTIONS, TRACE,
   * PUT and DELETE (RFC 9110, 9.2.2), and for a request with an idempotency key.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * Identifies the request, so that the service executes it once; sent as `Idempotency-Key`.
   * Default: the header of that name, if the request has one.
   */
  readonly idempotencyKey?: string | undefined;
  /** Priority in the bulkhead's queue, higher goes first; any number but NaN. Default 0. */
  readonly priority?: number | undefined;
  /**
   * True: the attempt ends with the head, and the body of an answer below 400 is handed on while it
   * arrives. The deadline bounds the body, and so does the client's `timeoutMs` for each wait for
   * the next chunk. It is not retried when it is cut, and its slot in the bulkhead is free.
   * Default: that of the guarded `fetch`.
   */
  readonly stream?: boolean | undefined;
}

/** What a guarded `fetch` takes as its second argument: what `fetch` takes, and `call`. */
export interface ResilientRequestInit extends RequestInit {
  readonly call?: FetchCallOptions | undefined;
}

/** A guarded `fetch`; it can be used wherever a `fetch` is expected. */
export type ResilientFetch = (
  input: Parameters<typeof globalThis.fetch>[0],
  init?: ResilientRequestInit,
) => Promise<Response>;

/** The options with their defaults. */
export interface CheckedFetchOptions {
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly maxBodyBytes: number;
  readonly stream: boolean;
  readonly sendTimeLeft: boolean;
}

const NAMES: Names<FetchOptions> = { fetch: true, maxBodyBytes: true, stream: true, sendTimeLeft: true };
const CALL_NAMES: Names<FetchCallOptions> = {
  deadline: true,
  idempotent: true,
  idempotencyKey: true,
  priority: true,
  stream: true,
};

/** Throws `ConfigurationError` if an option is unknown or out of range. */
export function checkedOptions(name: string, options: FetchOptions): CheckedFetchOptions {
  const part = `resilientFetch ${name}`;
  checkNames(part, options, NAMES);
  checkFunction(part, "fetch", options.fetch);
  checkBoolean(part, "stream", options.stream);
  checkBoolean(part, "sendTimeLeft", options.sendTimeLeft);
  return {
    fetch: options.fetch,
    maxBodyBytes: checked(part, "maxBodyBytes", options.maxBodyBytes ?? 16 * 1_024 ** 2, COUNT),
    stream: options.stream ?? false,
    sendTimeLeft: options.sendTimeLeft ?? false,
  };
}

/**
 * Throws `ConfigurationError` if `call` has an unknown name or a `stream` that is no boolean; the
 * client checks the rest.
 */
export function checkCall(name: string, call: FetchCallOptions): void {
  const part = `resilientFetch ${name}`;
  checkNames(part, call, CALL_NAMES, "call");
  checkBoolean(part, "call.stream", call.stream);
}
