/**
 * A request's body: read whole where that makes the command repeatable at a bearable price, else passed on while it
 * arrives. Short bodies of known length are read whole, and so are those of unknown length that come under an
 * idempotency key, for as long as they stay short. The rest is streamed and can be sent once. The limit holds for
 * either kind, however the body is framed.
 */
import type { IncomingMessage } from "node:http";
import { RefusedRequest } from "../fleet/problem.ts";
import type { BodyLimits } from "../fleet/settings.ts";
import type { RequestBody } from "../fleet/uplink.ts";

type Source = AsyncIterator<Uint8Array>;

/** Throws {@link RefusedRequest} where the request says itself that it is longer than `limit` bytes. */
export function refuseTooLarge(message: IncomingMessage, limit: number): void {
  if (declaredLength(message) > limit) throw tooLarge(limit);
}

/**
 * Reads or opens the body of `message`. Rejects where the body breaks off, is too long or `caller` is aborted meanwhile.
 * A body that is streamed aborts `caller` before it fails: the fault is the request's, and not of the station that is
 * reading it.
 */
export async function requestBody(
  message: IncomingMessage,
  limits: BodyLimits,
  keyed: boolean,
  caller: AbortController,
): Promise<RequestBody> {
  const chunked = message.headers["transfer-encoding"] !== undefined;
  const length = declaredLength(message);
  if (!chunked && length === 0) return { kind: "none" };
  // Not destroyed when a station stops reading it: the caller is still to be answered on the same connection.
  const source = message.iterator({ destroyOnReturn: false }) as Source;
  const first: Uint8Array[] = [];
  if (chunked ? keyed : length <= limits.replayBytes) {
    const given = givenUp(caller.signal);
    for (let bytes = 0; bytes <= limits.replayBytes; ) {
      const next = await Promise.race([source.next(), given]);
      if (next.done === true) return { kind: "bytes", bytes: joined(first) };
      first.push(next.value);
      bytes += next.value.length;
    }
  }
  return new StreamedBody(first, source, limits.requestBytes, caller);
}

function declaredLength(message: IncomingMessage): number {
  return Number(message.headers["content-length"] ?? 0);
}

function givenUp(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

function joined(chunks: Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

class StreamedBody {
  readonly kind: "stream" = "stream";
  readonly stream: AsyncIterable<Uint8Array>;
  #started = false;

  constructor(first: Uint8Array[], source: Source, limit: number, caller: AbortController) {
    this.stream = this.#read(first, source, limit, caller);
  }

  started(): boolean {
    return this.#started;
  }

  async *#read(
    first: Uint8Array[],
    source: Source,
    limit: number,
    caller: AbortController,
  ): AsyncGenerator<Uint8Array, void, void> {
    this.#started = true;
    let bytes = 0;
    try {
      for (;;) {
        const early = first.shift();
        const next = early === undefined ? await source.next() : { done: false as const, value: early };
        if (next.done === true) return;
        bytes += next.value.length;
        if (bytes > limit) throw tooLarge(limit);
        yield next.value;
      }
    } catch (error) {
      caller.abort(error);
      throw error;
    }
  }
}

function tooLarge(limit: number): RefusedRequest {
  return new RefusedRequest({
    status: 413,
    code: "REQUEST_TOO_LARGE",
    detail: `the body is longer than ${limit} bytes, which is the most that is accepted here`,
  });
}
