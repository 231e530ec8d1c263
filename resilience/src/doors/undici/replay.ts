/**
 * Hands an answer that has arrived completely to the handler that asked for it, as undici would
 * have done: chunk by chunk, and not while the handler has paused it. It is also the controller by
 * which the handler ends the request.
 */
import type { ReceivedAnswer } from "./received.ts";
import type { DispatchController, DispatchHandler } from "./wire.ts";

export class Replay implements DispatchController {
  rawHeaders: unknown;
  rawTrailers: unknown;
  readonly #handler: DispatchHandler;
  readonly #caller = new AbortController();
  #answer: ReceivedAnswer | undefined;
  #sent = 0;
  #isPaused = false;
  #isSending = false;
  #isOver = false;

  constructor(handler: DispatchHandler) {
    this.#handler = handler;
  }

  /** Aborted when the handler ends the request. */
  get signal(): AbortSignal {
    return this.#caller.signal;
  }

  get aborted(): boolean {
    return this.signal.aborted;
  }

  get reason(): Error | null {
    return this.aborted ? (this.signal.reason as Error) : null;
  }

  get paused(): boolean {
    return this.#isPaused;
  }

  abort(reason: Error): void {
    if (this.#isOver) return;
    this.#caller.abort(reason);
    // Before the answer, the call ends because of the signal, and says so.
    if (this.#answer !== undefined) this.fail(this.signal.reason);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#send();
  }

  start(): void {
    this.#handler.onRequestStart?.(this, {});
  }

  /** The call has ended with `answer`. */
  deliver(answer: ReceivedAnswer): void {
    if (this.#isOver) return;
    this.#answer = answer;
    this.rawHeaders = answer.rawHeaders;
    this.#guarded(() => this.#handler.onResponseStart?.(this, answer.statusCode, answer.headers, answer.message));
    this.#send();
  }

  /** The call has ended without an answer. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler.onResponseError?.(this, error as Error);
  }

  #send(): void {
    const answer = this.#answer;
    // A handler may resume while it is handed a chunk.
    if (answer === undefined || this.#isSending) return;
    this.#isSending = true;
    while (!this.#isOver && !this.#isPaused && this.#sent < answer.chunks.length) {
      const chunk = answer.chunks[this.#sent++] as Uint8Array;
      this.#guarded(() => this.#handler.onResponseData?.(this, chunk));
    }
    this.#isSending = false;
    if (this.#isOver || this.#sent < answer.chunks.length) return;
    this.rawTrailers = answer.rawTrailers;
    this.#isOver = true;
    this.#handler.onResponseEnd?.(this, answer.trailers);
  }

  #guarded(step: () => void): void {
    if (this.#isOver) return;
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }
}
