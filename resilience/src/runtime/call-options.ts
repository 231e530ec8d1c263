/**
 * What a caller says about one call, and what is done with its end. The machine behind it is `call.ts`.
 * Everything here is per call; what holds for a whole downstream is `ClientOptions`.
 */
import type { Deadline } from "../core/deadline.ts";
import type { AttemptContext } from "./attempt.ts";

/** Work to be guarded. It may be called several times (see {@link CallOptions.idempotent}), each with its own context. */
export type Operation<T> = (context: AttemptContext) => PromiseLike<T> | T;

export interface CallOptions {
  /**
   * The caller's abort: ends any wait within a tick and rejects with `CallAbortedError`. A failover learns from it how long
   * callers wait, unless the reason is a {@link RequestCutError}.
   */
  readonly signal?: AbortSignal;
  /** When the caller stops waiting, an instant on the client's clock (`deadlineAfter(ms)`). Default: the client's `deadlineMs` from now. */
  readonly deadline?: Deadline;
  /** Names this command, so that the service executes it once however often it arrives: makes retries safe. Empty is none. */
  readonly idempotencyKey?: string;
  /** True: executing it twice does no harm (reads): makes retries safe. Default false. */
  readonly idempotent?: boolean;
  /**
   * For a failover: who calls what, in a few words, such as `10.0.0.7 GET /telemetry`. A station is judged by what happens
   * to several sources, and each source by what it usually needs, so that one route that always fails or takes long says
   * nothing about its station. Default: all calls without one are of one source.
   */
  readonly source?: string;
  /** In the bulkhead's queue, higher goes first; any number but NaN. Default 0. A failover's own queue goes by deadline. */
  readonly priority?: number;
}

/** May a call be sent again although it may have run: has it a key, or was it declared idempotent? */
export function isRepeatable(options: CallOptions): boolean {
  // An empty key names nothing.
  return options.idempotent === true || (options.idempotencyKey ?? "") !== "";
}

/** Where a call's end goes: a promise's two functions, or the failover. */
export interface CallSink<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}
