/**
 * How many times as long a station takes as another one at leisure. It is measured from the first
 * answers, and from later ones if these are quicker, because the first load may be too much for the
 * station. The logarithm of that ratio is averaged over a number of answers that grows with its
 * variance, so that the lowest of many measurements is not the lowest by chance. The variance is
 * half the mean square of the difference between one answer and the next (von Neumann, 1941).
 */

/** A measurement takes enough answers to bring the variance of its mean down to this … */
const PRECISE = 1 / 16;
/** … and no fewer than this. */
const LEAST_ANSWERS = 4;
/** The first measurement ends after this many answers in any case: until then nothing is known. */
const FIRST_ANSWERS = 8;

export class BesideLog {
  /** The lowest measurement; `Infinity` before the first. */
  value: number = Number.POSITIVE_INFINITY;
  #answers = 0;
  #mean = 0;
  #variance = 0;
  #last = 0;

  /** `log`: the logarithm of the ratio for one answer. */
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
