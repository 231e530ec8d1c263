/**
 * Replay protection of pushed heartbeats, without comparing two machines' clocks. A signature
 * proves who wrote a datagram, not when. So a station that begins (or whose gateway did) is handed
 * a *challenge*, and its beats count only while they carry it. Within a session the sequence number
 * must rise. A challenge is not kept: it is computed from the station, the session and the number
 * of sessions accepted before, under a key of this process (the cookie of RFC 9147, section 5.1).
 * So no flood of recorded or forged beats can take a place that the true station needs, and a
 * challenge is worth nothing once any session has been accepted after it was made.
 *
 * Each accepted session is one incarnation for the detector, counted here, so that a station whose
 * own clock or counter went back is not refused for ever.
 *
 * Two processes may beat under one name (a copied unit file). Only a process that lives can answer
 * a fresh challenge: so a session that is accepted again after another one lives beside that one.
 * One such return may be a process that was stopped and woke; two in a row are a name conflict.
 * Which of the two is the station cannot be told, so neither proves life until only one of them has
 * been heard for a while. A restart is no conflict: its old session never returns, whatever of it
 * is still under way.
 */
import type { Heartbeat } from "ground-station-failover";

/** A heartbeat as it arrives, its signature already verified. */
export interface StationBeat {
  readonly group: string;
  readonly station: string;
  /** Random, chosen by the sender when it starts. */
  readonly session: string;
  /** The challenge it was handed; empty before that. */
  readonly challenge: string;
  /** Counted up by one with each beat of the session. */
  readonly sequence: number;
  /** On the sender's own monotonic axis. */
  readonly sentAtMs: number;
  /** Newest epoch that the station has seen. */
  readonly epochSeen: number;
}

/**
 * What follows from a beat: it is a heartbeat, or its sender must first answer a challenge, or it
 * is nothing, or two processes send heartbeats as this station and it proves nothing until
 * `untilMs`.
 */
export type BeatAdmission =
  | { readonly type: "beat"; readonly beat: Heartbeat }
  | { readonly type: "challenge"; readonly challenge: string }
  | { readonly type: "replay" }
  | ({ readonly type: "name-conflict" } & NameConflict);

/** Two processes send heartbeats under one name. */
export interface NameConflict {
  /** Where the two that alternated last send from. */
  readonly between: readonly [string, string];
  /**
   * Heartbeats count again from then on, if no other process is heard before. On the axis of
   * `nowMs`.
   */
  readonly untilMs: number;
}

/** What is kept of one station. */
interface Sessions {
  /**
   * One of the others must be silent for so long before heartbeats count again after a conflict.
   */
  readonly quietMs: number;
  /** The one whose beats count; undefined before the first has answered its challenge. */
  running: Running | undefined;
  /** How many have been accepted so far. */
  incarnation: number;
  /** Sessions that another one has followed, oldest first. */
  readonly followed: Set<string>;
  /** When a followed session was last accepted again, beside one that was heard. */
  returnedAtMs: number;
  conflict: NameConflict | undefined;
}

interface Running {
  readonly session: string;
  readonly challenge: string;
  lastSequence: number;
  heardAtMs: number;
  from: string;
}

/**
 * Followed sessions that are remembered of a station: so many processes that alternate under one
 * name are seen.
 */
const MAX_FOLLOWED = 8;
/**
 * A conflict is over once only one process has been heard for 10 s, or for five intervals where
 * those are longer: more than it takes to declare the station silent, so that a conflict cannot
 * hide that one of the two has died.
 */
const QUIET_MS = 10_000;
const QUIET_INTERVALS = 5;

export class HeartbeatSessions {
  readonly #stations: Map<string, Sessions> = new Map();
  readonly #challengeOf: (subject: string) => string;

  /**
   * `stations`: those that exist, as `group/station`, each with the interval of its heartbeats;
   * nothing is kept for others. `challengeOf` returns 1 to 64 bytes of text: always the same for
   * one subject, and not to be guessed for another, by anybody and in any other process.
   */
  constructor(
    stations: Iterable<readonly [name: string, intervalMs: number]>,
    challengeOf: (subject: string) => string,
  ) {
    this.#challengeOf = challengeOf;
    for (const [name, intervalMs] of stations)
      this.#stations.set(name, {
        quietMs: Math.max(QUIET_MS, QUIET_INTERVALS * intervalMs),
        running: undefined,
        incarnation: 0,
        followed: new Set(),
        returnedAtMs: Number.NEGATIVE_INFINITY,
        conflict: undefined,
      });
  }

  /**
   * Undefined where the station is not known. `from` says where the beat came from, for people to
   * read.
   */
  admit(beat: StationBeat, nowMs: number, from = ""): BeatAdmission | undefined {
    const name = `${beat.group}/${beat.station}`;
    const at = this.#stations.get(name);
    if (at === undefined) return undefined;
    const { session, challenge, sequence, sentAtMs } = beat;
    const running = at.running;
    if (running?.session === session && running.challenge === challenge) {
      if (sequence <= running.lastSequence) return { type: "replay" };
      running.lastSequence = sequence;
      running.heardAtMs = nowMs;
      running.from = from;
    } else {
      const due = this.#challengeOf(`${at.incarnation} ${name} ${session}`);
      if (challenge !== due) return { type: "challenge", challenge: due };
      accept(at, { session, challenge, lastSequence: sequence, heardAtMs: nowMs, from });
    }
    if (at.conflict !== undefined && nowMs < at.conflict.untilMs) return { type: "name-conflict", ...at.conflict };
    return { type: "beat", beat: { sequence, sentAtMs, incarnation: at.incarnation } };
  }
}

/** `next` runs from now on. It follows the one that ran, or returns although that one lives. */
function accept(at: Sessions, next: Running): void {
  const { running: last, followed, quietMs } = at;
  at.running = next;
  at.incarnation++;
  if (last === undefined || last.session === next.session) return;
  const isReturn = followed.delete(next.session);
  const [oldest] = followed;
  if (followed.size >= MAX_FOLLOWED && oldest !== undefined) followed.delete(oldest);
  followed.add(last.session);
  const nowMs = next.heardAtMs;
  if (!isReturn || nowMs - last.heardAtMs > quietMs) return;
  if (nowMs - at.returnedAtMs <= quietMs) at.conflict = { between: [last.from, next.from], untilMs: nowMs + quietMs };
  at.returnedAtMs = nowMs;
}
