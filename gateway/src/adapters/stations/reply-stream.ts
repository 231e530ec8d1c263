/**
 * A reply's body that is passed on while it arrives. The reader drives the connection: if it stops
 * reading, the station stops sending; if it goes away, the exchange ends, so that no data is
 * fetched in vain. If the station's body is cut off, the stream always ends with an error. A stream
 * that makes no progress for too long, because the station sends nothing or the reader takes
 * nothing, is ended.
 */
import { Readable } from "node:stream";
import type { HeaderList } from "../../fleet/uplink.ts";

/** The connection that a stream is read from, as far as the stream needs it. */
export interface ReplySource {
  resume(): void;
  abort(reason: Error): void;
}

/**
 * Longest time without progress for a streamed body, in ms. Five minutes is longer than the usual
 * time between keep-alive comments of event streams.
 */
const STREAM_IDLE_MS = 300_000;

export class ReplyStream extends Readable {
  readonly #source: ReplySource;
  readonly #idle: NodeJS.Timeout;
  #trailers: HeaderList = [];

  constructor(source: ReplySource, idleMs: number = STREAM_IDLE_MS) {
    super();
    this.#source = source;
    this.#idle = setTimeout(() => this.destroy(new Error(`the body stood still for ${idleMs} ms`)), idleMs);
    this.#idle.unref();
    // The stream may fail before it has a reader; a later reader still gets the error.
    this.on("error", () => undefined);
  }

  /** Trailers of the body; empty before its end. */
  trailers(): HeaderList {
    return this.#trailers;
  }

  /** Takes in a chunk; false if the station should stop sending. */
  arrived(chunk: Uint8Array): boolean {
    this.#idle.refresh();
    return this.push(chunk);
  }

  /** The body is complete. */
  ended(trailers: HeaderList): void {
    this.#trailers = trailers;
    clearTimeout(this.#idle);
    this.push(null);
  }

  override _read(): void {
    this.#idle.refresh();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idle);
    this.#source.abort(error ?? new Error("nobody reads this body any more"));
    done(error);
  }
}
