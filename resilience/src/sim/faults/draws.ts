/**
 * The random draws of a simulation, besides a number in [0, 1): a coin, a whole number, an item of
 * a list, a waiting time. Each function takes exactly one number from its stream (`shuffled`: one
 * less than there are items), whatever the result, so that a changed option does not change the
 * later draws.
 *
 * Logarithm and exponential are computed here only from + - * /. These are the same on every
 * machine (IEEE 754), whereas the language leaves the last digit of `Math.log` and `Math.exp` to
 * the engine, and one digit is enough to break a replay.
 */
import { ConfigurationError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";

/**
 * True with probability `rate`, from 0 (never) to 1 (always).
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { chance } from "ground-station-failover/sim";
 *
 * const random = seededRandom(7);
 * const losses = Array.from({ length: 10_000 }, () => chance(random, 0.1)).filter(Boolean);
 * console.log(losses.length > 900 && losses.length < 1_100); // true
 * ```
 */
export function chance(random: Random, rate: number): boolean {
  return random.next() < rate;
}

/**
 * A number with uniform distribution in [min, max).
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { between } from "ground-station-failover/sim";
 *
 * const delayMs = between(seededRandom(7), 10, 20);
 * console.log(delayMs >= 10 && delayMs < 20); // true
 * ```
 */
export function between(random: Random, min: number, max: number): number {
  return min + random.next() * (max - min);
}

/**
 * A whole number from `min` to `max`, both included; all are equally likely.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { wholeBetween } from "ground-station-failover/sim";
 *
 * const random = seededRandom(7);
 * const rolls = new Set(Array.from({ length: 1_000 }, () => wholeBetween(random, 1, 6)));
 * console.log([...rolls].toSorted().join()); // 1,2,3,4,5,6
 * ```
 */
export function wholeBetween(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min + 1));
}

/**
 * One item of `list`; all are equally likely. Throws if `list` is empty.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { pick } from "ground-station-failover/sim";
 *
 * const stations = ["north", "south"];
 * console.log(stations.includes(pick(seededRandom(7), stations))); // true
 * ```
 */
export function pick<Item>(random: Random, list: readonly Item[]): Item {
  if (list.length === 0) throw new ConfigurationError("out-of-range", "pick: the list is empty; it must have an item.");
  return list[Math.floor(random.next() * list.length)] as Item;
}

/**
 * A copy of `list` in random order; all orders are equally likely.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { shuffled } from "ground-station-failover/sim";
 *
 * const stations = ["north", "south", "east"];
 * const order = shuffled(seededRandom(7), stations);
 * console.log(order.toSorted().join(), stations.join()); // east,north,south north,south,east
 * ```
 */
export function shuffled<Item>(random: Random, list: readonly Item[]): Item[] {
  const items = [...list];
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1));
    [items[last], items[other]] = [items[other] as Item, items[last] as Item];
  }
  return items;
}

/**
 * A number with exponential distribution and mean `mean`, as for gaps between independent events.
 * At most 22.2 means.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { exponential } from "ground-station-failover/sim";
 *
 * const random = seededRandom(7);
 * const gaps = Array.from({ length: 10_000 }, () => exponential(random, 50));
 * const meanMs = gaps.reduce((sum, gapMs) => sum + gapMs, 0) / gaps.length;
 * console.log(meanMs > 45 && meanMs < 55); // true
 * ```
 */
export function exponential(random: Random, mean: number): number {
  return exponentialAt(random.next(), mean);
}

/**
 * A number with Pareto distribution: never below `min`, and the probability of exceeding x falls
 * only as (min / x)^shape. Rare values are huge: with shape 1, one in a thousand is a thousand
 * times `min`. `cap`: upper bound of the result.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { pareto } from "ground-station-failover/sim";
 *
 * const random = seededRandom(7);
 * const sizes = Array.from({ length: 1_000 }, () => pareto(random, 10, 1, 5_000));
 * console.log(Math.min(...sizes) >= 10, Math.max(...sizes) <= 5_000); // true true
 * ```
 */
export function pareto(random: Random, min: number, shape: number, cap: number): number {
  return paretoAt(random.next(), min, shape, cap);
}

/**
 * A number whose logarithm has uniform distribution: a result between 1 and 10 is as likely as one
 * between 10 and 100. For fault strengths from harmless to absurd. `min` must be above 0.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { logUniform } from "ground-station-failover/sim";
 *
 * const random = seededRandom(7);
 * const lengths = Array.from({ length: 10_000 }, () => logUniform(random, 1, 100));
 * const belowTen = lengths.filter((ms) => ms < 10).length; // about half
 * console.log(belowTen > 4_500 && belowTen < 5_500); // true
 * ```
 */
export function logUniform(random: Random, min: number, max: number): number {
  const low = naturalLog(min);
  return naturalExp(low + random.next() * (naturalLog(max) - low));
}

/** The value below which a share of all exponential draws lie; `share` in [0, 1). */
export function exponentialAt(share: number, mean: number): number {
  return -naturalLog(1 - share) * mean;
}

/** The value below which a share of all Pareto draws lie; `share` in [0, 1). */
export function paretoAt(share: number, min: number, shape: number, cap: number): number {
  const value = min * naturalExp(-naturalLog(1 - share) / shape);
  return value < cap ? value : cap;
}

const { LN2 } = Math;
const SQRT_HALF = Math.SQRT1_2;

/**
 * Natural logarithm of a finite number above 0. The error is within 1e-15, relative or absolute.
 *
 * @example
 * ```ts
 * import { naturalLog } from "ground-station-failover/sim";
 *
 * console.log(naturalLog(1), naturalLog(10).toFixed(6)); // 0 2.302585
 * ```
 */
export function naturalLog(value: number): number {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
    throw new ConfigurationError("out-of-range", `naturalLog: value is ${value}; it must be finite and above 0.`);
  }
  // value = mantissa × 2^exponent with a mantissa round 1; scaling by two is exact.
  let mantissa = value;
  let exponent = 0;
  for (; mantissa < SQRT_HALF; exponent--) mantissa *= 2;
  for (; mantissa > 2 * SQRT_HALF; exponent++) mantissa /= 2;
  // ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …) with s = (m − 1) / (m + 1), |s| ≤ 0.172: twelve
  // terms are 1e-19 short.
  const ratio = (mantissa - 1) / (mantissa + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let odd = 23; odd >= 1; odd -= 2) sum = sum * square + 1 / odd;
  return exponent * LN2 + 2 * ratio * sum;
}

/**
 * e to the power of `value`. The relative error is within 1e-13 up to ±700. The result is 0 or
 * Infinity if it is below or above the range of a double.
 *
 * @example
 * ```ts
 * import { naturalExp } from "ground-station-failover/sim";
 *
 * console.log(naturalExp(0), naturalExp(1).toFixed(6)); // 1 2.718282
 * ```
 */
export function naturalExp(value: number): number {
  if (Number.isNaN(value))
    throw new ConfigurationError("out-of-range", "naturalExp: value is NaN; it must be a number.");
  if (value > 710) return Number.POSITIVE_INFINITY;
  if (value < -746) return 0;
  // e^value = 2^doublings × e^rest with |rest| ≤ ln 2 / 2, where sixteen terms of the series are
  // 1e-21 short.
  const doublings = Math.round(value / LN2);
  const rest = value - doublings * LN2;
  let result = 1;
  for (let term = 16; term >= 1; term--) result = 1 + (result * rest) / term;
  for (let left = doublings; left > 0; left--) result *= 2;
  for (let left = doublings; left < 0; left++) result /= 2;
  return result;
}
