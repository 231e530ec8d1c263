/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2), for any number of readers. All read from one ring of
 * the latest events, each at a place of its own: a slow reader costs no memory, and one that the ring has overtaken is
 * dropped, comes back with `Last-Event-ID` and is told how many it missed. A comment every so often keeps proxies from
 * taking silence for death. Ids begin with a name of this run, so that one from before a restart is not misread.
 */
import type { Clock } from "ground-station-failover";
import { type GroupEvent, gravityOf, sentenceOf } from "./event-sentence.ts";

export interface LiveFeedOptions {
  readonly clock: Clock;
  /** Tells runs apart; letters and digits. */
  readonly run: string;
  /** How many events are kept. Default 1,000: hours of a quiet fleet, the whole of an incident. */
  readonly kept?: number;
  /** How many may read at once. Default 64. */
  readonly maxReaders?: number;
  /** How long there may be silence, in ms. Default 15,000: below the idle timeout of every common proxy. */
  readonly silenceMs?: number;
}

interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Number of the next event it is to get. */
  next: number;
  /** Called when there is something for it; undefined while it is busy with what it has. */
  wake: (() => void) | undefined;
  readonly drop: () => void;
}

/** So many events go out in one piece at most. */
const BATCH = 64;
const RETRY_MS = 1_000;
const encoder = new TextEncoder();

export class LiveFeed {
  readonly #clock: Clock;
  readonly #run: string;
  readonly #kept: number;
  readonly #maxReaders: number;
  readonly #silenceMs: number;
  readonly #readers: Set<Reader> = new Set();
  /** The ring: event n stands at n % kept. Numbers begin at 1. */
  readonly #frames: string[] = [];
  #last = 0;
  #comment: Disposable | undefined;
  #closed = false;

  constructor({ clock, run, kept = 1_000, maxReaders = 64, silenceMs = 15_000 }: LiveFeedOptions) {
    this.#clock = clock;
    this.#run = run;
    this.#kept = kept;
    this.#maxReaders = maxReaders;
    this.#silenceMs = silenceMs;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Tells all readers; `at` is the time of day. */
  publish(event: GroupEvent, at: Date): void {
    const number = ++this.#last;
    const id = `${this.#run}-${number}`;
    const data = JSON.stringify({
      id,
      at: at.toISOString(),
      gravity: gravityOf(event),
      sentence: sentenceOf(event),
      ...event,
    });
    this.#frames[number % this.#kept] = `id: ${id}\nevent: ${event.type}\ndata: ${data}\n\n`;
    for (const reader of this.#readers) {
      if (reader.next < this.#oldest) this.#remove(reader, true);
      else this.#serve(reader);
    }
  }

  /**
   * A stream of what happens from now on, or since `lastEventId`. Undefined where there are too many readers already.
   * `drop` cuts the connection of a reader that does not keep up.
   */
  open(lastEventId: string | undefined, drop: () => void): ReadableStream<Uint8Array> | undefined {
    if (this.#closed || this.#readers.size >= this.#maxReaders) return undefined;
    const since = this.#placeOf(lastEventId);
    const next = Math.max(since + 1, this.#oldest);
    const missed = next - since - 1;
    let reader: Reader;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = { controller, next, wake: undefined, drop };
        this.#readers.add(reader);
        const gap = missed > 0 ? `event: gap\ndata: ${JSON.stringify({ missed })}\n\n` : "";
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n${gap}`));
        this.#keepAlive();
      },
      pull: () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        reader.wake = resolve;
        this.#serve(reader);
        return promise;
      },
      cancel: () => this.#remove(reader, false),
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#readers]) {
      this.#remove(reader, false);
      reader.controller.close();
    }
  }

  /** Number of the oldest event that is still kept. */
  get #oldest(): number {
    return Math.max(1, this.#last - this.#kept + 1);
  }

  /** The number after which a reader wants to go on. One of another run has seen nothing of this one. */
  #placeOf(lastEventId: string | undefined): number {
    const parts = /^([A-Za-z0-9]{1,64})-(\d{1,15})$/.exec(lastEventId ?? "");
    if (parts === null) return this.#last;
    return parts[1] === this.#run ? Math.min(Number(parts[2]), this.#last) : 0;
  }

  /** Hands a reader that waits what there is for it. */
  #serve(reader: Reader): void {
    if (reader.wake === undefined || reader.next > this.#last) return;
    const end = Math.min(this.#last, reader.next + BATCH - 1);
    let piece = "";
    while (reader.next <= end) piece += this.#frames[reader.next++ % this.#kept];
    this.#give(reader, piece);
  }

  #give(reader: Reader, piece: string): void {
    const { wake } = reader;
    reader.wake = undefined;
    reader.controller.enqueue(encoder.encode(piece));
    wake?.();
  }

  #keepAlive(): void {
    this.#comment ??= this.#clock.at(this.#clock.nowMs() + this.#silenceMs, () => {
      this.#comment = undefined;
      for (const reader of this.#readers) if (reader.wake !== undefined) this.#give(reader, ": still here\n\n");
      if (this.#readers.size > 0) this.#keepAlive();
    });
  }

  #remove(reader: Reader, drop: boolean): void {
    if (!this.#readers.delete(reader)) return;
    if (drop) reader.drop();
    if (this.#readers.size > 0) return;
    this.#comment?.[Symbol.dispose]();
    this.#comment = undefined;
  }
}
