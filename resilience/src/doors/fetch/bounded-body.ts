/**
 * A body that is handed on while it arrives. The attempt has ended with the head, so its timeout no
 * longer applies: here the deadline bounds the whole body, and each wait for the next chunk has a
 * bound of its own. A reader that is slow is not counted as a service that is slow: time is only
 * measured while a chunk was asked for.
 */
import type { Deadline } from "../../core/deadline.ts";
import { AttemptTimeoutError, DeadlineExceededError } from "../../core/errors.ts";
import type { Clock } from "../../runtime/time/clock.ts";
import { afterWait } from "../../runtime/time/read-first.ts";

type Chunks = ReadableStream<Uint8Array<ArrayBuffer>>;

/** What bounds a body. */
export interface BodyBounds {
  readonly name: string;
  readonly clock: Clock;
  /** The longest wait for the next chunk. */
  readonly timeoutMs: number;
  readonly deadline: Deadline;
  /** The caller's abort. */
  readonly signal: AbortSignal | undefined;
  /** Ends the request. */
  readonly end: (reason: unknown) => void;
}

/** `source` within its bounds. */
export function boundedBody(source: ReadableStream<Uint8Array>, bounds: BodyBounds): Chunks {
  const body = new BoundedBody(source, bounds);
  return new ReadableStream(body, { highWaterMark: 0 });
}

class BoundedBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #bounds: BodyBounds;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #timer: Disposable | undefined;
  #isOver = false;

  constructor(source: ReadableStream<Uint8Array>, bounds: BodyBounds) {
    this.#reader = source.getReader();
    this.#bounds = bounds;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    this.#controller = controller;
    const { signal } = this.#bounds;
    if (signal?.aborted === true) return this.handleEvent();
    signal?.addEventListener("abort", this);
  }

  /** The caller's signal was aborted. */
  handleEvent(): void {
    this.#fail(this.#bounds.signal?.reason);
  }

  async pull(): Promise<void> {
    const { clock, timeoutMs, deadline } = this.#bounds;
    this.#timer = afterWait(clock, timeoutMs, () => this.#expire(), deadline);
    try {
      const { done, value } = await this.#reader.read();
      if (this.#isOver) return;
      this.#timer?.[Symbol.dispose]();
      if (clock.nowMs() >= deadline) return this.#expire();
      if (!done) return this.#controller?.enqueue(value as Uint8Array<ArrayBuffer>);
      this.#close();
      this.#controller?.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  async cancel(reason: unknown): Promise<void> {
    this.#close();
    await this.#reader.cancel(reason);
  }

  #expire(): void {
    const { name, clock, timeoutMs, deadline } = this.#bounds;
    const isLate = clock.nowMs() >= deadline;
    this.#fail(
      isLate
        ? new DeadlineExceededError(`${name}: the answer's body was not over by the deadline`, { mayHaveRun: true })
        : new AttemptTimeoutError(`${name}: no more of the answer's body came for ${timeoutMs} ms`),
    );
  }

  #fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#close();
    this.#controller?.error(reason);
    this.#bounds.end(reason);
  }

  /** After this, no timer and no listener is left behind. */
  #close(): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#bounds.signal?.removeEventListener("abort", this);
  }
}
