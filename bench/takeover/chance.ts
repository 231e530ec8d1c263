/**
 * Seeded chance for the bench: the same words give the same stream in every process, so that a run
 * can be repeated and every front of a case meets the same faults at the same instants. FNV-1a
 * turns the words into a state and mulberry32 draws from it. Good enough for coins and offsets; not
 * for cryptography.
 */

/** A stream of numbers from 0 to 1 that depends only on `words`. */
export function chanceOf(...words: readonly (string | number)[]): () => number {
  let state = 0x811c9dc5;
  for (const letter of words.join("|")) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Longest that a seed other than 0 moves the faults of a run. */
const MAX_SHIFT_S = 0.25;

/**
 * How much later than written the faults of a run happen. Seed 0 moves nothing; all fronts of a
 * case share the shift.
 */
export function faultShiftS(seed: number, faultCase: string, repetition: number): number {
  return seed === 0 ? 0 : MAX_SHIFT_S * chanceOf("shift", seed, faultCase, repetition)();
}
