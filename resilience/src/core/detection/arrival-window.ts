/**
 * The last N samples of a stream with their mean and deviation, in constant time per sample and
 * without drift. Plain running sums would keep every rounding error for ever, and a single huge
 * sample would still affect the deviation long after it has left the window. Two measures prevent
 * that:
 *
 * - The window has two parts: samples that came since the ring last wrapped, and those of the lap
 *   before, which leave one by one. At each wrap the first part becomes the second, and a new lap
 *   begins with empty sums. So no sum is ever older than two laps: after 10^8 samples it is as
 *   exact as after 2 N.
 * - Sums are taken of distances from a centre close to the samples, and each sum carries its
 *   rounding error (Knuth's and Dekker's error-free sum and product, Neumaier's compensated sum):
 *   about 100 bits in all. At each wrap the centre moves to the mean.
 *
 * A sample costs two short sums. The mean and the deviation are computed only when they are read.
 */

/** Dekker's constant for 53 bits: splits a double into two halves whose products are exact. */
const SPLITTER = 134217729;

/** Offsets from a window's first cell: the centre, the sums of both parts, the ring. */
const CENTRE = 0;
const COMING = 1;
const LEAVING = 5;
const RING = 9;
/**
 * Offsets within a part: the sum and the sum of squares of (sample - centre), each with its
 * rounding error.
 */
const SUM = 0;
const SUM_LOW = 1;
const SQUARES = 2;
const SQUARES_LOW = 3;

/**
 * Mean and deviation of the newest samples. Each sample updates them in O(1), without drift.
 *
 * @example
 * ```ts
 * import { ArrivalWindow } from "ground-station-failover/core";
 *
 * const gaps = new ArrivalWindow(3);
 * for (const gapMs of [90, 40, 50, 60]) gaps.add(gapMs); // the first one leaves the window
 * console.log(gaps.count, gaps.mean, gaps.deviation.toFixed(2)); // 3 50 8.16
 * ```
 */
export class ArrivalWindow {
  /** How many samples are kept. */
  readonly size: number;
  readonly #cells: Float64Array;
  readonly #first: number;
  #next = 0;
  #count = 0;

  /**
   * `size`: how many samples are kept, at least 1. All numbers lie in `cells` from place `first`
   * on. With many windows, most of the cost of a sample is memory access, so the owner may place
   * its own numbers in the same cache lines.
   */
  constructor(size: number, cells: Float64Array = new Float64Array(ArrivalWindow.cells(size)), first: number = 0) {
    this.size = size;
    this.#cells = cells;
    this.#first = first;
  }

  /** How many cells a window of `size` samples needs. */
  static cells(size: number): number {
    return RING + size;
  }

  /** How many samples there are, at most `size`. */
  get count(): number {
    return this.#count;
  }

  /** Mean of the samples; 0 without any. */
  get mean(): number {
    return this.#count === 0 ? 0 : meanOf(this.#cells, this.#first, this.#count);
  }

  /** Population deviation of the samples (the sum is divided by their number); 0 without any. */
  get deviation(): number {
    return this.#count === 0 ? 0 : Math.sqrt(varianceOf(this.#cells, this.#first, this.#count));
  }

  /** All samples, oldest first. */
  samples(): number[] {
    const from = this.#first + RING;
    const ring = this.#cells.subarray(from, from + this.#count);
    return this.#count < this.size ? [...ring] : [...ring.subarray(this.#next), ...ring.subarray(0, this.#next)];
  }

  /** Takes a finite `sample`; the oldest one leaves if the window is full. */
  add(sample: number): void {
    const place = this.#first + RING + this.#next;
    if (this.#count === this.size) tally(this.#cells, this.#first, LEAVING, place, -1);
    else if (this.#count++ === 0) begin(this.#cells, this.#first, sample);
    this.#cells[place] = sample;
    tally(this.#cells, this.#first, COMING, place, 1);
    this.#next++;
    if (this.#next === this.size) this.#wrap();
  }

  /** Drops all samples. */
  clear(): void {
    this.#next = 0;
    this.#count = 0;
  }

  /** All samples of this lap become leaving ones. */
  #wrap(): void {
    this.#next = 0;
    const [cells, first] = [this.#cells, this.#first];
    cells.copyWithin(first + LEAVING, first + COMING, first + LEAVING);
    cells.fill(0, first + COMING, first + LEAVING);
    recentre(cells, first, meanOf(cells, first, this.size), this.size);
  }
}

function begin(cells: Float64Array, first: number, centre: number): void {
  cells[first + CENTRE] = centre;
  cells.fill(0, first + COMING, first + RING);
}

/** `sign`: 1 adds the sample at `place` to a part, -1 removes it. */
function tally(cells: Float64Array, first: number, part: number, place: number, sign: 1 | -1): void {
  const sample = cells[place] as number;
  const centre = cells[first + CENTRE] as number;
  const distance = sample - centre;
  const distanceLow = sumError(sample, -centre, distance);
  const square = distance * distance;
  const squareLow = productError(distance, distance, square) + 2 * distance * distanceLow;
  const sums = first + part;
  const sum = cells[sums + SUM] as number;
  const newSum = sum + sign * distance;
  cells[sums + SUM] = newSum;
  (cells[sums + SUM_LOW] as number) += sumError(sum, sign * distance, newSum) + sign * distanceLow;
  const squares = cells[sums + SQUARES] as number;
  const newSquares = squares + sign * square;
  cells[sums + SQUARES] = newSquares;
  (cells[sums + SQUARES_LOW] as number) += sumError(squares, sign * square, newSquares) + sign * squareLow;
}

/** Adds `value + low` to the sum at `place`, and the rounding error to the place after it. */
function grow(cells: Float64Array, place: number, value: number, low: number): void {
  const sum = cells[place] as number;
  const grown = sum + value;
  cells[place] = grown;
  (cells[place + 1] as number) += sumError(sum, value, grown) + low;
}

function meanOf(cells: Float64Array, first: number, count: number): number {
  const coming = first + COMING;
  const leaving = first + LEAVING;
  const low = (cells[coming + SUM_LOW] as number) + (cells[leaving + SUM_LOW] as number);
  const sum = (cells[coming + SUM] as number) + (cells[leaving + SUM] as number) + low;
  return (cells[first + CENTRE] as number) + sum / count;
}

/**
 * (count * squares - sum^2) / count^2. The difference is taken without loss, because both sides may
 * nearly agree.
 */
function varianceOf(cells: Float64Array, first: number, count: number): number {
  const coming = first + COMING;
  const leaving = first + LEAVING;
  const sum = (cells[coming + SUM] as number) + (cells[leaving + SUM] as number);
  const sumLow =
    sumError(cells[coming + SUM] as number, cells[leaving + SUM] as number, sum) +
    ((cells[coming + SUM_LOW] as number) + (cells[leaving + SUM_LOW] as number));
  const squares = (cells[coming + SQUARES] as number) + (cells[leaving + SQUARES] as number);
  const squaresLow =
    sumError(cells[coming + SQUARES] as number, cells[leaving + SQUARES] as number, squares) +
    ((cells[coming + SQUARES_LOW] as number) + (cells[leaving + SQUARES_LOW] as number));
  const scaled = count * squares;
  const scaledLow = productError(count, squares, scaled) + count * squaresLow;
  const squared = sum * sum;
  const squaredLow = productError(sum, sum, squared) + 2 * sum * sumLow;
  return Math.max(0, (scaled - squared + (scaledLow - squaredLow)) / (count * count));
}

/**
 * Takes the sums of the leaving part, all `count` samples, from another centre. With s the way from
 * the new centre to the old one, each distance grows by s, their sum by count * s and the sum of
 * their squares by s * (2 * sum + count * s).
 */
function recentre(cells: Float64Array, first: number, centre: number, count: number): void {
  const leaving = first + LEAVING;
  const shift = (cells[first + CENTRE] as number) - centre;
  const shiftLow = sumError(cells[first + CENTRE] as number, -centre, shift);
  const way = count * shift;
  const wayLow = productError(count, shift, way) + count * shiftLow;
  const twice = 2 * (cells[leaving + SUM] as number);
  const both = twice + way;
  const bothLow = sumError(twice, way, both) + (2 * (cells[leaving + SUM_LOW] as number) + wayLow);
  const square = shift * both;
  const squareLow = productError(shift, both, square) + (shift * bothLow + shiftLow * both);
  cells[first + CENTRE] = centre;
  grow(cells, leaving + SUM, way, wayLow);
  grow(cells, leaving + SQUARES, square, squareLow);
}

/** The exact rounding error of `left + right` = `sum` (Knuth). */
function sumError(left: number, right: number, sum: number): number {
  const part = sum - left;
  return left - (sum - part) + (right - part);
}

/** The exact rounding error of `left * right` = `product` (Dekker), below about 10^150. */
function productError(left: number, right: number, product: number): number {
  const leftShifted = SPLITTER * left;
  const leftHigh = leftShifted - (leftShifted - left);
  const leftLow = left - leftHigh;
  const rightShifted = SPLITTER * right;
  const rightHigh = rightShifted - (rightShifted - right);
  const rightLow = right - rightHigh;
  return leftLow * rightLow - (product - leftHigh * rightHigh - leftLow * rightHigh - leftHigh * rightLow);
}
