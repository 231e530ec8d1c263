/**
 * A reply's body that is passed on while it arrives. Reading it drives the connection: a reader
 * that stops makes the station stop, and one that goes away ends the exchange, so that nothing is
 * fetched for nobody. It ends with an error where the station's body was cut off, never quietly. A
 * stream that stands still for too long, because the station sends nothing or because the reader
 * takes nothing, is given up.
 */
import { Readable } from "node:stream";
import type { HeaderList } from "../../fleet/uplink.ts";

/** What a stream needs of the connection that it is read from. */
export interface ReplySource {
  resume(): void;
  abort(reason: Error): void;
}

/**
 * How long a streamed body may stand still. Five minutes: longer than keep-alive comments of event
 * streams lie apart.
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
    // It may fail before anybody reads it; whoever reads it then is told.
    this.on("error", () => undefined);
  }

  /** Trailers of the body; there are none before its end. */
  trailers(): HeaderList {
    return this.#trailers;
  }

  /** Takes in what has arrived; false when the station should stop. */
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
