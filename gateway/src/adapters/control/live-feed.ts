/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2), for many readers. All readers
 * share one ring of the latest events, each with its own position, so a slow reader costs no
 * memory. A reader that the ring has overtaken is dropped; it reconnects with `Last-Event-ID` and
 * goes on from there, with the events of the past first (`event-history.ts`), also across a restart
 * of the gateway. If some of them are forgotten, an event `gap` says so. Regular comments keep
 * proxies from closing a silent connection.
 */
import type { Clock } from "ground-station-failover";
import { type EventHistory, isEventId } from "../../fleet/event-history.ts";
import { HeldMemory, type MemoryRoom } from "../../fleet/held-memory.ts";
import { sentenceOf, severityOf, type ToldEvent } from "../telemetry/event-sentence.ts";
import { type FeedReader, FeedReaders } from "./feed-readers.ts";

export interface LiveFeedOptions {
  readonly clock: Clock;
  /** Gives the ids, and keeps the events. */
  readonly history: EventHistory;
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
  /** Number of the next event for this reader in the ring. */
  next: number;
  /** The last event of the past that it got; undefined once it reads from the ring. */
  past: string | undefined;
  isLoading: boolean;
  readonly room: MemoryRoom;
}

/** A piece has this many bytes, plus at most one event. */
const PIECE_BYTES = 64 * 1_024;
/** Memory of a reader that does not read: one piece that waits for it, and one in transit. */
const READER_BYTES = 2 * PIECE_BYTES;
/** Name under which the shared events are counted. */
const EVERYBODY = "all readers of events";
const RETRY_MS = 1_000;
/** Events of the past that are read at once. */
const PAST_EVENTS = 100;

/** An event as it is sent. */
interface Frame {
  readonly id: string;
  readonly text: string;
}

const FORGOTTEN: Frame = { id: "", text: "" };

export class LiveFeed {
  readonly #history: EventHistory;
  readonly #kept: number;
  readonly #readers: FeedReaders<Reader>;
  readonly #keptBytes: number;
  readonly #memory: HeldMemory;
  readonly #room: MemoryRoom;
  /** The ring: event n is at index n % kept. Numbers begin at 1. */
  readonly #frames: Frame[] = [];
  #bytes = 0;
  /** Number of the oldest event that is still kept. */
  #oldest = 1;
  #last = 0;

  constructor(options: LiveFeedOptions) {
    const { clock, history, kept = 1_000, keptBytes = 4 * 1_024 ** 2, maxReaders = 64, silenceMs = 15_000 } = options;
    const { memory = new HeldMemory() } = options;
    this.#history = history;
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

  /** Sends an event to all readers, and returns its id; `at` is the time of day. */
  publish(event: ToldEvent, at: Date): string {
    const id = this.#history.nextId();
    const data = JSON.stringify({
      id,
      at: at.toISOString(),
      severity: severityOf(event),
      sentence: sentenceOf(event),
      ...event,
    });
    this.#history.note(id, data);
    this.#keep({ id, text: frameOf(id, event.type, data) });
    for (const reader of this.#readers.all) {
      if (reader.past === undefined && reader.next < this.#oldest) this.#readers.drop(reader);
      else this.#serve(reader);
    }
    return id;
  }

  /**
   * A stream of the events from now on, or since `lastEventId`, for a reader at the address
   * `caller`. Undefined if there are already too many readers. `drop` cuts the connection of a
   * reader that is too slow.
   */
  open(lastEventId: string | undefined, caller: string, drop: () => void): ReadableStream<Uint8Array> | undefined {
    const room = this.#memory.roomFor(caller);
    room.takeAnyway("events", READER_BYTES);
    const past = this.#pastOf(lastEventId);
    const next = past === undefined && lastEventId !== undefined ? this.#placeAfter(lastEventId) : this.#last + 1;
    const isGap = past !== undefined && !this.#history.isCompleteAfter(past);
    const stream = this.#readers.open((controller) => {
      const reader: Reader = { controller, next, past, isLoading: false, wake: undefined, drop, room };
      this.#readers.give(reader, `retry: ${RETRY_MS}\n\n${isGap ? GAP : ""}`);
      return reader;
    });
    if (stream === undefined) room.release();
    return stream;
  }

  /** Ends all streams. */
  close(): void {
    this.#readers.close();
  }

  #keep(frame: Frame): void {
    const { length } = frame.text;
    while (this.#oldest <= this.#last && (this.#isFull || this.#bytes + length > this.#keptBytes)) this.#forget();
    this.#frames[++this.#last % this.#kept] = frame;
    this.#bytes += length;
    this.#room.takeAnyway("events", length);
  }

  get #isFull(): boolean {
    return this.#last - this.#oldest + 1 >= this.#kept;
  }

  #forget(): void {
    const place = this.#oldest++ % this.#kept;
    const { length } = (this.#frames[place] as Frame).text;
    this.#frames[place] = FORGOTTEN;
    this.#bytes -= length;
    this.#room.giveBack("events", length);
  }

  /**
   * The event after which a reader continues, if that is older than what the ring holds. An id that
   * is not one of a gateway's means nothing; one of before a restart leads to the past.
   */
  #pastOf(lastEventId: string | undefined): string | undefined {
    if (lastEventId === undefined) return undefined;
    if (!isEventId(lastEventId)) return OLD_EVENT_ID.test(lastEventId) ? "" : undefined;
    const oldest = this.#oldest > this.#last ? undefined : this.#frames[this.#oldest % this.#kept]?.id;
    const newest = this.#history.newest;
    // An id above all others is of a gateway whose clock was ahead, and whose history is not here.
    if (newest !== undefined && lastEventId > newest) return "";
    return oldest === undefined || lastEventId < oldest ? lastEventId : undefined;
  }

  /** The number of the first event in the ring after `id`. */
  #placeAfter(id: string): number {
    if (!isEventId(id)) return this.#last + 1;
    let [low, high] = [this.#oldest, this.#last + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#frames[middle % this.#kept] as Frame).id <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Gives a waiting reader the events that are there for it. */
  #serve(reader: Reader): void {
    if (reader.wake === undefined) return;
    if (reader.past !== undefined) return void this.#servePast(reader, reader.past);
    if (reader.next > this.#last) return;
    let piece = "";
    while (reader.next <= this.#last && piece.length < PIECE_BYTES)
      piece += (this.#frames[reader.next++ % this.#kept] as Frame).text;
    this.#readers.give(reader, piece);
  }

  /** Gives a reader the next events of the past; once there are none, it goes on in the ring. */
  async #servePast(reader: Reader, past: string): Promise<void> {
    if (reader.isLoading) return;
    reader.isLoading = true;
    const events = await this.#history.after(past, PAST_EVENTS);
    reader.isLoading = false;
    if (!this.#readers.has(reader)) return;
    const newest = events.at(-1)?.id ?? past;
    const inRing = this.#frames[this.#oldest % this.#kept]?.id;
    const hasArrived = events.length < PAST_EVENTS || (inRing !== undefined && newest >= inRing);
    reader.past = hasArrived ? undefined : newest;
    if (hasArrived) reader.next = this.#placeAfter(newest);
    if (events.length === 0) return this.#serve(reader);
    this.#readers.give(reader, events.map(({ id, text }) => frameOf(id, typeIn(text), text)).join(""));
  }
}

const GAP = 'event: gap\ndata: {"missed":null}\n\n';
/** Ids of versions before events had a history. */
const OLD_EVENT_ID = /^[A-Za-z0-9]{1,64}-\d{1,15}$/;

function frameOf(id: string, type: string, data: string): string {
  return `id: ${id}\nevent: ${type}\ndata: ${data}\n\n`;
}

function typeIn(text: string): string {
  return (JSON.parse(text) as { readonly type: string }).type;
}
