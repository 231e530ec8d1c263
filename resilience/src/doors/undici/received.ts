/**
 * One attempt on the wire: collects the answer, head and body, and ends the request when the
 * attempt is given up.
 */
import { BodyCollector, parsedBody } from "../answer-body.ts";
import { type AnswerHeaders, type DispatchController, type DispatchHandler, headerOf } from "./wire.ts";

/** An answer that has arrived completely; a classifier reads its status, headers and parsed body. */
export class ReceivedAnswer {
  readonly statusCode: number;
  readonly headers: AnswerHeaders;
  readonly message: string | undefined;
  readonly rawHeaders: unknown;
  readonly chunks: readonly Uint8Array[];
  readonly trailers: AnswerHeaders;
  readonly rawTrailers: unknown;
  readonly #collector: BodyCollector;

  constructor(head: Head, collector: BodyCollector, trailers: AnswerHeaders, rawTrailers: unknown) {
    this.statusCode = head.status;
    this.headers = head.headers;
    this.message = head.message;
    this.rawHeaders = head.rawHeaders;
    this.#collector = collector;
    this.chunks = collector.chunks;
    this.trailers = trailers;
    this.rawTrailers = rawTrailers;
  }

  get body(): unknown {
    return parsedBody(this.#collector.joined(), headerOf(this.headers, "content-type") ?? "");
  }
}

interface Head {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly message: string | undefined;
  readonly rawHeaders: unknown;
}

/** What an attempt needs to know. */
export interface ReceiverTerms {
  readonly name: string;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
  readonly received: (answer: ReceivedAnswer) => void;
  readonly failed: (error: unknown) => void;
}

export class Receiver implements DispatchHandler {
  readonly #terms: ReceiverTerms;
  readonly #collector: BodyCollector;
  #head: Head | undefined;

  constructor(terms: ReceiverTerms) {
    this.#terms = terms;
    this.#collector = new BodyCollector(terms.name, terms.maxBodyBytes);
  }

  onRequestStart(controller: DispatchController): void {
    const { signal } = this.#terms;
    if (signal.aborted) return controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }

  onResponseStart(controller: DispatchController, status: number, headers: AnswerHeaders, message?: string): void {
    // 100 and 103 come before the answer.
    if (status >= 200) this.#head = { status, headers, message, rawHeaders: controller.rawHeaders };
  }

  onResponseData(controller: DispatchController, chunk: Uint8Array): void {
    try {
      this.#collector.add(chunk);
    } catch (error) {
      this.#terms.failed(error);
      controller.abort(error as Error);
    }
  }

  onResponseEnd(controller: DispatchController, trailers: AnswerHeaders): void {
    const head = this.#head as Head;
    this.#terms.received(new ReceivedAnswer(head, this.#collector, trailers, controller.rawTrailers));
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#terms.failed(error);
  }
}
