/**
 * One proxy of the list: its name, its addresses, its toxics, and whether it is listening. Stopped,
 * it keeps everything but its listener and its connections. One change at a time: the list above
 * sees to that.
 */
import type { Clock, Random } from "ground-station-failover";
import { type HostAndPort, hostAndPort, resolvedListen } from "./listen-address.ts";
import type { Protocol, ProtocolParts } from "./protocols.ts";
import type { TcpProxyOptions } from "./tcp/tcp-proxy.ts";
import type { CertificateAuthority, TlsFault } from "./tls/certificates.ts";
import { secureUpstream, TlsClients } from "./tls/tls-ends.ts";
import { type OpenProxy, type ProxyEvent, STREAMS, type Stream, type StreamCounts } from "./toxic.ts";
import { ToxicList } from "./toxic-list.ts";

/** TLS on the listener, and perhaps towards the upstream server. */
export interface TlsSettings {
  readonly fault: TlsFault;
  /** DNS names and addresses that the certificate is for. */
  readonly names: readonly string[];
  /** "tls": speaks TLS to the upstream server, and trusts whatever certificate it has. */
  readonly upstream: "plain" | "tls";
}

/** What only TCP has. */
type TcpOnly = Partial<Pick<TcpProxyOptions, "secureClient" | "secureUpstream" | "maxHeldBytes">>;

export interface ManagedProxyOptions {
  readonly name: string;
  readonly listen: string;
  readonly upstream: string;
  readonly protocol: Protocol;
  readonly parts: ProtocolParts;
  /** As it was given; undefined: the seed of the list, and the name. */
  readonly seed?: number | undefined;
  /** Undefined: plain TCP. */
  readonly tls?: TlsSettings | undefined;
  readonly authority: CertificateAuthority;
  readonly maxHeldBytes?: number | undefined;
  readonly random: Random;
  readonly clock: Clock;
  readonly onEvent: (event: ProxyEvent) => void;
}

export class ManagedProxy {
  readonly name: string;
  readonly protocol: Protocol;
  readonly parts: ProtocolParts;
  readonly seed: number | undefined;
  readonly tls: TlsSettings | undefined;
  readonly toxics: ToxicList;
  readonly #options: ManagedProxyOptions;
  #listen: string;
  #upstream: string;
  #open: OpenProxy | undefined;
  /** What listeners that are closed now have carried. */
  readonly #earlier: Readonly<Record<Stream, StreamCounts>> = {
    upstream: { receivedBytes: 0, sentBytes: 0 },
    downstream: { receivedBytes: 0, sentBytes: 0 },
  };

  constructor(options: ManagedProxyOptions) {
    const { name, protocol, parts, listen, upstream, clock, onEvent } = options;
    this.name = name;
    this.protocol = protocol;
    this.parts = parts;
    this.seed = options.seed;
    this.tls = options.tls;
    this.#options = options;
    this.#listen = listen;
    this.#upstream = upstream;
    this.toxics = new ToxicList({
      types: parts.types,
      clock,
      onChange: (inForce, change) => this.#open?.setToxics(inForce, change),
      onExpired: ({ name: toxic, stream }) => onEvent({ type: "toxic-expired", toxic, stream }),
    });
  }

  /** Where it listens, or would: as typed until it has listened once. */
  get listen(): string {
    return this.#listen;
  }

  get upstream(): string {
    return this.#upstream;
  }

  get isEnabled(): boolean {
    return this.#open !== undefined;
  }

  get connections(): number {
    return this.#open?.connections ?? 0;
  }

  /** Bytes so far, those of live connections too. */
  counts(stream: Stream): StreamCounts {
    const [earlier, now] = [this.#earlier[stream], this.#open?.counts[stream]];
    return {
      receivedBytes: earlier.receivedBytes + (now?.receivedBytes ?? 0),
      sentBytes: earlier.sentBytes + (now?.sentBytes ?? 0),
    };
  }

  /** Listens, if it does not yet. Rejects if it cannot; it stays stopped then. */
  async start(): Promise<void> {
    if (this.#open !== undefined) return;
    const { parts, clock, random, onEvent } = this.#options;
    const { host, port } = await resolvedListen(this.#listen);
    this.#open = await parts.open({
      host: host === "" ? undefined : host,
      port,
      upstream: this.#upstream,
      toxics: this.toxics.inForce(),
      clock,
      random,
      onEvent,
      ...(this.protocol === "tcp" ? await this.#tcpOnly() : {}),
    });
    this.#listen = this.#open.address;
    // Some may have changed while it opened.
    await this.#open.setToxics(this.toxics.inForce(), "ramp");
    onEvent({ type: "proxy-opened", detail: this.#listen });
  }

  async #tcpOnly(): Promise<TcpOnly> {
    const { maxHeldBytes } = this.#options;
    const ends = this.tls === undefined ? {} : await this.#tlsEnds(this.tls);
    return maxHeldBytes === undefined ? ends : { ...ends, maxHeldBytes };
  }

  async #tlsEnds({ fault, names, upstream }: TlsSettings): Promise<TcpOnly> {
    const { authority } = this.#options;
    const ends = upstream === "tls" ? { secureUpstream } : {};
    if (fault === "stalled-handshake") return { ...ends, secureClient: "stall" };
    const clients = new TlsClients(await authority.issue(fault, names));
    return { ...ends, secureClient: (raw, onSecure, onFailed) => clients.secure(raw, onSecure, onFailed) };
  }

  /** Closes the listener and every connection; the port is free when this resolves. */
  async stop(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    await open.close();
    for (const stream of STREAMS) {
      this.#earlier[stream].receivedBytes += open.counts[stream].receivedBytes;
      this.#earlier[stream].sentBytes += open.counts[stream].sentBytes;
    }
    this.#options.onEvent({ type: "proxy-closed", detail: this.#listen });
  }

  /** Stops it for good. */
  async remove(): Promise<void> {
    this.toxics[Symbol.dispose]();
    await this.stop();
  }

  /** Whether these addresses lead elsewhere. Rejects if `listen` cannot be looked up. */
  async differs(listen: string, upstream: string): Promise<boolean> {
    const wanted = await resolvedListen(listen);
    const now = hostAndPort(this.#listen);
    return now === undefined || !isSameAddress(now, wanted) || upstream !== this.#upstream;
  }

  /** Other addresses close every connection; whether it listens stays to be said by `isEnabled`. */
  async update(listen: string, upstream: string, isEnabled: boolean): Promise<void> {
    if (await this.differs(listen, upstream)) {
      await this.stop();
      this.#listen = listen;
      this.#upstream = upstream;
    }
    if (isEnabled) await this.start();
    else await this.stop();
  }
}

function isSameAddress(one: HostAndPort, other: HostAndPort): boolean {
  const isEvery = ({ host }: HostAndPort): boolean => host === "" || host === "::" || host === "0.0.0.0";
  return one.port === other.port && (one.host === other.host || (isEvery(one) && isEvery(other)));
}
