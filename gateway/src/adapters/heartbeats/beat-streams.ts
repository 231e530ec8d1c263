/**
 * A group's heartbeats as they arrive, one JSON object per line, for recording
 * (`gsf calibrate --record`). The first line says what is recorded; regular empty lines keep
 * proxies from closing a silent connection. A reader that is too slow is cut off, because a trace
 * with gaps would be worse: a gap would look like an outage, and a detector would be calibrated for
 * it. Nothing is kept if there are no readers.
 */
import type { Clock, Heartbeat } from "ground-station-failover";
import type { Group } from "../../fleet/group.ts";
import { HeldMemory, type MemoryRoom } from "../../fleet/held-memory.ts";
import { type FeedReader, FeedReaders } from "../control/feed-readers.ts";

export interface BeatStreamsOptions {
  readonly clock: Clock;
  /** Most readers at once. Default 8: recordings are started by hand. */
  readonly maxReaders?: number;
  /**
   * Most bytes of lines that may wait for one reader. Default 8 MiB: a minute of a thousand
   * heartbeats a second.
   */
  readonly maxWaitingBytes?: number;
  /** Counts the memory used. Default: not counted. */
  readonly memory?: HeldMemory;
  /**
   * Longest silence, in ms. Default 15,000: shorter than the idle timeout of every common proxy.
   */
  readonly silenceMs?: number;
}

interface Reader extends FeedReader {
  waiting: string[];
  waitingBytes: number;
  /** Bytes of the last piece, which is in transit to the reader. */
  handedBytes: number;
  readonly room: MemoryRoom;
  readonly subscription: Disposable;
}

export class BeatStreams {
  readonly #clock: Clock;
  readonly #maxWaitingBytes: number;
  readonly #memory: HeldMemory;
  readonly #readers: FeedReaders<Reader>;

  constructor(options: BeatStreamsOptions) {
    const { clock, maxReaders = 8, maxWaitingBytes = 8 * 1_024 ** 2, silenceMs = 15_000 } = options;
    const { memory = new HeldMemory() } = options;
    this.#clock = clock;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#memory = memory;
    this.#readers = new FeedReaders({
      ...{ clock, maxReaders, silenceMs, comment: "\n" },
      serve: (reader) => this.#serve(reader),
      onLeave: ({ subscription, room }) => {
        subscription[Symbol.dispose]();
        room.release();
      },
    });
  }

  get readers(): number {
    return this.#readers.size;
  }

  /**
   * The heartbeats of `group` from now on, for a reader at the address `caller`. Undefined if there
   * are already too many readers. `drop` cuts the connection.
   */
  open(group: Group, caller: string, drop: () => void): ReadableStream<Uint8Array> | undefined {
    const { kind, intervalMs } = group.settings.heartbeat;
    const opening = `${JSON.stringify({ recording: group.name, kind, intervalMs, startedMs: this.#clock.nowMs() })}\n`;
    return this.#readers.open((controller) => {
      const subscription = group.onBeat((station, beat, arrivalMs) =>
        this.#put(reader, lineOf(station, beat, arrivalMs)),
      );
      const room = this.#memory.roomFor(caller);
      room.takeAnyway("recordings", opening.length);
      const reader: Reader = {
        controller,
        waiting: [opening],
        waitingBytes: opening.length,
        handedBytes: 0,
        wake: undefined,
        subscription,
        drop,
        room,
      };
      return reader;
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#readers.close();
  }

  #put(reader: Reader, line: string): void {
    if (reader.waitingBytes + line.length > this.#maxWaitingBytes) {
      this.#readers.drop(reader);
      return;
    }
    reader.room.takeAnyway("recordings", line.length);
    reader.waitingBytes += line.length;
    reader.waiting.push(line);
    this.#serve(reader);
  }

  #serve(reader: Reader): void {
    const { wake, waiting } = reader;
    if (wake === undefined || waiting.length === 0) return;
    reader.waiting = [];
    reader.waitingBytes = 0;
    const piece = waiting.join("");
    // The reader asks for more only after it has taken the last piece.
    reader.room.giveBack("recordings", reader.handedBytes);
    reader.handedBytes = piece.length;
    this.#readers.give(reader, piece);
  }
}

/** Fields that the heartbeat does not carry are omitted. */
function lineOf(node: string, beat: Heartbeat | undefined, arrival: number): string {
  return `${JSON.stringify({
    node,
    arrival,
    sequence: beat?.sequence,
    sent: beat?.sentAtMs,
    incarnation: beat?.incarnation,
  })}\n`;
}
