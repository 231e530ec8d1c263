/**
 * Replay protection of pushed heartbeats, without comparing the clocks of two machines. A signature
 * proves the writer of a datagram, but not when it was written. Therefore a station that starts (or
 * whose gateway starts) gets a *challenge*, and its heartbeats count only if they carry it. Within
 * a session the sequence number must rise. A challenge is not stored: it is computed from the
 * station, the session and the number of sessions accepted before, under a key of this process (the
 * cookie of RFC 9147, section 5.1). So a flood of recorded or forged heartbeats cannot take up
 * space that the true station needs, and a challenge becomes invalid once any later session has
 * been accepted.
 *
 * The detector sees each accepted session as one incarnation, numbered here. So a station is not
 * refused for ever if its own clock or counter went back.
 *
 * Two processes may send heartbeats under one name (a copied unit file). Only a live process can
 * answer a fresh challenge. So if a session is accepted again after another one, both processes are
 * live. A single return may come from a process that was stopped and resumed. Two returns in a row
 * are a name conflict. The gateway cannot tell which of the two is the station, so neither proves
 * life until only one of them has been heard for a while. A restart is no conflict: the old session
 * never returns, even if some of its heartbeats are still under way.
 */
import type { Heartbeat } from "ground-station-failover";

/** A heartbeat on arrival, its signature already verified. */
export interface StationBeat {
  readonly group: string;
  readonly station: string;
  /** Random; the sender chooses it at its start. */
  readonly session: string;
  /** The challenge that the session was given; empty before the first one. */
  readonly challenge: string;
  /** Raised by one with each heartbeat of the session. */
  readonly sequence: number;
  /** On the sender's own monotonic clock. */
  readonly sentAtMs: number;
  /** Newest epoch that the station has seen. */
  readonly epochSeen: number;
}

/**
 * What the gateway does with a heartbeat: count it, challenge its sender first, ignore it, or
 * report a name conflict: two processes send heartbeats as this station, which prove nothing until
 * `untilMs`.
 */
export type BeatAdmission =
  | { readonly type: "beat"; readonly beat: Heartbeat }
  | { readonly type: "challenge"; readonly challenge: string }
  | { readonly type: "replay" }
  | ({ readonly type: "name-conflict" } & NameConflict);

/** Two processes send heartbeats under one name. */
export interface NameConflict {
  /** The addresses of the two processes that alternated last. */
  readonly between: readonly [string, string];
  /**
   * From this instant heartbeats count again, if no other process is heard before. On the axis of
   * `nowMs`.
   */
  readonly untilMs: number;
}

/** State of one station. */
interface Sessions {
  /**
   * After a conflict, only one process may be heard for this long before heartbeats count again.
   */
  quietMs: number;
  /**
   * The session whose heartbeats count; undefined until the first session has answered its
   * challenge.
   */
  running: Running | undefined;
  /** Number of sessions accepted so far. */
  incarnation: number;
  /** Earlier sessions, each followed by another one; oldest first. */
  readonly followed: Set<string>;
  /** When an earlier session was last accepted again while another one was live. */
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
 * Number of earlier sessions remembered per station. So many processes that alternate under one
 * name can be detected.
 */
const MAX_FOLLOWED = 8;
/**
 * A conflict ends when only one process has been heard for 10 s, or for five intervals if these are
 * longer. This is longer than it takes to declare the station silent, so a conflict cannot hide
 * that one of the two processes has died.
 */
const QUIET_MS = 10_000;
const QUIET_INTERVALS = 5;

export class HeartbeatSessions {
  readonly #stations: Map<string, Sessions> = new Map();
  readonly #challengeOf: (subject: string) => string;

  /**
   * `stations`: all existing stations as `group/station`, each with the interval of its heartbeats
   * in ms; no state is kept for others. `challengeOf` returns 1 to 64 bytes of text. It must return
   * the same text for the same subject, and the text must not be predictable for another subject or
   * in another process.
   */
  constructor(
    stations: Iterable<readonly [name: string, intervalMs: number]>,
    challengeOf: (subject: string) => string,
  ) {
    this.#challengeOf = challengeOf;
    this.use(stations);
  }

  /** Only these stations exist from now on; sessions of those that existed before go on. */
  use(stations: Iterable<readonly [name: string, intervalMs: number]>): void {
    const gone = new Set(this.#stations.keys());
    for (const [name, intervalMs] of stations) {
      const quietMs = Math.max(QUIET_MS, QUIET_INTERVALS * intervalMs);
      const known = this.#stations.get(name);
      gone.delete(name);
      if (known !== undefined) known.quietMs = quietMs;
      else this.#stations.set(name, newStation(quietMs));
    }
    for (const name of gone) this.#stations.delete(name);
  }

  /**
   * Judges a heartbeat. Returns undefined if the station is not known. `from` is the sender's
   * address, for people to read.
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

function newStation(quietMs: number): Sessions {
  return {
    quietMs,
    running: undefined,
    incarnation: 0,
    followed: new Set(),
    returnedAtMs: Number.NEGATIVE_INFINITY,
    conflict: undefined,
  };
}

/**
 * Makes `next` the running session. It either follows the last one, or returns although the last
 * one is live.
 */
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
