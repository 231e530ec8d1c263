/**
 * Reads the numbers on one node's heartbeats and says how each follows on the ones before: what is
 * new proves life, what is old must not. A duplicate or a late straggler says only that the node
 * lived when it was sent.
 *
 * A sender that restarts counts from the beginning again. Best it says so with a higher
 * `incarnation`. Without one, a lower number is taken as a restart only if it was sent later than
 * anything seen (`sentAtMs`), or if it is the third of a rising row after a silence that already
 * counts as an outage. That last rule can be fooled by replaying three recorded beats of a silent
 * node, authentic though they are, so it does not hold for a sender that tells its incarnation:
 * senders on open networks should.
 */
import type { Heartbeat } from "./detector.ts";

/**
 * How a beat follows on the ones before: `next` in order and adjacent, so the time between is one
 * gap; `skip` in order, but beats between were lost; `restart` the first of a new count. The rest
 * is old or malformed and proves nothing.
 */
export type Succession = "next" | "skip" | "restart" | "duplicate" | "reordered" | "old-incarnation" | "refused";

/** Rising low numbers in a row that make a restart after an outage. */
const RESTART_ROW = 3;
const NEVER = Number.NEGATIVE_INFINITY;

export class BeatOrder {
  #incarnation = 0;
  /**
   * Whether the sender tells its incarnation: then a restart has a higher one, and a lower number
   * is none.
   */
  #tellsIncarnation = false;
  /** Highest number of this incarnation; -1 before the first. */
  #sequence = -1;
  #latestSentAtMs: number = NEVER;
  /** The row of rising low numbers: its last number and its length. */
  #lowSequence = -1;
  #lowRow = 0;

  /** Takes in a beat; `afterOutage` says whether the silence before it counts as an outage. */
  note(beat: Heartbeat | undefined, afterOutage: boolean): Succession {
    if (beat === undefined) return "next";
    if (!isWellFormed(beat)) return "refused";
    // A sender that does not tell its incarnation has incarnation 0, so one that once told it has
    // to go on doing so.
    const incarnation = beat.incarnation ?? 0;
    if (incarnation < this.#incarnation) return "old-incarnation";
    if (beat.incarnation !== undefined) this.#tellsIncarnation = true;
    if (incarnation > this.#incarnation) {
      this.#incarnation = incarnation;
      return this.#restart(beat);
    }
    if (beat.sequence === undefined) return "next";
    if (this.#sequence < 0) return this.#advance(beat.sequence, beat, "next");
    if (beat.sequence === this.#sequence + 1) return this.#advance(beat.sequence, beat, "next");
    if (beat.sequence > this.#sequence) return this.#advance(beat.sequence, beat, "skip");
    return this.#noteLow(beat.sequence, beat, afterOutage);
  }

  #advance(sequence: number, beat: Heartbeat, succession: Succession): Succession {
    this.#sequence = sequence;
    this.#lowRow = 0;
    if (beat.sentAtMs !== undefined && beat.sentAtMs > this.#latestSentAtMs) this.#latestSentAtMs = beat.sentAtMs;
    return succession;
  }

  #restart(beat: Heartbeat): Succession {
    this.#latestSentAtMs = NEVER;
    return this.#advance(beat.sequence ?? -1, beat, "restart");
  }

  #noteLow(sequence: number, beat: Heartbeat, afterOutage: boolean): Succession {
    const sentLater =
      beat.sentAtMs !== undefined && this.#latestSentAtMs !== NEVER && beat.sentAtMs > this.#latestSentAtMs;
    if (sentLater) return this.#restart(beat);
    this.#lowRow = this.#lowRow > 0 && sequence > this.#lowSequence ? this.#lowRow + 1 : 1;
    this.#lowSequence = sequence;
    if (afterOutage && !this.#tellsIncarnation && this.#lowRow >= RESTART_ROW) return this.#restart(beat);
    return sequence === this.#sequence ? "duplicate" : "reordered";
  }
}

/**
 * Whether every number on the beat is one: sequence and incarnation whole, not negative and exact,
 * sentAtMs finite.
 */
export function isWellFormed(beat: Heartbeat | undefined): boolean {
  if (beat === undefined) return true;
  if (typeof beat !== "object" || beat === null) return false;
  return (
    (beat.sequence === undefined || isCount(beat.sequence)) &&
    (beat.incarnation === undefined || isCount(beat.incarnation)) &&
    (beat.sentAtMs === undefined || Number.isFinite(beat.sentAtMs))
  );
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
