/**
 * The parts of undici that an interceptor touches, in words of our own, so that no type of undici
 * is needed where it is not installed. They are the same in undici 7 and 8.
 */

/** What a request may say; the rest is handed on. */
export interface DispatchOptions {
  readonly method: string;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly idempotent?: boolean | undefined;
  readonly upgrade?: unknown;
}

/** What a handler may do with the request that it hears of. */
export interface DispatchController {
  readonly aborted: boolean;
  readonly paused: boolean;
  readonly reason: Error | null;
  rawHeaders?: unknown;
  rawTrailers?: unknown;
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What hears of a request. */
export interface DispatchHandler {
  onRequestStart?(controller: DispatchController, context: unknown): void;
  onRequestUpgrade?(controller: DispatchController, status: number, headers: AnswerHeaders, socket: unknown): void;
  onResponseStart?(controller: DispatchController, status: number, headers: AnswerHeaders, message?: string): void;
  onResponseData?(controller: DispatchController, chunk: Uint8Array): void;
  onResponseEnd?(controller: DispatchController, trailers: AnswerHeaders): void;
  onResponseError?(controller: DispatchController, error: Error): void;
}

/** Sends a request. */
export type Dispatch = (options: DispatchOptions, handler: DispatchHandler) => boolean;

/** The value of header `name`, in any form in which undici takes headers. */
export function headerOf(headers: unknown, name: string): string | undefined {
  for (const [key, value] of pairsOf(headers)) {
    if (String(key).toLowerCase() === name) return value === undefined ? undefined : String(value);
  }
  return undefined;
}

function* pairsOf(headers: unknown): Iterable<readonly [unknown, unknown]> {
  if (typeof headers !== "object" || headers === null) return;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at], headers[at + 1]];
  } else if (Symbol.iterator in headers) yield* headers as Iterable<readonly [unknown, unknown]>;
  else yield* Object.entries(headers);
}
