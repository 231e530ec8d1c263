/**
 * A group's heartbeats as they arrive, one JSON object a line, for whoever records them (`gsf calibrate --record`). The
 * first line says what is recorded; an empty line now and then keeps proxies from taking silence for death. A reader
 * that does not keep up is cut off rather than given a trace with holes: a hole would look like an outage, and a detector would
 * be calibrated for it. Nothing is kept while nobody reads.
 */
import type { Beat, Clock } from "ground-station-failover";
import type { Group } from "../fleet/group.ts";
import { type FeedReader, FeedReaders } from "./feed-readers.ts";

export interface BeatStreamsOptions {
  readonly clock: Clock;
  /** How many may read at once. Default 8: recording is done by hand. */
  readonly maxReaders?: number;
  /** How many lines may wait for one reader. Default 65,536: some 8 MB, a minute of a thousand beats a second. */
  readonly maxWaiting?: number;
  /** How long there may be silence, in ms. Default 15,000: below the idle timeout of every common proxy. */
  readonly silenceMs?: number;
}

interface Reader extends FeedReader {
  waiting: string[];
  readonly subscription: Disposable;
}

export class BeatStreams {
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  readonly #readers: FeedReaders<Reader>;

  constructor({ clock, maxReaders = 8, maxWaiting = 65_536, silenceMs = 15_000 }: BeatStreamsOptions) {
    this.#clock = clock;
    this.#maxWaiting = maxWaiting;
    this.#readers = new FeedReaders({
      ...{ clock, maxReaders, silenceMs, comment: "\n" },
      serve: (reader) => this.#serve(reader),
      onLeave: (reader) => reader.subscription[Symbol.dispose](),
    });
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** The beats of `group` from now on; undefined where there are too many readers already. `drop` cuts the connection. */
  open(group: Group, drop: () => void): ReadableStream<Uint8Array> | undefined {
    const { kind, intervalMs } = group.settings.heartbeat;
    const opening = { recording: group.name, kind, intervalMs, startedMs: this.#clock.nowMs() };
    return this.#readers.open((controller) => {
      const subscription = group.onBeat((station, beat, arrivalMs) =>
        this.#put(reader, lineOf(station, beat, arrivalMs)),
      );
      const waiting = [`${JSON.stringify(opening)}\n`];
      const reader: Reader = { controller, waiting, wake: undefined, subscription, drop };
      return reader;
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#readers.close();
  }

  #put(reader: Reader, line: string): void {
    if (reader.waiting.length >= this.#maxWaiting) {
      this.#readers.drop(reader);
      return;
    }
    reader.waiting.push(line);
    this.#serve(reader);
  }

  #serve(reader: Reader): void {
    const { wake, waiting } = reader;
    if (wake === undefined || waiting.length === 0) return;
    reader.waiting = [];
    this.#readers.give(reader, waiting.join(""));
  }
}

/** Fields that the beat does not carry are left out. */
function lineOf(node: string, beat: Beat | undefined, arrival: number): string {
  return `${JSON.stringify({
    node,
    arrival,
    sequence: beat?.sequence,
    sent: beat?.sentAtMs,
    incarnation: beat?.incarnation,
  })}\n`;
}
