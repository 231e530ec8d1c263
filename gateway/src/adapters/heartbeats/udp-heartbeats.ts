/**
 * Where pushed heartbeats arrive. A datagram that is not of the layout, not signed with the secret,
 * replayed or of an unknown station is counted and dropped; a sentence about it is logged at most
 * once a second for each kind, so that noise on the network cannot become noise in the log. Only a
 * correctly signed datagram of a known station is ever answered, and never with more bytes than it
 * had plus a challenge: nothing here can be used to reflect traffic at others.
 */
import type { KeyObject } from "node:crypto";
import type { RemoteInfo, Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import type { BeatAdmission, StationBeat } from "../../fleet/heartbeat-sessions.ts";
import type { HeartbeatSecrets, ListenSettings } from "../../fleet/settings.ts";
import { shownAddress } from "../process/listening.ts";
import type { Log } from "../telemetry/log.ts";
import type { HeartbeatMessage } from "./heartbeat-codec.ts";
import { HeartbeatCodec } from "./heartbeat-codec.ts";

export { HeartbeatSender } from "./heartbeat-sender.ts";

/** How many datagrams came to which end, since the listener opened. */
interface HeartbeatCounters {
  /** Counted as heartbeats. */
  readonly accepted: number;
  /** Answered with a challenge. */
  readonly challenged: number;
  /** Seen before, or late. */
  readonly replayed: number;
  /** Of a station as which two processes send heartbeats: they prove no life. */
  readonly conflicting: number;
  /** Signed correctly, by a station that no group has. */
  readonly unknown: number;
  /** Not of the layout, or not a beat. */
  readonly malformed: number;
  /** Of the layout, but not signed with a secret of its station. */
  readonly forged: number;
}

export interface HeartbeatListener extends AsyncDisposable {
  /** Where it listens; the port is the one that was taken where 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** The counts of the moment. */
  readonly counters: HeartbeatCounters;
  /** Verifies with `secrets` from the next datagram on. Sessions go on. */
  useSecrets(secrets: HeartbeatSecrets): void;
}

export interface HeartbeatListenerOptions {
  readonly listen: ListenSettings;
  /** Shared with the stations. */
  readonly secrets: HeartbeatSecrets;
  readonly log: Log;
}

/**
 * Room for what arrives while this process is stalled: 10,000 stations at 50 ms for about 100 ms.
 */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;
const LOG_EVERY_MS = 1_000;

/**
 * Listens for heartbeats and hands them to `gateway`; rejects with the system's error where it
 * cannot.
 */
export async function listenForHeartbeats(
  gateway: { receiveBeat(beat: StationBeat, from: string): BeatAdmission | undefined },
  { listen, secrets, log }: HeartbeatListenerOptions,
): Promise<HeartbeatListener> {
  const codec = new HeartbeatCodec(secrets);
  const socket = createSocket({
    type: listen.host.includes(":") ? "udp6" : "udp4",
    recvBufferSize: RECEIVE_BUFFER_BYTES,
  });
  const receiver = new Receiver(gateway, codec, socket, log);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.on("message", (datagram, from) => receiver.receive(datagram, from));
  socket.bind({ address: listen.host, port: listen.port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off("error", reject);
  socket.on("error", (error) => log.error({ err: error }, "heartbeat socket failed"));
  const { address: host, port } = socket.address();
  return {
    address: { host, port },
    get counters() {
      return { ...receiver.counters };
    },
    useSecrets: (next) => codec.use(next),
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => socket.close(() => closed())),
  };
}

type Kind = keyof HeartbeatCounters;

/**
 * Datagrams that are not heartbeats as they should be. A name conflict is an event, which is logged
 * where it is told.
 */
type Dropped = Exclude<Kind, "accepted" | "conflicting">;

const SENTENCES: Readonly<Record<Dropped, string>> = {
  challenged: "a station begins a session: challenged",
  replayed: "a heartbeat was seen before, or came late: dropped",
  unknown: "a heartbeat of a station that is not configured: dropped",
  malformed: "a datagram that is no heartbeat: dropped",
  forged: "a heartbeat signed with none of its station's secrets: dropped",
};

class Receiver {
  readonly counters: Record<Kind, number> = {
    accepted: 0,
    challenged: 0,
    replayed: 0,
    conflicting: 0,
    unknown: 0,
    malformed: 0,
    forged: 0,
  };
  readonly #gateway: { receiveBeat(beat: StationBeat, from: string): BeatAdmission | undefined };
  readonly #codec: HeartbeatCodec;
  readonly #socket: Socket;
  readonly #log: Log;
  readonly #loggedAtMs: Map<Kind, number> = new Map();

  constructor(
    gateway: { receiveBeat(beat: StationBeat, from: string): BeatAdmission | undefined },
    codec: HeartbeatCodec,
    socket: Socket,
    log: Log,
  ) {
    this.#gateway = gateway;
    this.#codec = codec;
    this.#socket = socket;
    this.#log = log;
  }

  receive(datagram: Buffer, from: RemoteInfo): void {
    const decoded = this.#codec.decode(datagram);
    if (decoded.type === "forged") return this.#dropped("forged", from);
    if (decoded.type === "malformed" || decoded.message.type !== "beat") return this.#dropped("malformed", from);
    const { message: beat, key } = decoded;
    const admission = this.#gateway.receiveBeat(beat, shownAddress({ host: from.address, port: from.port }));
    if (admission === undefined) return this.#dropped("unknown", from, beat);
    if (admission.type === "beat") {
      this.counters.accepted++;
    } else if (admission.type === "name-conflict") {
      this.counters.conflicting++;
    } else if (admission.type === "replay") {
      this.#dropped("replayed", from, beat);
    } else {
      this.#dropped("challenged", from, beat);
      this.#challenge(beat, key, admission.challenge, from);
    }
  }

  #challenge(beat: HeartbeatMessage, key: KeyObject, challenge: string, from: RemoteInfo): void {
    const answer = this.#codec.encode({ ...beat, type: "challenge", challenge, sentAtMs: 0, epochSeen: 0 }, key);
    // A station that cannot be reached does not answer; that is all there is to know.
    this.#socket.send(answer, from.port, from.address, () => undefined);
  }

  #dropped(kind: Dropped, from: RemoteInfo, beat?: StationBeat): void {
    const count = ++this.counters[kind];
    const nowMs = performance.now();
    if (nowMs - (this.#loggedAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    this.#loggedAtMs.set(kind, nowMs);
    const who = beat === undefined ? {} : { group: beat.group, station: beat.station };
    this.#log[kind === "challenged" ? "info" : "warn"]({ ...who, from: from.address, count }, SENTENCES[kind]);
  }
}
