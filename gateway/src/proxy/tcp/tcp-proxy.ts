/**
 * A TCP proxy: a listener and its connections. It carries data between each client and the upstream
 * server through the toxics in force. Two toxics act on the listener: `refuse` closes it while live
 * connections go on, `stall_accept` takes connections and leaves them there. Closing destroys every
 * connection at once, so the port is free when `close` resolves.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { isEverywhere, isSameHost } from "../../adapters/process/addresses.ts";
import { hostAndPort, shownHostAndPort } from "../listen-address.ts";
import type { OpenProxy, OpenProxyOptions, Stream, StreamCounts, Toxic } from "../toxic.ts";
import { type Peer, TcpConnection } from "./connection.ts";
import { HeldRoom } from "./link-machine.ts";

type SecureClient = (raw: Socket, onSecure: (socket: Socket) => void, onFailed: (reason: string) => void) => void;

export interface TcpProxyOptions extends OpenProxyOptions {
  /**
   * Bytes that the toxics of one connection may hold, both directions together: 64 KiB … 1 GiB.
   * Default `MAX_HELD_BYTES`.
   */
  readonly maxHeldBytes?: number;
  /** Most connections at once; further ones are closed. Default `MAX_CONNECTIONS`. */
  readonly maxConnections?: number;
  /**
   * Puts TLS on a client's socket, and calls `onSecure` when that is done. "stall": the handshake
   * is never answered. Default: plain TCP.
   */
  readonly secureClient?: "stall" | SecureClient | undefined;
  /** Puts TLS on the socket to the upstream server. Default: plain TCP. */
  readonly secureUpstream?: ((raw: Socket, host: string) => Socket) | undefined;
}

/** With 100 ms of latency, 20 MB/s each way. */
const MAX_HELD_BYTES: number = 4 * 1_024 ** 2;
const MAX_CONNECTIONS = 10_000;
/**
 * Held by all connections of a proxy together; above it each may hold one piece. A thousand
 * connections with 100 ms of latency share 2.5 GB/s.
 */
const MAX_TOTAL_HELD_BYTES: number = 256 * 1_024 ** 2;
/** Time between two tries to listen again, in ms. */
const RETRY_MS = 100;
/** Finds peers that are gone without a word, as Go's sockets do. */
const KEEP_ALIVE_MS = 15_000;
/** Clients that wait to be accepted; the kernel's own bound may be lower. */
const BACKLOG = 511;

/** Opens a TCP proxy. */
export async function openTcpProxy(options: TcpProxyOptions): Promise<OpenProxy> {
  const proxy = new TcpProxy(options);
  await proxy.open();
  return proxy;
}

interface Live {
  readonly connection: TcpConnection;
  readonly number: number;
  isStalled: boolean;
}

class TcpProxy implements OpenProxy {
  readonly counts: Readonly<Record<Stream, StreamCounts>> = {
    upstream: { receivedBytes: 0, sentBytes: 0 },
    downstream: { receivedBytes: 0, sentBytes: 0 },
  };
  readonly #options: TcpProxyOptions;
  readonly #live: Set<Live> = new Set();
  /** Clients whose TLS handshake has not ended, or never will. */
  readonly #handshakes: Set<Socket> = new Set();
  readonly #room: HeldRoom = new HeldRoom(MAX_TOTAL_HELD_BYTES);
  #toxics: readonly Toxic[];
  #server: Server | undefined;
  #port: number;
  #address = "";
  #accepted = 0;
  #isClosed = false;
  /** Resolves when the proxy is closed and no connection is left. */
  readonly #emptied: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Opening and closing of the listener, one after the other. */
  #listening: Promise<void> = Promise.resolve();

  constructor(options: TcpProxyOptions) {
    this.#options = options;
    this.#toxics = options.toxics;
    this.#port = options.port;
  }

  get address(): string {
    return this.#address;
  }

  get connections(): number {
    return this.#live.size + this.#handshakes.size;
  }

  /** Listens, at first even where connections are to be refused: so the port is known. */
  async open(): Promise<void> {
    await this.#listen();
    await this.#followRefusal();
  }

  async setToxics(toxics: readonly Toxic[], change?: "ramp"): Promise<void> {
    this.#toxics = toxics;
    for (const live of this.#live) {
      live.connection.setToxics(toxics, change === "ramp");
      if (live.isStalled && !this.#applies("stall_accept", live.number)) {
        live.isStalled = false;
        live.connection.start();
      }
    }
    await this.#followRefusal();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { connection } of this.#live) connection.destroy();
    for (const raw of this.#handshakes) raw.destroy();
    await this.#followRefusal();
    if (this.connections > 0) await this.#emptied.promise;
  }

  /** Whether a toxic of this type applies to a connection: drawn once for each of them. */
  #applies(type: string, connection: number): boolean {
    return this.#toxics.some(
      (toxic) =>
        toxic.type === type &&
        this.#options.random.fork(`connection ${connection}/${toxic.name}`).next() < toxic.toxicity,
    );
  }

  /** Opens or closes the listener, as the toxics in force want it. */
  #followRefusal(): Promise<void> {
    const follow = async (): Promise<void> => {
      const isRefusing = this.#toxics.some(({ type, toxicity }) => type === "refuse" && toxicity >= 1);
      if (this.#isClosed || isRefusing) return this.#stopListening();
      if (this.#server === undefined) await this.#listen().catch((error: Error) => this.#listenLater(error));
    };
    this.#listening = this.#listening.catch(() => undefined).then(follow);
    return this.#listening;
  }

  /** Somebody else has taken the port meanwhile. It is tried until the port is free again. */
  #listenLater(error: Error): never {
    const { onEvent, clock } = this.#options;
    onEvent({ type: "listen-failed", detail: error.message });
    clock.at(clock.nowMs() + RETRY_MS, () => this.#followRefusal().catch(() => undefined));
    throw error;
  }

  #listen(): Promise<void> {
    const { host, maxConnections = MAX_CONNECTIONS, onEvent } = this.#options;
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    server.maxConnections = maxConnections;
    server.on("connection", (socket) => this.#accept(socket));
    server.on("drop", () => onEvent({ type: "connection-dropped", detail: `${maxConnections} connections are open` }));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port: this.#port, backlog: BACKLOG }, () => {
        server.off("error", reject);
        server.on("error", (error) => onEvent({ type: "accept-failed", detail: error.message }));
        const { address, port } = server.address() as AddressInfo;
        this.#server = server;
        this.#port = port;
        this.#address = shownHostAndPort(address, port);
        resolve();
      });
    });
  }

  /** The port is free when this resolves, though connections may live on. */
  #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      // Its callback waits for connections, which go on; the listening socket is closed at once.
      server.close();
      setImmediate(resolve);
    });
  }

  #accept(raw: Socket): void {
    const { onEvent, secureClient } = this.#options;
    const number = ++this.#accepted;
    onEvent({ type: "connection-opened", connection: number, detail: `${raw.remoteAddress}:${raw.remotePort}` });
    raw.on("error", () => undefined);
    if (this.#applies("refuse", number)) {
      onEvent({ type: "connection-reset", connection: number, detail: "refuse" });
      return void raw.resetAndDestroy();
    }
    if (secureClient === undefined) return this.#carry({ socket: raw, raw }, number);
    this.#handshakes.add(raw);
    raw.once("close", () => {
      this.#handshakes.delete(raw);
      this.#noteEmpty();
    });
    if (secureClient === "stall") return onEvent({ type: "handshake-stalled", connection: number });
    const secured = (socket: Socket): void => {
      this.#handshakes.delete(raw);
      this.#carry({ socket, raw }, number);
    };
    secureClient(raw, secured, (detail) => onEvent({ type: "handshake-failed", connection: number, detail }));
  }

  #carry(client: Peer, number: number): void {
    const { onEvent, clock, random, maxHeldBytes = MAX_HELD_BYTES } = this.#options;
    const live: Live = {
      number,
      isStalled: this.#applies("stall_accept", number),
      connection: new TcpConnection({
        client,
        dial: () => this.#dial(),
        clock,
        random: random.fork(`connection ${number}`),
        toxics: () => this.#toxics,
        counts: this.counts,
        maxHeldBytes: maxHeldBytes / 2,
        room: this.#room,
        onEvent: (event) => onEvent({ ...event, connection: number }),
        onClosed: () => {
          this.#live.delete(live);
          onEvent({ type: "connection-closed", connection: number });
          this.#noteEmpty();
        },
      }),
    };
    this.#live.add(live);
    if (!live.isStalled) live.connection.start();
    else onEvent({ type: "connection-stalled", connection: number });
  }

  #noteEmpty(): void {
    if (this.#isClosed && this.connections === 0) this.#emptied.resolve();
  }

  /** Whether a connection to this address would come back here, without end. */
  #isItself(host: string, port: number): boolean {
    const own = hostAndPort(this.#address)?.host ?? "";
    const isOwnHost = isSameHost(host === "" ? "localhost" : host, isEverywhere(own) ? "localhost" : own);
    return port === this.#port && isOwnHost;
  }

  #dial(): Peer {
    const { upstream, secureUpstream } = this.#options;
    const { host, port } = hostAndPort(upstream) ?? { host: "", port: -1 };
    if (this.#isItself(host, port)) throw new Error("the upstream is the proxy itself");
    const raw = connect({
      // An empty host means this machine, as in Go.
      host: host === "" ? "localhost" : host,
      // A port that cannot be is refused by the system, as one that nobody listens on.
      port: port < 0 ? 0 : port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    return { raw, socket: secureUpstream === undefined ? raw : secureUpstream(raw, host) };
  }
}
