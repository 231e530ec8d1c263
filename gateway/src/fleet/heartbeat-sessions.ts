/**
 * Replay protection of pushed heartbeats, without comparing two machines' clocks. A signature proves who wrote a
 * datagram, not when. So a station that begins (or whose gateway did) is handed a fresh *challenge*, and its beats count
 * only while they carry it: whatever was recorded before the challenge existed is worthless. Within a session the
 * sequence number must rise. A replayed opening beat merely causes another challenge, which its sender cannot answer;
 * the running session is not disturbed.
 *
 * Each accepted session is one incarnation for the detector, counted here, so that a station whose own clock or counter
 * went back is not refused for ever.
 */
import type { Beat } from "ground-station-failover";

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

/** What follows from a beat: it is a heartbeat, or its sender must first answer a challenge, or it is nothing. */
export type BeatAdmission =
  | { readonly type: "beat"; readonly beat: Beat }
  | { readonly type: "challenge"; readonly challenge: string }
  | { readonly type: "replay" };

/** What is kept of one station. */
interface Sessions {
  /** The one whose beats count; undefined before the first has answered its challenge. */
  running: { readonly session: string; readonly challenge: string; lastSequence: number } | undefined;
  /** How many have been accepted so far. */
  incarnation: number;
  /** Challenges that have been handed out and not answered yet, by session, oldest first. */
  readonly pending: Map<string, { readonly challenge: string; issuedAtMs: number }>;
}

/** A session that does not answer is challenged at most this often. */
const CHALLENGE_EVERY_MS = 20;
/**
 * Challenges kept for one station. More than one, so that somebody who plays old opening beats cannot keep the true
 * station from joining by taking the only place again and again.
 */
const MAX_PENDING = 8;

export class HeartbeatSessions {
  readonly #stations: Map<string, Sessions> = new Map();
  readonly #newChallenge: () => string;

  /** `stations`: those that exist, as `group/station`; nothing is kept for others. `newChallenge` must be unpredictable. */
  constructor(stations: Iterable<string>, newChallenge: () => string) {
    this.#newChallenge = newChallenge;
    for (const name of stations) this.#stations.set(name, { running: undefined, incarnation: 0, pending: new Map() });
  }

  /** Undefined where the station is not known. */
  admit(beat: StationBeat, nowMs: number): BeatAdmission | undefined {
    const at = this.#stations.get(`${beat.group}/${beat.station}`);
    if (at === undefined) return undefined;
    const { session, challenge, sequence, sentAtMs } = beat;
    const running = at.running;
    if (running?.session === session && running.challenge === challenge) {
      if (sequence <= running.lastSequence) return { type: "replay" };
      running.lastSequence = sequence;
    } else if (at.pending.get(session)?.challenge === challenge) {
      at.running = { session, challenge, lastSequence: sequence };
      at.incarnation++;
      at.pending.clear();
    } else {
      return this.#challenge(at, session, nowMs);
    }
    return { type: "beat", beat: { sequence, sentAtMs, incarnation: at.incarnation } };
  }

  /** The same challenge again to a session that may not have received it; a new one to another session. */
  #challenge(at: Sessions, session: string, nowMs: number): BeatAdmission {
    const handedOut = at.pending.get(session);
    if (handedOut !== undefined) {
      if (nowMs - handedOut.issuedAtMs < CHALLENGE_EVERY_MS) return { type: "replay" };
      handedOut.issuedAtMs = nowMs;
      return { type: "challenge", challenge: handedOut.challenge };
    }
    const oldest = at.pending.size < MAX_PENDING ? undefined : at.pending.keys().next().value;
    if (oldest !== undefined) at.pending.delete(oldest);
    const challenge = this.#newChallenge();
    at.pending.set(session, { challenge, issuedAtMs: nowMs });
    return { type: "challenge", challenge };
  }
}
