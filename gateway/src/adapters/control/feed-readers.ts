/**
 * Those who read one feed over HTTP: so many at most, each handed a piece when it asks for one, a
 * comment to all who wait when nothing else was said for a while (proxies take silence for death),
 * all let go at the end. What a reader is to get, and what becomes of one that does not keep up, is
 * the feed's business.
 */
import type { Clock } from "ground-station-failover";

export interface FeedReader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Called when there is something for it; undefined while it is busy with what it has. */
  wake: (() => void) | undefined;
  /** Cuts its connection. */
  readonly drop: () => void;
}

export interface FeedReadersOptions<Reader> {
  readonly clock: Clock;
  readonly maxReaders: number;
  /** How long there may be silence, in ms. */
  readonly silenceMs: number;
  /** What is said into the silence; it stands for nothing. */
  readonly comment: string;
  /** Hands a reader that waits what there is for it. */
  readonly serve: (reader: Reader) => void;
  /** A reader is gone, for whatever reason. */
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

  /**
   * A stream for one more, made by `begin` when it starts; undefined where there are too many
   * already.
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

  /** Hands `piece` to a reader that waits; whatever is handed over is one chunk. */
  give(reader: Reader, piece: string): void {
    const { wake } = reader;
    reader.wake = undefined;
    reader.controller.enqueue(encoder.encode(piece));
    wake?.();
  }

  /** Lets go of one that does not keep up. */
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
