/**
 * Finds out whether refusals for load ("overloaded": 503, 429) concern single sources of calls. A
 * station may give each client a quota: it refuses the client that exceeds it, and serves all
 * others at the same time. That is no sign of load, and must not lower the load that the station is
 * given.
 *
 * An overloaded station may refuse any call. The sources that it has refused are then refused again
 * no more often than their share of the calls explains. Refusals count as the sources' own once
 * chance hardly explains any more that no other source was refused: `share ^ refusals` is below
 * {@link CHANCE}. A refusal of a source that was not refused recently starts the count anew.
 * Refusals in a row count as one until another source is served, because a burst of one source may
 * well be load.
 */

const CHANCE = 0.001;

export class Quotas {
  /**
   * Calls since the last refusal of a source that had not been refused recently: of all sources,
   * and of recently refused ones.
   */
  #all = 0;
  #ofRefused = 0;
  /** Refusals among them. Each counts only if a call of another source was served before it. */
  #refusals = 0;
  #isOtherServed = false;
  #isCounting = false;

  /** True once anything has been refused; until then there is nothing to count. */
  get isCounting(): boolean {
    return this.#isCounting;
  }

  /** A call was served. `wasRefused`: its source was refused here recently. */
  noteServed(wasRefused: boolean): void {
    if (!this.#isCounting) return;
    this.#all++;
    if (wasRefused) this.#ofRefused++;
    else this.#isOtherServed = true;
  }

  /** A call was refused for load. True if the refusal concerns only its source. */
  noteRefused(wasRefused: boolean): boolean {
    if (!wasRefused) {
      this.#all = 0;
      this.#ofRefused = 0;
      this.#refusals = 0;
      this.#isOtherServed = false;
      this.#isCounting = true;
    }
    this.#all++;
    this.#ofRefused++;
    if (this.#isOtherServed) this.#refusals++;
    this.#isOtherServed = false;
    return (this.#ofRefused / this.#all) ** this.#refusals < CHANCE;
  }
}
