/**
 * The options of one call, and how its end is used. `call.ts` is the machine behind it. Everything
 * here applies to one call; `ClientOptions` applies to a whole downstream.
 */
import type { Deadline } from "../../core/deadline.ts";
import { checkBoolean, checked, checkNames, checkSignal, type Names, PRIORITY, refusal } from "../../core/options.ts";
import type { AttemptContext } from "./attempt.ts";

/**
 * The work of one attempt. A client may call it several times (see {@link CallOptions.idempotent}),
 * each time with its own context. Do everything that must be bounded inside it, such as reading the
 * body of an answer: timeout and deadline no longer apply when it has returned.
 */
export type Operation<T> = (context: AttemptContext) => PromiseLike<T> | T;

/** Options of one call. */
export interface CallOptions {
  /**
   * The caller's abort: ends any wait within a tick and rejects with `CallAbortedError`. A failover
   * learns from it how long callers wait, unless the reason is a {@link RequestCutError}. Default:
   * none, and the call cannot be aborted.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * When the caller stops waiting, an instant on the client's clock: `deadlineAfter(5_000)` for
   * five seconds from now. It replaces the ambient deadline ({@link withDeadline}) and may be
   * later; the operation is then under it. Default: the client's `deadlineMs` from now, or the
   * ambient deadline if that is earlier.
   */
  readonly deadline?: Deadline | undefined;
  /**
   * Identifies this command, so that the service executes it once even if it arrives several times;
   * this makes retries safe. An empty text is no key. Default: no key.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * True if executing it twice does no harm (reads); this makes retries safe. Default false: only
   * the caller knows.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * For a failover: the caller and the route in a few words, such as `10.0.0.7 GET /telemetry`. A
   * station is judged by what happens to several sources, and each source by the time that it
   * usually needs. So one route that always fails or takes long says nothing about its station.
   * Default: all calls without one have the same source.
   */
  readonly source?: string | undefined;
  /**
   * Priority in the bulkhead's queue: higher goes first, and takes the place of a lower one in a
   * full queue; any number but NaN. Default 0: all calls are equal. A failover's own queue is
   * ordered by deadline.
   */
  readonly priority?: number | undefined;
}

const NAMES: Names<CallOptions> = {
  signal: true,
  deadline: true,
  idempotencyKey: true,
  idempotent: true,
  source: true,
  priority: true,
};

/**
 * Throws `ConfigurationError` if `options` are invalid. This is for callers without types: a
 * misspelt `idempotent` would silently disable retries. The deadline is checked where the time is
 * read.
 */
export function checkCallOptions(part: string, options: CallOptions): void {
  if (typeof options !== "object" || options === null)
    throw refusal(part, "the options of a call", options, "an object");
  let known = 0;
  for (const name in options) {
    if (isOption(name)) known++;
    else checkNames(part, options, NAMES, "options of a call");
  }
  // There are none, or the value holds them in another way, such as a Map.
  if (known === 0) checkNames(part, options, NAMES, "options of a call");
  const { signal, idempotencyKey, idempotent, source, priority } = options;
  if (signal !== undefined) checkSignal(part, signal);
  if (priority !== undefined) checked(part, "priority", priority, PRIORITY);
  if (idempotent !== undefined) checkBoolean(part, "idempotent", idempotent);
  // Callers without types pass null for no key.
  if (typeof (idempotencyKey ?? "") !== "string") throw refusal(part, "idempotencyKey", idempotencyKey, "a text");
  if (source !== undefined && typeof source !== "string") throw refusal(part, "source", source, "a text");
}

/**
 * Is `name` one of {@link NAMES}? Written as a switch, because it is checked for each option of
 * each call.
 */
function isOption(name: string): boolean {
  switch (name as keyof CallOptions) {
    case "signal":
    case "deadline":
    case "idempotencyKey":
    case "idempotent":
    case "source":
    case "priority":
      return true;
    default:
      return false;
  }
}

/**
 * May a call be sent again although it may have run? True if it has a key or was declared
 * idempotent.
 */
export function isRepeatable(options: CallOptions): boolean {
  // An empty key identifies nothing.
  return options.idempotent === true || (options.idempotencyKey ?? "") !== "";
}
