/**
 * Sends a station's pushed heartbeats: a timer, a signature and a UDP socket around
 * `fleet/station-heartbeats.ts`, which decides what to send and when. It continues while the
 * gateway is unreachable: after a heartbeat that cannot be sent comes the next one. A challenge is
 * answered at once, not at the next tick.
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock } from "ground-station-failover";
import { StationHeartbeats } from "../../fleet/station-heartbeats.ts";
import { HeartbeatCodec } from "./heartbeat-codec.ts";

export interface HeartbeatSenderOptions {
  readonly group: string;
  readonly station: string;
  /**
   * At least one, shared with the gateway. The first signs heartbeats; challenges may be signed
   * with any of them.
   */
  readonly secrets: readonly Uint8Array[];
  /** The gateway's heartbeat listener. A host name is looked up again every 10 seconds. */
  readonly target: { readonly host: string; readonly port: number };
  readonly intervalMs: number;
  /** The newest epoch that the station has seen; sent in each heartbeat. */
  readonly epochSeen: () => number;
  readonly clock: Clock;
}

/** How often a host name is looked up again, in ms, because a gateway may move. */
const RESOLVE_EVERY_MS = 10_000;

export class HeartbeatSender {
  readonly #options: HeartbeatSenderOptions;
  readonly #codec: HeartbeatCodec;
  readonly #beats: StationHeartbeats;
  #address: string | undefined = undefined;
  #family: 4 | 6 = 4;
  #resolveAtMs = 0;
  #resolving = false;
  #socket: Socket | undefined = undefined;
  #timer: Disposable | undefined = undefined;

  constructor(options: HeartbeatSenderOptions) {
    this.#options = options;
    this.#codec = new HeartbeatCodec({ shared: options.secrets, own: new Map() });
    const { group, station, intervalMs } = options;
    const session = randomBytes(16).toString("base64url");
    this.#beats = new StationHeartbeats({ group, station, session, intervalMs });
  }

  /** Signs with the first of `secrets` from the next heartbeat on. The session continues. */
  useSecrets(secrets: readonly Uint8Array[]): void {
    this.#codec.use({ shared: secrets, own: new Map() });
  }

  /** Starts to send heartbeats. Does nothing if it is already sending. */
  start(): void {
    if (this.#timer !== undefined) return;
    const { clock, target } = this.#options;
    const family = isIP(target.host);
    if (family !== 0) {
      this.#address = target.host;
      this.#family = family as 4 | 6;
    }
    this.#tick(clock.nowMs());
  }

  /** Stops sending heartbeats. It may be started again. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#close();
  }

  #tick(dueMs: number): void {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const nextMs = this.#beats.nextTickMs(dueMs, nowMs);
    this.#timer = clock.at(nextMs, () => this.#tick(nextMs));
    this.#resolve(nowMs);
    this.#beat();
  }

  #beat(): void {
    const { epochSeen, target, clock } = this.#options;
    if (this.#address === undefined) return;
    const datagram = this.#codec.encode({ type: "beat", ...this.#beats.next(epochSeen(), clock.nowMs()) });
    // Errors are ignored: the next heartbeat is due anyway.
    this.#open().send(datagram, target.port, this.#address, () => undefined);
  }

  #open(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = createSocket(this.#family === 6 ? "udp6" : "udp4");
    socket.on("error", () => {
      if (this.#socket === socket) this.#close();
    });
    socket.on("message", (datagram) => this.#answer(datagram));
    this.#socket = socket;
    return socket;
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.removeAllListeners("message");
    socket?.close();
  }

  #answer(datagram: Buffer): void {
    const decoded = this.#codec.decode(datagram);
    if (decoded.type !== "message" || decoded.message.type !== "challenge") return;
    if (this.#beats.noteChallenge(decoded.message)) this.#beat();
  }

  /** Uses the last known address while a lookup fails or is slow. */
  #resolve(nowMs: number): void {
    const { host } = this.#options.target;
    if (isIP(host) !== 0 || this.#resolving || nowMs < this.#resolveAtMs) return;
    this.#resolving = true;
    lookup(host)
      .then(({ address, family }) => {
        if (family !== this.#family) this.#close();
        this.#address = address;
        this.#family = family as 4 | 6;
        this.#resolveAtMs = nowMs + RESOLVE_EVERY_MS;
      })
      .catch(() => undefined)
      .finally(() => {
        this.#resolving = false;
      });
  }
}
