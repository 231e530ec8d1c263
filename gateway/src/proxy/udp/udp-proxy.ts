/**
 * The UDP engine of the fault proxy. UDP has no connections, so a session stands in for one: all
 * datagrams of one client address and port, until none has come for a while. Replies go back from
 * the port that listens. Sessions are bounded, and the one that was unused for longest makes room
 * for a new one, as in a NAT; so a flood of forged senders costs memory up to the bound and no
 * more. It does not know ICMP: a client is not told that the upstream port is closed.
 */
import type { RemoteInfo, Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { shownAddress } from "../../adapters/process/listening.ts";
import type { OpenProxy, OpenProxyOptions, ProxyEvent, Stream, StreamCounts, Toxic } from "../toxic.ts";
import { HeldMemory } from "./datagram-chain.ts";
import { DATAGRAM_FAULTS } from "./datagram-faults.ts";
import { type EffectDetails, type SessionEffect, UdpSession, type UpstreamAddress } from "./udp-session.ts";

export interface UdpProxyOptions extends OpenProxyOptions {
  /**
   * Time without a datagram in either direction after which a session ends, in ms, from 1. Default
   * 60,000: many times the interval of usual heartbeats, and each session holds a descriptor.
   */
  readonly idleMs?: number;
  /**
   * Maximum number of sessions at once, from 1. Default 1,000: each holds a descriptor, and 1,024
   * are a usual limit of a process that may be raised.
   */
  readonly maxSessions?: number;
  /**
   * Maximum bytes of datagrams that wait in toxics, of all sessions, from 0, with 512 bytes of
   * overhead each. Default 16 MiB: half a second of 250 Mbit/s.
   */
  readonly maxHeldBytes?: number;
}

/** What was done to datagrams and sessions so far, by kind. */
type UdpEffects = Readonly<Record<Exclude<SessionEffect, "applied"> | "evicted" | "expired", number>>;

export interface UdpProxy extends OpenProxy, AsyncDisposable {
  readonly effects: UdpEffects;
  /** Bytes of datagrams that wait in toxics now, with overhead. */
  readonly heldBytes: number;
  setToxics(toxics: readonly Toxic[], change?: "ramp"): void;
}

const DEFAULT_IDLE_MS = 60_000;
const DEFAULT_MAX_SESSIONS = 1_000;
const DEFAULT_MAX_HELD_BYTES = 16_777_216;
/** Buffer for datagrams that arrive while this process does something else. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;

/**
 * Listens. Rejects with the operating system's error if it cannot, and with a {@link UserError} for
 * an upstream that is no host:port or is the proxy itself.
 */
export async function openUdpProxy(options: UdpProxyOptions): Promise<UdpProxy> {
  checkTypes(options.toxics);
  const upstream = upstreamOf(options.upstream);
  const { host, port } = options;
  const listener = host === undefined ? await listeningAnywhere(port) : await listeningAt(host, port);
  const bound = listener.address();
  if (isItself(bound, upstream)) {
    await new Promise<void>((resolve) => listener.close(() => resolve()));
    throw new UserError(
      "usage",
      `upstream ${options.upstream} is the proxy itself: every datagram would run in a circle`,
    );
  }
  return new ListeningUdpProxy(options, upstream, listener);
}

/**
 * A type that is not known is a mistake of the caller, and must not wait for the first datagram.
 */
function checkTypes(toxics: readonly Toxic[]): void {
  const unknown = toxics.find(({ type }) => !Object.hasOwn(DATAGRAM_FAULTS, type));
  if (unknown !== undefined) throw new TypeError(`no UDP proxy knows toxics of type "${unknown.type}"`);
}

function upstreamOf(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  const allowed = "host:port with a port from 1 to 65535, such as 127.0.0.1:7000 or [::1]:7000";
  throw new UserError("usage", `upstream is ${JSON.stringify(text)}; allowed is ${allowed}`);
}

/** Whether datagrams for `upstream` would come back to the listener. Names are not looked up. */
function isItself(bound: { address: string; port: number }, upstream: { host: string; port: number }): boolean {
  if (bound.port !== upstream.port) return false;
  const host = upstream.host === "localhost" ? "127.0.0.1" : upstream.host;
  const isAnywhere = bound.address === "0.0.0.0" || bound.address === "::";
  return bound.address === host || (isAnywhere && /^(127\.|::1$|::$|0\.0\.0\.0$)/.test(host));
}

/** Every address of this machine, IPv4 and IPv6; IPv4 only where there is no other. */
async function listeningAnywhere(port: number): Promise<Socket> {
  try {
    return await listeningAt("::", port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL") throw error;
    return listeningAt("0.0.0.0", port);
  }
}

async function listeningAt(host: string, port: number): Promise<Socket> {
  const family = isIP(host);
  const found = family === 0 ? await lookup(host) : { address: host, family };
  const socket = createSocket({
    type: found.family === 6 ? "udp6" : "udp4",
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Addresses only: replies go where datagrams came from.
    lookup: (address, _options, done) => done(null, address, found.family),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind({ address: found.address, port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off("error", reject);
  return socket;
}

class ListeningUdpProxy implements UdpProxy {
  readonly address: string;
  readonly counts: Readonly<Record<Stream, StreamCounts>> = {
    upstream: { receivedBytes: 0, sentBytes: 0 },
    downstream: { receivedBytes: 0, sentBytes: 0 },
  };
  readonly effects: Record<keyof UdpEffects, number> = {
    lost: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    dropped: 0,
    refused: 0,
    failed: 0,
    evicted: 0,
    expired: 0,
  };
  readonly #options: UdpProxyOptions;
  readonly #upstream: { readonly host: string; readonly port: number };
  readonly #listener: Socket;
  readonly #held: HeldMemory;
  readonly #idleMs: number;
  /** By client; the one that was unused for longest is first. */
  readonly #sessions: Map<string, UdpSession> = new Map();
  readonly #closing: Set<Promise<unknown>> = new Set();
  #lookingUp: Promise<UpstreamAddress> | undefined;
  #opened = 0;
  #toxics: readonly Toxic[];
  #expiry: Disposable | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: UdpProxyOptions, upstream: { host: string; port: number }, listener: Socket) {
    const { address, port } = listener.address();
    this.address = shownAddress({ host: address, port });
    this.#options = options;
    this.#upstream = upstream;
    this.#listener = listener;
    this.#toxics = options.toxics;
    this.#held = new HeldMemory(options.maxHeldBytes ?? DEFAULT_MAX_HELD_BYTES);
    this.#idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
    listener.on("message", (datagram, from) => this.#receive(datagram, from));
    listener.on("error", (error) => options.onEvent({ type: "listener-failed", detail: error.message }));
  }

  get connections(): number {
    return this.#sessions.size;
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  setToxics(toxics: readonly Toxic[], change?: "ramp"): void {
    checkTypes(toxics);
    this.#toxics = toxics;
    for (const session of [...this.#sessions.values()]) session.setToxics(toxics, change === "ramp");
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#expiry?.[Symbol.dispose]();
    const listenerClosed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const session of [...this.#sessions.values()]) this.#end(session, "session-closed");
    await Promise.all([listenerClosed, ...this.#closing]);
  }

  #receive(datagram: Buffer, { address, port }: RemoteInfo): void {
    if (this.#closed !== undefined) return;
    this.counts.upstream.receivedBytes += datagram.length;
    const session = this.#sessions.get(`${address} ${port}`) ?? this.#begin({ address, port });
    this.#used(session);
    session.accept(datagram);
  }

  #begin(client: { address: string; port: number }): UdpSession {
    const { clock, random, maxSessions = DEFAULT_MAX_SESSIONS, onEvent } = this.#options;
    const [oldest] = this.#sessions.values();
    if (oldest !== undefined && this.#sessions.size >= maxSessions) {
      this.effects.evicted++;
      this.#end(oldest, "session-evicted");
    }
    const number = ++this.#opened;
    const session = new UdpSession({
      number,
      client,
      lookUp: () => this.#lookUp(),
      clock,
      random: random.fork(`session ${number}`),
      held: this.#held,
      counts: this.counts,
      listener: this.#listener,
      onEffect: (of, effect, what) => this.#note(of, effect, what),
      onReply: (of) => this.#used(of),
    });
    onEvent({
      type: "session-opened",
      connection: number,
      detail: shownAddress({ host: client.address, port: client.port }),
    });
    session.setToxics(this.#toxics, false);
    return session;
  }

  /**
   * Where the upstream is now. Sessions that begin meanwhile share one lookup: a flood of new ones
   * while the name server is slow must not pile up.
   */
  #lookUp(): Promise<UpstreamAddress> {
    const { host, port } = this.#upstream;
    const family = isIP(host);
    if (family !== 0) return Promise.resolve({ address: host, family, port });
    this.#lookingUp ??= lookup(host)
      .then((found) => ({ ...found, port }))
      .finally(() => {
        this.#lookingUp = undefined;
      });
    return this.#lookingUp;
  }

  /** Moves the session behind all others: it is the last that would be ended. */
  #used(session: UdpSession): void {
    const { clock } = this.#options;
    session.lastUsedMs = clock.nowMs();
    const key = `${session.client.address} ${session.client.port}`;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    this.#expiry ??= clock.at(session.lastUsedMs + this.#idleMs, this.#expire);
  }

  readonly #expire = (): void => {
    const { clock } = this.#options;
    this.#expiry = undefined;
    for (const session of [...this.#sessions.values()]) {
      if (session.lastUsedMs + this.#idleMs > clock.nowMs()) break;
      // A long delay is not idleness: its datagram is still on the way.
      if (session.isWaiting) {
        this.#used(session);
        continue;
      }
      this.effects.expired++;
      this.#end(session, "session-expired");
    }
    const [oldest] = this.#sessions.values();
    if (oldest !== undefined) this.#expiry ??= clock.at(oldest.lastUsedMs + this.#idleMs, this.#expire);
  };

  #end(session: UdpSession, type: string): void {
    this.#sessions.delete(`${session.client.address} ${session.client.port}`);
    const closing = session.close().then((dropped) => {
      this.#closing.delete(closing);
      const detail = dropped === 0 ? {} : { detail: `${dropped} datagrams that waited were dropped` };
      this.#options.onEvent({ type, connection: session.number, ...detail });
    });
    this.#closing.add(closing);
  }

  #note(session: UdpSession, effect: SessionEffect, what: EffectDetails): void {
    if (effect !== "applied") this.effects[effect]++;
    this.#options.onEvent({ type: EVENT_TYPES[effect], connection: session.number, ...what });
  }
}

const EVENT_TYPES: Readonly<Record<SessionEffect, ProxyEvent["type"]>> = {
  lost: "datagram-lost",
  duplicated: "datagram-duplicated",
  reordered: "datagram-reordered",
  corrupted: "datagram-corrupted",
  dropped: "datagram-dropped",
  refused: "upstream-refused",
  failed: "session-failed",
  applied: "toxic-applied",
};
