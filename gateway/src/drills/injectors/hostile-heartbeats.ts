/**
 * Heartbeats that must prove nothing: signed with a wrong secret, broken, of a station that nobody
 * knows; and, where the right secret is given, replayed, reordered, and from the future, all of a
 * session that has never answered a challenge. They are sent from a socket that hears answers, so
 * that a port where nobody listens is told apart from silence.
 */
import { createSecretKey } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Random } from "ground-station-failover";
import { HeartbeatCodec, type HeartbeatMessage } from "../../adapters/heartbeats/heartbeat-codec.ts";
import { pause } from "./fields.ts";
import type { Address } from "./hostile-connections.ts";

/** Those that need no secret come first. */
export const HEARTBEATS = ["forged", "malformed", "truncated", "unknown", "replayed", "reordered", "future"] as const;
export type HeartbeatAttack = (typeof HEARTBEATS)[number];
export const NEEDS_SECRET: ReadonlySet<HeartbeatAttack> = new Set(["unknown", "replayed", "reordered", "future"]);

export interface HeartbeatPlan {
  readonly group: string;
  readonly station: string;
  readonly attacks: readonly HeartbeatAttack[];
  readonly count: number;
  readonly perSecond: number;
  /** The station's secret; undefined: not known to the attacker. */
  readonly secret: Uint8Array | undefined;
}

export interface HeartbeatCounts {
  sent: number;
  /** Datagrams that came back: challenges. */
  answers: number;
  /** True if the machine said that nobody listens there. */
  isUnheard: boolean;
}

/** A sequence that no station reaches. */
const FUTURE = 2 ** 45;
const MAX_DATAGRAM = 512;

/** Sends the heartbeats at their rate; resolves when all are sent, or soon after an abort. */
export async function sendHeartbeats(
  at: Address,
  plan: HeartbeatPlan,
  counts: HeartbeatCounts,
  random: Random,
  signal: AbortSignal,
  onFirst: () => void,
): Promise<void> {
  const socket = createSocket(at.host.includes(":") ? "udp6" : "udp4");
  socket.on("message", () => counts.answers++);
  // Nobody listens: the machine says so at the datagram after the first.
  socket.on("error", () => {
    counts.isUnheard = true;
  });
  try {
    socket.connect(at.port, at.host);
    await once(socket, "connect", { signal });
    const datagrams = datagramsOf(plan, random);
    for (let one = 0; one < plan.count && !signal.aborted; one++) {
      for (const datagram of datagrams(one)) await sent(socket, datagram, counts);
      onFirst();
      await pause(1_000 / plan.perSecond, signal);
    }
    // For the last answer.
    await pause(50, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    socket.close();
  }
}

function sent(socket: Socket, datagram: Buffer, counts: HeartbeatCounts): Promise<void> {
  return new Promise((resolve) => {
    socket.send(datagram, (error) => {
      if (error === null) counts.sent++;
      else counts.isUnheard = true;
      resolve();
    });
  });
}

/** The datagrams of each round. */
function datagramsOf(plan: HeartbeatPlan, random: Random): (round: number) => readonly Buffer[] {
  const { group, station, count } = plan;
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(random.next() * 256)));
  const wrong = createSecretKey(noise(32));
  const codec = new HeartbeatCodec({ shared: [plan.secret ?? noise(32)], own: new Map() });
  const message = (sequence: number, session: string): HeartbeatMessage => ({
    ...{ type: "beat", group, station, sequence, session, challenge: "", sentAtMs: sequence * 50, epochSeen: 0 },
  });
  const first = codec.encode(message(1, "drill-replayed"));
  const makers: Readonly<Record<HeartbeatAttack, (round: number) => Buffer>> = {
    forged: (round) => codec.encode(message(round + 1, "drill-forged"), wrong),
    malformed: () => Buffer.concat([Buffer.from("GSFB"), noise(1 + Math.floor(random.next() * (MAX_DATAGRAM - 4)))]),
    truncated: (round) => {
      const whole = codec.encode(message(round + 1, "drill-cut"), wrong);
      return whole.subarray(0, 1 + Math.floor(random.next() * (whole.length - 1)));
    },
    unknown: (round) => codec.encode({ ...message(round + 1, "drill-unknown"), station: "no-such-station" }),
    replayed: () => first,
    reordered: (round) => codec.encode(message(count - round, "drill-reordered")),
    future: (round) => codec.encode({ ...message(FUTURE + round, "drill-future"), sentAtMs: 1e12 }),
  };
  return (round) => plan.attacks.map((attack) => makers[attack](round));
}
