/**
 * The station's side of pushed heartbeats (the gateway's is `heartbeat-sessions.ts`): what each
 * beat says, which challenge it carries, and when it is due. It beats on a fixed grid of its own
 * clock, so that the spacing does not drift and a late tick does not delay those after it; ticks
 * that a stall has swallowed are not sent later, because a heartbeat says that its sender is well
 * now. Only a challenge to a beat newer than the last one answered is taken: an old challenge,
 * recorded and sent again, would lock the station out.
 *
 * It signs and sends nothing, and has no clock: whoever holds it brings the time and carries the
 * beats.
 */
import type { StationBeat } from "./heartbeat-sessions.ts";

export interface StationHeartbeatsOptions {
  readonly group: string;
  readonly station: string;
  /**
   * Names this run of the station: 1 to 64 bytes, random, so that no other run, of before or of
   * elsewhere, has the same.
   */
  readonly session: string;
  /** Spacing of the grid in ms, more than 0; the gateway's group expects the same. */
  readonly intervalMs: number;
}

/**
 * What a gateway asks a session to carry from now on; `sequence` is that of the beat which caused
 * it.
 */
type HeartbeatChallenge = Pick<StationBeat, "group" | "station" | "session" | "challenge" | "sequence">;

export class StationHeartbeats {
  readonly #options: StationHeartbeatsOptions;
  #challenge = "";
  /** Sequence number up to which beats have been challenged, and that is settled. */
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
   * The next beat, to be sent now. Each call counts as one: a beat that is made and not sent is one
   * that was lost.
   */
  next(epochSeen: number, nowMs: number): StationBeat {
    const { group, station, session } = this.#options;
    const challenge = this.#challenge;
    return { group, station, session, challenge, sequence: ++this.#sequence, sentAtMs: nowMs, epochSeen };
  }

  /**
   * Takes in a challenge. True: it is to be answered with a beat at once. False: it is old, or not
   * for this session.
   */
  noteChallenge({ group, station, session, challenge, sequence }: HeartbeatChallenge): boolean {
    const own = this.#options;
    if (group !== own.group || station !== own.station || session !== own.session) return false;
    if (sequence <= this.#challengedAt || sequence > this.#sequence) return false;
    // Beats that were out when this challenge was made are challenged too; they are answered by the
    // next one.
    this.#challengedAt = this.#sequence;
    this.#challenge = challenge;
    return true;
  }

  /**
   * The tick after the one that was due at `dueMs` and is served at `nowMs`: on the same grid, and
   * not in the past.
   */
  nextTickMs(dueMs: number, nowMs: number): number {
    const { intervalMs } = this.#options;
    const missed = Math.max(0, Math.floor((nowMs - dueMs) / intervalMs));
    return dueMs + (missed + 1) * intervalMs;
  }
}
