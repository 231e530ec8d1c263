/**
 * Detects that a busy station has just fallen silent. Long before any of its calls is overdue,
 * answers are missing: with sixteen calls out that take 80 ms each, one is due every 5 ms (Little's
 * law). A call that is sent into such a lull gains nothing. If the station is paused, the call is
 * answered after the pause, whenever it was sent. If the station has stopped, the call would be one
 * more with an unknown outcome. So new calls are held back until the next answer, or until the
 * station is in doubt and another one takes them, but not for longer than two answer times.
 *
 * Stations that answer in batches have such lulls all the time. So the longest recent silence is
 * remembered, and shorter ones do not count as a lull. A call whose body is still being sent has no
 * missing answer.
 */

/** A lull needs this many missing answers, and this many calls sent since the last answer. */
const MISSING = 4;
/** A lull is longer than the longest recent silence by this ratio. */
const LONGER = 1.5;
/** The longest silence fades by this factor with each answer that follows a shorter one. */
const FADING = 0.99;
/**
 * Calls are held back for at most this many answer times. By then, holding back was a mistake, or
 * an overdue call has shown more.
 */
const LONGEST_ROUNDS = 2;

export class Lull {
  #answeredAtMs = 0;
  /** Calls that were out right after that answer. */
  #outThen = 0;
  #sent = 0;
  /** The longest recent silence while calls were out. */
  #longestMs = 0;

  /** A call, or the body that it had to send first, was sent. */
  noteSent(): void {
    this.#sent++;
  }

  /**
   * A call that was sent begins to send a long body: until the body is sent, its answer is not
   * missing.
   */
  noteUploading(): void {
    this.#sent = Math.max(0, this.#sent - 1);
  }

  /**
   * A call was answered or ended otherwise. `out`: calls that are still out and whose bodies are
   * sent.
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

  /** Until when calls are held back if no answer comes. */
  endsAtMs(usualMs: number): number {
    return this.#answeredAtMs + LONGEST_ROUNDS * usualMs;
  }
}
