/**
 * An answer as an attempt returns it. Its body was read, or is handed on while it arrives. It is no
 * `Response` yet: one `Response` is made at the end, for the caller, and a classifier reads the
 * parsed body without using it up.
 */
import { BodyCollector, parsedBody } from "../answer-body.ts";

/** The bytes of a body, or the stream of one that is handed on. */
export type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;

/** Statuses of answers that can have no body (the Fetch standard's "null body status"). */
const BODILESS: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

export class FetchAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly #head: Response;
  readonly #body: Body;
  #parsed: { readonly value: unknown } | undefined;

  constructor(head: Response, body: Body) {
    this.status = head.status;
    this.headers = head.headers;
    this.#head = head;
    this.#body = body;
  }

  /**
   * The parsed body if it is JSON, its text if it is text, else nothing: classifiers look into no
   * other bodies, and into none that is handed on.
   */
  get body(): unknown {
    if (!(this.#body instanceof Uint8Array)) return undefined;
    this.#parsed ??= { value: parsedBody(this.#body, this.headers.get("content-type") ?? "") };
    return this.#parsed.value;
  }

  /** The answer for the caller, with the facts of the one that was received. */
  toResponse(): Response {
    const { status, statusText, headers } = this.#head;
    // A `Response` cannot be made with any other status, but can be received with one.
    const isOrdinary = status >= 200 && status <= 599;
    const body = BODILESS.has(status) ? null : this.#body;
    const made = new Response(body, { status: isOrdinary ? status : 599, statusText, headers });
    return withFacts(made, this.#head);
  }

  /** Ends a body that nobody will read. */
  discard(): void {
    if (this.#body instanceof ReadableStream) this.#body.cancel().catch(() => undefined);
  }
}

/** A `Response` that was made has no address; this one tells that of the received one. */
function withFacts(made: Response, { status, ok, url, redirected, type }: Response): Response {
  const facts = { status, ok, url, redirected, type };
  const clone = (): Response => withFacts(Response.prototype.clone.call(made), facts as Response);
  for (const [name, value] of Object.entries({ ...facts, clone })) Object.defineProperty(made, name, { value });
  return made;
}

/** The whole body of `response`. Rejects if it is longer than `maxBytes`, or is cut. */
export async function wholeBody(
  response: Response,
  maxBytes: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (response.body === null) return null;
  const reader = response.body.getReader();
  const collector = new BodyCollector(name, maxBytes);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return collector.joined();
      collector.add(value);
    }
  } catch (error) {
    reader.cancel().catch(() => undefined);
    throw error;
  }
}
