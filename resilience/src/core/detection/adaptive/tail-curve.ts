/**
 * Orders of improbability as a function of silence, in deviations past the mean: straight lines
 * between points, and a Pareto tail past the last one. The curve rises, so it has an inverse, and
 * both directions cost the same few steps. The points come from the histogram
 * (silence-histogram.ts).
 */

/** Bins and tail use the logarithm of z + KNEE. */
export const KNEE = 2;
/** The tail's index while nothing is known about it. */
export const PRESUMED_INDEX = 0.17;
/** The silence that comes once an hour is at most this many times the longest silence seen. */
const RECORDS = 3;
const MOST_POINTS = 24;

export class TailCurve {
  /** Points from the rarest silence down to z = 0: z and orders alternate. */
  readonly #values: Float64Array = new Float64Array(2 * MOST_POINTS);
  #points = 0;
  #index = PRESUMED_INDEX;
  #longestZ: number = Number.POSITIVE_INFINITY;

  constructor() {
    this.begin(PRESUMED_INDEX, Number.POSITIVE_INFINITY);
    this.end(Math.log10(2));
  }

  /**
   * Starts a curve whose tail has `index`. `longestZ`: the longest silence; Infinity if there was
   * none.
   */
  begin(index: number, longestZ: number): void {
    this.#points = 0;
    this.#index = index;
    this.#longestZ = longestZ;
  }

  /**
   * Adds a point below the earlier ones; a point that would not keep the curve rising is left out.
   */
  point(z: number, orders: number): void {
    if (this.#points === MOST_POINTS - 1 || !(z > 0)) return;
    if (this.#points > 0 && !(z < this.#z(this.#points - 1))) return;
    this.#put(z, orders);
  }

  /** Ends the curve at z = 0, with these orders. */
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

  /**
   * Limits the silence of `orders` to a few times the longest one seen. Data of a few minutes say
   * little about what comes once an hour: an index from silences with two causes (late beats and
   * lost ones) would give twenty seconds. A longer silence breaks the record, and records are rare,
   * because each is several times the one before.
   */
  restrain(orders: number): void {
    const beyond = orders - this.#orders(0);
    const most = Math.log10((RECORDS * (this.#longestZ + KNEE)) / (this.#z(0) + KNEE));
    if (beyond > 0 && this.#index * beyond > most) this.#index = most / beyond;
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
