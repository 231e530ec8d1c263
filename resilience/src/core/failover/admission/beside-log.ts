/**
 * How many times as long a station takes as another one does at leisure: by its first answers, and
 * by later ones where these are quicker, because what it is given at first may be too much for it.
 * The logarithm of that ratio is measured by as many answers as it varies, so that the lowest of
 * many measurements is not the lowest by chance. The variance is half the mean square of what
 * differs from one answer to the next (von Neumann, 1941).
 */

/** A measurement takes as many answers as leave its mean a variance of no more than this … */
const PRECISE = 1 / 16;
/** … and no fewer than these. */
const LEAST_ANSWERS = 4;
/** The first one is over after so many in any case: until then nothing is known. */
const FIRST_ANSWERS = 8;

export class BesideLog {
  /** The least that was measured; `Infinity` before anything was. */
  value: number = Number.POSITIVE_INFINITY;
  #answers = 0;
  #mean = 0;
  #variance = 0;
  #last = 0;

  /** An answer took so many times as long, as a logarithm. */
  note(log: number): void {
    const step = log - this.#last;
    this.#last = log;
    this.#answers++;
    if (this.#answers > 1) this.#variance += ((step * step) / 2 - this.#variance) / (this.#answers - 1);
    this.#mean += (log - this.#mean) / this.#answers;
    const isPrecise = this.#answers >= LEAST_ANSWERS && this.#variance <= PRECISE * this.#answers;
    const isFirst = this.value === Number.POSITIVE_INFINITY && this.#answers >= FIRST_ANSWERS;
    if (!isPrecise && !isFirst) return;
    if (this.#mean < this.value) this.value = this.#mean;
    this.#answers = 0;
    this.#mean = 0;
    this.#variance = 0;
  }
}
