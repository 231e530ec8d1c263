/**
 * How often silences of each length have been, remembered for hours in constant room, without assuming a distribution.
 * Silences are counted in bins that widen with their length (of the silence in deviations past the mean: log2(1 + z / 2)),
 * so that 208 bins reach from nothing to 15,000 deviations. Where counts run out the tail is carried on as a Pareto
 * tail whose index comes from the longest silences seen (B. M. Hill, "A simple general approach to inference about the
 * tail of a distribution", 1975), held together by a weak presumption while they are few.
 *
 * Old silences fade: all counts are thinned evenly now and then. What a silence is measured from and in which unit is
 * the caller's business (see adaptive-context.ts).
 */

/** Bins for each doubling of 1 + z / 2, and how many there are: the last one takes in everything beyond 2^12.9. */
const BINS_PER_OCTAVE = 16;
const BINS = 208;
/** z + KNEE is what the bins and the tail see the logarithm of. */
const KNEE = 2;
/** The empirical curve is believed down to this many silences; beyond, the tail speaks. */
const TAIL_FROM = 12;
/** The longest silences that the tail's index is estimated from. */
const TAIL_SAMPLES = 40;
/** The presumption about the tail: its index, and how many silences it is worth. */
const PRESUMED_INDEX = 0.17;
const PRESUMED_WEIGHT = 2;
/** Decimal orders between two points of a curve. */
const ORDERS_PER_POINT = 0.25;
const MOST_POINTS = 24;
/** A faded count below this is none. */
const NEGLIGIBLE = 1e-3;

export class SilenceHistogram {
  readonly #counts: Float32Array;
  /** Where in the shared store this one's bins begin. */
  readonly #first: number;
  /** No bin beyond this one has a count. */
  #highest = 0;
  #count = 0;

  /** Number `place` of those that share `store`: one array for several is smaller than one each. */
  constructor(store: Float32Array, place: number) {
    this.#counts = store;
    this.#first = place * BINS;
  }

  /** Room for so many histograms. */
  static store(histograms: number): Float32Array {
    return new Float32Array(histograms * BINS);
  }

  /** How many silences are remembered, the faded ones in part. */
  get count(): number {
    return this.#count;
  }

  /** Takes in a silence of `z` deviations past the mean; `weight` is how much it counts. */
  add(z: number, weight: number): void {
    const bin = binOf(z);
    const at = this.#first + bin;
    this.#counts[at] = (this.#counts[at] as number) + weight;
    this.#count += weight;
    if (bin > this.#highest) this.#highest = bin;
  }

  /** Multiplies all counts by `share`. */
  fade(share: number): void {
    const end = this.#first + this.#highest;
    this.#count = 0;
    this.#highest = 0;
    for (let at = this.#first; at <= end; at++) {
      const left = (this.#counts[at] as number) * share;
      this.#counts[at] = left < NEGLIGIBLE ? 0 : left;
      this.#count += this.#counts[at] as number;
      if (left >= NEGLIGIBLE) this.#highest = at - this.#first;
    }
  }

  /** Describes the curve of exceedance as it is now into `curve`. */
  fit(curve: TailCurve): void {
    const total = this.#count;
    const fitted = Math.min(TAIL_SAMPLES, total / 3);
    const anchored = Math.min(TAIL_FROM, total / 3);
    let above = 0;
    let bin = this.#highest;
    for (; bin > 0 && above + this.#in(bin) < fitted; bin--) above += this.#in(bin);
    // Hill: the mean of log(x / x at the threshold) over the longest silences.
    const threshold = bin === 0 ? 1 : edgeWithin(bin, (fitted - above) / this.#in(bin));
    // Those in the threshold's own bin lie evenly between it and the bin's upper edge.
    let excess = (Math.max(0, fitted - above) * (bin + 1 - threshold)) / 2;
    for (let place = this.#highest; place > bin; place--) excess += this.#in(place) * (place + 0.5 - threshold);
    excess *= Math.LN2 / BINS_PER_OCTAVE;
    const index = (excess + PRESUMED_WEIGHT * PRESUMED_INDEX) / (fitted + PRESUMED_WEIGHT);
    this.#trace(curve, index, anchored);
  }

  #in(bin: number): number {
    return this.#counts[this.#first + bin] as number;
  }

  /** Walks down from the longest silence and notes where each quarter of an order is passed. */
  #trace(curve: TailCurve, index: number, anchored: number): void {
    const total = this.#count;
    curve.begin(index);
    let above = 0;
    let wanted = anchored;
    for (let bin = this.#highest; bin > 0; bin--) {
      const count = this.#in(bin);
      while (above + count >= wanted && count > 0) {
        const z = zAt(edgeWithin(bin, (wanted - above) / count));
        curve.point(z, -Math.log10(wanted / total));
        wanted *= 10 ** ORDERS_PER_POINT;
      }
      above += count;
    }
    curve.end(above > 0 && total > 0 ? -Math.log10(Math.min(above / total, 0.98)) : Math.log10(2));
  }
}

/**
 * Orders of improbability over silence: broken lines between points, a Pareto tail past the last one. Rising, so that
 * it has an inverse, and both directions cost the same few steps.
 */
export class TailCurve {
  /** Points from the rarest silence down to z = 0: z and orders by turns. */
  readonly #values: Float64Array = new Float64Array(2 * MOST_POINTS);
  #points = 0;
  #index = PRESUMED_INDEX;

  constructor() {
    this.begin(PRESUMED_INDEX);
    this.end(Math.log10(2));
  }

  begin(index: number): void {
    this.#points = 0;
    this.#index = index;
  }

  /** Adds a point nearer than those before; one that would not rise is left out. */
  point(z: number, orders: number): void {
    if (this.#points === MOST_POINTS - 1 || !(z > 0)) return;
    if (this.#points > 0 && !(z < this.#z(this.#points - 1))) return;
    this.#put(z, orders);
  }

  /** Closes the curve at z = 0, where it has the given orders. */
  end(orders: number): void {
    const nearest = this.#points === 0 ? Number.POSITIVE_INFINITY : this.#orders(this.#points - 1);
    this.#put(0, Math.min(orders, nearest));
  }

  #put(z: number, orders: number): void {
    this.#values[2 * this.#points] = z;
    this.#values[2 * this.#points++ + 1] = orders;
  }

  #z(point: number): number {
    return this.#values[2 * point] as number;
  }

  #orders(point: number): number {
    return this.#values[2 * point + 1] as number;
  }

  /** Orders at z = 0. */
  get floorOrders(): number {
    return this.#orders(this.#points - 1);
  }

  /** -log10 P(silence > z), for z from 0. */
  ordersAt(z: number): number {
    const last = this.#z(0);
    if (z >= last) return this.#orders(0) + Math.log10((z + KNEE) / (last + KNEE)) / this.#index;
    let place = 1;
    while (z < this.#z(place)) place++;
    const nearZ = this.#z(place);
    const nearOrders = this.#orders(place);
    const share = (z - nearZ) / (this.#z(place - 1) - nearZ);
    return nearOrders + share * (this.#orders(place - 1) - nearOrders);
  }

  /** The z, from 0, at which {@link ordersAt} is `orders`; may be Infinity. */
  zAtOrders(orders: number): number {
    const most = this.#orders(0);
    if (orders >= most) return (this.#z(0) + KNEE) * 10 ** ((orders - most) * this.#index) - KNEE;
    if (orders <= this.floorOrders) return 0;
    let place = 1;
    while (orders < this.#orders(place)) place++;
    const nearOrders = this.#orders(place);
    const nearZ = this.#z(place);
    const share = (orders - nearOrders) / (this.#orders(place - 1) - nearOrders);
    return nearZ + share * (this.#z(place - 1) - nearZ);
  }
}

function binOf(z: number): number {
  if (!(z > 0)) return 0;
  return Math.min(BINS - 1, 1 + Math.floor(Math.log2(1 + z / KNEE) * BINS_PER_OCTAVE));
}

/** A place inside `bin`, `share` of its silences from its upper edge, in bins from z = 0. */
function edgeWithin(bin: number, share: number): number {
  return bin + 1 - Math.min(Math.max(share, 0), 1);
}

/** The z at a place counted in bins; bin 1 begins at z = 0. */
function zAt(place: number): number {
  return KNEE * (2 ** ((place - 1) / BINS_PER_OCTAVE) - 1);
}
