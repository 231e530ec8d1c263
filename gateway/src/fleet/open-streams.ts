/**
 * Replies that a group's stations are still streaming, and tunnels to them. For the failover a call
 * ends with the head of its reply. An event stream or a long download continues for hours after
 * that; if its station is lost then, the failover does not notice. This module counts such streams
 * and ends them in two cases: at once if their station is declared down, because a silent stream
 * would never end; and after a drain time if their station was replaced or taken out of service, so
 * that short streams can complete. The gateway ends a stream with an error, so that its reader
 * cannot mistake it for the end of the body. A streamed reply is not repeated, because its caller
 * has already received a part of it.
 */
import type { Clock } from "ground-station-failover";
import type { GroupEvent, StreamEnd, StreamsCut } from "./group-events.ts";
import type { OpenStream } from "./uplink.ts";

export interface OpenStreamsOptions {
  readonly clock: Clock;
  /** How long a replaced station may continue its streams, in ms. */
  readonly drainMs: number;
  readonly onCut: (event: StreamsCut) => void;
}

export class OpenStreams implements Disposable {
  readonly #options: OpenStreamsOptions;
  /** By station, in the order of opening. */
  readonly #open: Map<string, Set<OpenStream>> = new Map();
  readonly #draining: Map<string, Disposable> = new Map();

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  countAt(station: string): number {
    return this.#open.get(station)?.size ?? 0;
  }

  /** Notes that `station` has begun to stream a reply. */
  add(station: string, stream: OpenStream): void {
    let open = this.#open.get(station);
    if (open === undefined) {
      open = new Set();
      this.#open.set(station, open);
    }
    open.add(stream);
    stream.once("close", () => open.delete(stream));
  }

  /** Reacts to an event of the group. `active` is the station that is active now. */
  note(event: GroupEvent, active: string): void {
    switch (event.type) {
      case "declaration":
        if (event.to === "down") this.#cut(event.node, "down", [...(this.#open.get(event.node) ?? [])]);
        return;
      case "promoted":
        this.#spare(event.station);
        return this.#drain(event.from);
      case "maintenance":
        // An active station is drained once another one replaces it. If there is no other station,
        // its streams continue.
        if (event.reason !== undefined && event.station !== active) this.#drain(event.station);
    }
  }

  /** Cancels all pending drains. No stream is ended after that. */
  [Symbol.dispose](): void {
    for (const station of [...this.#draining.keys()]) this.#spare(station);
  }

  #drain(station: string): void {
    this.#spare(station);
    // Takes a copy: streams that are opened meanwhile, for example because the other station fails,
    // must not be ended.
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

  #cut(station: string, reason: StreamEnd, streams: readonly OpenStream[]): void {
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

/** Error with which the gateway ends a stream. */
class StreamCutError extends Error {
  constructor(station: string, reason: StreamEnd) {
    super(reason === "down" ? `${station} is down` : `another station serves in place of ${station}`);
    this.name = "StreamCutError";
  }
}
