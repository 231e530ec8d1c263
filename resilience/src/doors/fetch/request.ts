/**
 * What a guarded `fetch` has to know of a request before it sends it: whether it may be sent twice,
 * and what is sent each time.
 */
import { TIME_LEFT_HEADER, toTimeLeftHeader } from "../../core/deadline.ts";
import type { AttemptContext } from "../../runtime/guard/attempt.ts";
import type { CallOptions } from "../../runtime/guard/call-options.ts";
import { isIdempotent, isOneShotBody, KEY_HEADER } from "../repeatable.ts";
import { checkCall, type ResilientFetch, type ResilientRequestInit } from "./options.ts";

/** A request, ready to be sent by attempts. */
export interface PreparedRequest {
  readonly input: Parameters<ResilientFetch>[0];
  readonly init: RequestInit;
  readonly headers: Headers;
  readonly options: CallOptions;
  readonly stream: boolean | undefined;
  /** Its body is a stream, which can be sent only once. */
  readonly isOneShot: boolean;
}

/** Reads a request. Throws if `fetch` would, or if an option is invalid. */
export function prepare(
  name: string,
  givenInput: PreparedRequest["input"],
  givenInit: ResilientRequestInit = {},
): PreparedRequest {
  // A `Request` as the second argument has its fields in its class, where a copy would lose them.
  const isRequest = givenInit instanceof Request;
  const input = isRequest ? new Request(givenInput, givenInit) : givenInput;
  const { call = {}, signal, ...init } = isRequest ? ({} as ResilientRequestInit) : givenInit;
  checkCall(name, call);
  const asked = input instanceof Request ? input : undefined;
  const headers = new Headers(init.headers ?? asked?.headers);
  const { stream, ...rest } = call;
  const idempotencyKey = rest.idempotencyKey ?? headers.get(KEY_HEADER) ?? undefined;
  if (typeof idempotencyKey === "string" && idempotencyKey !== "") headers.set(KEY_HEADER, idempotencyKey);
  const method = init.method ?? asked?.method ?? "GET";
  return {
    input,
    init,
    headers,
    options: {
      ...rest,
      idempotencyKey,
      idempotent: rest.idempotent ?? isIdempotent(method),
      // Null means: not that of the `Request` either.
      signal: (signal === undefined ? asked?.signal : signal) ?? undefined,
    },
    stream,
    isOneShot: isOneShotBody(init.body) || ((init.body ?? undefined) === undefined && (asked?.body ?? null) !== null),
  };
}

/** The headers of one attempt. */
export function headersOf(request: PreparedRequest, attempt: AttemptContext, sendTimeLeft: boolean): Headers {
  const headers = new Headers(request.headers);
  const leftMs = sendTimeLeft ? attempt.timeLeftMs() : Number.POSITIVE_INFINITY;
  if (leftMs < Number.POSITIVE_INFINITY) headers.set(TIME_LEFT_HEADER, toTimeLeftHeader(leftMs));
  return headers;
}
