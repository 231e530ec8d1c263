/**
 * The readers of one feed over HTTP, up to a limit. Each reader gets a piece when it asks for one.
 * After a period of silence all waiting readers get a comment, because proxies close silent
 * connections. At the end all streams are closed. The feed decides what a reader gets, and what
 * happens to a reader that is too slow.
 */
import type { Clock } from "ground-station-failover";

export interface FeedReader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Called when there is data for the reader; undefined while the reader is busy. */
  wake: (() => void) | undefined;
  /** Cuts its connection. */
  readonly drop: () => void;
}

export interface FeedReadersOptions<Reader> {
  readonly clock: Clock;
  readonly maxReaders: number;
  /** Longest silence, in ms. */
  readonly silenceMs: number;
  /** Sent after a silence; has no meaning. */
  readonly comment: string;
  /** Gives a waiting reader the data that is there for it. */
  readonly serve: (reader: Reader) => void;
  /** Called when a reader is gone, for any reason. */
  readonly onLeave?: (reader: Reader) => void;
}

const encoder = new TextEncoder();

export class FeedReaders<Reader extends FeedReader> {
  readonly #options: FeedReadersOptions<Reader>;
  readonly #readers: Set<Reader> = new Set();
  #timer: Disposable | undefined;
  #closed = false;

  constructor(options: FeedReadersOptions<Reader>) {
    this.#options = options;
  }

  get size(): number {
    return this.#readers.size;
  }

  get all(): Iterable<Reader> {
    return this.#readers;
  }

  /** False once the reader is gone. */
  has(reader: Reader): boolean {
    return this.#readers.has(reader);
  }

  /**
   * Opens a stream for one more reader, which `begin` creates when the stream starts. Undefined if
   * there are already too many readers.
   */
  open(begin: (controller: Reader["controller"]) => Reader): ReadableStream<Uint8Array> | undefined {
    if (this.#closed || this.#readers.size >= this.#options.maxReaders) return undefined;
    let reader: Reader;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = begin(controller);
        this.#readers.add(reader);
        this.#keepAlive();
      },
      pull: () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        reader.wake = resolve;
        this.#options.serve(reader);
        return promise;
      },
      cancel: () => {
        this.#remove(reader);
      },
    });
  }

  /** Gives `piece` to a waiting reader, as one chunk. */
  give(reader: Reader, piece: string): void {
    const { wake } = reader;
    reader.wake = undefined;
    reader.controller.enqueue(encoder.encode(piece));
    wake?.();
  }

  /** Drops a reader that is too slow. */
  drop(reader: Reader): void {
    if (this.#remove(reader)) reader.drop();
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#readers]) {
      this.#remove(reader);
      reader.controller.close();
    }
  }

  #keepAlive(): void {
    const { clock, silenceMs, comment } = this.#options;
    this.#timer ??= clock.at(clock.nowMs() + silenceMs, () => {
      this.#timer = undefined;
      for (const reader of this.#readers) if (reader.wake !== undefined) this.give(reader, comment);
      if (this.#readers.size > 0) this.#keepAlive();
    });
  }

  #remove(reader: Reader): boolean {
    if (!this.#readers.delete(reader)) return false;
    this.#options.onLeave?.(reader);
    if (this.#readers.size > 0) return true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    return true;
  }
}
