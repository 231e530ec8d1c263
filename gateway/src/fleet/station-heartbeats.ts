/**
 * The station's side of pushed heartbeats (the gateway's side is `heartbeat-sessions.ts`): the
 * content of each heartbeat, the challenge that it carries, and when it is due. Heartbeats are due
 * on a fixed grid of the station's own clock, so that their spacing does not drift and a late tick
 * does not delay later ones. Ticks missed during a stall are not sent later, because a heartbeat
 * says that its sender is well now. The station takes a challenge only if it answers a heartbeat
 * newer than the last one challenged: otherwise an old challenge, recorded and replayed, would lock
 * the station out.
 *
 * This module signs and sends nothing and has no clock: its user passes the time in and sends the
 * heartbeats.
 */
import type { StationBeat } from "./heartbeat-sessions.ts";

export interface StationHeartbeatsOptions {
  readonly group: string;
  readonly station: string;
  /**
   * Identifies this run of the station: 1 to 64 bytes, random, so that no other run of this or
   * another process has the same.
   */
  readonly session: string;
  /** Spacing of the grid in ms, more than 0; the gateway's group expects the same. */
  readonly intervalMs: number;
}

/**
 * Challenge of a gateway, which the session must carry from now on. `sequence` is that of the
 * heartbeat that caused it.
 */
type HeartbeatChallenge = Pick<StationBeat, "group" | "station" | "session" | "challenge" | "sequence">;

export class StationHeartbeats {
  readonly #options: StationHeartbeatsOptions;
  #challenge = "";
  /** Highest sequence number for which a challenge has been processed. */
  #challengedAt = -1;
  #sequence = 0;

  constructor(options: StationHeartbeatsOptions) {
    const { intervalMs } = options;
    if (!(intervalMs > 0 && intervalMs < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`intervalMs is ${intervalMs}; it must be more than 0 and finite`);
    }
    this.#options = options;
  }

  /**
   * The next heartbeat, to be sent now. Each call raises the sequence number: a heartbeat that is
   * made but not sent counts as lost.
   */
  next(epochSeen: number, nowMs: number): StationBeat {
    const { group, station, session } = this.#options;
    const challenge = this.#challenge;
    return { group, station, session, challenge, sequence: ++this.#sequence, sentAtMs: nowMs, epochSeen };
  }

  /**
   * Takes in a challenge. True: answer it with a heartbeat at once. False: it is old, or not for
   * this session.
   */
  noteChallenge({ group, station, session, challenge, sequence }: HeartbeatChallenge): boolean {
    const own = this.#options;
    if (group !== own.group || station !== own.station || session !== own.session) return false;
    if (sequence <= this.#challengedAt || sequence > this.#sequence) return false;
    // Heartbeats that were already sent when this challenge was made will be challenged too; the
    // next heartbeat answers them all.
    this.#challengedAt = this.#sequence;
    this.#challenge = challenge;
    return true;
  }

  /**
   * The next tick, given that the tick due at `dueMs` is served at `nowMs`: on the same grid, and
   * not in the past.
   */
  nextTickMs(dueMs: number, nowMs: number): number {
    const { intervalMs } = this.#options;
    const missed = Math.max(0, Math.floor((nowMs - dueMs) / intervalMs));
    return dueMs + (missed + 1) * intervalMs;
  }
}
