/**
 * An answer whose head comes at once and whose body comes slowly: a timeout on the head alone never
 * sees this failure. It slows a `ReadableStream`, any other async iterable, a `Response`, and a
 * plain object whose `body` is one of the first two. A body that is already complete (text, bytes,
 * parsed JSON) has no chunks, and such an answer passes unchanged. A `Response` keeps its status
 * and headers, but not its `url`. Chunks keep their order and number. An error of the source, or of
 * the wait, ends the body with that error.
 */

/** `answer`, with a `pause` before each chunk of its body. */
export function slowed(answer: unknown, pause: () => Promise<void>): unknown {
  const stream = slowedChunks(answer, pause);
  if (stream !== undefined) return stream;
  if (isResponse(answer)) {
    if (answer.body === null) return answer;
    const { status, statusText, headers } = answer;
    return new Response(slowedStream(answer.body, pause), { status, statusText, headers });
  }
  if (!isPlainObject(answer)) return answer;
  const body = slowedChunks(answer["body"], pause);
  return body === undefined ? answer : { ...answer, body };
}

function slowedChunks(body: unknown, pause: () => Promise<void>): unknown {
  if (isStream(body)) return slowedStream(body, pause);
  return isAsyncIterable(body) ? slowedIterable(body, pause) : undefined;
}

/**
 * Chunks are pulled one by one when the reader requests them, so the source follows the reader's
 * pace.
 */
function slowedStream(source: ReadableStream<Uint8Array>, pause: () => Promise<void>): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        try {
          await pause();
        } catch (aborted) {
          reader.cancel(aborted).catch(() => undefined);
          throw aborted;
        }
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function* slowedIterable(source: AsyncIterable<unknown>, pause: () => Promise<void>): AsyncGenerator<unknown> {
  for await (const chunk of source) {
    await pause();
    yield chunk;
  }
}

/**
 * Recognised by its methods, because each realm has its own `ReadableStream`, and undici has its
 * own `Response`.
 */
function isStream(value: unknown): value is ReadableStream<Uint8Array> {
  return typeof value === "object" && value !== null && "getReader" in value && typeof value.getReader === "function";
}

function isResponse(value: unknown): value is Response {
  if (typeof value !== "object" || value === null) return false;
  const { arrayBuffer, body, headers, status } = value as Partial<Response>;
  const isHead = typeof status === "number" && typeof headers?.get === "function";
  return isHead && typeof arrayBuffer === "function" && (body === null || isStream(body));
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
