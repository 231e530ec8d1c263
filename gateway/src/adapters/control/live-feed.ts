/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2), for many readers. All readers
 * share one ring of the latest events, each with its own position, so a slow reader costs no
 * memory. A reader that the ring has overtaken is dropped; it reconnects with `Last-Event-ID` and
 * is told how many events it missed. Regular comments keep proxies from closing a silent
 * connection. Event ids begin with the name of this run, so that an id from before a restart is not
 * misread.
 */
import type { Clock } from "ground-station-failover";
import { HeldMemory, type MemoryRoom } from "../../fleet/held-memory.ts";
import { sentenceOf, severityOf, type ToldEvent } from "../telemetry/event-sentence.ts";
import { type FeedReader, FeedReaders } from "./feed-readers.ts";

export interface LiveFeedOptions {
  readonly clock: Clock;
  /** Name of this run of the process; letters and digits. */
  readonly run: string;
  /** Counts the memory used. Default: not counted. */
  readonly memory?: HeldMemory;
  /** Number of events kept. Default 1,000: hours of a quiet fleet, or a whole incident. */
  readonly kept?: number;
  /** Most bytes of events kept. Default 4 MiB: a thousand long ones. */
  readonly keptBytes?: number;
  /** Most readers at once. Default 64. */
  readonly maxReaders?: number;
  /**
   * Longest silence, in ms. Default 15,000: shorter than the idle timeout of every common proxy.
   */
  readonly silenceMs?: number;
}

interface Reader extends FeedReader {
  /** Number of the next event for this reader. */
  next: number;
  readonly room: MemoryRoom;
}

/** A piece has this many bytes, plus at most one event. */
const PIECE_BYTES = 64 * 1_024;
/** Memory of a reader that does not read: one piece that waits for it, and one in transit. */
const READER_BYTES = 2 * PIECE_BYTES;
/** Name under which the shared events are counted. */
const EVERYBODY = "all readers of events";
const RETRY_MS = 1_000;

export class LiveFeed {
  readonly #run: string;
  readonly #kept: number;
  readonly #readers: FeedReaders<Reader>;
  readonly #keptBytes: number;
  readonly #memory: HeldMemory;
  readonly #room: MemoryRoom;
  /** The ring: event n is at index n % kept. Numbers begin at 1. */
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

  /** Sends an event to all readers; `at` is the time of day. */
  publish(event: ToldEvent, at: Date): void {
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
   * A stream of the events from now on, or since `lastEventId`, for a reader at the address
   * `caller`. Undefined if there are already too many readers. `drop` cuts the connection of a
   * reader that is too slow.
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
   * The number after which a reader continues. An id of another run means that the reader has seen
   * no event of this one.
   */
  #placeOf(lastEventId: string | undefined): number {
    const parts = /^([A-Za-z0-9]{1,64})-(\d{1,15})$/.exec(lastEventId ?? "");
    if (parts === null) return this.#last;
    return parts[1] === this.#run ? Math.min(Number(parts[2]), this.#last) : 0;
  }

  /** Gives a waiting reader the events that are there for it. */
  #serve(reader: Reader): void {
    if (reader.wake === undefined || reader.next > this.#last) return;
    let piece = "";
    while (reader.next <= this.#last && piece.length < PIECE_BYTES) piece += this.#frames[reader.next++ % this.#kept];
    this.#readers.give(reader, piece);
  }
}
