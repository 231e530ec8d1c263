/**
 * The last N samples of a stream with their mean and deviation, in constant time a sample and without drift. Running
 * sums alone would remember each rounding error for ever, and a single huge sample that has long left the window would
 * still be seen in the deviation. Two things prevent that here:
 *
 * - Sums are kept in double-double (two doubles, 106 bits: Knuth's and Dekker's error-free sum and product), relative
 *   to a centre close to the samples.
 * - A second, fresh pair of sums sees only what was added since the ring last wrapped; at each wrap it replaces the
 *   running pair. So a sum is never older than two laps: after 10^8 samples it is as exact as after 2 N.
 */

/** Dekker's constant for 53 bits: splits a double into two halves whose products are exact. */
const SPLITTER = 134217729;

export class ArrivalWindow {
  /** How many samples are kept. */
  readonly size: number;
  readonly #ring: Float64Array;
  readonly #running: CentredSums = new CentredSums();
  readonly #fresh: CentredSums = new CentredSums();
  #next = 0;
  #count = 0;

  /** `size`: how many samples are kept, at least 1. */
  constructor(size: number) {
    this.size = size;
    this.#ring = new Float64Array(size);
  }

  /** How many samples there are, at most `size`. */
  get count(): number {
    return this.#count;
  }

  /** Mean of the samples; 0 without any. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#running.mean(this.#count);
  }

  /** Population deviation of the samples (the sum is divided by their number); 0 without any. */
  get deviation(): number {
    return this.#count === 0 ? 0 : Math.sqrt(this.#running.variance(this.#count));
  }

  /** Takes in a finite `sample`; the oldest one leaves where the window is full. */
  add(sample: number): void {
    if (this.#count === 0) {
      this.#running.clear(sample);
      this.#fresh.clear(sample);
    }
    if (this.#count === this.size) this.#running.add(this.#ring[this.#next] as number, -1);
    else this.#count++;
    this.#ring[this.#next] = sample;
    this.#running.add(sample, 1);
    this.#fresh.add(sample, 1);
    this.#next++;
    if (this.#next === this.size) this.#wrap();
  }

  /** Drops all samples. */
  clear(): void {
    this.#next = 0;
    this.#count = 0;
  }

  /** The ring now holds exactly what the fresh sums have seen. */
  #wrap(): void {
    this.#next = 0;
    this.#running.take(this.#fresh);
    this.#fresh.clear(this.#running.mean(this.size));
  }
}

/** Sum and sum of squares of (sample - centre), each as an unevaluated sum of a high and a low double. */
class CentredSums {
  #centre = 0;
  #sum = 0;
  #sumLow = 0;
  #squares = 0;
  #squaresLow = 0;

  clear(centre: number): void {
    this.#centre = centre;
    this.#sum = 0;
    this.#sumLow = 0;
    this.#squares = 0;
    this.#squaresLow = 0;
  }

  take(other: CentredSums): void {
    this.#centre = other.#centre;
    this.#sum = other.#sum;
    this.#sumLow = other.#sumLow;
    this.#squares = other.#squares;
    this.#squaresLow = other.#squaresLow;
  }

  /** `sign` 1 adds the sample, -1 takes it out again. */
  add(sample: number, sign: 1 | -1): void {
    const distance = sample - this.#centre;
    const distanceLow = sumError(sample, -this.#centre, distance);
    const square = distance * distance;
    const squareLow = productError(distance, distance, square) + 2 * distance * distanceLow;

    const sum = this.#sum + sign * distance;
    const sumLow = this.#sumLow + sumError(this.#sum, sign * distance, sum) + sign * distanceLow;
    this.#sum = sum + sumLow;
    this.#sumLow = sumLow - (this.#sum - sum);

    const squares = this.#squares + sign * square;
    const squaresLow = this.#squaresLow + sumError(this.#squares, sign * square, squares) + sign * squareLow;
    this.#squares = squares + squaresLow;
    this.#squaresLow = squaresLow - (this.#squares - squares);
  }

  mean(count: number): number {
    return this.#centre + (this.#sum + this.#sumLow) / count;
  }

  /** (count * squares - sum^2) / count^2, the difference taken in double-double because both sides may nearly agree. */
  variance(count: number): number {
    const scaled = count * this.#squares;
    const scaledLow = productError(count, this.#squares, scaled) + count * this.#squaresLow;
    const squared = this.#sum * this.#sum;
    const squaredLow = productError(this.#sum, this.#sum, squared) + 2 * this.#sum * this.#sumLow;
    return Math.max(0, (scaled - squared + (scaledLow - squaredLow)) / (count * count));
  }
}

/** What rounding took from `left + right` to give `sum`, exactly (Knuth). */
function sumError(left: number, right: number, sum: number): number {
  const part = sum - left;
  return left - (sum - part) + (right - part);
}

/** What rounding took from `left * right` to give `product`, exactly (Dekker), below about 10^150. */
function productError(left: number, right: number, product: number): number {
  const leftShifted = SPLITTER * left;
  const leftHigh = leftShifted - (leftShifted - left);
  const leftLow = left - leftHigh;
  const rightShifted = SPLITTER * right;
  const rightHigh = rightShifted - (rightShifted - right);
  const rightLow = right - rightHigh;
  return leftLow * rightLow - (product - leftHigh * rightHigh - leftLow * rightHigh - leftHigh * rightLow);
}
