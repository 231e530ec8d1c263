/**
 * The gateway's listener for pushed heartbeats. It counts and drops datagrams that have another
 * layout, are not signed with the secret, are replayed, or come from an unknown station. It logs
 * this at most once a second for each kind, so that noise on the network does not flood the log. It
 * answers only a correctly signed datagram of a known station, and with at most the bytes of that
 * datagram plus a challenge. So an attacker cannot use it to reflect traffic at others.
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

/** Counts of datagrams by result, since the listener opened. */
interface HeartbeatCounters {
  /** Counted as heartbeats. */
  readonly accepted: number;
  /** Answered with a challenge. */
  readonly challenged: number;
  /** Received before, or late. */
  readonly replayed: number;
  /** From a station as which two processes send heartbeats: they do not prove that it is alive. */
  readonly conflicting: number;
  /** Correctly signed, but the station is in no group. */
  readonly unknown: number;
  /** Of another layout, or not a heartbeat. */
  readonly malformed: number;
  /** Of the right layout, but not signed with a secret of its station. */
  readonly forged: number;
}

export interface HeartbeatListener extends AsyncDisposable {
  /** Address of the listener. If port 0 was requested, this is the port that was assigned. */
  readonly address: { readonly host: string; readonly port: number };
  /** The current counts. */
  readonly counters: HeartbeatCounters;
  /** Verifies with `secrets` from the next datagram on. Sessions continue. */
  useSecrets(secrets: HeartbeatSecrets): void;
}

export interface HeartbeatListenerOptions {
  /** `fd`: at a socket that another process has opened. */
  readonly listen: ListenSettings & { readonly fd?: number | undefined };
  /** Shared with the stations. */
  readonly secrets: HeartbeatSecrets;
  readonly log: Log;
}

/**
 * Buffer for datagrams that arrive during a stall of this process: 10,000 stations at 50 ms for
 * about 100 ms.
 */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;
const LOG_EVERY_MS = 1_000;

/** What the listener needs of a gateway. */
interface BeatReceiver {
  receiveBeat(beat: StationBeat, from: string): BeatAdmission | undefined;
  /** A datagram that claims to be of this station was signed with none of its secrets. */
  noteForged?(claimed: Pick<StationBeat, "group" | "station">, from: string): void;
}

/**
 * Listens for heartbeats and passes them to `gateway`. Rejects with the operating system's error if
 * it cannot listen.
 */
export async function listenForHeartbeats(
  gateway: BeatReceiver,
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
  const { host, port, fd } = listen;
  socket.bind(fd === undefined ? { address: host, port, exclusive: true } : { fd, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off("error", reject);
  socket.on("error", (error) => log.error({ err: error }, "heartbeat socket failed"));
  const bound = socket.address();
  return {
    address: { host: bound.address, port: bound.port },
    get counters() {
      return { ...receiver.counters };
    },
    useSecrets: (next) => codec.use(next),
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => socket.close(() => closed())),
  };
}

type Kind = keyof HeartbeatCounters;

/**
 * Kinds of datagrams that are dropped with a log line. A name conflict is an event and is logged as
 * such.
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
  readonly #gateway: BeatReceiver;
  readonly #codec: HeartbeatCodec;
  readonly #socket: Socket;
  readonly #log: Log;
  readonly #loggedAtMs: Map<Kind, number> = new Map();

  constructor(gateway: BeatReceiver, codec: HeartbeatCodec, socket: Socket, log: Log) {
    this.#gateway = gateway;
    this.#codec = codec;
    this.#socket = socket;
    this.#log = log;
  }

  receive(datagram: Buffer, from: RemoteInfo): void {
    const decoded = this.#codec.decode(datagram);
    if (decoded.type === "forged") {
      this.#gateway.noteForged?.(decoded.claimed, from.address);
      return this.#dropped("forged", from, decoded.claimed);
    }
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
    // Errors are ignored: a station that cannot be reached does not answer, and nothing more is
    // known.
    this.#socket.send(answer, from.port, from.address, () => undefined);
  }

  #dropped(kind: Dropped, from: RemoteInfo, beat?: Pick<StationBeat, "group" | "station">): void {
    const count = ++this.counters[kind];
    const nowMs = performance.now();
    if (nowMs - (this.#loggedAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    this.#loggedAtMs.set(kind, nowMs);
    const who = beat === undefined ? {} : { group: beat.group, station: beat.station };
    this.#log[kind === "challenged" ? "info" : "warn"]({ ...who, from: from.address, count }, SENTENCES[kind]);
  }
}
