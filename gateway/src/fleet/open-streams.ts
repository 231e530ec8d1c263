/**
 * Replies that a group's stations are still streaming. To the failover a call ends with the head of
 * its reply; an event stream or a long download goes on for hours after that, and nobody would
 * notice that its station has gone. Here they are counted, and ended: at once where their station
 * is declared down, because a silent stream would be waited for in vain, and some time after their
 * station was replaced or taken out of service, so that what is short can finish. Each ends with an
 * error, which its reader must not take for the end of the body. What streams is not repeated: its
 * caller has seen a part of it.
 */
import type { Clock } from "ground-station-failover";
import type { GroupEvent, StreamEnd, StreamsCut } from "./group-events.ts";
import type { ByteStream } from "./uplink.ts";

export interface OpenStreamsOptions {
  readonly clock: Clock;
  /** How long a station that was replaced may go on with what it streams. */
  readonly drainMs: number;
  readonly onCut: (event: StreamsCut) => void;
}

export class OpenStreams implements Disposable {
  readonly #options: OpenStreamsOptions;
  /** By station, in the order in which they were opened. */
  readonly #open: Map<string, Set<ByteStream>> = new Map();
  readonly #draining: Map<string, Disposable> = new Map();

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  countAt(station: string): number {
    return this.#open.get(station)?.size ?? 0;
  }

  /** `station` has begun to stream a reply. */
  add(station: string, stream: ByteStream): void {
    let open = this.#open.get(station);
    if (open === undefined) {
      open = new Set();
      this.#open.set(station, open);
    }
    open.add(stream);
    stream.once("close", () => open.delete(stream));
  }

  /** `active` is the station that serves now. */
  note(event: GroupEvent, active: string): void {
    switch (event.type) {
      case "declaration":
        if (event.to === "down") this.#cut(event.node, "down", [...(this.#open.get(event.node) ?? [])]);
        return;
      case "promoted":
        this.#spare(event.station);
        return this.#drain(event.from);
      case "maintenance":
        // An active one is replaced if there is another, and keeps what it has if there is none.
        if (event.reason !== undefined && event.station !== active) this.#drain(event.station);
    }
  }

  /** Ends no stream any more. */
  [Symbol.dispose](): void {
    for (const station of [...this.#draining.keys()]) this.#spare(station);
  }

  #drain(station: string): void {
    this.#spare(station);
    // What is opened from now on, because the other station fails, for one, is not meant.
    const streams = [...(this.#open.get(station) ?? [])];
    if (streams.length === 0) return;
    const { clock, drainMs } = this.#options;
    const timer = clock.at(clock.nowMs() + drainMs, () => {
      this.#draining.delete(station);
      this.#cut(station, "replaced", streams);
    });
    this.#draining.set(station, timer);
  }

  #spare(station: string): void {
    this.#draining.get(station)?.[Symbol.dispose]();
    this.#draining.delete(station);
  }

  #cut(station: string, reason: StreamEnd, streams: readonly ByteStream[]): void {
    const open = this.#open.get(station);
    const left = streams.filter((stream) => open?.delete(stream) === true);
    if (left.length === 0) return;
    this.#options.onCut({
      type: "streams-cut",
      station,
      reason,
      streams: left.length,
      atMs: this.#options.clock.nowMs(),
    });
    for (const stream of left) stream.destroy(new StreamCutError(station, reason));
  }
}

/** A stream was ended by the gateway. */
class StreamCutError extends Error {
  constructor(station: string, reason: StreamEnd) {
    super(reason === "down" ? `${station} is down` : `another station serves in place of ${station}`);
    this.name = "StreamCutError";
  }
}
