/**
 * Has a busy station fallen silent a moment ago? Long before any call of its is overdue, the
 * answers that should have come meanwhile are missing: with sixteen calls out that take 80 ms each,
 * one is due every 5 ms (Little's law). A call that is sent into such a lull gains nothing: if it
 * is a pause, it is answered when the pause is over, sent or not; if the station has stopped, it
 * would be one more of which nobody knows whether it ran. So new calls are held back until the next
 * answer, or until the station is in doubt and another one takes them, but not for longer than two
 * answer times.
 *
 * Stations that answer in batches have such lulls all the time; the longest of late is remembered,
 * and is none. No answer is missing of a call whose body is still being sent.
 */

/** So many answers must be missing, and so many calls have been sent since the last one. */
const MISSING = 4;
/** A lull is longer than any of late by this ratio. */
const LONGER = 1.5;
/** The longest silence fades by this share with each answer that follows a shorter one. */
const FADING = 0.99;
/**
 * After so many answer times without an answer holding calls back was a mistake, or an overdue call
 * has said more.
 */
const LONGEST_ROUNDS = 2;

export class Lull {
  #answeredAtMs = 0;
  /** How many calls were out right after that answer. */
  #outThen = 0;
  #sent = 0;
  /** The longest of the latest silences while calls were out. */
  #longestMs = 0;

  /** A call was sent, or the body that it had to send first. */
  noteSent(): void {
    this.#sent++;
  }

  /**
   * A call that was sent begins to send a long body: until that is over, no answer of it is
   * missing.
   */
  noteUploading(): void {
    this.#sent = Math.max(0, this.#sent - 1);
  }

  /**
   * A call was answered, or ended otherwise; `out`: how many are still out whose bodies are sent.
   */
  noteEnded(out: number, nowMs: number): void {
    if (this.#outThen > 0) {
      const silentMs = nowMs - this.#answeredAtMs;
      this.#longestMs = silentMs > this.#longestMs ? silentMs : this.#longestMs * FADING;
    }
    this.#answeredAtMs = nowMs;
    this.#outThen = out;
    this.#sent = 0;
  }

  /** Should calls be held back? `usualMs`: how long the station usually takes to answer. */
  isOn(usualMs: number, nowMs: number): boolean {
    return this.#sent >= MISSING && this.#outThen > 0 && this.#isSilent(usualMs, nowMs);
  }

  #isSilent(usualMs: number, nowMs: number): boolean {
    const silentMs = nowMs - this.#answeredAtMs;
    if (silentMs * this.#outThen < MISSING * usualMs || silentMs < LONGER * this.#longestMs) return false;
    return nowMs < this.endsAtMs(usualMs);
  }

  /** Until when calls are held back where no answer comes. */
  endsAtMs(usualMs: number): number {
    return this.#answeredAtMs + LONGEST_ROUNDS * usualMs;
  }
}
