/**
 * Replies that a group's stations are still streaming, and tunnels to them. For the failover a call
 * ends with the head of its reply. An event stream or a long download continues for hours after
 * that; if its station is lost then, the failover does not notice. This module counts such streams
 * and ends them in two cases: at once if their station is declared down, because a silent stream
 * would never end; and after a drain time if their station was replaced or taken out of service, so
 * that short streams can complete. An operator may order that a planned change leaves them alone.
 * The gateway ends a stream with an error, so that its reader
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

/** Streams at one station, for the status. */
export interface StreamStatus {
  /** Replies that the station is streaming now. */
  readonly streams: number;
  /** Those that are ended after a drain time, and when; undefined if none are. */
  readonly streamsEnding: { readonly streams: number; readonly inMs: number } | undefined;
  /** Streams that the gateway has ended since its start, by reason. */
  readonly streamsCut: Readonly<Record<StreamEnd, number>>;
}

interface Draining {
  readonly timer: Disposable;
  readonly streams: readonly OpenStream[];
  readonly endsMs: number;
}

export class OpenStreams implements Disposable {
  #options: OpenStreamsOptions;
  /** By station, in the order of opening. */
  readonly #open: Map<string, Set<OpenStream>> = new Map();
  readonly #draining: Map<string, Draining> = new Map();
  /** Stations whose streams the next planned change leaves alone. */
  readonly #kept: Set<string> = new Set();
  readonly #cuts: Map<string, Record<StreamEnd, number>> = new Map();

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  statusAt(station: string): StreamStatus {
    const open = this.#open.get(station);
    const draining = this.#draining.get(station);
    const left = draining?.streams.filter((stream) => open?.has(stream)).length ?? 0;
    const inMs = Math.max(0, Math.round((draining?.endsMs ?? 0) - this.#options.clock.nowMs()));
    return {
      streams: open?.size ?? 0,
      streamsEnding: left === 0 ? undefined : { streams: left, inMs },
      streamsCut: { ...(this.#cuts.get(station) ?? NO_CUTS) },
    };
  }

  /** True: the planned change that follows leaves the streams of `station` alone. */
  keep(station: string, isKept: boolean): void {
    if (isKept) this.#kept.add(station);
    else this.#kept.delete(station);
  }

  /** A station that is replaced from now on may continue its streams for so long. */
  useDrain(drainMs: number): void {
    this.#options = { ...this.#options, drainMs };
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
        return this.#leave(event.from, event.cause !== "failure");
      case "maintenance":
        // An active station is drained once another one replaces it. If there is no other station,
        // its streams continue.
        if (event.reason === undefined) this.#kept.delete(event.station);
        else if (event.station !== active) this.#leave(event.station, true);
    }
  }

  /** `station` is no longer in the settings: it may continue its streams for the drain time. */
  leave(station: string): void {
    this.#drain(station);
  }

  /** Cancels all pending drains. No stream is ended after that. */
  [Symbol.dispose](): void {
    for (const station of [...this.#draining.keys()]) this.#spare(station);
  }

  #leave(station: string, isPlanned: boolean): void {
    const isKept = this.#kept.delete(station);
    if (!isKept || !isPlanned) this.#drain(station);
  }

  #drain(station: string): void {
    this.#spare(station);
    // Takes a copy: streams that are opened meanwhile, for example because the other station fails,
    // must not be ended.
    const streams = [...(this.#open.get(station) ?? [])];
    if (streams.length === 0) return;
    const { clock, drainMs } = this.#options;
    const endsMs = clock.nowMs() + drainMs;
    const timer = clock.at(endsMs, () => {
      this.#draining.delete(station);
      this.#cut(station, "replaced", streams);
    });
    this.#draining.set(station, { timer, streams, endsMs });
  }

  #spare(station: string): void {
    this.#draining.get(station)?.timer[Symbol.dispose]();
    this.#draining.delete(station);
  }

  #cut(station: string, reason: StreamEnd, streams: readonly OpenStream[]): void {
    const open = this.#open.get(station);
    const left = streams.filter((stream) => open?.delete(stream) === true);
    if (left.length === 0) return;
    const cuts = this.#cuts.get(station) ?? { ...NO_CUTS };
    cuts[reason] += left.length;
    this.#cuts.set(station, cuts);
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

const NO_CUTS: Readonly<Record<StreamEnd, number>> = { down: 0, replaced: 0 };

/** Error with which the gateway ends a stream. */
class StreamCutError extends Error {
  constructor(station: string, reason: StreamEnd) {
    super(reason === "down" ? `${station} is down` : `another station serves in place of ${station}`);
    this.name = "StreamCutError";
  }
}
