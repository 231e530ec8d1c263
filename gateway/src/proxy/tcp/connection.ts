/**
 * One connection through a TCP proxy: two sockets and a link for each direction. The half-close of
 * one peer (FIN) is passed on alone, so that the other may still answer; Toxiproxy loses it. A
 * reset of one peer is passed on as a reset. Whatever a peer does, `destroy` takes effect at once.
 */
import type { Socket } from "node:net";
import type { Clock, Random } from "ground-station-failover";
import { STREAMS, type Stream, type StreamCounts, type Toxic } from "../toxic.ts";
import { Link } from "./link.ts";
import type { Ending, HeldRoom } from "./link-machine.ts";

/** A peer's socket. `raw`: the socket below TLS, or the same one. */
export interface Peer {
  readonly socket: Socket;
  readonly raw: Socket;
}

export interface ConnectionOptions {
  readonly client: Peer;
  /** Begins to connect to the upstream server; throws if that makes no sense. */
  readonly dial: () => Peer;
  readonly clock: Clock;
  /** Of this connection alone. */
  readonly random: Random;
  /** The toxics in force now. */
  readonly toxics: () => readonly Toxic[];
  readonly counts: Readonly<Record<Stream, StreamCounts>>;
  /** Bytes that one toxic of this connection may hold. */
  readonly maxHeldBytes: number;
  readonly room: HeldRoom;
  readonly onEvent: (event: {
    readonly type: string;
    readonly stream?: Stream;
    readonly toxic?: string;
    readonly detail?: string;
  }) => void;
  /** Both sockets are closed. */
  readonly onClosed: () => void;
}

/** A connection that is closed politely gets this long to send what it still holds. */
const FLUSH_MS = 60_000;
/**
 * After that, what the peer still sends is read for this long: closing a socket with unread data
 * resets it, and the peer might lose what was sent to it.
 */
const LINGER_MS = 500;
/**
 * A toxic that drops everything also drops the news that both peers have gone. Such a connection is
 * closed after this time, since it would hold its descriptors as long as the toxic is there.
 */
const ABANDONED_MS = 60_000;

export class TcpConnection {
  readonly #options: ConnectionOptions;
  readonly #client: Socket;
  #upstream: Peer | undefined;
  #links: Readonly<Record<Stream, Link>> | undefined;
  #openSockets = 1;
  /** Peers that have sent all. */
  #endedPeers = 0;
  #isClosing = false;
  #timers: Disposable[] = [];

  /** The client's socket must be paused. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = options.client.socket;
    this.#client.on("error", () => undefined);
    this.#client.on("close", () => this.#socketClosed());
  }

  /** Connects to the upstream server; then data flows. */
  start(): void {
    if (this.#upstream !== undefined || this.#isClosing || this.#client.destroyed) return;
    const failed = (error: NodeJS.ErrnoException): void => {
      this.#options.onEvent({ type: "dial-failed", detail: error.code ?? error.message });
      this.destroy();
    };
    let upstream: Peer;
    try {
      upstream = this.#options.dial();
    } catch (error) {
      return failed(error as Error);
    }
    this.#openSockets++;
    this.#upstream = upstream;
    const { socket } = upstream;
    socket.on("close", () => this.#socketClosed());
    socket.once("error", failed);
    socket.on("error", () => undefined);
    socket.once(socket === upstream.raw ? "connect" : "secureConnect", () => {
      socket.off("error", failed);
      if (!this.#isClosing) this.#join(socket);
    });
  }

  setToxics(toxics: readonly Toxic[], isRamp: boolean): void {
    for (const stream of STREAMS) this.#links?.[stream].setToxics(toxics, isRamp);
  }

  /** Closes both sockets now; what is held is lost. */
  destroy(): void {
    this.#stop();
    for (const { socket, raw } of this.#peers()) {
      socket.destroy();
      raw.destroy();
    }
  }

  #join(upstream: Socket): void {
    const client = this.#client;
    this.#links = {
      upstream: this.#link("upstream", upstream),
      downstream: this.#link("downstream", client),
    };
    this.#feed(client, this.#links.upstream, "upstream");
    this.#feed(upstream, this.#links.downstream, "downstream");
    upstream.on("drain", () => this.#links?.upstream.pump());
    client.on("drain", () => this.#links?.downstream.pump());
  }

  #link(stream: Stream, destination: Socket): Link {
    const { clock, random, toxics, maxHeldBytes, room, counts, onEvent } = this.#options;
    const count = counts[stream];
    return new Link({
      stream,
      clock,
      random,
      toxics: toxics(),
      maxHeldBytes,
      room,
      onRoom: () => {
        const source = this.#sourceOf(stream);
        if (source?.isPaused()) source.resume();
      },
      onApplied: (toxic) => onEvent({ type: "toxic-applied", stream, toxic: toxic.name, detail: toxic.type }),
      sink: {
        get canTake() {
          return !destination.writableNeedDrain;
        },
        write: (bytes) => {
          if (!destination.writable) return;
          count.sentBytes += bytes.length;
          destination.write(bytes);
        },
        end: (ending) => this.#ended(ending, destination, stream),
      },
    });
  }

  /** Gives the link what the source sends. */
  #feed(source: Socket, link: Link, stream: Stream): void {
    const count = this.#options.counts[stream];
    let hasEnded = false;
    let failure: string | undefined;
    source.on("data", (bytes: Buffer) => {
      count.receivedBytes += bytes.length;
      link.data(bytes);
      if (!link.wantsMore) source.pause();
    });
    source.on("end", () => {
      hasEnded = true;
      this.#peerEnded();
      link.end("end");
    });
    source.on("error", (error: NodeJS.ErrnoException) => {
      failure = error.code;
    });
    source.on("close", () => {
      const opposite = stream === "upstream" ? "downstream" : "upstream";
      // Nothing can be sent to it any more.
      this.#links?.[opposite].stop();
      this.#sourceOf(opposite)?.resume();
      // A peer that closed after its FIN has said all; one that failed has reset the connection.
      if (failure === undefined && hasEnded) return;
      if (!hasEnded) this.#peerEnded();
      const ending = failure === undefined ? "close" : "reset";
      // Behind what the link still holds, unless it has passed a FIN on already.
      if (link.isOver) this.#ended(ending, source, stream);
      else link.end(ending);
    });
    source.resume();
  }

  #sourceOf(stream: Stream): Socket | undefined {
    return stream === "upstream" ? this.#client : this.#upstream?.socket;
  }

  #ended(ending: Ending, destination: Socket, stream: Stream): void {
    if (ending === "end") {
      destination.end();
      return;
    }
    const { onEvent } = this.#options;
    if (this.#isClosing) return;
    onEvent({ type: ending === "close" ? "connection-cut" : "connection-reset", stream });
    if (ending === "close") return this.#close();
    this.#stop();
    for (const { raw, socket } of this.#peers()) {
      raw.resetAndDestroy();
      if (socket !== raw) socket.destroy();
    }
  }

  /** Sends what is still held and a FIN to both peers, then closes. */
  #close(): void {
    const peers = [...this.#peers()];
    this.#stop();
    for (const { socket } of peers) {
      socket.removeAllListeners("data");
      socket.on("data", () => undefined);
      socket.resume();
      const linger = (): void => this.#after(LINGER_MS, () => socket.destroy());
      if (socket.writableFinished) linger();
      else socket.end(linger);
    }
    this.#after(FLUSH_MS, () => this.destroy());
  }

  #peerEnded(): void {
    if (++this.#endedPeers === 2) this.#closeAbandoned();
  }

  /** Both peers have sent all; what is still held may yet leave. */
  #closeAbandoned(): void {
    this.#after(ABANDONED_MS, () => {
      if (STREAMS.some((stream) => this.#links?.[stream].isStuck)) this.destroy();
      else this.#closeAbandoned();
    });
  }

  #after(ms: number, run: () => void): void {
    if (this.#openSockets === 0) return;
    const { clock } = this.#options;
    this.#timers.push(clock.at(clock.nowMs() + ms, run));
  }

  #stop(): void {
    this.#isClosing = true;
    for (const stream of STREAMS) this.#links?.[stream].stop();
  }

  #peers(): Peer[] {
    return this.#upstream === undefined ? [this.#options.client] : [this.#options.client, this.#upstream];
  }

  #socketClosed(): void {
    this.#openSockets--;
    // Before data flows there is nothing to pass on.
    if (this.#links === undefined && this.#openSockets > 0) return this.destroy();
    if (this.#openSockets > 0) return;
    this.#stop();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    this.#options.onClosed();
  }
}
