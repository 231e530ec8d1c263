/**
 * The fault proxy for programs, above all tests: the same proxies as `gsf proxy`, in this process,
 * without HTTP unless it is asked for. Everything that is made here goes away with its holder: a
 * toxic, a proxy or all of them can be held with `await using`.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, seededRandom, systemClock } from "ground-station-failover";
import { EventLog, type LoggedEvent } from "./event-log.ts";
import { badBody } from "./fault-proxy-error.ts";
import { hostAndPort, shownHostAndPort } from "./listen-address.ts";
import type { ManagedProxy, TlsSettings } from "./managed-proxy.ts";
import type { Protocol } from "./protocols.ts";
import { proxyApiServer } from "./proxy-api.ts";
import { ProxyList } from "./proxy-list.ts";
import { ProxyMetrics } from "./proxy-metrics.ts";
import { CertificateAuthority } from "./tls/certificates.ts";
import type { Stream, StreamCounts } from "./toxic.ts";
import { type ToxicOptions, type ToxicUpdate, toxicBody } from "./toxic-options.ts";

/** Two pieces of what a socket gives at once. */
const MIN_HELD_BYTES = 131_072;

export interface FaultProxiesOptions {
  /**
   * Fixes toxicity, jitter and whatever else is drawn: any number or text. Default 0, so that a
   * test that fails fails again.
   */
  readonly seed?: number | string;
  /**
   * Also serves the control API, for a client of Toxiproxy: host (default "127.0.0.1") and port
   * (from 0, default 0: any free one). Default: no control API.
   */
  readonly api?: { readonly host?: string; readonly port?: number };
  /**
   * Bytes that the toxics of one TCP connection may hold, both directions together, from 131,072.
   * Above it the sender has to wait. Default 4,194,304: with 100 ms of latency, 20 MB/s each way.
   */
  readonly maxHeldBytes?: number;
  /** Default: the system's clock. */
  readonly clock?: Clock;
}

export interface FaultProxyOptions {
  /** host:port of the server behind it; it need not run yet. */
  readonly upstream: string;
  /** Default: "proxy-1", "proxy-2", … */
  readonly name?: string;
  /** host:port, port 0 for any free one. Default "127.0.0.1:0". */
  readonly listen?: string;
  /** Whether it listens at once. Default true. */
  readonly enabled?: boolean;
  /** Default "tcp". */
  readonly protocol?: Protocol;
  /** Any number. Default: drawn from the seed of all proxies and the name. */
  readonly seed?: number;
  /** TLS on the listener. Default: plain TCP. */
  readonly tls?: Partial<TlsSettings>;
  /** Toxics that are in force from the first connection on. Default: none. */
  readonly toxics?: readonly ToxicOptions[];
}

/**
 * Fault proxies in this process.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import type { AddressInfo } from "node:net";
 * import { FaultProxies } from "@ground-station-failover/gateway/proxy";
 *
 * const server = createServer((_request, response) => response.end("hello"));
 * server.listen(0, "127.0.0.1");
 * await new Promise((resolve) => server.once("listening", resolve));
 * const { port } = server.address() as AddressInfo;
 *
 * await using proxies = await FaultProxies.start();
 * const proxy = await proxies.create({ upstream: `127.0.0.1:${port}` });
 * await proxy.add({ type: "latency", latency: 100 });
 * const beganAt = performance.now();
 * const answer = await fetch(`http://${proxy.listen}/`);
 * console.log(await answer.text(), performance.now() - beganAt >= 90); // hello true
 * server.closeAllConnections();
 * server.close();
 * ```
 */
export class FaultProxies implements AsyncDisposable, Disposable {
  readonly #list: ProxyList;
  readonly #events: EventLog;
  readonly #authority: CertificateAuthority;
  readonly #server: Server | undefined;
  #made = 0;

  private constructor(list: ProxyList, events: EventLog, authority: CertificateAuthority, server?: Server) {
    this.#list = list;
    this.#events = events;
    this.#authority = authority;
    this.#server = server;
  }

  /** Rejects if the control API was asked for and cannot listen. */
  static async start(options: FaultProxiesOptions = {}): Promise<FaultProxies> {
    const { seed = 0, api, clock = systemClock, maxHeldBytes } = options;
    if (maxHeldBytes !== undefined && !(Number.isInteger(maxHeldBytes) && maxHeldBytes >= MIN_HELD_BYTES))
      throw badBody(`maxHeldBytes is ${maxHeldBytes}; allowed is a whole number from ${MIN_HELD_BYTES}`);
    const events = new EventLog();
    const authority = new CertificateAuthority();
    const list = new ProxyList({ clock, random: seededRandom(seed), events, authority, maxHeldBytes });
    if (api === undefined) return new FaultProxies(list, events, authority);
    const metrics = new ProxyMetrics(() => list.all);
    const server = proxyApiServer({ proxies: list, events, authority, clock, metrics });
    server.listen({ host: api.host ?? "127.0.0.1", port: api.port ?? 0 });
    await once(server, "listening");
    return new FaultProxies(list, events, authority, server);
  }

  /** The URL of the control API. Throws if there is none. */
  get url(): string {
    const at = this.#server?.address() as AddressInfo | null | undefined;
    if (at == null) throw new Error("there is no control API; start with the option api");
    return `http://${shownHostAndPort(at.address, at.port)}`;
  }

  get all(): readonly FaultProxy[] {
    return this.#list.all.map((proxy) => new FaultProxy(this.#list, proxy));
  }

  /** Rejects with a `FaultProxyError`, or with the system's error if the proxy cannot listen. */
  async create(options: FaultProxyOptions): Promise<FaultProxy> {
    const { name = `proxy-${++this.#made}`, listen = "127.0.0.1:0", toxics = [] } = options;
    const types = this.#list.typesOf(options.protocol ?? "tcp");
    const made = await this.#list.create({
      ...options,
      name,
      listen,
      toxics: toxics.map((toxic) => toxicBody({ ...toxic }, toxic.type, types)),
    });
    return new FaultProxy(this.#list, made);
  }

  /** Throws a `FaultProxyError` if there is no proxy of this name. */
  get(name: string): FaultProxy {
    return new FaultProxy(this.#list, this.#list.get(name));
  }

  /** Starts every proxy and removes every toxic; live connections stay. */
  reset(): Promise<void> {
    return this.#list.reset();
  }

  /**
   * What was done, and to which connection: the events behind number `after`. Default: all kept.
   */
  events(after = 0): readonly LoggedEvent[] {
    return this.#events.since(after);
  }

  /** The certificate, as PEM, of the authority that signs the certificates of TLS listeners. */
  certificateAuthority(): Promise<string> {
    return this.#authority.certificate();
  }

  /** Closes every proxy with its connections, and the control API. */
  async close(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    await this.#list.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Begins to close, without waiting for its end. */
  [Symbol.dispose](): void {
    this.close().catch(() => undefined);
  }
}

/**
 * One proxy.
 *
 * @example
 * ```ts
 * import { connect } from "node:net";
 * import { FaultProxies } from "@ground-station-failover/gateway/proxy";
 *
 * await using proxies = await FaultProxies.start();
 * await using proxy = await proxies.create({ upstream: "127.0.0.1:9" });
 * await proxy.disable();
 * const socket = connect(proxy.port, proxy.host);
 * const code = await new Promise((resolve) => {
 *   socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
 * });
 * console.log(code); // ECONNREFUSED
 * ```
 */
export class FaultProxy implements AsyncDisposable, Disposable {
  readonly #list: ProxyList;
  readonly #proxy: ManagedProxy;

  /** Made by `FaultProxies.create`. */
  constructor(list: ProxyList, proxy: ManagedProxy) {
    this.#list = list;
    this.#proxy = proxy;
  }

  get name(): string {
    return this.#proxy.name;
  }

  /** host:port, resolved. */
  get listen(): string {
    return this.#proxy.listen;
  }

  get host(): string {
    return hostAndPort(this.listen)?.host ?? "";
  }

  get port(): number {
    return hostAndPort(this.listen)?.port ?? 0;
  }

  get upstream(): string {
    return this.#proxy.upstream;
  }

  get isEnabled(): boolean {
    return this.#proxy.isEnabled;
  }

  /** Connections (UDP: sessions) that are open now. */
  get connections(): number {
    return this.#proxy.connections;
  }

  /** Bytes received and sent so far, by direction. */
  counts(stream: Stream): StreamCounts {
    return this.#proxy.counts(stream);
  }

  /** Adds a toxic; live connections feel it too. Rejects with a `FaultProxyError`. */
  async add(options: ToxicOptions): Promise<FaultToxic> {
    const { types } = this.#proxy.parts;
    const made = await this.#list.addToxic(this.name, toxicBody({ ...options }, options.type, types));
    return new FaultToxic(
      this.#list,
      this.#proxy,
      made.map(({ settings }) => settings.name),
    );
  }

  /** The toxics as the control API shows them. */
  get toxics(): ReadonlyArray<Readonly<Record<string, unknown>>> {
    return this.#list.shownToxics(this.#proxy);
  }

  /** Listens again, at the same address. */
  async enable(): Promise<void> {
    await this.#list.update(this.name, { enabled: true });
  }

  /** Closes the listener and every connection; the toxics stay. */
  async disable(): Promise<void> {
    await this.#list.update(this.name, { enabled: false });
  }

  /** Other addresses close every connection. */
  async update(change: { readonly listen?: string; readonly upstream?: string }): Promise<void> {
    await this.#list.update(this.name, change);
  }

  /** Closes it and takes it out of the list. Does nothing if that was done. */
  async remove(): Promise<void> {
    if (this.#list.all.includes(this.#proxy)) await this.#list.remove(this.name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Begins to remove it, without waiting for its end. */
  [Symbol.dispose](): void {
    this.remove().catch(() => undefined);
  }
}

/**
 * A toxic of a proxy; with stream "both", the one of each direction.
 *
 * @example
 * ```ts
 * import { FaultProxies } from "@ground-station-failover/gateway/proxy";
 *
 * await using proxies = await FaultProxies.start();
 * const proxy = await proxies.create({ upstream: "127.0.0.1:9" });
 * {
 *   await using slow = await proxy.add({ type: "bandwidth", rate: 100, stream: "both" });
 *   console.log(slow.names.join(" ")); // bandwidth_upstream bandwidth_downstream
 * }
 * console.log(proxy.toxics.length); // 0
 * ```
 */
export class FaultToxic implements AsyncDisposable, Disposable {
  readonly names: readonly string[];
  readonly #list: ProxyList;
  readonly #proxy: ManagedProxy;

  /** Made by `FaultProxy.add`. */
  constructor(list: ProxyList, proxy: ManagedProxy, names: readonly string[]) {
    this.#list = list;
    this.#proxy = proxy;
    this.names = names;
  }

  /** Changes attributes and toxicity; what is not named keeps its value. */
  async update(change: ToxicUpdate): Promise<void> {
    for (const name of this.names) {
      const { type } = this.#proxy.toxics.get(name).settings;
      await this.#list.updateToxic(this.#proxy.name, name, toxicBody(change, type, this.#proxy.parts.types));
    }
  }

  /** Does nothing if it is gone, for example because it expired. */
  async remove(): Promise<void> {
    for (const name of this.names) {
      if (this.#proxy.toxics.has(name)) await this.#list.removeToxic(this.#proxy.name, name);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Begins to remove it, without waiting for its end. */
  [Symbol.dispose](): void {
    this.remove().catch(() => undefined);
  }
}
