/**
 * A ceiling that nobody told, for a sender that beats slower than it allows for: under the default
 * of 20 s one that beats every half minute would be declared at each beat, for good. Once half of
 * the default is a usual gap, the middle one of the last three, the ceiling becomes 20 usual gaps,
 * as it would be if the interval were told; two quicker beats end that. A ceiling that was told is
 * not touched: it is a promise.
 */
const CEILING_GAPS = 20;

export class UntoldCeiling {
  readonly #defaultMs: number;
  #gapMs = 0;
  #gapBeforeMs = 0;

  constructor(defaultMs: number) {
    this.#defaultMs = defaultMs;
  }

  /** Takes in a gap between two successive beats; answers the ceiling from now on. */
  after(gapMs: number): number {
    const [one, other] = [this.#gapMs, this.#gapBeforeMs];
    const usualMs = Math.max(Math.min(gapMs, one), Math.min(Math.max(gapMs, one), other));
    this.#gapBeforeMs = one;
    this.#gapMs = gapMs;
    if (!isLong(usualMs, this.#defaultMs)) return this.#defaultMs;
    return Math.min(CEILING_GAPS * usualMs, Number.MAX_SAFE_INTEGER);
  }
}

/** Whether a gap of this length, if it is usual, makes a ceiling too short to be one. */
export function isLong(gapMs: number, ceilingMs: number): boolean {
  return 2 * gapMs > ceilingMs;
}
