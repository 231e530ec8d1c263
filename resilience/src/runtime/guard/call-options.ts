/**
 * What a caller says about one call, and what is done with its end. The machine behind it is
 * `call.ts`. Everything here is per call; what holds for a whole downstream is `ClientOptions`.
 */
import type { Deadline } from "../../core/deadline.ts";
import { checkBoolean, checked, checkNames, checkSignal, type Names, PRIORITY, refusal } from "../../core/options.ts";
import type { AttemptContext } from "./attempt.ts";

/**
 * Work to be guarded. It may be called several times (see {@link CallOptions.idempotent}), each
 * with its own context. Whatever is to be bounded happens inside: read an answer's body here,
 * because timeout and deadline end with what this returns.
 */
export type Operation<T> = (context: AttemptContext) => PromiseLike<T> | T;

/** Options of one call. */
export interface CallOptions {
  /**
   * The caller's abort: ends any wait within a tick and rejects with `CallAbortedError`. A failover
   * learns from it how long callers wait, unless the reason is a {@link RequestCutError}. Default:
   * nobody aborts the call.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * When the caller stops waiting, an instant on the client's clock: `deadlineAfter(5_000)` for
   * five seconds from now. It is the call's own word, so it counts alone: it may be later than the
   * ambient deadline ({@link withDeadline}), and the operation is then under it. Default: the
   * client's `deadlineMs` from now, or the ambient deadline where that is earlier.
   */
  readonly deadline?: Deadline | undefined;
  /**
   * Names this command, so that the service executes it once however often it arrives: makes
   * retries safe. An empty text is no key. Default: no key.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * True: executing it twice does no harm (reads): makes retries safe. Default false: only the
   * caller knows.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * For a failover: who calls what, in a few words, such as `10.0.0.7 GET /telemetry`. A station is
   * judged by what happens to several sources, and each source by what it usually needs, so that
   * one route that always fails or takes long says nothing about its station. Default: all calls
   * without one are of one source.
   */
  readonly source?: string | undefined;
  /**
   * In the bulkhead's queue, higher goes first; any number but NaN. Default 0: all calls alike. A
   * failover's own queue goes by deadline.
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
 * Throws `ConfigurationError` where `options` are none: for callers without types, whose misspelt
 * `idempotent` would be no retry, without a word. The deadline is checked where the time is read.
 */
export function checkCallOptions(part: string, options: CallOptions): void {
  if (typeof options !== "object" || options === null)
    throw refusal(part, "the options of a call", options, "an object");
  let known = 0;
  for (const name in options) {
    if (isOption(name)) known++;
    else checkNames(part, options, NAMES, "options of a call");
  }
  // None at all, or something that holds them in another way, such as a Map.
  if (known === 0) checkNames(part, options, NAMES, "options of a call");
  const { signal, idempotencyKey, idempotent, source, priority } = options;
  if (signal !== undefined) checkSignal(part, signal);
  if (priority !== undefined) checked(part, "priority", priority, PRIORITY);
  if (idempotent !== undefined) checkBoolean(part, "idempotent", idempotent);
  // Null is what callers without types hand in for none.
  if (typeof (idempotencyKey ?? "") !== "string") throw refusal(part, "idempotencyKey", idempotencyKey, "a text");
  if (source !== undefined && typeof source !== "string") throw refusal(part, "source", source, "a text");
}

/**
 * Is `name` one of {@link NAMES}? Written out, because it is asked for each option of each call.
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
 * May a call be sent again although it may have run: has it a key, or was it declared idempotent?
 */
export function isRepeatable(options: CallOptions): boolean {
  // An empty key names nothing.
  return options.idempotent === true || (options.idempotencyKey ?? "") !== "";
}
