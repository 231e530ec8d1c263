/**
 * Whether refusals for load ("overloaded": 503, 429) are those of single sources of calls. A
 * station may give each client a quota: one that exceeds it is refused, and all others are served
 * at the same time. That is no sign of load, and must not lower what the station is given.
 *
 * A refusal for load may hit any call. So where a station is overloaded, the sources that it
 * refused are refused again no more often than their share of the calls explains. Refusals count as
 * the sources' own once chance hardly explains any more that no other source was hit:
 * `share ^ refusals` is below {@link CHANCE}. A refusal of a source that was not refused lately
 * starts the count anew. Refusals in a row count as one until another source is served: a burst of
 * one source may well be load.
 */

const CHANCE = 0.001;

export class Quotas {
  /**
   * Calls since a source was refused that had not been refused lately: of all sources, and of those
   * refused lately.
   */
  #all = 0;
  #ofRefused = 0;
  /** Refusals among them, each with a call of another source served before it. */
  #refusals = 0;
  #isOtherServed = false;
  #isCounting = false;

  /** Has anything been refused yet? Until then, there is nothing to count. */
  get isCounting(): boolean {
    return this.#isCounting;
  }

  /** A call was served; `wasRefused`: has its source been refused here lately? */
  noteServed(wasRefused: boolean): void {
    if (!this.#isCounting) return;
    this.#all++;
    if (wasRefused) this.#ofRefused++;
    else this.#isOtherServed = true;
  }

  /** A call was refused for load; true where that is its source's own. */
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
