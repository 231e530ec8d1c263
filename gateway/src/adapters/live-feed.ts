/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2), for any number of readers. All read from one ring of
 * the latest events, each at a place of its own: a slow reader costs no memory, and one that the ring has overtaken is
 * dropped, comes back with `Last-Event-ID` and is told how many it missed. A comment every so often keeps proxies from
 * taking silence for death. Ids begin with a name of this run, so that one from before a restart is not misread.
 */
import type { Clock } from "ground-station-failover";
import { type GroupEvent, gravityOf, sentenceOf } from "./event-sentence.ts";
import { type FeedReader, FeedReaders } from "./feed-readers.ts";

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

interface Reader extends FeedReader {
  /** Number of the next event it is to get. */
  next: number;
}

/** So many events go out in one piece at most. */
const BATCH = 64;
const RETRY_MS = 1_000;

export class LiveFeed {
  readonly #run: string;
  readonly #kept: number;
  readonly #readers: FeedReaders<Reader>;
  /** The ring: event n stands at n % kept. Numbers begin at 1. */
  readonly #frames: string[] = [];
  #last = 0;

  constructor({ clock, run, kept = 1_000, maxReaders = 64, silenceMs = 15_000 }: LiveFeedOptions) {
    this.#run = run;
    this.#kept = kept;
    const serve = (reader: Reader): void => this.#serve(reader);
    this.#readers = new FeedReaders({ clock, maxReaders, silenceMs, comment: ": still here\n\n", serve });
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
    for (const reader of this.#readers.all) {
      if (reader.next < this.#oldest) this.#readers.drop(reader);
      else this.#serve(reader);
    }
  }

  /**
   * A stream of what happens from now on, or since `lastEventId`. Undefined where there are too many readers already.
   * `drop` cuts the connection of a reader that does not keep up.
   */
  open(lastEventId: string | undefined, drop: () => void): ReadableStream<Uint8Array> | undefined {
    const since = this.#placeOf(lastEventId);
    const next = Math.max(since + 1, this.#oldest);
    const missed = next - since - 1;
    const gap = missed > 0 ? `event: gap\ndata: ${JSON.stringify({ missed })}\n\n` : "";
    return this.#readers.open((controller) => {
      const reader: Reader = { controller, next, wake: undefined, drop };
      this.#readers.give(reader, `retry: ${RETRY_MS}\n\n${gap}`);
      return reader;
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#readers.close();
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
    this.#readers.give(reader, piece);
  }
}
