/**
 * How many things happened within the last so many milliseconds, exactly: instants in a ring that
 * is trimmed from the front. Unlike the slices of `core/guard/rate-window.ts`, which it is used to
 * hold to their promise, it forgets nothing early.
 */
export class SlidingCount {
  readonly #windowMs: number;
  #instants: Float64Array = new Float64Array(16);
  #first = 0;
  #count = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Something happened at `atMs`, not before anything counted so far. */
  add(atMs: number): void {
    if (this.#count === this.#instants.length) this.#grow();
    this.#instants[(this.#first + this.#count) % this.#instants.length] = atMs;
    this.#count++;
  }

  /** How many happened after `nowMs - windowMs` and up to `nowMs`. */
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
