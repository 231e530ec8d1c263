/**
 * Reads the numbers on one node's heartbeats and decides how each follows the earlier ones: a new
 * beat proves life, an old one must not. A duplicate or a late beat shows only that the node was
 * alive when it was sent.
 *
 * A sender that restarts counts from the beginning again. Ideally it says so with a higher
 * `incarnation`. Without one, a lower number is taken as a restart only in two cases: it was sent
 * later than anything seen (`sentAtMs`), or it is the third of a rising row after a silence that
 * already counts as an outage. The last rule can be deceived by a replay of three recorded beats of
 * a silent node, although they are authentic. So it does not apply to a sender that gives its
 * incarnation, and senders on open networks should give one.
 */
import type { Heartbeat } from "./detector.ts";

/**
 * How a beat follows the earlier ones. `next`: in order and adjacent, so the time between is one
 * gap. `skip`: in order, but beats in between were lost. `restart`: the first of a new count. The
 * others are old or malformed and prove nothing.
 */
export type Succession = "next" | "skip" | "restart" | "duplicate" | "reordered" | "old-incarnation" | "refused";

/** This many rising low numbers in a row count as a restart after an outage. */
const RESTART_ROW = 3;
const NEVER = Number.NEGATIVE_INFINITY;

export class BeatOrder {
  #incarnation = 0;
  /**
   * True if the sender gives its incarnation: a restart then has a higher one, and a lower number
   * is no restart.
   */
  #tellsIncarnation = false;
  /** Highest number of this incarnation; -1 before the first. */
  #sequence = -1;
  #latestSentAtMs: number = NEVER;
  /** The row of rising low numbers: its last number and its length. */
  #lowSequence = -1;
  #lowRow = 0;

  /** Takes a beat. `afterOutage`: the silence before it counts as an outage. */
  note(beat: Heartbeat | undefined, afterOutage: boolean): Succession {
    if (beat === undefined) return "next";
    if (!isWellFormed(beat)) return "refused";
    // A sender without an incarnation has incarnation 0, so a sender that once gave one must keep
    // giving it.
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
 * Are all numbers of the beat valid? Sequence and incarnation must be whole, not negative and
 * exact, and sentAtMs finite.
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
