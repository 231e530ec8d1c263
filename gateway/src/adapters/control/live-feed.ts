/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2), for any number of readers. All
 * read from one ring of the latest events, each at a place of its own: a slow reader costs no
 * memory, and one that the ring has overtaken is dropped, comes back with `Last-Event-ID` and is
 * told how many it missed. A comment every so often keeps proxies from taking silence for death.
 * Ids begin with a name of this run, so that one from before a restart is not misread.
 */
import type { Clock } from "ground-station-failover";
import { HeldMemory, type MemoryRoom } from "../../fleet/held-memory.ts";
import { type GroupEvent, sentenceOf, severityOf } from "../telemetry/event-sentence.ts";
import { type FeedReader, FeedReaders } from "./feed-readers.ts";

export interface LiveFeedOptions {
  readonly clock: Clock;
  /** Tells runs apart; letters and digits. */
  readonly run: string;
  /** Where the memory that it takes is counted. Default: nobody counts. */
  readonly memory?: HeldMemory;
  /** How many events are kept. Default 1,000: hours of a quiet fleet, the whole of an incident. */
  readonly kept?: number;
  /** … and how many bytes of them. Default 4 MiB: a thousand long ones. */
  readonly keptBytes?: number;
  /** How many may read at once. Default 64. */
  readonly maxReaders?: number;
  /**
   * How long there may be silence, in ms. Default 15,000: below the idle timeout of every common
   * proxy.
   */
  readonly silenceMs?: number;
}

interface Reader extends FeedReader {
  /** Number of the next event it is to get. */
  next: number;
  readonly room: MemoryRoom;
}

/** So many bytes go out in one piece, and one event more. */
const PIECE_BYTES = 64 * 1_024;
/** What a reader that does not read holds: one piece that waits for it, and one on its way. */
const READER_BYTES = 2 * PIECE_BYTES;
/** The holder of the events that are kept for all. */
const EVERYBODY = "all readers of events";
const RETRY_MS = 1_000;

export class LiveFeed {
  readonly #run: string;
  readonly #kept: number;
  readonly #readers: FeedReaders<Reader>;
  readonly #keptBytes: number;
  readonly #memory: HeldMemory;
  readonly #room: MemoryRoom;
  /** The ring: event n stands at n % kept. Numbers begin at 1. */
  readonly #frames: string[] = [];
  #bytes = 0;
  /** Number of the oldest event that is still kept. */
  #oldest = 1;
  #last = 0;

  constructor(options: LiveFeedOptions) {
    const { clock, run, kept = 1_000, keptBytes = 4 * 1_024 ** 2, maxReaders = 64, silenceMs = 15_000 } = options;
    const { memory = new HeldMemory() } = options;
    this.#run = run;
    this.#kept = kept;
    this.#keptBytes = keptBytes;
    this.#memory = memory;
    this.#room = memory.roomFor(EVERYBODY);
    this.#readers = new FeedReaders({
      ...{ clock, maxReaders, silenceMs, comment: ": still here\n\n" },
      serve: (reader) => this.#serve(reader),
      onLeave: (reader) => reader.room.release(),
    });
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Tells all readers; `at` is the time of day. */
  publish(event: GroupEvent, at: Date): void {
    const id = `${this.#run}-${this.#last + 1}`;
    const data = JSON.stringify({
      id,
      at: at.toISOString(),
      severity: severityOf(event),
      sentence: sentenceOf(event),
      ...event,
    });
    this.#keep(`id: ${id}\nevent: ${event.type}\ndata: ${data}\n\n`);
    for (const reader of this.#readers.all) {
      if (reader.next < this.#oldest) this.#readers.drop(reader);
      else this.#serve(reader);
    }
  }

  /**
   * A stream of what happens from now on, or since `lastEventId`, for a reader at the address
   * `caller`. Undefined where there are too many readers already. `drop` cuts the connection of a
   * reader that does not keep up.
   */
  open(lastEventId: string | undefined, caller: string, drop: () => void): ReadableStream<Uint8Array> | undefined {
    const room = this.#memory.roomFor(caller);
    room.takeAnyway("events", READER_BYTES);
    const since = this.#placeOf(lastEventId);
    const next = Math.max(since + 1, this.#oldest);
    const missed = next - since - 1;
    const gap = missed > 0 ? `event: gap\ndata: ${JSON.stringify({ missed })}\n\n` : "";
    const stream = this.#readers.open((controller) => {
      const reader: Reader = { controller, next, wake: undefined, drop, room };
      this.#readers.give(reader, `retry: ${RETRY_MS}\n\n${gap}`);
      return reader;
    });
    if (stream === undefined) room.release();
    return stream;
  }

  /** Ends all streams. */
  close(): void {
    this.#readers.close();
  }

  #keep(frame: string): void {
    while (this.#oldest <= this.#last && (this.#isFull || this.#bytes + frame.length > this.#keptBytes)) this.#forget();
    this.#frames[++this.#last % this.#kept] = frame;
    this.#bytes += frame.length;
    this.#room.takeAnyway("events", frame.length);
  }

  get #isFull(): boolean {
    return this.#last - this.#oldest + 1 >= this.#kept;
  }

  #forget(): void {
    const place = this.#oldest++ % this.#kept;
    const { length } = this.#frames[place] as string;
    this.#frames[place] = "";
    this.#bytes -= length;
    this.#room.giveBack("events", length);
  }

  /**
   * The number after which a reader wants to go on. One of another run has seen nothing of this
   * one.
   */
  #placeOf(lastEventId: string | undefined): number {
    const parts = /^([A-Za-z0-9]{1,64})-(\d{1,15})$/.exec(lastEventId ?? "");
    if (parts === null) return this.#last;
    return parts[1] === this.#run ? Math.min(Number(parts[2]), this.#last) : 0;
  }

  /** Hands a reader that waits what there is for it. */
  #serve(reader: Reader): void {
    if (reader.wake === undefined || reader.next > this.#last) return;
    let piece = "";
    while (reader.next <= this.#last && piece.length < PIECE_BYTES) piece += this.#frames[reader.next++ % this.#kept];
    this.#readers.give(reader, piece);
  }
}
