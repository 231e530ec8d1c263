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

interface Session {
  session: string;
  challenge: string;
  incarnation: number;
  lastSequence: number;
  /** The challenge that an unknown session has been handed and has not answered yet. */
  pending: { readonly session: string; readonly challenge: string; readonly issuedAtMs: number } | undefined;
}

/** A sender that does not answer is challenged at most this often. */
const CHALLENGE_EVERY_MS = 20;

export class HeartbeatSessions {
  readonly #sessions: Map<string, Session> = new Map();
  readonly #newChallenge: () => string;

  /** `stations`: those that exist, as `group/station`; nothing is kept for others. `newChallenge` must be unpredictable. */
  constructor(stations: Iterable<string>, newChallenge: () => string) {
    this.#newChallenge = newChallenge;
    for (const name of stations) {
      this.#sessions.set(name, { session: "", challenge: "", incarnation: 0, lastSequence: -1, pending: undefined });
    }
  }

  /** Undefined where the station is not known. */
  admit(beat: StationBeat, nowMs: number): BeatAdmission | undefined {
    const at = this.#sessions.get(`${beat.group}/${beat.station}`);
    if (at === undefined) return undefined;
    if (beat.session === at.session && beat.challenge === at.challenge) {
      if (beat.sequence <= at.lastSequence) return { type: "replay" };
      at.lastSequence = beat.sequence;
      return this.#accepted(at, beat);
    }
    const pending = at.pending;
    if (pending !== undefined && beat.session === pending.session && beat.challenge === pending.challenge) {
      at.session = beat.session;
      at.challenge = beat.challenge;
      at.incarnation++;
      at.lastSequence = beat.sequence;
      at.pending = undefined;
      return this.#accepted(at, beat);
    }
    return this.#challenge(at, beat, nowMs);
  }

  #accepted(at: Session, beat: StationBeat): BeatAdmission {
    return { type: "beat", beat: { sequence: beat.sequence, sentAtMs: beat.sentAtMs, incarnation: at.incarnation } };
  }

  /** The same challenge again to a sender that may not have received it; a new one to another session. */
  #challenge(at: Session, beat: StationBeat, nowMs: number): BeatAdmission {
    const pending = at.pending;
    const same = pending !== undefined && pending.session === beat.session;
    if (pending !== undefined && nowMs - pending.issuedAtMs < CHALLENGE_EVERY_MS) return { type: "replay" };
    const challenge = same ? pending.challenge : this.#newChallenge();
    at.pending = { session: beat.session, challenge, issuedAtMs: nowMs };
    return { type: "challenge", challenge };
  }
}
