/**
 * A ceiling that was not configured, for a sender that beats too slowly for it: under the default
 * of 20 s, a sender that beats every half minute would be declared down before each beat, for ever.
 * The usual gap is the middle one of the last three. If it is longer than half of the default, the
 * ceiling becomes 20 usual gaps, as if the interval were configured. Two quicker beats end that. A
 * configured ceiling is never changed: it is a promise.
 */
const CEILING_GAPS = 20;

export class UntoldCeiling {
  readonly #defaultMs: number;
  #gapMs = 0;
  #gapBeforeMs = 0;

  constructor(defaultMs: number) {
    this.#defaultMs = defaultMs;
  }

  /** Takes a gap between two successive beats; returns the ceiling from now on. */
  after(gapMs: number): number {
    const [one, other] = [this.#gapMs, this.#gapBeforeMs];
    const usualMs = Math.max(Math.min(gapMs, one), Math.min(Math.max(gapMs, one), other));
    this.#gapBeforeMs = one;
    this.#gapMs = gapMs;
    if (!isLong(usualMs, this.#defaultMs)) return this.#defaultMs;
    return Math.min(CEILING_GAPS * usualMs, Number.MAX_SAFE_INTEGER);
  }
}

/** If gaps of this length are usual, is the ceiling too short? */
export function isLong(gapMs: number, ceilingMs: number): boolean {
  return 2 * gapMs > ceilingMs;
}
