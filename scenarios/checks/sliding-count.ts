/**
 * Counts exactly how many events happened within a sliding window. It keeps their instants in a
 * ring that is trimmed from the front. The checks use it to test `core/guard/rate-window.ts`, whose
 * buckets may drop events a little early; this one drops none early.
 */
export class SlidingCount {
  readonly #windowMs: number;
  #instants: Float64Array = new Float64Array(16);
  #first = 0;
  #count = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Counts an event at `atMs`, which must not be before any event counted so far. */
  add(atMs: number): void {
    if (this.#count === this.#instants.length) this.#grow();
    this.#instants[(this.#first + this.#count) % this.#instants.length] = atMs;
    this.#count++;
  }

  /** How many events happened after `nowMs - windowMs` and up to `nowMs`. */
  total(nowMs: number): number {
    while (this.#count > 0 && (this.#instants[this.#first] as number) <= nowMs - this.#windowMs) {
      this.#first = (this.#first + 1) % this.#instants.length;
      this.#count--;
    }
    return this.#count;
  }

  #grow(): void {
    const grown = new Float64Array(2 * this.#instants.length);
    for (let place = 0; place < this.#count; place++) {
      grown[place] = this.#instants[(this.#first + place) % this.#instants.length] as number;
    }
    this.#instants = grown;
    this.#first = 0;
  }
}
