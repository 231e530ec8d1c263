/**
 * A `fetch` that is guarded by a client. The platform's `fetch` resolves with the head of an
 * answer; nothing bounds the body, which may hang or be cut. Here the body is read inside the
 * attempt, so timeout, deadline, breaker and retries see all of it, and the caller gets a
 * `Response` whose body is complete. Downloads that are too long to be held are handed on instead
 * (`stream`).
 */
import { CallAbortedError } from "../../core/errors.ts";
import type { HttpAnswerWithBody } from "../../core/outcomes/outcome.ts";
import type { AttemptContext } from "../../runtime/guard/attempt.ts";
import type { ResilientClient } from "../../runtime/guard/client.ts";
import { callOnce, settingsOf } from "../../runtime/guard/guarded-call.ts";
import { judgingClient } from "../judging-client.ts";
import { FetchAnswer, wholeBody } from "./answer.ts";
import { boundedBody } from "./bounded-body.ts";
import {
  type CheckedFetchOptions,
  checkedOptions,
  type FetchOptions,
  type FetchPolicies,
  type ResilientFetch,
} from "./options.ts";
import { headersOf, type PreparedRequest, prepare } from "./request.ts";

/**
 * A `fetch` for one service, guarded by a client or by one that is made of `policies`. A failure
 * status (5xx, 408, 429) is retried where the request is safe to repeat, and the last answer is
 * delivered as `fetch` would; so is an answer whose body was cut. Rejects as `fetch` does: with the
 * reason of the caller's signal, with the error of the connection, or with an error of this library
 * (`BreakerOpenError`, `AttemptTimeoutError`, `DeadlineExceededError`, …). Throws
 * `ConfigurationError` for invalid options.
 *
 * @example
 * ```ts
 * import { resilientFetch } from "ground-station-failover/fetch";
 *
 * const fetch = resilientFetch({ name: "north", timeoutMs: 1_000, deadlineMs: 5_000 });
 * const response = await fetch("http://127.0.0.1:9001/");
 * console.log(response.status); // 200
 * ```
 */
export function resilientFetch(policies: FetchPolicies, options: FetchOptions = {}): ResilientFetch {
  const client = judgingClient("resilientFetch", policies);
  const guarded = new GuardedFetch(client, checkedOptions(client.name, options));
  return (input, init) => guarded.fetch(input, init);
}

class GuardedFetch {
  readonly #client: ResilientClient<HttpAnswerWithBody>;
  readonly #options: CheckedFetchOptions;

  constructor(client: ResilientClient<HttpAnswerWithBody>, options: CheckedFetchOptions) {
    this.#client = client;
    this.#options = options;
  }

  async fetch(...[input, init]: Parameters<ResilientFetch>): Promise<Response> {
    const request = prepare(this.#client.name, input, init);
    const { signal } = request.options;
    try {
      return (await this.#call(request)).toResponse();
    } catch (error) {
      // Code that calls `fetch` compares with the reason, or with its name `AbortError`.
      if (error instanceof CallAbortedError && signal?.aborted === true) throw signal.reason;
      throw error;
    }
  }

  #call(request: PreparedRequest): Promise<FetchAnswer> {
    const isStreamed = request.stream ?? this.#options.stream;
    let earlier: FetchAnswer | undefined;
    const operation = async (attempt: AttemptContext): Promise<FetchAnswer> => {
      // It was judged to be a failure, so nobody reads it.
      earlier?.discard();
      const answer = isStreamed ? await this.#streamed(request, attempt) : await this.#whole(request, attempt);
      earlier = answer;
      return answer;
    };
    if (request.isOneShot) return callOnce(this.#client, operation, request.options);
    return this.#client.call(operation, request.options);
  }

  async #whole(request: PreparedRequest, attempt: AttemptContext): Promise<FetchAnswer> {
    const response = await this.#send(request, attempt, attempt.signal);
    return new FetchAnswer(response, await wholeBody(response, this.#options.maxBodyBytes, this.#client.name));
  }

  /** The request must outlive its attempt, so it gets a signal of its own. */
  async #streamed(request: PreparedRequest, attempt: AttemptContext): Promise<FetchAnswer> {
    const own = new AbortController();
    const { signal, deadline } = attempt;
    signal.addEventListener("abort", () => own.abort(signal.reason), { once: true });
    const response = await this.#send(request, attempt, own.signal);
    if (signal.aborted) throw signal.reason;
    // An answer that tells of an error is short, and may have to be retried.
    if (response.body === null || response.status >= 400)
      return new FetchAnswer(response, await wholeBody(response, this.#options.maxBodyBytes, this.#client.name));
    const { name, clock, timeoutMs } = settingsOf(this.#client);
    const end = (reason: unknown): void => own.abort(reason);
    const bounds = { name, clock, timeoutMs, deadline, signal: request.options.signal, end };
    return new FetchAnswer(response, boundedBody(response.body, bounds));
  }

  #send(request: PreparedRequest, attempt: AttemptContext, signal: AbortSignal): Promise<Response> {
    const send = this.#options.fetch ?? globalThis.fetch;
    const headers = headersOf(request, attempt, this.#options.sendTimeLeft);
    return send(request.input, { ...request.init, headers, signal });
  }
}
