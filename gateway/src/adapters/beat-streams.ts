/**
 * A group's heartbeats as they arrive, one JSON object a line, for whoever records them (`gsf calibrate --record`). The
 * first line says what is recorded; an empty line now and then keeps proxies from taking silence for death. A reader
 * that does not keep up is cut off rather than given a trace with holes: a hole would look like an outage, and a detector would
 * be calibrated for it. Nothing is kept while nobody reads.
 */
import type { Beat, Clock } from "ground-station-failover";
import type { Group } from "../fleet/group.ts";

export interface BeatStreamsOptions {
  readonly clock: Clock;
  /** How many may read at once. Default 8: recording is done by hand. */
  readonly maxReaders?: number;
  /** How many lines may wait for one reader. Default 65,536: some 8 MB, a minute of a thousand beats a second. */
  readonly maxWaiting?: number;
  /** How long there may be silence, in ms. Default 15,000: below the idle timeout of every common proxy. */
  readonly silenceMs?: number;
}

interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  waiting: string[];
  /** Called when there is something for it; undefined while it is busy with what it has. */
  wake: (() => void) | undefined;
  readonly subscription: Disposable;
  readonly drop: () => void;
}

const encoder = new TextEncoder();

export class BeatStreams {
  readonly #clock: Clock;
  readonly #maxReaders: number;
  readonly #maxWaiting: number;
  readonly #silenceMs: number;
  readonly #readers: Set<Reader> = new Set();
  #comment: Disposable | undefined;
  #closed = false;

  constructor({ clock, maxReaders = 8, maxWaiting = 65_536, silenceMs = 15_000 }: BeatStreamsOptions) {
    this.#clock = clock;
    this.#maxReaders = maxReaders;
    this.#maxWaiting = maxWaiting;
    this.#silenceMs = silenceMs;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** The beats of `group` from now on; undefined where there are too many readers already. `drop` cuts the connection. */
  open(group: Group, drop: () => void): ReadableStream<Uint8Array> | undefined {
    if (this.#closed || this.#readers.size >= this.#maxReaders) return undefined;
    const { kind, intervalMs } = group.settings.heartbeat;
    const opening = { recording: group.name, kind, intervalMs, startedMs: this.#clock.nowMs() };
    let reader: Reader;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        const subscription = group.onBeat((station, beat, arrivalMs) =>
          this.#put(reader, lineOf(station, beat, arrivalMs)),
        );
        reader = { controller, waiting: [`${JSON.stringify(opening)}\n`], wake: undefined, subscription, drop };
        this.#readers.add(reader);
        this.#keepAlive();
      },
      pull: () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        reader.wake = resolve;
        this.#serve(reader);
        return promise;
      },
      cancel: () => this.#remove(reader),
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#readers]) {
      this.#remove(reader);
      reader.controller.close();
    }
  }

  #put(reader: Reader, line: string): void {
    if (reader.waiting.length >= this.#maxWaiting) {
      this.#remove(reader);
      reader.drop();
      return;
    }
    reader.waiting.push(line);
    this.#serve(reader);
  }

  #serve(reader: Reader): void {
    const { wake, waiting } = reader;
    if (wake === undefined || waiting.length === 0) return;
    reader.wake = undefined;
    reader.waiting = [];
    reader.controller.enqueue(encoder.encode(waiting.join("")));
    wake();
  }

  #keepAlive(): void {
    this.#comment ??= this.#clock.at(this.#clock.nowMs() + this.#silenceMs, () => {
      this.#comment = undefined;
      for (const reader of this.#readers) if (reader.wake !== undefined) this.#put(reader, "\n");
      if (this.#readers.size > 0) this.#keepAlive();
    });
  }

  #remove(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    reader.subscription[Symbol.dispose]();
    if (this.#readers.size > 0) return;
    this.#comment?.[Symbol.dispose]();
    this.#comment = undefined;
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
