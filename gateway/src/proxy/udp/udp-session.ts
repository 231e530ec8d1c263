/**
 * One client of a UDP proxy: a socket of its own towards the upstream server, so that the server
 * sees each client apart, and the toxics of both directions. The upstream name is looked up once,
 * when the session begins. The socket is connected: only the upstream's datagrams come in, and a
 * port that nobody listens on is noticed (ICMP) without ending anything. Where no socket can be had
 * (unknown name, no descriptor), it is tried again with a later datagram.
 */
import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import type { Clock, Random } from "ground-station-failover";
import type { Stream, StreamCounts, Toxic } from "../toxic.ts";
import { DatagramChain, type HeldMemory } from "./datagram-chain.ts";
import type { DatagramEffect } from "./datagram-faults.ts";

/** After a failure to open the socket upstream, the next attempt is so much later, in ms. */
const OPEN_AGAIN_AFTER_MS = 1_000;
/**
 * What the operating system has not taken yet, by socket, in bytes; above it datagrams are dropped.
 */
const MAX_SEND_QUEUE_BYTES = 1_048_576;

/** What happens to datagrams and sessions, apart from what the chain of toxics says. */
export type SessionEffect = DatagramEffect | "refused" | "failed" | "applied";

export interface UdpSessionOptions {
  /** From 1. */
  readonly number: number;
  readonly client: { readonly address: string; readonly port: number };
  /** Where the upstream server is; asked when the socket is opened. */
  readonly lookUp: () => Promise<UpstreamAddress>;
  readonly clock: Clock;
  /** Of this session. */
  readonly random: Random;
  readonly held: HeldMemory;
  readonly counts: Readonly<Record<Stream, StreamCounts>>;
  /** The socket that listens: replies leave through it. */
  readonly listener: Socket;
  readonly onEffect: (session: UdpSession, effect: SessionEffect, what: EffectDetails) => void;
  /** A reply came, which shows that the session is in use. */
  readonly onReply: (session: UdpSession) => void;
}

/** `family`: 4 or 6. */
export interface UpstreamAddress {
  readonly address: string;
  readonly family: number;
  readonly port: number;
}

export interface EffectDetails {
  readonly stream: Stream;
  readonly toxic?: string;
  readonly detail?: string;
}

type UpstreamSocket =
  | { readonly state: "none"; readonly notBeforeMs: number }
  | { readonly state: "opening"; readonly early: Buffer[] }
  | { readonly state: "open"; readonly socket: Socket };

export class UdpSession {
  readonly number: number;
  readonly client: { readonly address: string; readonly port: number };
  /** When a datagram last came, from either side; kept by the proxy. */
  lastUsedMs = 0;
  readonly #options: UdpSessionOptions;
  readonly #chains: Readonly<Record<Stream, DatagramChain>>;
  #upstream: UpstreamSocket = { state: "none", notBeforeMs: Number.NEGATIVE_INFINITY };
  #isRefused = false;
  #isClosed = false;

  constructor(options: UdpSessionOptions) {
    this.#options = options;
    this.number = options.number;
    this.client = options.client;
    this.#chains = {
      upstream: this.#chain("upstream", (datagram) => this.#sendUpstream(datagram)),
      downstream: this.#chain("downstream", (datagram) => this.#sendDownstream(datagram)),
    };
  }

  /** Whether a toxic holds a datagram that will leave by itself. */
  get isWaiting(): boolean {
    return this.#chains.upstream.isWaiting || this.#chains.downstream.isWaiting;
  }

  /** `toxics`: of both directions. */
  setToxics(toxics: readonly Toxic[], isRamp: boolean): void {
    for (const stream of ["upstream", "downstream"] as const) {
      this.#chains[stream].setToxics(
        toxics.filter((toxic) => toxic.stream === stream),
        isRamp,
      );
    }
  }

  /** A datagram of the client. */
  accept(datagram: Buffer): void {
    this.#chains.upstream.accept(datagram);
  }

  /** Resolves with the number of datagrams that were dropped when the socket is closed. */
  async close(): Promise<number> {
    this.#isClosed = true;
    let dropped = this.#chains.upstream.dispose() + this.#chains.downstream.dispose();
    const upstream = this.#upstream;
    this.#upstream = { state: "none", notBeforeMs: Number.POSITIVE_INFINITY };
    if (upstream.state === "opening") dropped += this.#forget(upstream.early);
    if (upstream.state === "open") await closed(upstream.socket);
    return dropped;
  }

  #chain(stream: Stream, deliver: (datagram: Buffer) => void): DatagramChain {
    const { clock, random, held, onEffect } = this.#options;
    return new DatagramChain({
      clock,
      random: random.fork(stream),
      held,
      deliver,
      onEffect: (effect, toxic, detail) =>
        onEffect(this, effect, { stream, toxic, ...(detail === undefined ? {} : { detail }) }),
    });
  }

  #sendUpstream(datagram: Buffer): void {
    if (this.#upstream.state === "none") void this.#open();
    const { held, clock } = this.#options;
    const upstream = this.#upstream;
    if (upstream.state === "opening") {
      if (held.take(datagram)) upstream.early.push(datagram);
      else this.#note("dropped", "upstream", "no memory is left for datagrams that wait");
      return;
    }
    if (upstream.state === "none") {
      const waitMs = Math.ceil(upstream.notBeforeMs - clock.nowMs());
      return this.#note("dropped", "upstream", `no socket to the upstream server; opened again in ${waitMs} ms`);
    }
    const { socket } = upstream;
    if (this.#isFull(socket, "upstream")) return;
    socket.send(datagram, (error) => this.#sent("upstream", datagram, error));
  }

  #sendDownstream(datagram: Buffer): void {
    const { listener, client } = this.#options;
    if (this.#isFull(listener, "downstream")) return;
    listener.send(datagram, client.port, client.address, (error) => this.#sent("downstream", datagram, error));
  }

  #isFull(socket: Socket, stream: Stream): boolean {
    if (socket.getSendQueueSize() <= MAX_SEND_QUEUE_BYTES) return false;
    this.#note("dropped", stream, "the operating system takes no more at the moment");
    return true;
  }

  #sent(stream: Stream, datagram: Buffer, error: NodeJS.ErrnoException | null): void {
    if (error === null) this.#options.counts[stream].sentBytes += datagram.length;
    else if (error.code === "ECONNREFUSED") this.#refused();
    else if (!this.#isClosed) this.#note("dropped", stream, error.message);
  }

  async #open(): Promise<void> {
    const { clock, lookUp } = this.#options;
    if (this.#upstream.state !== "none" || clock.nowMs() < this.#upstream.notBeforeMs) return;
    const early: Buffer[] = [];
    this.#upstream = { state: "opening", early };
    try {
      const address = await lookUp();
      if (this.#isClosed) return;
      const socket = await connected(address);
      if (this.#isClosed) return await closed(socket);
      socket.on("message", (datagram) => this.#reply(datagram));
      socket.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ECONNREFUSED") this.#refused();
        else this.#note("failed", "upstream", error.message);
      });
      this.#upstream = { state: "open", socket };
      for (const datagram of early.splice(0)) {
        this.#options.held.giveBack(datagram);
        this.#sendUpstream(datagram);
      }
    } catch (error) {
      if (this.#isClosed) return;
      this.#upstream = { state: "none", notBeforeMs: clock.nowMs() + OPEN_AGAIN_AFTER_MS };
      const lost = this.#forget(early);
      this.#note("failed", "upstream", `${(error as Error).message}; ${lost} datagrams dropped`);
    }
  }

  #forget(early: Buffer[]): number {
    const dropped = early.splice(0);
    for (const datagram of dropped) this.#options.held.giveBack(datagram);
    return dropped.length;
  }

  #reply(datagram: Buffer): void {
    if (this.#isClosed) return;
    this.#isRefused = false;
    this.#options.counts.downstream.receivedBytes += datagram.length;
    this.#options.onReply(this);
    this.#chains.downstream.accept(datagram);
  }

  /** Nobody listens at the upstream port. Told once, until it answers again. */
  #refused(): void {
    if (this.#isRefused || this.#isClosed) return;
    this.#isRefused = true;
    this.#note("refused", "upstream", "nobody listens at the upstream port");
  }

  #note(effect: SessionEffect, stream: Stream, detail: string): void {
    this.#options.onEffect(this, effect, { stream, detail });
  }
}

/** A socket whose only peer is the upstream server. */
async function connected({ address, family, port }: UpstreamAddress): Promise<Socket> {
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.connect(port, address, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off("error", reject);
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
