/**
 * The distributions that traffic is drawn from. Each takes its uniform numbers from a seeded
 * stream: same seed, same trace.
 */
import type { Random } from "ground-station-failover";

/** Standard normal numbers by the polar method, two a round. */
export class NormalDraws {
  readonly #random: Random;
  #spare = Number.NaN;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    for (;;) {
      const x = 2 * this.#random.next() - 1;
      const y = 2 * this.#random.next() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = y * factor;
      return x * factor;
    }
  }
}

/** Exponential with the given mean. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/** Pareto: never below `least`, P(X > x) = (least / x) ^ shape. */
export function pareto(random: Random, least: number, shape: number): number {
  return least * (1 - random.next()) ** (-1 / shape);
}
