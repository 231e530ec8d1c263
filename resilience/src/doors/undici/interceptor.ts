/**
 * An interceptor for undici's dispatchers: every request through `dispatcher.compose(…)` is guarded
 * by a client. The whole answer is received inside the attempt, so a body that hangs or is cut is
 * bounded and retried, and is then handed to whatever asked: `request`, `fetch`, `stream`,
 * `pipeline`. Upgrades and CONNECT have no end that could be waited for, and pass unguarded.
 */
import { CallAbortedError, ConfigurationError } from "../../core/errors.ts";
import { COUNT, checked, checkNames, type Names } from "../../core/options.ts";
import type { HttpAnswerWithBody } from "../../core/outcomes/outcome.ts";
import { propertyOf } from "../../core/unknown-value.ts";
import type { AttemptContext } from "../../runtime/guard/attempt.ts";
import type { CallOptions } from "../../runtime/guard/call-options.ts";
import type { ClientOptions, ResilientClient } from "../../runtime/guard/client.ts";
import { callOnce } from "../../runtime/guard/guarded-call.ts";
import { judgingClient } from "../judging-client.ts";
import { isIdempotent, isOneShotBody, KEY_HEADER } from "../repeatable.ts";
import { type ReceivedAnswer, Receiver } from "./received.ts";
import { Replay } from "./replay.ts";
import { type Dispatch, type DispatchHandler, type DispatchOptions, headerOf } from "./wire.ts";

/**
 * What an interceptor calls through: a client with a classifier, which other code may share, or the
 * options for a client. In options, `classify` is `httpStatus` by default, so that a 404 is no
 * failure, and a 500 or a 429 is.
 */
export type UndiciPolicies = ResilientClient<HttpAnswerWithBody> | ClientOptions<HttpAnswerWithBody>;

/** Options of an interceptor. */
export interface InterceptorOptions {
  /**
   * The longest body that is received within an attempt, in bytes as they are sent; a whole number
   * from 1, below 2^31. A longer one ends with a `ConfigurationError` (hazard `body-too-large`),
   * which does not count against the service. Default 16,777,216 (16 MiB): bodies are held in
   * memory until they are complete.
   */
  readonly maxBodyBytes?: number | undefined;
}

/**
 * An interceptor for `compose` of any dispatcher of undici.
 *
 * @typeParam D - The `dispatch` of that version of undici.
 */
export type UndiciInterceptor = <D extends (options: never, handler: never) => boolean>(dispatch: D) => D;

const NAMES: Names<InterceptorOptions> = { maxBodyBytes: true };

/**
 * An interceptor that guards the requests to one service. A failure status (5xx, 408, 429), a lost
 * connection and a cut body are retried where the request is safe to repeat: by its method (RFC
 * 9110, 9.2.2), by `idempotent` of its options, or with an `Idempotency-Key`. The last answer is
 * delivered. Throws `ConfigurationError` for invalid options.
 *
 * @example
 * ```ts
 * import { resilientInterceptor } from "ground-station-failover/undici";
 * import { Agent, request } from "undici";
 *
 * const guard = resilientInterceptor({ name: "north", timeoutMs: 1_000, deadlineMs: 5_000 });
 * const dispatcher = new Agent().compose(guard);
 * const { statusCode, body } = await request("http://127.0.0.1:9001/", { dispatcher });
 * await body.dump();
 * console.log(statusCode); // 200
 * await dispatcher.close();
 * ```
 */
export function resilientInterceptor(policies: UndiciPolicies, options: InterceptorOptions = {}): UndiciInterceptor {
  const client = judgingClient("resilientInterceptor", policies);
  const part = `resilientInterceptor ${client.name}`;
  checkNames(part, options, NAMES);
  const maxBodyBytes = checked(part, "maxBodyBytes", options.maxBodyBytes ?? 16 * 1_024 ** 2, COUNT);
  return (dispatch) => {
    const send = dispatch as (options: never, handler: never) => boolean as Dispatch;
    const guarded = (request: DispatchOptions, handler: DispatchHandler): boolean => {
      if (request.upgrade || request.method === "CONNECT") return send(request, handler);
      guard(client, maxBodyBytes, send, request, handler);
      return true;
    };
    return guarded as (options: never, handler: never) => boolean as typeof dispatch;
  };
}

function guard(
  client: ResilientClient<HttpAnswerWithBody>,
  maxBodyBytes: number,
  send: Dispatch,
  request: DispatchOptions,
  handler: DispatchHandler,
): void {
  const replay = new Replay(handler);
  replay.start();
  const operation = ({ signal }: AttemptContext): Promise<ReceivedAnswer> =>
    new Promise((received, reject) => {
      const failed = (error: unknown): void => reject(isRefusal(error) ? refused(client.name, error) : error);
      send(request, new Receiver({ name: client.name, maxBodyBytes, signal, received, failed }));
    });
  const options: CallOptions = {
    idempotent: request.idempotent ?? isIdempotent(request.method),
    idempotencyKey: headerOf(request.headers, KEY_HEADER),
    signal: replay.signal,
  };
  const isOnce = isOneShotBody(request.body);
  const call = isOnce ? callOnce(client, operation, options) : client.call(operation, options);
  call.then(
    (answer) => replay.deliver(answer),
    (error) => replay.fail(asUndiciSays(error, replay)),
  );
}

/** Code that asked undici knows the reason that it gave, and undici's own refusals. */
function asUndiciSays(error: unknown, replay: Replay): unknown {
  if (error instanceof CallAbortedError && replay.aborted) return replay.reason;
  return error instanceof ConfigurationError && isRefusal(error.cause) ? error.cause : error;
}

/** Does undici refuse to send this request, whatever the service does? */
function isRefusal(error: unknown): boolean {
  const code = propertyOf(error, "code");
  return code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED";
}

/** Such a refusal is not retried, and does not count against the service. */
function refused(name: string, cause: unknown): ConfigurationError {
  return new ConfigurationError("invalid-request", `${name}: undici refused the request`, { cause });
}
